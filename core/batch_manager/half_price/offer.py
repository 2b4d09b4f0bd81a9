"""The offer: a quote for now, turned into what the same would cost in the half-price lane. Pure but for settings."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from batch_manager.half_price.planning import LINE_BYTES, MAX_BYTES, MAX_REQUESTS
from batch_manager.pricing import Price, batch_price_of

if TYPE_CHECKING:
    from batch_manager.quote import Quote
    from batch_manager.settings import Settings


def half_of(quote: Quote, settings: Settings, queue: int | None = None) -> Quote:
    """The same work at half the price, within a day.

    Args:
        quote: For now.
        settings: What is in force.
        queue: Tokens that the account takes at a time, where it is known.

    Raises:
        SettingError: This model or server has no such lane, and why.
    """
    return at_price(quote, batch_price_of(settings), queue)


def at_price(quote: Quote, price: Price, queue: int | None = None) -> Quote:
    """The quote in this lane; its requests are the batches that it will about take."""
    base = hashlib.sha256(f"batch {price.per_million} {quote.fingerprint.partition('.')[0]}".encode()).hexdigest()
    by_bytes = -(-(quote.bytes + quote.texts * LINE_BYTES) // MAX_BYTES)
    by_queue = -(-quote.tokens // queue) if queue else 0
    files = max(-(-quote.texts // MAX_REQUESTS), by_bytes, by_queue) if quote.texts else 0
    half = replace(
        quote,
        price=price,
        tables=replace(quote.tables, cost=price.cost(quote.tables.tokens)),
        relationships=replace(quote.relationships, cost=price.cost(quote.relationships.tokens)),
        cost=price.cost(quote.tokens),
        requests=files,
        fingerprint=base,
        seconds=None,
        lane="batch",
        rest=None,  # an interrupted run of the other lane doesn't go on here
    )
    return half.with_cap(quote.cap)
