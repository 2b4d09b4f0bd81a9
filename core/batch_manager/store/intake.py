"""Intake: what a source brings is compared with what is kept; only what changed becomes pending."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from batch_manager.documents import Document, Kind, from_payload
from batch_manager.errors import DeclinedError
from batch_manager.sources import Source, Unreadable
from batch_manager.sources.watch import Watch
from batch_manager.store.database import now, translated
from batch_manager.store.departures import Whole, check, depart, departing, schemas_of
from batch_manager.store.dialect import Database
from batch_manager.store.differences import difference
from batch_manager.store.names import Names
from batch_manager.store.staging import Staging
from batch_manager.store.strangers import NONE, StrangeColumns, Strangers, departing_words, strangers_of
from batch_manager.store.taking import fates_of, take_in

What = Literal["new", "changed", "gone"]

CHUNK = 2_000
"""Items a transaction. Names and hashes lie all over their indexes, so that smaller ones write the same pages again and
again; larger ones would keep a run from its journal for more than some tenths of a second."""

NAMED = 200
"""Items of each sort that a plan names; more of them are only counted."""

COMPARED = 500_000
"""Characters of a payload up to which a plan says what changed in it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the plan; `difference` says what of a changed item is other than before, as far as it can be told."""

    what: What
    kind: Kind
    name: str
    difference: str = ""


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of a scan or an import; `changes` names the first `NAMED` of each sort."""

    new: int
    changed: int
    unchanged: int
    bad: tuple[Unreadable, ...]
    bad_count: int
    warnings: tuple[str, ...]
    gone: int = 0
    changes: tuple[Change, ...] = ()
    strangers: Strangers = NONE

    @property
    def read(self) -> int:
        """Items that the source spoke of."""
        return self.new + self.changed + self.unchanged


def bring(
    database: Database,
    source: Source,
    watch: Watch | None = None,
    *,
    whole: bool = False,
    agree_gone: bool = False,
    same_as: str | None = None,
) -> Brought:
    """Read the whole source as a stream, compare, count, and keep.

    It is staged first, so that of two lines for one item the later one counts, and so that nothing is half taken in
    when the source breaks off with an error. What follows is a few statements for each `CHUNK`, so that the store is
    never held for long.

    Args:
        database: The store's.
        source: Where the documents come from.
        watch: Told of each step, and able to end the reading.
        whole: What the source doesn't tell any more of the schemas that it covers is gone. Not counted on when
            some of it couldn't be read and nobody knows what.
        agree_gone: Somebody said that it is all right when many items are gone.
        same_as: The title of a source that is this one at its former address.

    Raises:
        InputError: The source as a whole can't be read; nothing was changed.
        DeclinedError: Suspiciously many items are gone, or the watch was told to stop. While it was read, nothing
            was changed.
        StoreError: The store can't be written.
    """
    watch = watch or Watch()
    with translated():
        names = Names(database, source, same_as)
        staging = Staging(database, source, names)
        staging.read(watch)
        with database.atomic("IMMEDIATE"):
            names.remember()
            scope = _scope(database, source, names, staging) if whole and staging.is_whole else None
            if scope:
                check(database, scope, agreed=agree_gone)  # an error takes back what was remembered
        brought = _compared(database, source, names, staging)
        fates = fates_of(database)
        values = {"title": source.title, "key": source.key, "at": now()}
        for bounds in _chunks(database):
            if watch.stopped:
                raise _halfway()
            with database.atomic("IMMEDIATE"):
                take_in(database, _side(source), fates, {**values, **bounds})
        brought = _with_departing(database, brought, scope)
        gone = depart(database, scope) if scope else []
        staging.clear()
    return _with_gone(brought, gone)


def foresee(database: Database, source: Source, *, whole: bool = False) -> Brought:
    """What `bring` would tell, however many items are gone. Nothing is kept, and no writer is kept waiting.

    Args:
        database: The store's.
        source: Where the documents come from.
        whole: As for `bring`.

    Raises:
        InputError: The source as a whole can't be read.
        StoreError: The store can't be read.
    """
    with translated():
        names = Names(database, source)
        staging = Staging(database, source, names)
        staging.read(Watch())
        scope = _scope(database, source, names, staging) if whole and staging.is_whole else None
        brought = _compared(database, source, names, staging)
        brought = _with_departing(database, brought, scope)
        gone = departing(database, scope) if scope else []
        staging.clear()
    return _with_gone(brought, gone)


