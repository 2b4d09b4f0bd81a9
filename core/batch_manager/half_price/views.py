"""What is shown of this lane: frozen values for the app, the flags and Python."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from batch_manager.plural import are
from batch_manager.pricing import Price, from_pico
from batch_manager.quote import Quote
from batch_manager.store.job_row import JobRow
from batch_manager.store.jobs import HandedRun, Waiting

Shown = Literal[
    "waits", "uploading", "maybe submitted", "validating", "in progress", "finalizing", "cancelling", "collecting"
]


@dataclass(frozen=True, slots=True)
class JobView:
    """A batch of this lane as it stands.

    Attributes:
        number: 1, 2, 3… within its run.
        name: The server's id; empty before there is one.
        state: In words; once it is over the server's word for how it ended.
        total: Requests; `done` of them are through by the server's counts, `failed` of these were refused.
        kept: Results in the journal.
        estimated: USD at half the price, by our count; `billed` USD as far as results are in.
        since: When it was submitted, ISO 8601 in UTC; `expires` when the server gives it up; None before.
        over: Nothing more will come.
        unseen: The server doesn't show it to this key; only giving it up ends the wait.
        problem: What stands in its way, with `next_step`; empty when nothing does.
        files_left: Files that could not be deleted on the server.
    """

    id: int
    run_id: int
    number: int
    name: str
    state: str
    total: int
    done: int
    failed: int
    kept: int
    tokens: int
    estimated: Decimal
    billed: Decimal
    since: str | None
    expires: str | None
    looked_at: str | None
    over: bool
    unseen: bool
    problem: str
    next_step: str
    files_left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lanes:
    """One scope, priced in both lanes.

    Attributes:
        now: The quote for now.
        batch: The same at half the price; None where that isn't offered, and then `why_not` says why.
    """

    now: Quote
    batch: Quote | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a look at the server brought.

    Attributes:
        under_way: Batches that are not back yet.
        settled: Batches that came to their end in this call.
        runs: Runs that had something under way when the call began.
        answered: Results that were kept in this call; `failed` requests that were refused.
        left_over: What caps left out, with its price, in words.
        fatal: (code, words, next step) of an account's or a key's refusal; None without any.
        ended: It was ended before it was through; what came until then is kept.
    """

    under_way: tuple[JobView, ...] = ()
    settled: tuple[JobView, ...] = ()
    runs: tuple[int, ...] = ()
    answered: int = 0
    failed: int = 0
    left_over: tuple[str, ...] = ()
    fatal: tuple[str, str, str] | None = None
    ended: bool = False


def view_of(job: JobRow, number: int, price: Decimal, cost_pico: int | None) -> JobView:
    """The view of a job; its cost is what is reserved for it, else what is estimated."""
    rate = Price(price, "")
    over = job.state == "settled"
    return JobView(
        id=job.id,
        run_id=job.run_id,
        number=number,
        name=job.batch_name or "",
        state=state_words(job),
        total=job.total or job.texts,
        done=job.completed + job.failed,
        failed=job.failed,
        kept=job.answered,
        tokens=job.tokens,
        estimated=rate.cost(job.tokens) if cost_pico is None else from_pico(cost_pico),
        billed=rate.cost(job.tokens_billed),
        since=job.submitted_at,
        expires=job.expires_at,
        looked_at=job.looked_at,
        over=over,
        unseen=job.unseen and not over,
        problem=job.problem,
        next_step=job.next_step,
        files_left=job.left_files if over else (),
    )


def state_words(job: JobRow) -> str:
    """Where a job is, in words."""
    if job.state == "settled":
        return job.outcome
    if job.state in ("planned", "uploaded"):
        return "waits"
    if job.state == "uploading":
        return "uploading"
    if job.state == "creating":
        return "maybe submitted"
    if job.state == "collecting":
        return "collecting"
    if job.cancel_asked:
        return "cancelling"
    return job.status.replace("_", " ") or "validating"


def views_of(runs: list[tuple[HandedRun, list[JobRow]]]) -> tuple[JobView, ...]:
    """Views of the jobs of some runs, in order."""
    return tuple(
        view_of(job, number, run.price, None)
        for run, jobs in runs
        for number, job in enumerate(jobs, start=1)
        if job.outcome != "split"
    )


def waiting_words(waiting: Waiting) -> str:
    """`3 items are in a half-price batch since 2026-11-24 19:03 UTC`; empty when nothing waits."""
    if not waiting.items:
        return ""
    if not waiting.batches:  # the program was ended between the yes and the first batch
        return f"{are(waiting.items, 'item')} agreed to at half the price, and not handed over yet"
    batches = "a half-price batch" if waiting.batches == 1 else f"{waiting.batches:,} half-price batches"
    since = f" since {waiting.since[:16].replace('T', ' ')} UTC" if waiting.since else ", not submitted yet"
    return f"{are(waiting.items, 'item')} in {batches}{since}"
