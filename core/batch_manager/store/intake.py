"""Intake: what a source brings is compared with what is kept; only what changed becomes pending."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from batch_manager.documents import Document, from_payload, merge, render, text_hash, to_payload
from batch_manager.sources import Found, Source, Unreadable
from batch_manager.store import words
from batch_manager.store.database import now, translated
from batch_manager.store.departures import check, depart
from batch_manager.store.places import schema_of
from batch_manager.tokens import split_text

if TYPE_CHECKING:
    import peewee

Progress = Callable[[int], None]

CHUNK = 500
"""Documents a transaction: large enough to be fast, small enough for a screen that reads meanwhile."""

KEPT_MESSAGES = 200
"""Bad lines and warnings that are kept whole; more of them are only counted."""


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
    """Read the whole source, then compare and keep.

    The documents are staged first, so that of two lines for one item the later one counts, and so that
    nothing is half taken in when the source breaks off with an error.

    Args:
        database: The store's.
        source: Where the documents come from.
        progress: Called with the number of documents that are through, some times a second.
        whole: The source tells all that there is, so what it doesn't tell any more is gone. Not counted on when
            some of it couldn't be read.
        agree_gone: Somebody said that it is all right when many items are gone.

    Raises:
        InputError: The source as a whole can't be read; nothing was changed.
        DeclinedError: Suspiciously many items are gone; nothing was changed.
        StoreError: The store can't be written.
    """
    with translated():
        database.execute_sql(
            "CREATE TEMP TABLE IF NOT EXISTS staged (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,"
            " place TEXT NOT NULL, payload TEXT NOT NULL, UNIQUE (kind, name))"
        )
        database.execute_sql("DELETE FROM staged")
        bad, bad_count, warnings = _stage(database, source)
        whole = whole and not bad_count
        if whole:
            check(database, source.title, agreed=agree_gone)
        counted = {"new": 0, "changed": 0, "unchanged": 0}
        done = 0
        at = now()
        for rows in _staged(database):
            with database.atomic("IMMEDIATE"):
                for kind, name, payload in rows:
                    counted[_keep(database, source, kind, name, payload, at)] += 1
            done += len(rows)
            if progress:
                progress(done)
        gone = depart(database, source.title) if whole else 0
        database.execute_sql("DELETE FROM staged")
    return Brought(bad=tuple(bad), bad_count=bad_count, warnings=tuple(warnings), gone=gone, **counted)


def _stage(database: peewee.SqliteDatabase, source: Source) -> tuple[list[Unreadable], int, list[str]]:
    bad: list[Unreadable] = []
    warnings: list[str] = []
    bad_count = 0
    entries = iter(source.read())
    while chunk := list(islice(entries, CHUNK)):
        with database.atomic():
            for entry in chunk:
                if isinstance(entry, Unreadable):
                    bad_count += 1
                    if len(bad) < KEPT_MESSAGES:
                        bad.append(entry)
                    continue
                earlier = _stage_one(database, entry)
                if earlier is not None and len(warnings) < KEPT_MESSAGES:
                    warnings.append(
                        f"{entry.document.kind} {entry.document.name!r} stands twice: {earlier} and"
                        f" {entry.where}; the later one counts."
                    )
    return bad, bad_count, warnings


def _stage_one(database: peewee.SqliteDatabase, entry: Found) -> str | None:
    """Stage a document; returns where an earlier one for the same item stood."""
    document = entry.document
    # ASCII escapes keep lone surrogates, which SQLite could not hold otherwise.
    payload = json.dumps(to_payload(document))
    key = (document.kind, document.name)
    row = database.execute_sql("SELECT place FROM staged WHERE kind = ? AND name = ?", key).fetchone()
    if row is not None:
        database.execute_sql("DELETE FROM staged WHERE kind = ? AND name = ?", key)
    database.execute_sql(
        "INSERT INTO staged (kind, name, place, payload) VALUES (?, ?, ?, ?)", (*key, entry.where, payload)
    )
    return None if row is None else str(row[0])


def _staged(database: peewee.SqliteDatabase) -> Iterator[list[tuple[str, str, str]]]:
    last = 0
    while True:
        rows = database.execute_sql(
            "SELECT seq, kind, name, payload FROM staged WHERE seq > ? ORDER BY seq LIMIT ?", (last, CHUNK)
        ).fetchall()
        if not rows:
            return
        last = rows[-1][0]
        yield [row[1:] for row in rows]


def _keep(database: peewee.SqliteDatabase, source: Source, kind: str, name: str, payload: str, at: str) -> str:
    """Compare one document with the item of its name, and keep it; returns what it was."""
    side, other = ("structure", "words") if source.brings == "structure" else ("words", "structure")
    row = database.execute_sql(
        f"SELECT id, {side}, {other}, text_hash, problem, stage FROM item WHERE kind = ? AND name = ?", (kind, name)
    ).fetchone()
    back = row is not None and row[5] == "gone" and side == "structure"
    if back:
        # What was paid for is kept, so an item that is back costs nothing.
        _update(database, row[0], {"stage": "pending"})
    if row is not None and row[1] == payload:
        return "new" if back else "unchanged"
    mine = from_payload(json.loads(payload))
    theirs = from_payload(json.loads(row[2])) if row is not None and row[2] else None
    document = merge(mine, theirs) if side == "structure" else merge(theirs, mine)
    rendered = render(document)
    origin = {side: payload, f"{side}_from": source.title, f"{side}_at": at, "schema": schema_of(document)}
    if row is not None and row[3] == rendered.hash and row[4] == rendered.problem:
        # Other words for the same text: nothing to send.
        _update(database, row[0], {**origin, "purpose": _shown(document)})
        words.keep(database, row[0], name, _shown(document))
        return "new" if back else "unchanged"
    texts = [] if rendered.problem else split_text(rendered.text)
    part_ids = [_text_id(database, text, tokens) for text, tokens in texts]
    sizes = [(tokens, len(text.encode())) for text, tokens in texts]
    values = {
        **origin,
        "purpose": _shown(document),
        "text_hash": rendered.hash,
        "layout": rendered.layout,
        "tokens": sum(tokens for tokens, _ in sizes),
        "bytes": sum(size for _, size in sizes),
        "parts": len(part_ids),
        "problem": rendered.problem,
        "changed_at": at,
    }
    if row is None:
        item_id = _insert(database, {"kind": kind, "name": name, **values})
    else:
        item_id = row[0]
        _update(database, item_id, values)
        database.execute_sql(
            "UPDATE item SET stage = 'pending', code = NULL, message = NULL, next_step = NULL, tries = 0"
            " WHERE id = ? AND stage NOT IN ('skipped', 'gone')",
            (item_id,),
        )
        database.execute_sql("DELETE FROM part WHERE item_id = ?", (item_id,))
    words.keep(database, item_id, name, _shown(document))
    for no, text_id in enumerate(part_ids, start=1):
        database.execute_sql("INSERT INTO part (item_id, no, text_id) VALUES (?, ?, ?)", (item_id, no, text_id))
    return "new" if row is None else "changed"


def _shown(document: Document) -> str:
    # A lone surrogate can't be kept in a column; the payload has it whole.
    return document.business_purpose.encode("utf-8", "replace").decode("utf-8")


def _text_id(database: peewee.SqliteDatabase, body: str, tokens: int) -> int:
    digest = text_hash(body)
    row = database.execute_sql("SELECT id FROM text WHERE hash = ?", (digest,)).fetchone()
    if row is not None:
        return int(row[0])
    cursor = database.execute_sql(
        "INSERT INTO text (hash, body, tokens, bytes) VALUES (?, ?, ?, ?)",
        (digest, body, tokens, len(body.encode())),
    )
    return int(cursor.lastrowid)


def _insert(database: peewee.SqliteDatabase, values: dict[str, Any]) -> int:
    marks = ", ".join("?" for _ in values)
    cursor = database.execute_sql(f"INSERT INTO item ({', '.join(values)}) VALUES ({marks})", list(values.values()))
    return int(cursor.lastrowid)


def _update(database: peewee.SqliteDatabase, item_id: int, values: dict[str, Any]) -> None:
    assignments = ", ".join(f"{name} = ?" for name in values)
    database.execute_sql(f"UPDATE item SET {assignments} WHERE id = ?", [*values.values(), item_id])
