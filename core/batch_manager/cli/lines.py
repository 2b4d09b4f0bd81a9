"""How a run is put into one line of words. Pure."""

from __future__ import annotations

import math

from batch_manager.events import BatchView, RunView
from batch_manager.plural import counted
from batch_manager.pricing import show_usd

BAR = 20


def total_line(view: RunView) -> str:
    """The whole run: items, requests, money, pace, and when it will end."""
    # A change back to an index that is kept may have nothing to index.
    parts = [f"{view.indexed:,} of {view.items:,} indexed" if view.items else "no item to index"]
    if view.failed:
        parts.append(f"{view.failed:,} failed")
    if view.answered > view.indexed:
        parts.append(f"{view.answered - view.indexed:,} answered")
    if view.items:
        parts.append(f"{view.batches_done:,} of {counted(view.batches_total, 'batch', 'batches')}")
    parts.append(money(view))
    if view.rate and view.active:
        parts.append(f"{view.rate:,.0f} items/s" if view.rate >= 10 else f"{view.rate:.1f} items/s")
    if view.state == "running":
        parts.append(eta(view.eta) + (f" ({view.eta_reason})" if view.eta_reason else ""))
    else:
        state = "ended with nothing indexed" if view.all_failed else view.state
        parts.append(f"{state}: {view.reason}" if view.reason else state)
    return " · ".join(parts)


def batch_line(batch: BatchView) -> str:
    """One batch: number, state, size, tries, time, and what it waits for."""
    by = f" by {batch.worker}" if batch.worker else ""
    parts = [f"batch {batch.number}: {batch.state}{by}", counted(batch.items, "input"), counted(batch.tokens, "token")]
    if batch.failed:
        parts.append(f"{batch.failed:,} failed")
    parts.append(counted(batch.tries, "request"))
    parts.append(f"{batch.seconds:.1f} s")
    if batch.waits_for:
        parts.append(f"waits for {batch.waits_for}")
    return " · ".join(parts)


def bar(done: int, whole: int, width: int = BAR) -> str:
    """A bar of that many cells; full only when all is done."""
    cells = width if done >= whole > 0 else int(width * done / whole) if whole else 0
    return "█" * cells + "░" * (width - cells)


def money(view: RunView) -> str:
    """What is billed of what was quoted; what may come on top of it, and the cap, where there is any."""
    if not view.quoted and not view.billed:
        return "$0"
    text = f"{show_usd(view.billed)} of {show_usd(view.quoted)}"
    if view.reserved:
        # After the end it is held for requests whose answer never came: they may have been billed.
        text += f" (+{show_usd(view.reserved)} {'in flight' if view.active else 'maybe'})"
    return text if view.cap is None else f"{text}, cap {show_usd(view.cap)}"


def eta(seconds: tuple[float, float] | None) -> str:
    """`3–5 s left`: a range, since one number would be a guess that looks like a promise."""
    if seconds is None:
        return "time left: not known yet"
    soonest, latest = (duration(math.floor(seconds[0])), duration(math.ceil(seconds[1])))
    if soonest == latest:
        return f"{latest} left"
    number, _, unit = soonest.partition(" ")
    # "3–5 s" rather than "3 s–5 s", when both are in one unit.
    if " " not in unit and latest.endswith(f" {unit}") and latest.count(" ") == 1:
        return f"{number}–{latest} left"
    return f"{soonest} to {latest} left"


def duration(seconds: int) -> str:
    """`40 s`, `3 min`, `2 h 10 min`."""
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
