"""Both lanes and their batches, in words and as JSON values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from batch_manager.cli.lines import duration
from batch_manager.half_price import waiting_words
from batch_manager.half_price.lane import HalfPrice
from batch_manager.plural import counted
from batch_manager.pricing import show_usd
from batch_manager.sources.shown import shown

if TYPE_CHECKING:
    from batch_manager.cli.opening import Look
    from batch_manager.half_price import JobView, Lanes
    from batch_manager.quote import Scope
    from batch_manager.store.jobs import Waiting


def lanes_words(lanes: Lanes) -> str:
    """`$0.41 now, about 3 min · $0.205 within 24 h`."""
    now = lanes.now
    words = f"{show_usd(now.cost)} now"
    if now.seconds is not None and now.items:
        words += f", about {duration(math.ceil(now.seconds))}"
    if lanes.batch is None:
        return f"{words} · not at half the price: {lanes.why_not}"
    return f"{words} · {show_usd(lanes.batch.cost)} within 24 h"


def lanes_report(lanes: Lanes) -> dict[str, Any]:
    """The same as JSON values; a lane that isn't offered is null, and `why_not` says why."""
    seconds = lanes.now.seconds
    report: dict[str, Any] = {
        "now": {"cost_usd": lanes.now.cost, "seconds": None if seconds is None else round(seconds, 1)},
        "batch": None,
    }
    if lanes.batch is None:
        return {**report, "why_not": lanes.why_not}
    half = {"cost_usd": lanes.batch.cost, "within_seconds": 86_400, "batches": lanes.batch.requests}
    return {**report, "batch": half}


def nothing_words(head: str, scope: Scope, waiting: Waiting) -> str:
    """Why there is nothing to be done, and what is under way all the same. Pure."""
    words = f"{head}: no item is {'failed' if scope.which == 'failed' else 'pending'}"
    return f"{words} but those that wait. {waiting_line(waiting)}." if waiting.items else f"{words}."


def waiting_line(waiting: Waiting) -> str:
    """What waits for batches, and what to type; empty when nothing does. Pure."""
    if not waiting.items:
        return ""
    step = "--collect takes in what is back" if waiting.batches else "--collect goes on with it"
    return f"{waiting_words(waiting)}: {step}"


def batch_words(job: JobView) -> str:
    """A batch on one line: state, counts, money, times, and what stands in its way."""
    name = f" {shown(job.name)}" if job.name else ""
    parts = [f"batch {job.run_id}.{job.number}{name}: {job.state}", f"{job.done:,} of {job.total:,} done"]
    if job.failed:
        parts.append(f"{job.failed:,} failed")
    money = f"{show_usd(job.billed)} billed, {show_usd(job.estimated)} estimated" if job.over else ""
    parts.append(money or f"{show_usd(job.estimated)} held")
    if job.since and not job.over:
        parts.append(f"since {job.since[:16].replace('T', ' ')}")
    if job.expires and not job.over:
        parts.append(f"expires {job.expires[:16].replace('T', ' ')} UTC")
    if job.files_left:
        parts.append(f"files left on the server: {', '.join(shown(one) for one in job.files_left)}")
    if job.problem:
        parts.append(shown(f"{job.problem} {job.next_step}".strip(), 600))
    return " · ".join(parts)


def progress_words(under_way: Sequence[JobView], indexed: int) -> str:
    """How far a look at the server is, while it lasts. Pure.

    Args:
        under_way: Batches that are not over.
        indexed: Items in the index.
    """
    at = next((one for one in under_way if one.state == "collecting"), under_way[0] if under_way else None)
    inside = f"{counted(indexed, 'item')} in the index"
    if at is None:
        return f"bringing it to the index: {inside}"
    return f"batch {at.run_id}.{at.number}: {at.state} · {at.kept:,} of {at.total:,} kept · {inside}"


def saved_words(saved: Decimal, doubled: Decimal) -> Iterator[str]:
    """What the half-price lane saved, or cost more than it saved, and what was paid twice. Pure.

    Args:
        saved: USD that it saved, less what was paid twice.
        doubled: USD of that.
    """
    if saved > 0:
        yield f"{show_usd(saved)} saved by the half-price lane"
    elif saved < 0:
        yield f"the half-price lane cost {show_usd(-saved)} more than it saved"
    if doubled:
        yield f"{show_usd(doubled)} paid twice: answers that came after their texts were moved to the other lane"


def batch_report(job: JobView) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "run": job.run_id,
        "number": job.number,
        "id": job.name or None,
        "state": job.state,
        "over": job.over,
        "total": job.total,
        "done": job.done,
        "failed": job.failed,
        "kept": job.kept,
        "estimated_cost_usd": job.estimated,
        "cost_usd": job.billed,
        "since": job.since,
        "expires": job.expires,
        "problem": job.problem or None,
        "next_step": job.next_step or None,
        "files_left": list(job.files_left),
    }


def waiting_of(look: Look) -> Waiting:
    """What waits for batches in a home that is looked at."""
    return HalfPrice(look.settings, look.store, look.engine).waiting()


def waiting_report(waiting: Waiting) -> dict[str, Any]:
    """The same as JSON values."""
    return {"items": waiting.items, "batches": waiting.batches, "since": waiting.since}


def jobs_of(look: Look) -> tuple[JobView, ...]:
    """Batches that are under way in a home that is looked at."""
    return HalfPrice(look.settings, look.store, look.engine).jobs()
