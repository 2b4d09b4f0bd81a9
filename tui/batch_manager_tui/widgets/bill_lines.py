"""The bill as lines: runs, sums by model, by day and by person with bars. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from batch_manager.pricing import show_usd
from batch_manager.store.bill import Bill, BilledRun, By, Pace, Spent
from batch_manager_tui.display import clip, count, duration, fit, pad, shown, when, wrap
from batch_manager_tui.widgets.cost_lines import labelled, wrapped
from batch_manager_tui.widgets.plots import columns
from batch_manager_tui.widgets.strips import Line

OUTCOME: dict[str, tuple[str, str]] = {
    "running": ("▶", "accent"),
    "shared": ("▶", "accent"),
    "done": ("✓", "success"),
    "stopped": ("■", "error"),
    "interrupted": ("‖", "warning"),
    "replaced": ("→", "soft"),
}

MEANT = {
    "replaced": "what it left went over to a later run, with a new yes",
    "handed": "handed over at half the price; back within 24 h",
    "shared": "workers do it; the batches show who does what",
}
"""Outcomes that a word doesn't explain."""

WIDE = 124
"""Cells from which a run's line has its model, its retries and its time as well."""

MEDIUM = 100
"""Cells from which it has held money, requests and retries."""

NARROW = 74
"""Cells below which it has no estimate, and of the time the date alone."""

OUTCOME_CELLS = 14

NOBODY = "nobody's name"
"""Stands for runs that were agreed to without a name."""

FEW_COLUMNS = 3
"""Columns of a pace below which there is nothing to compare."""

DAYS = 60
"""Days that are drawn, the newest."""


def run_heads(width: int) -> Line:
    """The names of the columns of `run_line`."""
    words = fit("run", 5, ">") + "  " + fit("outcome", OUTCOME_CELLS) + fit("agreed", _agreed_cells(width))
    if width >= WIDE:
        words += fit("model", 26)
    words += _figures(("estimated", "billed", "held", "tokens", "requests", "retries", "sending"), width)
    return [(words, "soft")]


def run_line(run: BilledRun, width: int) -> Line:
    """One run."""
    glyph, part = OUTCOME.get(run.outcome, ("○", "soft"))
    spent = run.spent
    line: Line = [
        (fit(f"{run.id:,}", 5, ">") + "  ", "soft"),
        (fit(f"{glyph} {run.outcome}", OUTCOME_CELLS), part),
        (fit(when(run.agreed_at)[: _agreed_cells(width) - 2], _agreed_cells(width)), "soft"),
    ]
    if width >= WIDE:
        line.append((fit(clip(shown(run.model), 25), 26), ""))
    figures = (
        show_usd(run.estimated),
        show_usd(spent.billed),
        show_usd(spent.held) if spent.held else "",
        f"{spent.tokens:,}",
        f"{spent.requests:,}",
        f"{spent.retries:,}" if spent.retries else "",
        _sending(run),
    )
    return [*line, (_figures(figures, width), "")]


def total_line(bill: Bill, width: int) -> Line:
    """What all runs add up to, under the runs' columns."""
    head = (
        fit("", 5)
        + "  "
        + fit(count(len(bill.runs), "run"), OUTCOME_CELLS + _agreed_cells(width))
        + (fit("", 26) if width >= WIDE else "")
    )
    spent = bill.total
    figures = (
        show_usd(bill.estimated),
        show_usd(spent.billed),
        show_usd(spent.held) if spent.held else "",
        f"{spent.tokens:,}",
        f"{spent.requests:,}",
        f"{spent.retries:,}" if spent.retries else "",
        "",
    )
    return [(head + _figures(figures, width), "strong")]


def spend_lines(bill: Bill, width: int, height: int = 5) -> list[Line]:
    """The whole, a plot of the days, then by model, by person and by day with bars."""
    total = bill.total
    lines: list[Line] = [
        [(show_usd(total.billed), "accent"), (f" billed, {count(total.tokens, 'token')}", "")],
    ]
    handed = sum((run.spent.held for run in bill.runs if run.outcome == "handed"), Decimal(0))
    if handed:
        lines.append([(f"{show_usd(handed)} held for batches that are not back", "soft")])
    if bill.saved > 0:
        lines.append([(f"{show_usd(bill.saved)} saved by the half-price lane", "success")])
    if total.held > handed:
        words = f"{show_usd(total.held - handed)} held: no answer came, and it may be billed all the same"
        lines += [[(line, "warning")] for line in wrap(words, width)]
    if not total.usd and not total.tokens:
        return lines + _unbilled(bill, width)
    if not total.usd and total.requests:
        lines.append([("nothing cost money, so the plots are of tokens", "soft")])
    if len(bill.days) > 1:
        lines += [[], [("By day (UTC)", "strong")], *day_plot(bill, width, height)]
    lines += [[], [("By model", "strong")], *_bars(bill.models, width)]
    if bill.named:
        lines += [
            [],
            [("By person", "strong")],
            *_bars([(name or NOBODY, spent) for name, spent in bill.people], width),
        ]
    lines += [[], [("By day (UTC)" if len(bill.days) < 2 else "Each day", "strong")], *_bars(bill.days[-DAYS:], width)]
    if len(bill.days) > DAYS:
        earlier = sum((spent for _, spent in bill.days[:-DAYS]), Spent())
        more = f" +{show_usd(earlier.held)} held" if earlier.held else ""
        words = f"{count(len(bill.days) - DAYS, 'earlier day')}: {show_usd(earlier.billed)}{more}"
        lines.append([(clip(words, width), "soft")])
    if total.usd:
        # Looking writes nothing, so that nobody could sum them up.
        words = "Queries of searches are not in this bill: each shows its own price."
        lines += [[], *([(line, "soft")] for line in wrap(words, width))]
    return lines


