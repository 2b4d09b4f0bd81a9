"""The question before spending as lines, and the cap that is typed into it. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from batch_manager.allowance import NOW
from batch_manager.pricing import show_usd
from batch_manager.quote import Quote
from batch_manager_tui.display import count, duration, shown, wrap
from batch_manager_tui.widgets.cost_lines import (
    change_lines,
    labelled,
    requests_words,
    where_lines,
    wrapped,
)
from batch_manager_tui.widgets.strips import Line


def read_cap(text: str) -> Decimal | None:
    """The cap that was typed; None for none.

    Raises:
        ValueError: It is no amount.
    """
    raw = text.strip().removeprefix("$").strip()
    if not raw:
        return None
    try:
        cap = Decimal(raw)
    except InvalidOperation:
        cap = Decimal(-1)
    if not cap.is_finite() or cap < 0:
        raise ValueError("A cap is an amount in USD, such as 0.50.")
    return cap


def question_lines(
    quote: Quote, title: str, warning: str, width: int, other: Quote | None = None, aside: str = ""
) -> list[Line]:
    """Everything that a yes agrees to; `other` is the same in the other lane."""
    lines: list[Line] = []
    batch = quote.lane == "batch"
    if warning:
        lines += [[(warning, "warning")], []]
    lines += [
        [(f"{title}: {count(quote.items, 'item')}{f', as {shown(quote.who)}' if quote.who else ''}", "strong")],
        *([(line, "warning")] for line in wrap(aside, width) if aside),
        *change_lines(quote, width),
        [],
        labelled("cost", f"{show_usd(quote.cost)}{' within 24 h' if batch else ''}", width, "accent"),
        *_other_lane(other, width),
        labelled("tokens", f"{quote.tokens:,} in {count(quote.texts, 'text')}", width),
        labelled("batches", f"about {quote.requests:,}, handed over", width)
        if batch
        else labelled("requests", requests_words(quote, ""), width),
        *where_lines(quote, width),
    ]
    lines += wrapped("cap", _cap_words(quote), width, "warning" if quote.beyond_cap else "")
    lines += _left_lines(quote, width)
    free = []
    if quote.reused:
        free.append(f"{quote.reused:,} paid for before")
    if quote.shortened:
        free.append(f"{quote.shortened:,} cut from longer vectors")
    if quote.duplicates:
        free.append(count(quote.duplicates, "duplicate"))
    if free:
        lines.append(labelled("at $0", ", ".join(free), width, "success"))
    if quote.unsendable_count:
        names = ", ".join(shown(one.name) for one in quote.unsendable[:3])
        more = ", …" if quote.unsendable_count > 3 else ""
        words = f"{quote.unsendable_count:,} can't be sent: {names}{more}"
        lines.append(labelled("left out", words, width, "warning"))
    return lines


def _left_lines(quote: Quote, width: int) -> list[Line]:
    """What the budgets have left, in few words for the same reason as a cap's."""
    if not quote.allowances:
        return []
    words = ", ".join(f"{show_usd(one.left)} {NOW[one.period]}" for one in quote.allowances)
    over = quote.beyond_allowance
    words += f"; the rest waits until {over.again.isoformat()}" if over is not None else ""
    return wrapped("left", words, width, "warning" if over is not None else "")


def _cap_words(quote: Quote) -> str:
    words = "none" if quote.cap is None else show_usd(quote.cap)
    if quote.used and quote.rest is not None:
        of_it = ", {} of it" if quote.cap is not None else "; {}"
        words += f"{of_it.format(show_usd(quote.used))} used by run {quote.rest.run_id:,}, which goes on"
    fit = quote.first_that_fit
    if fit is not None:
        # In few words: the answers have to be in sight on a small terminal as well.
        return f"{words}: too low for {f'a request; EMBEDDING_BATCH_SIZE={fit} fits' if fit else 'any text'}"
    return f"{words}: stops there, before the end" if quote.beyond_cap else words


def _other_lane(other: Quote | None, width: int) -> list[Line]:
    if other is None or not other.cost:
        return []
    if other.lane == "batch":
        return [labelled("or", f"{show_usd(other.cost)} within 24 h: h", width, "soft")]
    about = "" if other.seconds is None else f", about {duration(other.seconds)}"
    return [labelled("or", f"{show_usd(other.cost)} now{about}: h", width, "soft")]
