"""Progress: what the engine knows of a run while it works, and the picture made of it. The clock is handed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from batch_manager.engine.budget import Budget
from batch_manager.engine.eta import EtaWatch, Stage, Waiting, allowed_seconds, range_of
from batch_manager.events import BatchState, BatchView, LimitsView, RunState, RunView, WorkerView
from batch_manager.pricing import from_pico
from batch_manager.quote import Quote

SHOWN_BATCHES = 240
"""Batches that a view lists: those at work, then the latest others."""

WINDOW = 20.0
"""Seconds that a rate looks back."""

LATER = 1.1
"""How much later than the account allows at the least: a request waits until there is room for all of it."""

_OVER: frozenset[BatchState] = frozenset({"indexed", "failed", "stopped"})
_AT_WORK: frozenset[BatchState] = frozenset({"sending", "backing off", "splitting"})


def stood_still(since: float, until: float, pauses: Sequence[tuple[float, float]]) -> float:
    """Seconds of these pauses that lie between two times. Pure."""
    return sum(max(0.0, min(until, end) - max(since, start)) for start, end in pauses)


@dataclass(slots=True)
class BatchProgress:
    """One batch, as it moves."""

    number: int
    items: int
    tokens: int
    state: BatchState = "waiting"
    answered: int = 0
    indexed: int = 0
    failed: int = 0
    tries: int = 0
    started: float | None = None
    ended: float | None = None
    waits_for: str = ""
    worker: str = ""

    @property
    def at_work(self) -> bool:
        """Not yet through."""
        return self.state == "waiting" or self.state in _AT_WORK

    def stop(self, why: str = "") -> None:
        """The run stopped before it was through."""
        self.state, self.waits_for = "stopped", why

    def settle(self, *, delivered: bool) -> None:
        """The run is over.

        Args:
            delivered: Nothing waits for Chroma. What it was answered and Chroma doesn't have is then of items that
                failed by another part, or changed meanwhile.
        """
        if self.at_work:
            self.stop()
        elif self.state == "answered" and delivered:
            self.state = "failed" if self.failed or not self.indexed else "indexed"

    def view(self, now: float, pauses: Sequence[tuple[float, float]] = ()) -> BatchView:
        """The batch as it stands; while the run was paused, its clock stood still."""
        ended = self.ended or now
        seconds = 0.0 if self.started is None else ended - self.started - stood_still(self.started, ended, pauses)
        return BatchView(
            self.number,
            self.state,
            self.items,
            self.tokens,
            self.answered,
            self.indexed,
            self.failed,
            self.tries,
            seconds,
            self.waits_for,
            self.worker,
        )


@dataclass(slots=True)
class Progress:
    """One run, as it moves. Only the engine's thread changes it."""

    run_id: int
    quote: Quote
    budget: Budget
    started: float
    state: RunState = "starting"
    reason: str = ""
    next_step: str = ""
    code: str = ""
    items: int = 0
    answered: int = 0
    indexed: int = 0
    failed: int = 0
    tokens_answered: int = 0
    tokens_billed: int = 0
    requests: int = 0
    requests_answered: int = 0
    estimated_pico: int = 0
    billed_pico: int = 0
    batches_done: int = 0
    delivering: int = 0
    workers: tuple[WorkerView, ...] = ()
    watched: bool = False
    limits: LimitsView = field(default_factory=LimitsView)
    batches: dict[int, BatchProgress] = field(default_factory=dict)
    ended: float | None = None
    pauses: list[tuple[float, float]] = field(default_factory=list)
    sequence: int = 0
    _samples: deque[tuple[float, int, int, int]] = field(default_factory=deque)
    _paused_at: float | None = None
    _watch: EtaWatch = field(default_factory=EtaWatch)
    _slowest: Stage = "sending"

    def batch(self, number: int, items: int, tokens: int) -> BatchProgress:
        """A new batch; old ones that are over make room."""
        progress = BatchProgress(number, items, tokens)
        self.batches[number] = progress
        if len(self.batches) > 2 * SHOWN_BATCHES:
            over = [key for key, one in self.batches.items() if one.state in _OVER or one.state == "answered"]
            for key in over[: len(self.batches) - SHOWN_BATCHES]:
                del self.batches[key]
        return progress

    def delivered(self, number: int, inputs: int, now: float) -> None:
        """That many inputs of a batch are in Chroma."""
        batch = self.batches.get(number)
        if batch is None:
            return
        batch.indexed += inputs
        if batch.indexed >= batch.answered and batch.state == "answered":
            batch.state = "indexed"
            batch.ended = batch.ended or now

    def next(self) -> int:
        """The next sequence number."""
        self.sequence += 1
        return self.sequence

    @property
    def paused(self) -> float:
        """Seconds of pauses that are over."""
        return sum(end - start for start, end in self.pauses)

    def _stood(self, now: float) -> list[tuple[float, float]]:
        """Its pauses, the present one too."""
        return self.pauses if self._paused_at is None else [*self.pauses, (self._paused_at, now)]

    def pause(self, now: float) -> None:
        """The clock of the run stands still."""
        self._paused_at = self._paused_at or now

    def resume(self, now: float) -> None:
        """It goes on; the rate starts afresh."""
        if self._paused_at is not None:
            self.pauses.append((self._paused_at, now))
            self._paused_at = None
            self._samples.clear()
            self._watch.forget()

    def sample(self, now: float) -> None:
        """Remember where the run stands, a few times a second."""
        if self.state != "running" or (self._samples and now - self._samples[-1][0] < 0.25):
            return
        self._samples.append((now, self.answered, self.indexed, self.tokens_answered))
        while now - self._samples[0][0] > WINDOW:
            self._samples.popleft()

    def view(self, now: float) -> RunView:
        """The picture of the run."""
        rate, eta = self._pace(now)
        ended = self.ended or now
        going = [Waiting(one.state, one.waits_for) for one in self.batches.values() if one.at_work]
        return RunView(
            sequence=self.next(),
            run_id=self.run_id,
            state=self.state,
            reason=self.reason,
            next_step=self.next_step,
            code=self.code,
            items=self.items,
            answered=self.answered,
            indexed=self.indexed,
            failed=self.failed,
            tokens=self.quote.tokens,
            tokens_answered=self.tokens_answered,
            requests=self.requests,
            quoted=self.quote.cost,
            estimated=from_pico(self.estimated_pico),
            billed=from_pico(self.billed_pico),
            reserved=from_pico(self.budget.held),
            cap=self.quote.cap,
            batches_total=max(self.quote.requests, len(self.batches)),
            batches_done=self.batches_done,
            batches=self._shown(now),
            limits=self.limits,
            seconds=ended - self.started - stood_still(self.started, ended, self._stood(now)),
            rate=rate,
            eta=eta,
            eta_reason=self._watch.reason(eta, self._slowest, going, now),
            delivering=self.delivering,
            workers=self.workers,
            watched=self.watched,
        )

    def _shown(self, now: float) -> tuple[BatchView, ...]:
        numbers = sorted(self.batches)
        if len(numbers) > SHOWN_BATCHES:
            at_work = [number for number in numbers if self.batches[number].state in _AT_WORK]
            others = [number for number in numbers if self.batches[number].state not in _AT_WORK]
            room = max(0, SHOWN_BATCHES - len(at_work))
            numbers = sorted(at_work[:SHOWN_BATCHES] + others[len(others) - room :])
        stood = self._stood(now)
        return tuple(self.batches[number].view(now, stood) for number in numbers)

    def _pace(self, now: float) -> tuple[float | None, tuple[float, float] | None]:
        if self.state != "running" or len(self._samples) < 4:
            return None, None
        first, last = self._samples[0], self._samples[-1]
        span = last[0] - first[0]
        if span < 1.0:
            return None, None
        rate = (last[1] - first[1]) / span
        left = self.items - self.failed
        return (rate if rate > 0 else None), self._eta(first, last, span, left, now)

    def _eta(
        self,
        first: tuple[float, int, int, int],
        last: tuple[float, int, int, int],
        span: float,
        items: int,
        now: float,
    ) -> tuple[float, float] | None:
        """Seconds to the end as a range, of the slower of both stages: by the rate of late, by the whole run's, and not
        sooner than the account's limits allow."""
        whole = max(0.001, now - self.started - self.paused)
        allowed = self._allowed()
        estimates: list[tuple[float, float]] = []
        for position, left, done, least in (
            (3, self.quote.tokens - self.tokens_answered, self.tokens_answered, allowed),
            (2, items - self.indexed, self.indexed, 0.0),
        ):
            if left <= 0:
                continue
            rates = [rate for rate in ((last[position] - first[position]) / span, done / whole) if rate > 0]
            if not rates:
                return None
            soonest, latest = range_of(left, rates, self.requests_answered)
            estimates.append((max(soonest, least), max(latest, least * LATER)))
        if not estimates:
            return None
        # Where both stages have work left, the second of them is the index.
        self._slowest = "index" if len(estimates) > 1 and estimates[1][1] > estimates[0][1] * 1.2 else "sending"
        return max(one[0] for one in estimates), max(one[1] for one in estimates)

    def _allowed(self) -> float:
        """Seconds that the account's limits take for what hasn't left yet."""
        under_way = sum(one.tokens for one in self.batches.values() if one.state == "sending")
        tokens = self.quote.tokens - self.tokens_answered - under_way
        return allowed_seconds(tokens, self.quote.requests - self.requests, self.limits)
