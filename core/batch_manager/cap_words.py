"""A cap that is lower than a request: what a person is told of it, before and after. Pure."""

from __future__ import annotations

from batch_manager.plural import counted
from batch_manager.pricing import show_usd
from batch_manager.quote import Quote


def smaller_words(number: int) -> str:
    """How to have requests of so many texts, which would fit; empty where not even one does."""
    return f"--batch-size {number} (EMBEDDING_BATCH_SIZE) makes requests that fit." if number else ""


def first_request_words(quote: Quote) -> str | None:
    """That a run would stop at the cap before its first request, and how it wouldn't; None where it doesn't."""
    number = quote.first_that_fit
    if number is None or quote.cap is None:
        return None
    cap = f"the cap of {show_usd(quote.cap)}"
    if number == 0:
        alone = show_usd(quote.price.cost(quote.first[0]))
        return f"Nothing would be indexed: the first text alone costs {alone}, which doesn't fit under {cap}."
    texts = counted(len(quote.first), "text")
    return f"Nothing would be indexed: the first request, of {texts}, doesn't fit under {cap}. {smaller_words(number)}"
