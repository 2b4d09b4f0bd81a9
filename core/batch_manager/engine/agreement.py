"""The agreement: a yes is checked against what would be sent now, and written down with it in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from batch_manager.engine.budget import Budget
from batch_manager.errors import QuoteChanged
from batch_manager.pricing import to_pico
from batch_manager.quote import Quote
from batch_manager.store import DocumentationStore
from batch_manager.store.ledger import RunRow


@dataclass(frozen=True, slots=True)
class Agreed:
    """A run that is written down: its ids, and the money that it has used so far (when it goes on)."""

    run_id: int
    space_id: int
    budget: Budget


def agree(store: DocumentationStore, quote: Quote, quote_again: Callable[[], Quote]) -> Agreed:
    """Write a run down.

    The rest of an interrupted run goes on as that run, under its cap and with its spend. What is new, or under
    another cap or price, is a run of its own, which takes the interrupted one's place.

    Args:
        store: The store.
        quote: What was agreed.
        quote_again: Makes the quote anew; called inside the transaction.

    Raises:
        QuoteChanged: What would be sent is no longer what was agreed.
        StoreError: The store can't be written.
    """
    cap = None if quote.cap is None else to_pico(quote.cap)
    unfinished = store.ledger.unfinished()
    with store.transaction():
        if quote_again().fingerprint != quote.fingerprint:
            raise QuoteChanged(
                "What would be sent has changed since the quote was made.",
                next_step="Look at the new quote and say yes to that.",
            )
        space_id = store.answers.space_id(quote.space, make=True)
        store.generations.begin(quote.space, space_id)
        if quote.lane == "now" and unfinished is not None and _goes_on(store, unfinished, quote, space_id):
            run_id = unfinished.id
            store.work.withdraw(run_id)
            store.ledger.reopen_run(run_id)
        else:
            run_id = store.ledger.open_run(quote, space_id, cap)
        store.work.agree(run_id, quote.scope, space_id)
    if unfinished is not None and run_id != unfinished.id:
        store.ledger.end_run(unfinished.id, "replaced", unfinished.reason)
    totals = store.ledger.totals(run_id)
    return Agreed(run_id, space_id, Budget(cap, totals.billed_pico, totals.held_pico))


def _goes_on(store: DocumentationStore, run: RunRow, quote: Quote, space_id: int) -> bool:
    """Whether the quote is the rest of that run."""
    then = (run.space_id, run.which, run.price, run.cap)
    if then != (space_id, quote.scope.which, quote.price.per_million, quote.cap):
        return False
    return store.work.within(quote.scope, space_id, run.id)
