"""Scopes as SQL: which items are meant, and how they are looked at. Pure."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from batch_manager.quote import Scope
from batch_manager.store.dialect import AMONG

MOST_RUNS = 40
"""Runs of ids without a gap that are named by their ends; more of them are handed over as a list."""

FEW = 100
"""Scattered ids that items are found by; more of them are what items are compared with."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How a scope is looked at, before anything of it is begun.

    Attributes:
        longer: Spaces whose answers the space's own can be cut from, for $0.
        stage: SQL over `item AS i` for an item's stage, where another index is meant than the one that is worked on
            (`generations.seen_stage`).
        lasting: SQL over `item AS i` for whether its failure is for good, of the same index.
    """

    longer: tuple[int, ...] = ()
    stage: str = "i.stage"
    lasting: str = "i.lasting"

    def unanswered(self, space_id: int, text: str = "t.id") -> str:
        """SQL: no answer of the text is kept, nor one that the space's own could be cut from."""
        if not space_id and not self.longer:
            return "TRUE"  # a space that is new to the store has no answers
        spaces = ", ".join(f"{one:d}" for one in (space_id, *self.longer))
        return f"NOT EXISTS (SELECT 1 FROM answer a WHERE a.text_id = {text} AND a.space_id IN ({spaces}))"


AS_IT_IS = Seen()


def _awaits(item: str, runs: str) -> str:
    """SQL: the item waits for a text that one of these runs has handed over at half the price."""
    return (
        "EXISTS (SELECT 1 FROM part hp JOIN run_text h ON h.text_id = hp.text_id"
        f" WHERE hp.item_id = {item} AND h.run_id IN ({runs}) AND h.state = 'planned')"
    )


AWAITED = _awaits("item.id", "SELECT id FROM run WHERE state = 'handed'")
"""SQL over `item`: it waits for a text that is handed over at half the price."""


def scope_conditions(scope: Scope, *handed: int, seen: Seen = AS_IT_IS) -> tuple[str, list[Any]]:
    """The scope as SQL over `item AS i`, without items that wait for one of the runs that are handed over."""
    stage = seen.stage
    stages = {
        "pending": f"{stage} IN ('pending', 'answered')",
        "failed": f"{stage} = 'failed'",
        "all": f"{stage} NOT IN ('skipped', 'gone')",
    }
    clauses = [stages[scope.which]]
    values: list[Any] = []
    if scope.curable:
        clauses.append(f"NOT {seen.lasting}")
    if len(scope.kinds) == 1:
        clauses.append("i.kind = ?")
        values.append(scope.kinds[0])
    if scope.ids is not None:
        clause, value = _among(scope.ids)
        clauses.append(clause)
        values += value
    if handed:
        clauses.append(f"NOT {_awaits('i.id', ', '.join(f'{run_id:d}' for run_id in handed))}")
    return " AND ".join(clauses), values


def _among(ids: Sequence[int]) -> tuple[str, list[Any]]:
    """Whether an item is one of these. A hundred thousand marks are mostly a few runs without a gap."""
    runs = runs_of(sorted(ids))
    if runs is None or not runs:
        # With the sign an item is looked up in the list; without it SQLite may go through the list for each item that a
        # join comes to, which is what a few items are found by soonest, and takes minutes for half of many.
        which = "i.id" if len(ids) <= FEW else "+i.id"
        return f"{which} {AMONG}", [json.dumps(list(ids))]
    ends = " OR ".join(f"i.id BETWEEN {first:d} AND {last:d}" for first, last in runs)
    return f"({ends})", []


def runs_of(ids: Sequence[int]) -> list[tuple[int, int]] | None:
    """First and last of each run without a gap in ascending ids; None when there are over `MOST_RUNS`."""
    runs: list[tuple[int, int]] = []
    start = 0
    while start < len(ids):
        if len(runs) == MOST_RUNS:
            return None
        # Where there is no gap, an id is ahead of the first one by as much as its place is.
        end = bisect_right(range(len(ids)), ids[start] - start, lo=start, key=lambda place: ids[place] - place)
        runs.append((ids[start], ids[end - 1]))
        start = end
    return runs
