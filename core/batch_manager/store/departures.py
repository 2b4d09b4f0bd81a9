"""Departures: items that a whole scan no longer finds. They leave the index for $0, and come back for $0."""

from __future__ import annotations

import json
from dataclasses import dataclass

from batch_manager.errors import DeclinedError
from batch_manager.store.database import translated
from batch_manager.store.dialect import Database

SUSPICIOUS = 3
"""A scan that no longer finds more than one in so many items is asked about: a wrong URL looks like that."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What a source told all of.

    Attributes:
        side: `structure`, or `words` for a manifest: then only items that have nothing else can leave.
        keys: What its items are known by (`names.keys_of`).
        schemas: Schemas that it told all of.
        spared: Tables that are there but could not be read, by their bare names.
    """

    side: str
    keys: str
    schemas: tuple[str, ...]
    spared: tuple[str, ...] = ()

    def own(self) -> tuple[str, list[str]]:
        """The items that it would have told of, as SQL on the table `item` with its values."""
        of = "origin" if self.side == "structure" else "structure_from IS NULL AND words_from"
        return (
            f"stage != 'gone' AND {of} IN (SELECT value FROM json_each(?))"
            " AND schema IN (SELECT value FROM json_each(?))",
            [self.keys, json.dumps(self.schemas)],
        )

    def missing(self) -> tuple[str, list[str]]:
        """Those of them that are not staged."""
        own, values = self.own()
        where = f"{own} AND NOT EXISTS (SELECT 1 FROM staged s WHERE s.kind = item.kind AND s.name = item.name)"
        if self.spared:
            # By the end of the name, since it may be qualified; a relationship by either of its tables.
            where += (
                f" AND NOT EXISTS (SELECT 1 FROM json_each(?) u WHERE {_is_named('item.name')}"
                " OR EXISTS (SELECT 1 FROM brought b, json_each(b.structure, '$.tables') t"
                f" WHERE b.item_id = item.id AND {_is_named('t.value')}))"
            )
            values = [*values, json.dumps(self.spared)]
        return where, values


def _is_named(name: str) -> str:
    return (
        f"({name} = u.value OR (length({name}) > length(u.value)"
        f" AND substr({name}, length({name}) - length(u.value)) = '.' || u.value))"
    )


def schemas_of(database: Database, side: str, keys: str) -> list[str]:
    """The schemas that a source's items are in."""
    of = "origin" if side == "structure" else "words_from"
    rows = database.execute_sql(
        f"SELECT DISTINCT schema FROM item WHERE {of} IN (SELECT value FROM json_each(?))", (keys,)
    ).fetchall()
    return [row[0] for row in rows]


def check(database: Database, whole: Whole, *, agreed: bool) -> int:
    """How many items of a source are no longer among what is staged.

    Raises:
        DeclinedError: They are suspiciously many; nothing was changed.
    """
    own, own_values = whole.own()
    missing, values = whole.missing()
    known = database.execute_sql(f"SELECT count(*) FROM item WHERE {own}", own_values).fetchone()[0]
    gone = database.execute_sql(f"SELECT count(*) FROM item WHERE {missing}", values).fetchone()[0]
    if gone * SUSPICIOUS > known and not agreed:
        scan, where = ("scan", "URL") if whole.side == "structure" else ("import", "file")
        raise DeclinedError(
            f"The {scan} no longer finds {gone:,} of {known:,} items; nothing was changed.",
            next_step=f"If they are really gone, {scan} again with --yes; else check the {where}.",
            code="many_gone",
        )
    return int(gone)


def departing(database: Database, whole: Whole) -> list[tuple[str, str]]:
    """Kind and name of each item that is missing."""
    missing, values = whole.missing()
    gone = database.execute_sql(f"SELECT kind, name FROM item WHERE {missing} ORDER BY id", values).fetchall()
    return [(row[0], row[1]) for row in gone]


def depart(database: Database, whole: Whole) -> list[tuple[str, str]]:
    """Mark what is missing as gone; inside the caller's transaction. Returns kind and name of each."""
    missing, values = whole.missing()
    gone = departing(database, whole)
    database.execute_sql(
        f"UPDATE item SET stage = 'gone', code = NULL, message = NULL, next_step = NULL WHERE {missing}", values
    )
    return gone


class Departures:
    """Items that are gone, or have nothing to say any more, and whose vectors are still in the index."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def waiting(self, limit: int) -> list[tuple[int, str, str, int]]:
        """(id, kind, name, parts in the index) of the next of them."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT id, kind, name, indexed_parts FROM item WHERE indexed_parts > 0"
                # A text that can't be sent any more has no place in the index either.
                " AND (stage = 'gone' OR (stage = 'failed' AND problem IS NOT NULL)) ORDER BY id LIMIT ?",
                (limit,),
            ).fetchall()
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def removed(self, item_ids: list[int]) -> None:
        """Their vectors are out of the index."""
        with translated(), self._db.atomic("IMMEDIATE"):
            for item_id in item_ids:
                self._db.execute_sql("UPDATE item SET indexed_parts = 0 WHERE id = ?", (item_id,))
