"""A shared run from the store, as it was agreed: for a worker that does it, and for whoever watches from then on."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from batch_manager.documents import KINDS
from batch_manager.engine.agreement import Agreed
from batch_manager.engine.budget import Budget
from batch_manager.engine.quoting import limits_of
from batch_manager.pricing import Price, from_pico
from batch_manager.quote import Quote, Scope, Space, Work, make_quote
from batch_manager.store import DocumentationStore
from batch_manager.store.batches import SharedRun

if TYPE_CHECKING:
    from batch_manager.settings import Settings


def quote_of_run(settings: Settings, store: DocumentationStore, run: SharedRun) -> Quote:
    """What was agreed, as far as the ledger has it: space, price and cap, and the sums."""
    agreed = run.quote
    space = Space(run.provider, str(agreed.get("server", "")), str(agreed.get("model", "")), agreed.get("dimensions"))
    price = Price(run.price, str(agreed.get("price_source", "")))
    nothing = dict.fromkeys(KINDS, 0)
    work = Work(nothing, nothing, 0, 0, 0, "", 0, 0, (), 0)
    cap = None if run.cap_pico is None else from_pico(run.cap_pico)
    host = str(agreed.get("host", ""))
    quote = make_quote(Scope("pending"), work, space, host, price, limits_of(settings, store), cap)
    return replace(
        quote,
        items=int(agreed.get("items", 0)),
        texts=int(agreed.get("texts", 0)),
        tokens=int(agreed.get("tokens", 0)),
        requests=int(agreed.get("requests", 0)),
        cost=Decimal(str(agreed.get("cost", "0"))),
    )


def as_agreed(settings: Settings, store: DocumentationStore, run: SharedRun) -> tuple[Quote, Agreed]:
    """A run that somebody agreed to before, for whoever watches it from now on."""
    totals = store.ledger.totals(run.id)
    budget = Budget(run.cap_pico, totals.billed_pico, totals.held_pico)
    return quote_of_run(settings, store, run), Agreed(run.id, run.space_id, budget)
