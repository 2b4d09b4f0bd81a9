"""Plans: what reading a source would change. It is read and compared, and nothing of it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch_manager.store.intake import Brought, Change, foresee

if TYPE_CHECKING:
    import peewee

    from batch_manager.sources import Source


@dataclass(frozen=True, slots=True)
class Plan:
    """What would come of it, and which items that are: the first of each sort."""

    brought: Brought
    named: tuple[Change, ...]


def plan(database: peewee.SqliteDatabase, source: Source, *, whole: bool = False) -> Plan:
    """Read and compare. A source may take its time: meanwhile a run's answers are written as ever.

    Args:
        database: The store's.
        source: What would be read.
        whole: What it doesn't tell any more would be gone.

    Raises:
        InputError: The source can't be read.
        StoreError: The store can't be read.
    """
    brought = foresee(database, source, whole=whole)
    return Plan(brought, brought.changes)