def _unbilled(bill: Bill, width: int) -> list[Line]:
    """What there is where no server bills anything: what was done for $0."""
    words = "The model of these runs is on this machine, which bills nothing: there is no spend to plot."
    if any(run.price for run in bill.runs):
        words = "No request of these runs was answered, so nothing was billed."
    lines: list[Line] = [[(line, "soft")] for line in wrap(words, width)]
    done: dict[str, list[int]] = {}
    for run in bill.runs:
        done.setdefault(run.model, []).append(run.items)
    lines += [[], [("By model", "strong")]]
    for model, items in done.items():
        lines += [[(line, "")] for line in wrap(shown(model), width)]
        lines.append([(f"  {count(len(items), 'run')}, {count(sum(items), 'item')} agreed", "soft")])
    return lines


def day_plot(bill: Bill, width: int, height: int) -> list[Line]:
    """The spend of each day from the first to the last one, days without any too."""
    by_day = dict(bill.days)
    first, last = date.fromisoformat(bill.days[0][0]), date.fromisoformat(bill.days[-1][0])
    every = [first + timedelta(days=number) for number in range((last - first).days + 1)][-width:]
    spent = [by_day.get(day.isoformat(), Spent()) for day in every]
    if bill.total.usd:
        return columns(
            [float(one.usd) for one in spent], width, height, _usd, every[0].isoformat(), every[-1].isoformat()
        )
    tokens = [float(one.tokens) for one in spent]
    return columns(tokens, width, height, lambda value: f"{value:,.0f}", every[0].isoformat(), every[-1].isoformat())


def pace_lines(pace: Pace, width: int, height: int = 4) -> list[Line]:
    """A plot of a run's pace."""
    seconds = pace.seconds * len(pace.answered)
    if sum(1 for one in pace.answered if one) < FEW_COLUMNS:
        words = f"{count(sum(pace.answered), 'text')} answered within {duration(seconds)}"
        return [[], *([(line, "soft")] for line in wrap(words, width))]
    # A whole number would be 0 where a text takes longer than a second.
    digits = 0 if max(pace.rates) >= 10 else 1
    plot = columns(pace.rates, width, height, lambda value: f"{value:,.{digits}f}", "0 s", duration(seconds))
    return [[], [("texts answered a second", "strong")], *plot] if plot else []


def sum_heads(by: By, width: int) -> Line:
    """The names of the columns of `sum_line`."""
    words = ("estimated", "billed", "held", "tokens", "requests", "retries")
    return [(fit(f" {by}", _name_cells(width)) + _sums(words, width), "soft")]


def sum_line(key: str, spent: Spent, width: int) -> Line:
    """A day, a model or a person."""
    words = (
        show_usd(spent.estimated),
        show_usd(spent.billed),
        show_usd(spent.held) if spent.held else "",
        f"{spent.tokens:,}",
        f"{spent.requests:,}",
        f"{spent.retries:,}" if spent.retries else "",
    )
    room = _name_cells(width)
    return [(fit(" " + clip(shown(key or NOBODY), room - 2), room), ""), (_sums(words, width), "")]


def _usd(value: float) -> str:
    return show_usd(Decimal(repr(value)))


def _name_cells(width: int) -> int:
    return max(12, min(40, width - sum(_sum_cells(width))))


def _sum_cells(width: int) -> tuple[int, ...]:
    """Of the sums' columns; where there is little room, without the estimate, then without retries."""
    if width >= NARROW + 11:
        return (11, 11, 11, 10, 9, 8)
    return (0, 11, 11, 10, 9, 8) if width >= NARROW - 12 else (0, 11, 11, 10, 9, 0)


def _sums(words: Sequence[str], width: int) -> str:
    return _columns(words, _sum_cells(width))


