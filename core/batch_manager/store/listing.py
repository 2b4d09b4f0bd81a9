"""Listing: which items a list shows and in what order; its first page at once, all ids a moment later.

Every query here is answered from small indexes, or stops at the page's end: none reads the items themselves whole.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from batch_manager.documents import Kind
from batch_manager.store.database import translated
from batch_manager.store.dialect import SQLITE, Database, Dialect
from batch_manager.store.findings import CONDITIONS, condition

Status = Literal["pending", "indexed", "failed", "skipped"]
STATUSES: tuple[Status, ...] = ("pending", "indexed", "failed", "skipped")

STAGES: dict[Status, tuple[str, ...]] = {
    "pending": ("pending", "answered"),  # paid for but not yet in Chroma isn't indexed, so it shows as pending
    "indexed": ("indexed",),
    "failed": ("failed",),
    "skipped": ("skipped",),
}
"""A status as people see it → the stages of the store that it stands for."""

MANY: tuple[Status, ...] = ("pending", "indexed")
"""Where most items are, before a run or after it: what they are not is the shorter list."""

SLICE = 50_000
"""Characters of ids that are read at once, so that no long list of numbers is made on the way to 8 bytes each."""


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items a list shows, and in what order.

    Attributes:
        text: Part of the name; ASCII case doesn't matter.
        problem: A problem's code, `any` for all that have one; or another finding (`findings.CONDITIONS`).
    """

    status: Status | None = None
    kind: Kind | None = None
    text: str = ""
    sort: Literal["added", "name", "tokens", "status"] = "added"
    problem: str | None = None


def ids_of(database: Database, wanted: ItemFilter, limit: int | None = None, start: int = 0) -> array[int]:
    """Ids of the items that fit, in order; 8 bytes each.

    Args:
        database: The store's.
        wanted: Filter and order.
        limit: Only so many.
        start: The place of the first of them; only with a limit, and in any order but by status.

    Raises:
        StoreError: The store can't be read.
    """
    ids = array("q")
    for sql, values in statements(wanted, database.dialect, any_gone=_any_gone(database)):
        piece = sql if limit is None else f"{sql} LIMIT {limit - len(ids):d} OFFSET {start:d}"
        _read(database, piece, values, ids)
    return ids


def place_of(database: Database, wanted: ItemFilter, item_id: int) -> int | None:
    """The place of an item in `ids_of`; None where it isn't in the list, or the order is by status.

    A text or a finding isn't asked for: an item that hasn't it gets the place where it would be.

    Raises:
        StoreError: The store can't be read.
    """
    if wanted.sort == "status":
        return None
    with translated():
        row = database.execute_sql("SELECT stage, kind FROM item WHERE id = ?", [item_id]).fetchone()
    if row is None or row[0] not in _stages(wanted) or wanted.kind not in (None, row[1]):
        return None
    dialect, any_gone = database.dialect, _any_gone(database)
    place = 0
    for before in _before(wanted, dialect):
        sql, values = _statement(wanted, dialect, any_gone, before, item_id)
        with translated():
            place += int(database.execute_sql(f"SELECT count(*) FROM ({sql}) x", values).fetchone()[0])
    return place


def _before(wanted: ItemFilter, dialect: Dialect) -> list[str]:
    """Conditions, each for the index of the order, that take what stands before an item, whose id is each value."""
    if wanted.sort == "added":
        return ["id < ?"]
    key, less = (dialect.folded("name"), "<") if wanted.sort == "name" else ("tokens", ">")
    its = f"(SELECT {key} FROM item WHERE id = ?)"
    return [f"{key} {less} {its}", f"{key} = {its} AND id < ?"]


def _any_gone(database: Database) -> bool:
    with translated():
        return bool(database.execute_sql("SELECT EXISTS (SELECT 1 FROM item WHERE stage = 'gone')").fetchone()[0])


def _read(database: Database, sql: str, values: list[Any], ids: array[int]) -> None:
    """Add the ids, which SQLite joins to one text, in order: a row each would ask for the interpreter each time, and
    keep the screen from it for as long as it takes to read them all."""
    import orjson  # lists alone need it, and not the commands that only count

    with translated():
        listed = database.dialect.listed("id")
        joined: str = database.execute_sql(f"SELECT coalesce({listed}, '') FROM ({sql}) x", values).fetchone()[0]
    start = 0
    while start < len(joined):
        end = joined.find(",", start + SLICE)
        end = len(joined) if end < 0 else end
        ids.fromlist(orjson.loads(f"[{joined[start:end]}]"))
        start = end + 1