def _compared(database: Database, source: Source, names: Names, staging: Staging) -> Brought:
    """What is staged, counted, and the first of each sort named."""
    rows = database.execute_sql(f"SELECT {_WHAT}, count(*) FROM staged GROUP BY 1").fetchall()
    counted: dict[str, int] = dict(rows)
    resemblance = names.resemblance()
    return Brought(
        new=counted.get("new", 0),
        changed=counted.get("changed", 0),
        unchanged=counted.get("unchanged", 0),
        bad=tuple(staging.bad),
        bad_count=staging.bad_count,
        warnings=(*staging.warnings, *([resemblance] if resemblance else [])),
        changes=tuple(_named(database, _side(source))),
        strangers=_strangers(database, source, staging.strange_columns),
    )


def _strangers(database: Database, source: Source, columns: StrangeColumns) -> Strangers:
    if source.brings == "words":
        return strangers_of(database, columns)
    return Strangers(columns=tuple(columns.found), column_count=columns.count)


def _with_departing(database: Database, brought: Brought, scope: Whole | None) -> Brought:
    """With what a scan no longer finds and somebody wrote words for; before it is marked as gone."""
    if scope is None or scope.side != "structure":
        return brought
    leaving = departing_words(database, *scope.missing())
    return replace(
        brought,
        strangers=replace(brought.strangers, departed=leaving.departed, departed_count=leaving.departed_count),
    )


def _with_gone(brought: Brought, gone: Sequence[tuple[str, str]]) -> Brought:
    named = tuple(Change("gone", cast(Kind, kind), name) for kind, name in gone[:NAMED])
    return replace(brought, gone=len(gone), changes=brought.changes + named)


_WHAT = (
    # Back from being gone counts as new: to whoever scans, it is.
    "CASE WHEN fate = 'new' OR back THEN 'new' WHEN fate = 'changed' THEN 'changed' ELSE 'unchanged' END"
)


def _side(source: Source) -> str:
    return "structure" if source.brings == "structure" else "words"


def _named(database: Database, side: str) -> Iterator[Change]:
    sorts: tuple[What, ...] = ("new", "changed")
    for what in sorts:
        rows = database.execute_sql(
            f"SELECT s.kind, s.name, s.payload, length(s.payload), b.{side}, length(b.{side})"
            f" FROM staged s LEFT JOIN brought b ON b.item_id = s.item_id WHERE {_WHAT} = ? ORDER BY seq LIMIT ?",
            (what, NAMED),
        ).fetchall()
        for kind, name, after, after_long, before, before_long in rows:
            told = ""
            if what == "changed" and max(after_long, before_long or 0) <= COMPARED:
                # Where it is the first that this side says of the item, it said nothing before.
                was = from_payload(json.loads(before)) if before else Document(kind, name)
                told = difference(was, from_payload(json.loads(after)))
            yield Change(what, kind, name, told)


def _scope(database: Database, source: Source, names: Names, staging: Staging) -> Whole | None:
    """What of a source is known to be all; None when that is nothing."""
    structure = source.brings == "structure"
    side = "structure" if structure else "words"
    # Items of before there were schemas have an empty one.
    known = schemas_of(database, side, names.keys)
    schemas = [one for one in known if source.covers(one) or (structure and not one)]
    return Whole(side, names.keys, tuple(schemas), tuple(staging.spared)) if schemas else None


def _halfway() -> DeclinedError:
    return DeclinedError(
        "Stopped while it was taken in: a part of it is kept.",
        next_step="Do it again to go on from there.",
        code="cancelled",
    )


def _chunks(database: Database) -> Iterator[dict[str, int]]:
    """Bounds of `seq`, so many staged items at a time."""
    last = 0
    while True:
        row = database.execute_sql(
            "SELECT max(seq) FROM (SELECT seq FROM staged WHERE seq > ? ORDER BY seq LIMIT ?) x", (last, CHUNK)
        ).fetchone()
        if row[0] is None:
            return
        yield {"above": last, "to": row[0]}
        last = row[0]
