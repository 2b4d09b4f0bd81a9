"""The agreement: a yes is checked against what would be sent now, and written down with it in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from batch_manager.engine.budget import Budget
from batch_manager.errors import QuoteChanged, UsageError
from batch_manager.plural import counted
from batch_manager.pricing import Price, to_pico
from batch_manager.quote import Quote, Rest, Scope
from batch_manager.store import DocumentationStore


@dataclass(frozen=True, slots=True)
class Agreed:
    """A run that is written down: its ids, and the money that it has used so far (when it goes on)."""

    run_id: int
    space_id: int
    budget: Budget


def agree(store: DocumentationStore, quote: Quote, quote_again: Callable[[], Quote], *, shared: bool = False) -> Agreed:
    """Write a run down.

    The rest of an interrupted run goes on as that run, under its cap and with its spend. What is new, under another
    cap or price, or agreed to by somebody else, is a run of its own, which takes the interrupted one's place.

    Args:
        store: The store.
        quote: What was agreed.
        quote_again: Makes the quote anew; called inside the transaction.
        shared: Workers do it.

    Raises:
        QuoteChanged: What would be sent is no longer what was agreed.
        UsageError: Workers still have requests of a run out that was ended: what they bring would be paid for twice.
        StoreError: The store can't be written.
    """
    cap = None if quote.cap is None else to_pico(quote.cap)
    unfinished = store.ledger.unfinished()
    rest = None
    with store.transaction():
        if quote_again().fingerprint != quote.fingerprint:
            raise QuoteChanged(
                "What would be sent has changed since the quote was made.",
                next_step="Look at the new quote and say yes to that.",
            )
        space_id = store.answers.space_id(quote.space, make=True)
        if store.on_server:
            _refuse_in_flight(store, space_id)
        store.generations.begin(quote.space, space_id)
        if quote.lane == "now":
            rest = rest_of(store, quote.scope, space_id, quote.price, quote.who)
        if rest is not None and rest.cap == quote.cap:
            run_id = rest.run_id
            store.work.withdraw(run_id)
            store.ledger.reopen_run(run_id)
        else:
            run_id = store.ledger.open_run(quote, space_id, cap)
        store.work.agree(run_id, quote.scope, space_id)
        if shared:
            store.batches.share(run_id)
    if unfinished is not None and run_id != unfinished.id:
        store.ledger.end_run(unfinished.id, "replaced", unfinished.reason)
    totals = store.ledger.totals(run_id)
    return Agreed(run_id, space_id, Budget(cap, totals.billed_pico, totals.held_pico))


def _refuse_in_flight(store: DocumentationStore, space_id: int) -> None:
    if not store.batches.in_flight(space_id):
        return
    from batch_manager.engine.shared.rescue import rescue_at_once

    with contextlib.suppress(ImportError):  # the queue's library is for those who use workers
        rescue_at_once(store)  # what dead workers had out is given up; there may be no worker that does so
    for run_id, requests in store.batches.in_flight(space_id).items():
        raise UsageError(
            f"{counted(requests, 'request')} of run {run_id} {'is' if requests == 1 else 'are'} still in flight.",
            next_step="Wait until workers have the answers, then start again; those of a dead worker are given up"
            " after a minute.",
            code="in_flight",
        )


def rest_of(store: DocumentationStore, scope: Scope, space_id: int, price: Price, who: str) -> Rest | None:
    """The interrupted run of which a scope is the rest, whatever its cap; None where it is of none.

    Raises:
        StoreError: The store can't be read.
    """
    run = store.ledger.unfinished()
    asked = (space_id, scope.which, price.per_million, who)
    if run is None or (run.space_id, run.which, run.price, run.who) != asked:
        return None
    return Rest(run.id, run.cap, run.spent) if store.work.within(scope, space_id, run.id) else None
