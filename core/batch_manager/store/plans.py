"""Plans: what reading a source would change, found by doing it in a transaction that is taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from batch_manager.documents import Kind
from batch_manager.store.database import translated

if TYPE_CHECKING:
    import peewee

    from batch_manager.store.intake import Brought

NAMED = 100
"""Items of each sort that a plan names; more of them are only counted."""

What = Literal["new", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would come of it, and which items that are: the first `NAMED` of each sort."""

    brought: Brought
    named: tuple[tuple[What, Kind, str], ...]


class _TakeBack(Exception):
    """Ends the transaction without keeping it."""


def plan(database: peewee.SqliteDatabase, bring: Callable[[], Brought]) -> Plan:
    """Do it, see what it did, and take it back. Nobody else can write to the store meanwhile.

    Args:
        database: The store's.
        bring: Reads a source into it.

    Raises:
        InputError: The source can't be read.
        StoreError: The store can't be written.
    """
    made: list[Plan] = []
    try:
        with translated(), database.atomic("IMMEDIATE"):
            last = database.execute_sql("SELECT coalesce(max(id), 0) FROM item").fetchone()[0]
            database.execute_sql("CREATE TEMP TABLE former AS SELECT id, stage, text_hash FROM item")
            brought = bring()
            made.append(Plan(brought, _named(database, last)))
            raise _TakeBack
    except _TakeBack:
        return made[0]


def _named(database: peewee.SqliteDatabase, last: int) -> tuple[tuple[What, Kind, str], ...]:
    conditions: tuple[tuple[What, str], ...] = (
        ("new", f"item.id > {last} OR (former.stage = 'gone' AND item.stage != 'gone')"),
        ("changed", "former.stage != 'gone' AND item.stage != 'gone' AND item.text_hash IS NOT former.text_hash"),
        ("gone", "former.stage != 'gone' AND item.stage = 'gone'"),
    )
    named: list[tuple[What, Kind, str]] = []
    for what, condition in conditions:
        rows = database.execute_sql(
            f"SELECT item.kind, item.name FROM item LEFT JOIN former ON former.id = item.id WHERE {condition}"
            f" ORDER BY item.id LIMIT {NAMED}"
        ).fetchall()
        named += [(what, kind, name) for kind, name in rows]
    return tuple(named)
