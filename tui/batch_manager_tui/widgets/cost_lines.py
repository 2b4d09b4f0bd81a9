"""The cost panel's lines: a quote or a run in words and figures. Pure."""

from __future__ import annotations

from decimal import Decimal

from batch_manager.errors import BatchManagerError
from batch_manager.events import RunView
from batch_manager.half_price import waiting_words
from batch_manager.index_change import change_words
from batch_manager.pricing import PRICES, show_usd
from batch_manager.quote import Quote, Share
from batch_manager.settings import DEFAULT_MODEL
from batch_manager.store.jobs import Waiting
from batch_manager_tui.display import clip, clip_middle, count, duration, fit, pad, shown, wrap
from batch_manager_tui.widgets.strips import Line
from batch_manager_tui.widgets.words import ALL_FAILED, RUN

NONE = Waiting()

GAUGE = 10
"""Cells of a gauge at most."""

LOW = 5
"""A limit of which less than one part in so many is left is near."""

LABEL = 10
"""Cells of the labels at the left."""


def quote_lines(
    quote: Quote,
    heading: str,
    spent: Decimal,
    width: int,
    held: Decimal = Decimal(0),
    half: Decimal | None = None,
    waiting: Waiting = NONE,
    why: str = "",
    aside: str = "",
) -> list[Line]:
    """What the choice would cost.

    Args:
        quote: The newest.
        heading: Which items it speaks of, such as `12 marked of 138 pending`.
        spent: USD over all runs so far.
        width: Cells.
        held: USD of what was spent that is no bill yet.
        half: USD of the same at half the price, where that is offered.
        waiting: Items that are handed over at half the price, and not in the quote.
        why: Why none of it is offered to be sent, and which key says more.
        aside: What is left out of it, and which key says why.
    """
    lines: list[Line] = [[(line, "strong")] for line in wrap(heading, width)]
    if quote.nothing_to_do:
        lines.append([("nothing to send", "soft")])
    elif why:
        lines += [[(line, "warning")] for line in wrap(why, width)]
    else:
        lines.append([(show_usd(quote.cost), "accent"), (f"  {count(quote.tokens, 'token')}", "")])
        lines += [[(line, "soft")] for line in wrap(requests_words(quote), width)]
        if half:
            lines.append([(f"or {show_usd(half)} within 24 h", "soft")])
        lines.append([])
        lines += [_share("tables", quote.tables, width), _share("relations", quote.relationships, width)]
        lines += _asides(quote)
        if aside:
            lines += [[(line, "warning")] for line in wrap(aside, width)]
    if words := waiting_words(waiting):
        lines += [[(line, "soft")] for line in wrap(words, width)]
    lines += change_lines(quote, width)
    lines.append([])
    lines += where_lines(quote, width)
    lines += wrapped("cap", _cap_words(quote), width, "warning" if quote.beyond_cap else "")
    lines += allowance_lines(quote, width)
    lines.append(labelled("spent", f"{show_usd(spent)} in all runs", width))
    if held:
        lines.append(labelled("", f"{show_usd(held)} of it held", width, "soft"))
    return lines


def change_lines(quote: Quote, width: int) -> list[Line]:
    """What becomes of the index, where another model or size is meant; nothing else has such lines."""
    words = () if quote.change is None else change_words(quote, quote.change)
    part = "warning" if quote.change is not None and quote.change.short_of_room else ""
    return [[(line, part)] for sentence in words for line in wrap(shown(sentence), width)]


def where_lines(quote: Quote, width: int) -> list[Line]:
    """Where it is sent, with which model, at what price and since when."""
    lines = [
        *wrapped("sent to", shown(quote.host), width, "strong"),
        *wrapped("model", shown(quote.space.model), width),
    ]
    if quote.space.provider == "local":
        other = PRICES[DEFAULT_MODEL] * quote.tokens / 1_000_000
        lines.append(labelled("price", f"$0: {quote.price.source}", width))
        if quote.tokens:
            lines.append(labelled("elsewhere", f"{show_usd(other)} with OpenAI's", width, "soft"))
            lines.append(labelled("", DEFAULT_MODEL, width, "soft"))
    else:
        lines.append(labelled("price", f"{show_usd(quote.price.per_million)} a million tokens", width))
        lines.append(labelled("", quote.price.source, width, "soft"))
    return lines


def allowance_lines(quote: Quote, width: int) -> list[Line]:
    """What the day's and the month's budget have left."""
    over = quote.beyond_allowance
    lines: list[Line] = []
    for one in quote.allowances:
        words = f"{one.amounts}; the rest waits until {one.again.isoformat()}" if one == over else one.amounts
        lines += wrapped("today" if one.period == "day" else "month", words, width, "warning" if one == over else "")
    return lines


def error_lines(error: BatchManagerError, width: int) -> list[Line]:
    """Why there is no price, and what to do."""
    lines: list[Line] = [[("No quote", "strong")]]
    lines += [[(line, "warning")] for line in wrap(error.message, width)]
    lines += [[(line, "")] for line in wrap(error.next_step, width)]
    return lines


