"""Taking in: the statements that keep a chunk of what is staged, in SQL alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from batch_manager.store.dialect import Database, Dialect
from batch_manager.store.former import keep_former

BACK = "back"
"""Beside the fates: something is there again that was gone."""

_HERE = "s.seq > :above AND s.seq <= :to"

_ITEM = "coalesce(s.item_id, :base + s.seq)"
"""A staged item's id; a new one gets its own when it is taken in."""


def fates_of(database: Database) -> frozenset[str]:
    """What becomes of anything that is staged; `BACK` as well where something is."""
    rows = database.execute_sql("SELECT DISTINCT fate, back FROM staged").fetchall()
    return frozenset({fate for fate, _ in rows} | {BACK for _, back in rows if back})


def take_in(database: Database, side: str, fates: Set[str], values: Mapping[str, Any]) -> None:
    """Keep a chunk of what is staged; inside the caller's transaction.

    Args:
        database: The store's.
        side: The column of `brought` that the source speaks for.
        fates: Those that anything staged has, as `fates_of` tells them.
        values: `title`, `key` and `at` of the reading, `above` and `to` of the chunk's `seq`.
    """
    last = database.execute_sql("SELECT coalesce(max(id), 0) FROM item").fetchone()[0]
    for statement in statements(side, fates, database.dialect):
        database.execute_sql(statement, {**values, "base": last - values["above"]})


def statements(side: str, fates: Set[str], dialect: Dialect) -> Iterator[str]:
    """What keeps a chunk, in order; for fates that nothing has, there is nothing to do. Pure."""
    # What was paid for is kept, so an item that is back costs nothing.
    if BACK in fates:
        yield f"UPDATE item SET stage = 'pending' WHERE id IN (SELECT s.item_id FROM staged s WHERE {_HERE} AND s.back)"
    if fates <= {"same", BACK}:
        return
    yield from _items(side, fates, dialect)
    yield (
        f"INSERT INTO brought (item_id, {side}) SELECT {_ITEM}, s.payload FROM staged s"
        f" WHERE {_HERE} AND s.fate != 'same' ORDER BY s.seq"
        f" ON CONFLICT (item_id) DO UPDATE SET {side} = excluded.{side}"
    )
    yield (
        "INSERT INTO text (hash, body, tokens, bytes) SELECT p.hash, p.body, p.tokens, p.bytes"
        f" FROM staged s JOIN staged_part p ON p.seq = s.seq WHERE {_HERE} ORDER BY p.seq, p.no ON CONFLICT DO NOTHING"
    )
    if "changed" in fates:
        yield f"DELETE FROM part WHERE item_id IN (SELECT s.item_id FROM staged s WHERE {_HERE} AND s.fate = 'changed')"
    yield (
        f"INSERT INTO part (item_id, no, text_id) SELECT {_ITEM}, p.no, t.id FROM staged s"
        " JOIN staged_part p ON p.seq = s.seq JOIN text t ON t.hash = p.hash"
        f" WHERE {_HERE} ORDER BY s.seq, p.no"
    )
    if fates & {"changed", "reworded"}:
        yield (
            "DELETE FROM word_index WHERE rowid IN"
            f" (SELECT s.item_id FROM staged s WHERE {_HERE} AND s.fate IN ('changed', 'reworded'))"
        )
    yield (
        "INSERT INTO word_index (rowid, name, purpose)"
        f" SELECT {_ITEM}, {dialect.words('s.name_words')}, {dialect.words('s.purpose')} FROM staged s"
        f" WHERE {_HERE} AND s.fate != 'same' ORDER BY s.seq"
    )


def _items(side: str, fates: Set[str], dialect: Dialect) -> Iterator[str]:
    """What keeps the items themselves."""
    # Words belong to a name, whoever brings them; structure belongs to its source.
    owned, key, owner = ("origin,", ":key,", "origin = :key,") if side == "structure" else ("", "", "")
    if "new" in fates:
        yield (
            f"INSERT INTO item (id, kind, name, {side}_from, {side}_at, {owned} purpose, schema, text_hash, layout,"
            f" problem, tokens, bytes, parts, changed_at) SELECT {_ITEM}, s.kind, s.name, :title, :at, {key} s.purpose,"
            " s.schema, s.text_hash, s.layout, s.problem, s.tokens, s.bytes, s.parts, :at"
            f" FROM staged s WHERE {_HERE} AND s.fate = 'new' ORDER BY s.seq"
        )
    if fates & {"changed", "reworded"}:
        yield (
            f"UPDATE item SET {side}_from = :title, {side}_at = :at, {owner} purpose = s.purpose, schema = s.schema"
            f" FROM staged s WHERE s.item_id = item.id AND {_HERE} AND s.fate IN ('changed', 'reworded')"
        )
    if "changed" not in fates:
        return
    yield from keep_former(f"SELECT s.item_id, s.seq FROM staged s WHERE {_HERE} AND s.fate = 'changed'", dialect)
    yield (
        "UPDATE item SET text_hash = s.text_hash, layout = s.layout, problem = s.problem, changed_at = :at,"
        " tokens = s.tokens, bytes = s.bytes, parts = s.parts"
        f" FROM staged s WHERE s.item_id = item.id AND {_HERE} AND s.fate = 'changed'"
    )
    yield (
        # One that is skipped stays so; but it is another text's failure that it would come back with.
        "UPDATE item SET stage = CASE stage WHEN 'skipped' THEN stage ELSE 'pending' END,"
        " code = NULL, message = NULL, next_step = NULL, tries = 0 WHERE stage != 'gone'"
        f" AND id IN (SELECT s.item_id FROM staged s WHERE {_HERE} AND s.fate = 'changed')"
    )
