"""Intake: what a source brings is compared with what is kept; only what changed becomes pending."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batch_manager.sources import Source, Unreadable
from batch_manager.store.database import now, translated
from batch_manager.store.departures import check, depart
from batch_manager.store.staging import CHUNK, Staging

if TYPE_CHECKING:
    import peewee

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of a scan or an import."""

    new: int
    changed: int
    unchanged: int
    bad: tuple[Unreadable, ...]
    bad_count: int
    warnings: tuple[str, ...]
    gone: int = 0

    @property
    def read(self) -> int:
        """Items that the source spoke of."""
        return self.new + self.changed + self.unchanged


def bring(
    database: peewee.SqliteDatabase,
    source: Source,
    progress: Progress | None = None,
    *,
    whole: bool = False,
    agree_gone: bool = False,
) -> Brought:
    """Read the whole source as a stream, compare, count, and keep.

    It is staged first, so that of two lines for one item the later one counts, and so that nothing is half taken in
    when the source breaks off with an error. What follows is a few statements for each `CHUNK`, so that the store is
    never held for long.

    Args:
        database: The store's.
        source: Where the documents come from.
        progress: Called with the number of documents that are read and counted, some times a second.
        whole: The source tells all that there is, so what it doesn't tell any more is gone. Not counted on when
            some of it couldn't be read.
        agree_gone: Somebody said that it is all right when many items are gone.

    Raises:
        InputError: The source as a whole can't be read; nothing was changed.
        DeclinedError: Suspiciously many items are gone; nothing was changed.
        StoreError: The store can't be written.
    """
    with translated():
        staging = Staging(database, source)
        staging.read(progress)
        whole = whole and not staging.bad_count
        if whole:
            check(database, source.title, agreed=agree_gone)
        # Back from being gone counts as new: to whoever scans, it is.
        counted: dict[str, int] = dict(
            database.execute_sql(
                "SELECT CASE WHEN back AND fate IN ('same', 'reworded') THEN 'new' ELSE fate END, count(*)"
                " FROM staged GROUP BY 1"
            ).fetchall()
        )
        side = "structure" if source.brings == "structure" else "words"
        values = {"title": source.title, "at": now()}
        for bounds in _chunks(database):
            with database.atomic("IMMEDIATE"):
                _take_in(database, side, {**values, **bounds})
        gone = depart(database, source.title) if whole else 0
        staging.clear()
    return Brought(
        new=counted.get("new", 0),
        changed=counted.get("changed", 0),
        unchanged=counted.get("same", 0) + counted.get("reworded", 0),
        bad=tuple(staging.bad),
        bad_count=staging.bad_count,
        warnings=tuple(staging.warnings),
        gone=gone,
    )


def _chunks(database: peewee.SqliteDatabase) -> Iterator[dict[str, int]]:
    """Bounds of `seq`, so many staged items at a time."""
    last = 0
    while True:
        row = database.execute_sql(
            "SELECT max(seq) FROM (SELECT seq FROM staged WHERE seq > ? ORDER BY seq LIMIT ?)", (last, CHUNK)
        ).fetchone()
        if row[0] is None:
            return
        yield {"above": last, "to": row[0]}
        last = row[0]


_HERE = "s.seq > :above AND s.seq <= :to"

_SIZES = ", ".join(
    f"(SELECT coalesce({sized}, 0) FROM staged_part p WHERE p.seq = s.seq)"
    for sized in ("sum(p.tokens)", "sum(p.bytes)", "count(*)")
)


def _take_in(database: peewee.SqliteDatabase, side: str, values: dict[str, Any]) -> None:
    """Keep a chunk of what is staged; inside the caller's transaction."""
    for statement in _statements(side):
        database.connection().execute(statement, values)


def _statements(side: str) -> Iterator[str]:
    """What keeps a chunk, in order; `side` is the column of `brought` that the source speaks for. Pure."""
    # What was paid for is kept, so an item that is back costs nothing.
    yield f"UPDATE item SET stage = 'pending' WHERE id IN (SELECT s.item_id FROM staged s WHERE {_HERE} AND s.back)"
    yield (
        "UPDATE staged AS s SET item_id = (SELECT coalesce(max(id), 0) FROM item) + seq - :above"
        f" WHERE {_HERE} AND s.fate = 'new'"
    )
    yield (
        f"INSERT INTO item (id, kind, name, {side}_from, {side}_at, purpose, schema, text_hash, layout, problem,"
        " tokens, bytes, parts, changed_at) SELECT s.item_id, s.kind, s.name, :title, :at, s.purpose, s.schema,"
        f" s.text_hash, s.layout, s.problem, {_SIZES}, :at"
        f" FROM staged s WHERE {_HERE} AND s.fate = 'new' ORDER BY s.seq"
    )
    yield (
        f"UPDATE item SET {side}_from = :title, {side}_at = :at, purpose = s.purpose, schema = s.schema"
        f" FROM staged s WHERE s.item_id = item.id AND {_HERE} AND s.fate IN ('changed', 'reworded')"
    )
    yield (
        "UPDATE item SET text_hash = s.text_hash, layout = s.layout, problem = s.problem, changed_at = :at,"
        f" (tokens, bytes, parts) = (SELECT {_SIZES})"
        f" FROM staged s WHERE s.item_id = item.id AND {_HERE} AND s.fate = 'changed'"
    )
    yield (
        "UPDATE item SET stage = 'pending', code = NULL, message = NULL, next_step = NULL, tries = 0"
        " WHERE stage NOT IN ('skipped', 'gone')"
        f" AND id IN (SELECT s.item_id FROM staged s WHERE {_HERE} AND s.fate = 'changed')"
    )
    yield (
        f"INSERT INTO brought (item_id, {side}) SELECT s.item_id, s.payload FROM staged s"
        f" WHERE {_HERE} AND s.fate != 'same' ORDER BY s.seq"
        f" ON CONFLICT (item_id) DO UPDATE SET {side} = excluded.{side}"
    )
    yield (
        "INSERT OR IGNORE INTO text (hash, body, tokens, bytes) SELECT p.hash, p.body, p.tokens, p.bytes"
        f" FROM staged s JOIN staged_part p ON p.seq = s.seq WHERE {_HERE} ORDER BY p.seq, p.no"
    )
    yield (f"DELETE FROM part WHERE item_id IN (SELECT s.item_id FROM staged s WHERE {_HERE} AND s.fate = 'changed')")
    yield (
        "INSERT INTO part (item_id, no, text_id) SELECT s.item_id, p.no, t.id FROM staged s"
        " JOIN staged_part p ON p.seq = s.seq JOIN text t ON t.hash = p.hash"
        f" WHERE {_HERE} ORDER BY s.seq, p.no"
    )
    yield (
        "DELETE FROM word_index WHERE rowid IN"
        f" (SELECT s.item_id FROM staged s WHERE {_HERE} AND s.fate IN ('changed', 'reworded'))"
    )
    yield (
        "INSERT INTO word_index (rowid, name, purpose) SELECT s.item_id, s.name_words, s.purpose FROM staged s"
        f" WHERE {_HERE} AND s.fate != 'same' ORDER BY s.seq"
    )