def run_lines(view: RunView, quote: Quote | None, width: int) -> list[Line]:
    """The money of a run that is under way."""
    glyph, word = ALL_FAILED if view.all_failed else RUN[view.state]
    done = f"{view.indexed:,} of {view.items:,} indexed" if view.items else "no item to index"
    lines: list[Line] = [[(f"{glyph} {word}", "strong"), (f"  {done}", "")], []]
    lines += money_lines(view, width)
    if quote is not None:
        lines += [[], *where_lines(quote, width)]
    return lines


def money_lines(view: RunView, width: int) -> list[Line]:
    """Quoted, estimated, billed, reserved, remaining, cap."""
    remaining = max(Decimal(0), view.quoted - view.estimated)
    drift = view.billed - view.estimated
    held = "in flight" if view.active or not view.reserved else "maybe billed"  # of requests whose answer never came
    lines = [
        labelled("billed", show_usd(view.billed), width, "accent"),
        labelled("estimated", f"{show_usd(view.estimated)} for the same", width),
        labelled("reserved", f"{show_usd(view.reserved)} {held}", width),
        labelled("remaining", f"{show_usd(remaining)} of {show_usd(view.quoted)}", width),
        labelled("cap", "none" if view.cap is None else show_usd(view.cap), width),
    ]
    if drift:
        more = "more" if drift > 0 else "less"
        lines.append(labelled("", f"billed {show_usd(abs(drift))} {more} than estimated", width, "warning"))
    if view.limits.tokens_per_minute:
        lines.append(_limit("tokens", view.limits.tokens_left, view.limits.tokens_per_minute, width))
    if view.limits.requests_per_minute:
        lines.append(_limit("requests", view.limits.requests_left, view.limits.requests_per_minute, width))
    return lines


def requests_words(quote: Quote, noun: str = "request") -> str:
    """`2 requests, about 3 s`; without the noun where a label says it."""
    words = count(quote.requests, noun) if noun else f"{quote.requests:,}"
    if quote.requests > 1:
        words += f" of {quote.limits.inputs:,} at most"
    return words if quote.seconds is None or not quote.items else f"{words}, about {duration(quote.seconds)}"


def labelled(label: str, value: str, width: int, part: str = "", *, both_ends: bool = False) -> Line:
    """A quiet label and its value; `both_ends` for paths and hashes, whose middle says least."""
    room = max(8, width - LABEL)
    return [(pad(label, LABEL), "soft"), (clip_middle(value, room) if both_ends else clip(value, room), part)]


def wrapped(label: str, value: str, width: int, part: str = "") -> list[Line]:
    """A quiet label and its value, on as many lines as it takes."""
    lines = wrap(value, max(8, width - LABEL))
    return [[(pad("" if number else label, LABEL), "soft"), (line, part)] for number, line in enumerate(lines)]


def _share(label: str, share: Share, width: int) -> Line:
    cost = show_usd(share.cost)
    left = width - LABEL - 5 - 9
    return [
        (fit(label, LABEL), "soft"),
        (fit(f"{share.items:,}", 5, ">"), ""),
        (fit(f"{share.tokens:,}", 9, ">"), ""),
        (pad(clip(cost, left - 1), min(left, 14), ">") if left > 4 else "", ""),
    ]


def _asides(quote: Quote) -> list[Line]:
    lines: list[Line] = []
    if quote.reused:
        lines.append([(f"{quote.reused:,} paid for before: $0", "success")])
    if quote.shortened:
        lines.append([(f"{quote.shortened:,} cut from longer vectors: $0", "success")])
    if quote.duplicates:
        words = count(quote.duplicates, "duplicate")
        lines.append([(f"{words}: sent once, $0", "success")])
    if quote.unsendable_count:
        lines.append([(f"{quote.unsendable_count:,} can't be sent (no charge)", "warning")])
    return lines


def _cap_words(quote: Quote) -> str:
    words = "none" if quote.cap is None else show_usd(quote.cap)
    if quote.used and quote.rest is not None:
        of_it = ", {} of it used" if quote.cap is not None else f"; run {quote.rest.run_id:,} goes on, {{}} so far"
        words += of_it.format(show_usd(quote.used))
    return f"{words}, reached before the end" if quote.beyond_cap else words


def _limit(noun: str, left: int | None, limit: int, width: int) -> Line:
    """What is left of a limit a minute, as a gauge and in figures."""
    if left is None:
        return labelled(noun, f"{limit:,} a minute", width, "soft")
    words = f" {left:,} of {limit:,} left"
    size = min(GAUGE, width - LABEL - len(words))
    if size < 4:
        return labelled(noun, words.strip(), width, "soft")
    full = max(min(1, left), min(size, left * size // limit))  # a little is still to be seen
    part = "accent" if left * LOW > limit else "warning"
    return [(pad(noun, LABEL), "soft"), ("━" * full, part), ("─" * (size - full), "soft"), (words, "soft")]
