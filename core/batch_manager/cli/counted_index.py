"""Whose counts these are: items stand in one index, and the settings may name the model of another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from batch_manager.cli.index_sizes import STATES
from batch_manager.errors import SettingError
from batch_manager.pricing import show_usd
from batch_manager.quote import Scope
from batch_manager.sources.shown import shown
from batch_manager.store.generations import title_of

if TYPE_CHECKING:
    from batch_manager.cli.opening import Look
    from batch_manager.quote import Quote


def counted_words(look: Look) -> str | None:
    """Which index the items are counted in, where there is more than one that could be meant."""
    generations, space = look.store.generations, look.engine.space
    active = generations.active()
    if active is None or (generations.beside() is None and active.is_of(space)):
        return None
    return f"items as they stand in the index of {shown(active.title)}, which {STATES[active.state]}"


def in_force_words(look: Look) -> Iterator[str]:
    """What is pending with the model of the settings, where that is another one."""
    if look.store.generations.other_than(look.engine.space) is None:
        return
    space, quote = look.engine.space, _quote(look)
    pending = "" if quote is None else f": {_pending(quote):,} pending, {show_usd(quote.cost)}"
    yield f"with {shown(title_of(space.model, space.dimensions))}, which the settings name{pending}"


def counted_report(look: Look) -> dict[str, Any]:
    """The same as JSON values; both are null where they say nothing."""
    active, space = look.store.generations.active(), look.engine.space
    other = look.store.generations.other_than(space)
    quote = None if other is None else _quote(look)
    return {
        "counted_index": active
        and {"model": active.model, "dimensions": active.dimensions or None, "state": active.state},
        "pending_with_settings": quote
        and {
            "model": space.model,
            "dimensions": space.dimensions,
            "items": _pending(quote),
            "estimated_cost_usd": quote.cost,
        },
    }


def _pending(quote: Quote) -> int:
    return quote.items + quote.unsendable_count


def _quote(look: Look) -> Quote | None:
    try:
        return look.engine.quote(Scope("pending"))
    except SettingError:
        return None  # --estimate-costs says which price is missing
