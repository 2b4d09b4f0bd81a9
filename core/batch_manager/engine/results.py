"""What came of a run, item by item, in the contract's words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from batch_manager.documents import Kind
from batch_manager.events import RunView
from batch_manager.store import DocumentationStore


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that isn't indexed after the run, and why."""

    kind: Kind
    name: str
    code: str
    message: str
    next_step: str


@dataclass(frozen=True, slots=True)
class RunResults:
    """One entry for every item of the run; usage is that of this run's requests."""

    tables: dict[str, bool]
    relationships: dict[str, bool]
    requests: int
    estimated_tokens: int
    billed_tokens: int
    estimated_cost: Decimal
    cost: Decimal
    failures: list[Failure]
    held: Decimal = Decimal(0)
    """USD held for requests whose answer never came: they may be billed all the same."""


EMPTY = RunResults({}, {}, 0, 0, 0, Decimal(0), Decimal(0), [])


def collect(store: DocumentationStore, view: RunView, billed_tokens: int) -> RunResults:
    """Read the results of the run that the view shows."""
    outcome: dict[Kind, dict[str, bool]] = {"table": {}, "relationship": {}}
    failures: list[Failure] = []
    for kind, name, stage, code, message, next_step in store.items.of_run(view.run_id):
        if stage in ("skipped", "gone"):
            continue
        outcome[kind][name] = stage == "indexed"
        if stage != "indexed":
            failures.append(
                Failure(
                    kind,
                    name,
                    code or view.code or "not_done",
                    message or view.reason or "The run ended before this item's turn.",
                    next_step or view.next_step or "Start again to go on.",
                )
            )
    return RunResults(
        tables=outcome["table"],
        relationships=outcome["relationship"],
        requests=view.requests,
        estimated_tokens=view.tokens,
        billed_tokens=billed_tokens,
        estimated_cost=view.quoted,
        cost=view.billed,
        failures=failures,
        held=view.reserved,
    )


def collect_runs(store: DocumentationStore, run_ids: Sequence[int], waiting: Collection[int] = ()) -> RunResults:
    """Read the results of runs of the half-price lane, by what the ledger has of them.

    Args:
        store: The store.
        run_ids: The runs.
        waiting: Those of them that aren't over: what they await is no failure, and is left out.
    """
    outcome: dict[Kind, dict[str, bool]] = {"table": {}, "relationship": {}}
    failures: list[Failure] = []
    requests = billed_tokens = estimated_tokens = 0
    cost = estimated = held = Decimal(0)
    for run in store.ledger.bill().runs:
        if run.id not in run_ids:
            continue
        requests += run.spent.requests
        billed_tokens += run.spent.tokens
        estimated_tokens += run.estimated_tokens
        cost += run.spent.billed
        held += Decimal(0) if run.id in waiting else run.spent.held  # a batch under way is no lost answer
        estimated += run.estimated
        for kind, name, stage, code, message, next_step in store.items.of_run(run.id):
            if stage in ("skipped", "gone") or (run.id in waiting and stage not in ("indexed", "failed")):
                continue
            outcome[kind][name] = stage == "indexed"
            if stage != "indexed":
                words = message or run.reason or "The batch ended without this item."
                failures.append(Failure(kind, name, code or "not_done", words, next_step or "Index it again."))
    return RunResults(
        tables=outcome["table"],
        relationships=outcome["relationship"],
        requests=requests,
        estimated_tokens=estimated_tokens,
        billed_tokens=billed_tokens,
        estimated_cost=estimated,
        cost=cost,
        failures=failures,
        held=held,
    )