def statements(
    wanted: ItemFilter, dialect: Dialect = SQLITE, *, any_gone: bool = True
) -> Iterator[tuple[str, list[Any]]]:
    """SQL with its values, whose answers one after the other are the list; `any_gone`: some items are gone. Pure."""
    if wanted.sort == "status":
        for status in sorted(STATUSES) if wanted.status is None else [wanted.status]:
            yield _statement(ItemFilter(status, wanted.kind, wanted.text, "added", wanted.problem), dialect, any_gone)
    else:
        yield _statement(wanted, dialect, any_gone)


def _statement(
    wanted: ItemFilter, dialect: Dialect, any_gone: bool, before: str = "", item_id: int = 0
) -> tuple[str, list[Any]]:
    """The list, or what of it stands before an item by one of the conditions of `_before`."""
    its = [item_id] * before.count("?")
    stages = _stages(wanted)
    if wanted.sort == "added" and not wanted.text and not wanted.problem:
        # Each stage's ids lie in order in an index, so SQLite only has to merge them.
        kind = (" AND kind = ?" if wanted.kind else "") + (f" AND {before}" if before else "")
        values = [one for stage in stages for one in ([stage, wanted.kind] if wanted.kind else [stage]) + its]
        return " UNION ALL ".join([f"SELECT id FROM item WHERE stage = ?{kind}"] * len(stages)) + " ORDER BY id", values
    clauses, values = [before] if before else [], list[Any](its)
    if wanted.text:
        # Before the stages: what has another name needn't be looked for among them.
        clause, value = _has_text(wanted.text, dialect)
        clauses.append(clause)
        values.append(value)
    # Asked of indexes, each once, and not of the items: those lie far apart in the order of names or tokens.
    if wanted.status in MANY and not wanted.kind:
        others = [stage for status, group in STAGES.items() if status != wanted.status for stage in group]
        clauses.append(f"id NOT IN (SELECT id FROM item WHERE stage IN ({', '.join('?' for _ in others)}, 'gone'))")
        values += others
    elif wanted.status or wanted.kind:
        marks = ", ".join("?" for _ in stages)
        kind = " AND kind = ?" if wanted.kind else ""
        clauses.append(f"id IN (SELECT id FROM item WHERE stage IN ({marks}){kind})")
        values += [*stages, *([wanted.kind] if wanted.kind else [])]
    elif any_gone:
        clauses.append("id NOT IN (SELECT id FROM item WHERE stage = 'gone')")
    if wanted.problem == "any":
        clauses.append("problem IS NOT NULL")
    elif wanted.problem and wanted.problem in CONDITIONS:
        clauses.append(condition(wanted.problem, dialect))
    elif wanted.problem:
        clauses.append("problem = ?")
        values.append(wanted.problem)
    # Along the order's own index, a fiftieth of what the items are: SQLite would look up each item, then sort them.
    along = "item_tokens" if wanted.sort == "tokens" and not wanted.text else "item_name"
    walked = (wanted.text or wanted.sort != "added") and not wanted.problem
    source = f"item{dialect.along(along)}" if walked else "item"
    order = {"added": "id", "name": f"{dialect.folded('name')}, id", "tokens": "tokens DESC, id"}[wanted.sort]
    return f"SELECT id FROM {source} WHERE {' AND '.join(clauses) or '1 = 1'} ORDER BY {order}", values


def _stages(wanted: ItemFilter) -> tuple[str, ...]:
    return STAGES[wanted.status] if wanted.status else tuple(one for group in STAGES.values() for one in group)


def _has_text(text: str, dialect: Dialect) -> tuple[str, str]:
    """A condition with its value: the text is a part of the name. With an escape SQLite takes twice as long. Pure."""
    escape = ""
    if any(one in text for one in "!%_\\"):
        text, escape = text.replace("!", "!!").replace("%", "!%").replace("_", "!_"), " ESCAPE '!'"
    return f"name {dialect.like} ?{escape}", f"%{text}%".encode("utf-8", "replace").decode()
