"""--estimate-costs: the quote, from what is in the store alone. Sends nothing, writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from batch_manager.allowance import beyond_words, budgets_report
from batch_manager.cap_words import first_request_words
from batch_manager.cli import terminal
from batch_manager.cli.ask import size_words
from batch_manager.cli.lane_words import lanes_report, lanes_words, waiting_of, waiting_report
from batch_manager.cli.opening import for_looking, say_other_model
from batch_manager.cli.plain_json import lines_of
from batch_manager.documents import PROBLEMS, Kind
from batch_manager.half_price import Lanes, waiting_words
from batch_manager.half_price.lane import HalfPrice
from batch_manager.index_change import change_words
from batch_manager.manager import processing_stats
from batch_manager.plural import are
from batch_manager.pricing import find_price, show_usd
from batch_manager.quote import Quote, Scope
from batch_manager.settings import DEFAULT_BASE_URL, DEFAULT_MODEL
from batch_manager.sources.shown import shown
from batch_manager.store.items import ItemFilter, ItemRow

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags
    from batch_manager.cli.opening import Look

PAGE = 500


def estimate_costs(flags: Flags) -> int:
    """Print what indexing all that is pending would cost.

    Raises:
        SettingError: No price is known for the model.
        StoreError: The store can't be read.
    """
    with for_looking(flags) as look:
        quote = look.engine.quote(Scope("pending"), flags.max_cost).going_on()
        say_other_model(look.engine)
        if flags.json:
            terminal.result(lines_of(_as_json(quote, look)))
        else:
            terminal.result(terminal.fitted(_as_words(quote, look)))
    return 0


def _as_json(quote: Quote, look: Look) -> dict[str, Any]:
    counts = look.store.items.counts()
    pending = (counts.of("table", "pending"), counts.of("relationship", "pending"))
    if quote.change is not None:  # of the index that would be built, which has other items pending
        pending = (quote.tables.items, quote.relationships.items)
    return {
        **processing_stats(quote, *pending, look.settings.batch_size),
        "estimated_tokens": quote.tokens,
        "model": quote.space.model,
        "price_per_million_tokens": quote.price.per_million,
        "in_batches": waiting_report(waiting_of(look)),
        "lanes": lanes_report(_lanes(quote, look)),
        "budgets": budgets_report(quote.allowances),
        "failures": [_failure(row) for row in _unsendable(look)],
    }


def _as_words(quote: Quote, look: Look) -> Iterator[str]:
    shares = (("tables", quote.tables), ("relationships", quote.relationships))
    rows = [(name, f"{one.items:,}", f"{one.tokens:,}", show_usd(one.cost)) for name, one in shares]
    rows.append(("together", f"{quote.items:,}", f"{quote.tokens:,}", show_usd(quote.cost)))
    yield from terminal.columns([("pending", "items", "tokens", "price"), *rows], right=(1, 2, 3))
    requests = terminal.counted(quote.requests, "request")
    yield f"{requests} {size_words(quote, look.settings)}, to {shown(quote.host)}"
    price = f"{show_usd(quote.price.per_million)} per million tokens"
    yield f"{shown(quote.space.model)}: {price} ({quote.price.source})"
    yield lanes_words(_lanes(quote, look))
    if words := waiting_words(waiting_of(look)):
        yield f"{words}, and not counted here"
    if quote.change is not None:
        for words in change_words(quote, quote.change):
            yield f"index: {shown(words, 200)}"
    if quote.shortened:
        yield f"{are(quote.shortened, 'text')} cut from longer vectors that were paid for: $0"
    if quote.reused:
        yield f"{are(quote.reused, 'item', ('costs', 'cost'))} nothing: paid for before"
    if look.settings.provider == "local":
        paid = find_price(DEFAULT_MODEL, DEFAULT_BASE_URL).cost(quote.tokens)
        yield f"With {DEFAULT_MODEL} at OpenAI it would be {show_usd(paid)}"
    if quote.beyond_cap and quote.cap is not None:
        yield first_request_words(quote) or f"The cap of {show_usd(quote.cap)} would stop the run before its end"
    if quote.allowances:
        yield f"budget: {'; '.join(one.words for one in quote.allowances)} (UTC)"
    if quote.beyond_allowance is not None:
        yield beyond_words(quote.beyond_allowance)
    if quote.unsendable_count:
        yield f"{terminal.counted(quote.unsendable_count, 'item')} can't be sent{_shares(quote, look)}:"
        for row in islice(_unsendable(look), 50):
            failure = _failure(row)
            yield f"  {row.kind} {shown(row.name)}: {failure['message']} {failure['next_step']}"


def _shares(quote: Quote, look: Look) -> str:
    """Out of how many of each kind, since the price counts what can be sent and `--status` counts all."""
    shares: tuple[tuple[Kind, str, int], ...] = (
        ("table", "tables", quote.tables.items),
        ("relationship", "relationships", quote.relationships.items),
    )
    told = []
    for kind, noun, sent in shares:
        if left := len(look.store.items.ids(ItemFilter(kind=kind, status="pending", problem="any"))):
            told.append(f"{left:,} of {left + sent:,} {noun}")
    return f" ({', '.join(told)})" if told and quote.change is None else ""


def _lanes(quote: Quote, look: Look) -> Lanes:
    return HalfPrice(look.settings, look.store, look.engine).lanes_of(quote)


def _unsendable(look: Look) -> Iterator[ItemRow]:
    """Pending items that can't be sent, a page at a time."""
    ids = look.store.items.ids(ItemFilter(status="pending", problem="any"))
    for start in range(0, len(ids), PAGE):
        yield from look.store.items.rows(ids[start : start + PAGE])


def _failure(row: ItemRow) -> dict[str, str]:
    code = row.problem or ""
    message, next_step = PROBLEMS[code]
    return {"kind": row.kind, "name": row.name, "code": code, "message": message, "next_step": next_step}
