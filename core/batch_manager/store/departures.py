"""Departures: items that a whole scan no longer finds. They leave the index for $0, and come back for $0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_manager.errors import DeclinedError
from batch_manager.store.database import translated

if TYPE_CHECKING:
    import peewee

SUSPICIOUS = 3
"""A scan that no longer finds more than one in so many items is asked about: a wrong URL looks like that."""

_MISSING = (
    "structure_from = ? AND stage != 'gone' AND NOT EXISTS"
    " (SELECT 1 FROM staged s WHERE s.kind = item.kind AND s.name = item.name)"
)


def check(database: peewee.SqliteDatabase, source: str, *, agreed: bool) -> int:
    """How many items of a source the staged scan no longer has.

    Args:
        database: The store's, with the scan in its `staged` table.
        source: The source's title, as it was kept with the items.
        agreed: Somebody said that many departures are all right.

    Raises:
        DeclinedError: They are suspiciously many; nothing was changed.
    """
    known, gone = database.execute_sql(
        f"SELECT count(*), coalesce(sum({_MISSING}), 0) FROM item WHERE structure_from = ? AND stage != 'gone'",
        (source, source),
    ).fetchone()
    if gone * SUSPICIOUS > known and not agreed:
        raise DeclinedError(
            f"The scan no longer finds {gone:,} of {known:,} items; nothing was changed.",
            next_step="If they are really gone, scan again with --yes; else check the URL.",
            code="many_gone",
        )
    return int(gone)


def depart(database: peewee.SqliteDatabase, source: str) -> int:
    """Mark what the staged scan no longer has as gone; inside the caller's transaction. Returns how many."""
    return int(
        database.execute_sql(
            f"UPDATE item SET stage = 'gone', code = NULL, message = NULL, next_step = NULL WHERE {_MISSING}", (source,)
        ).rowcount
    )


class Departures:
    """Items that are gone, or have nothing to say any more, and whose vectors are still in the index."""

    def __init__(self, database: peewee.SqliteDatabase) -> None:
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