def _columns(words: Sequence[str], cells: Sequence[int]) -> str:
    """Right-aligned columns; none where it has no cells."""
    return "".join(pad(clip(word, size - 1), size, ">") for word, size in zip(words, cells, strict=True) if size)


def run_words(run: BilledRun, width: int) -> list[Line]:
    """All about one run."""
    glyph, part = OUTCOME.get(run.outcome, ("○", "soft"))
    lines: list[Line] = [[(f"run {run.id:,}  ", "strong"), (f"{glyph} {run.outcome}", part)]]
    lines += [[(line, "soft")] for line in wrap(MEANT[run.outcome], width)] if run.outcome in MEANT else []
    lines += [[(line, "warning")] for line in wrap(run.reason, width)] if run.reason else []
    spent = run.spent
    lines += [
        [],
        labelled("estimated", f"{show_usd(run.estimated)}, {count(run.estimated_tokens, 'token')}", width),
        labelled("billed", f"{show_usd(spent.billed)}, {count(spent.tokens, 'token')}", width, "accent"),
    ]
    if spent.held and run.outcome == "handed":
        lines.append(labelled("held", f"{show_usd(spent.held)}, not back yet", width))
    elif spent.held:
        lines.append(labelled("held", f"{show_usd(spent.held)}, no answer came", width, "warning"))
    if run.lane == "batch":
        lines.append(labelled("lane", "half price", width))
        lines.append(labelled("saved", show_usd(run.saved), width, "success" if run.saved > 0 else ""))
    if run.doubled:
        lines.append(labelled("twice", f"{show_usd(run.doubled)}: came after it was moved", width, "warning"))
    if run.estimated and run.outcome == "done":
        lines += wrapped("", _drift(run), width, "soft")
    lines += [
        labelled("cap", "none" if run.cap is None else show_usd(run.cap), width),
        labelled("price", f"{show_usd(run.price)} a million tokens", width),
        [],
        labelled("items", f"{run.items:,} agreed", width),
        labelled("requests", f"{spent.requests:,}" + (f", {spent.retries:,} again" if spent.retries else ""), width),
        labelled("model", shown(run.model), width),
        labelled("sent to", shown(run.host), width),
        labelled("agreed", when(run.agreed_at), width),
    ]
    if run.who:
        lines.append(labelled("by", shown(run.who), width))
    if run.ended_at:
        lines.append(labelled("ended", when(run.ended_at), width))
    if run.spent.requests:
        lines += wrapped("sending", f"{_sending(run)} with requests under way", width)
    return lines


def _drift(run: BilledRun) -> str:
    drift = run.spent.billed - run.estimated
    if not drift:
        return "exactly as estimated"
    return f"{show_usd(abs(drift))} {'more' if drift > 0 else 'less'} than estimated"


def _bars(sums: Sequence[tuple[str, Spent]], width: int) -> list[Line]:
    """A bar for each heading; the longest has all the room there is."""
    if not sums:
        return [[("nothing was sent yet", "soft")]]
    label = min(max(len(shown(key)) for key, _ in sums), max(10, width * 2 // 5)) + 1
    by_money = any(spent.usd for _, spent in sums)
    sizes = [spent.usd if by_money else Decimal(spent.tokens) for _, spent in sums]
    words = [show_usd(spent.billed) if by_money else f"{spent.tokens:,}" for _, spent in sums]
    figures = max(len(one) for one in words) + 1
    room = max(4, width - label - figures)
    most = max(sizes) or Decimal(1)
    lines: list[Line] = []
    for (key, spent), size, word in zip(sums, sizes, words, strict=True):
        full = int(size * room / most)
        full = max(full, 1) if size else 0  # a little is still to be seen
        billed = int(full * spent.billed / size) if by_money and size else full  # the rest of the bar is held
        name = (fit(clip(shown(key), label - 1), label), "soft")
        bar = [("━" * billed, "accent"), ("━" * (full - billed), "warning"), ("─" * (room - full), "soft")]
        lines.append([name, *bar, (fit(word, figures, ">"), "")])
        if spent.held:
            lines.append([(fit(f"+{show_usd(spent.held)} held", width, ">"), "warning")])
    return lines


def _figures(words: Sequence[str], width: int) -> str:
    """The runs' columns; where there is little room, without retries and time."""
    if width >= MEDIUM:
        cells = (11, 11, 11, 11, 10, 9, 13 if width >= WIDE else 0)
    else:
        cells = (11, 11, 0, 10, 0, 0, 0) if width >= NARROW else (0, 11, 0, 12, 0, 0, 0)
    return _columns(words, cells)


def _agreed_cells(width: int) -> int:
    return 18 if width >= NARROW else 12


def _sending(run: BilledRun) -> str:
    if not run.spent.requests:
        return ""
    return duration(run.sending) if run.sending >= 1 else "under 1 s"
