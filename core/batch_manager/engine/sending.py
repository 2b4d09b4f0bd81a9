"""One batch on its way: sent, tried again, halved, until each of its inputs is answered or failed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import tenacity

from batch_manager.embedding import Answer, Embedder
from batch_manager.embedding.backoff import backoff
from batch_manager.embedding.pacing import Pace, Pacer
from batch_manager.engine.books import Books
from batch_manager.engine.control import Control
from batch_manager.engine.departures import Departures
from batch_manager.engine.progress import BatchProgress
from batch_manager.errors import Refusal, RequestRefused, StoppedError, Verdict
from batch_manager.packing import Input, Limits, pack_window
from batch_manager.settings import Settings

EXHAUSTED_BATCHES = 3
EXHAUSTED_PIECES = 8
"""Batches, or pieces of them, that used up their tries without any answer between, until the server counts as gone.
Halving a batch with one bad input gives two such pieces in a row, with three of them seven."""

_SILENT = frozenset({"connection_lost", "timeout"})

DRIFT = 1.02
DRIFT_REQUESTS = 10


class Sender:
    """Sends the batches of one run."""

    def __init__(
        self,
        books: Books,
        control: Control,
        embedder: Embedder,
        settings: Settings,
        limits: Limits,
        wake: Callable[[], None],
        pace: Pace | None = None,
    ) -> None:
        """A sender of one run.

        Args:
            books: Where requests and answers are written down.
            control: Whether the run may go on.
            embedder: Who is sent to.
            settings: Tries, and the account's limits where the user set them.
            limits: Ceilings of a request, as far as they are known; they may shrink.
            wake: Called whenever an answer is kept.
            pace: Who says when the next request may leave; by default this run's own meters.
        """
        self._books = books
        self._control = control
        self._progress = control.progress
        self.limits = limits
        self._tries = settings.max_retries + 1
        pace = pace or Pacer(settings.requests_per_minute, settings.tokens_per_minute, time.monotonic())
        self._departures = Departures(books, control, embedder, pace, settings, wake)
        self._exhausted: list[int] = []
        self._halved: set[int] = set()

    async def send(self, batch: BatchProgress, inputs: Sequence[Input]) -> None:
        """Send a batch until each of its inputs is answered or failed, or the run stops."""
        await self._send(batch, inputs)
        batch.waits_for = ""
        batch.state = "answered" if batch.answered > batch.indexed else ("failed" if batch.failed else "indexed")
        if batch.state != "answered":
            batch.ended = time.monotonic()

    async def _send(self, batch: BatchProgress, inputs: Sequence[Input]) -> bool:
        """Send these inputs, halving them where they are refused; True when all of them were answered."""
        done = True
        # Limits learnt since the inputs were packed count for them too.
        for piece in pack_window(inputs, self.limits):
            done &= await self._settle(batch, piece, await self._with_retries(batch, piece))
        return done

    async def _settle(self, batch: BatchProgress, inputs: Sequence[Input], refusal: Refusal | None) -> bool:
        """What follows from an outcome: nothing, an input that fails, or halves."""
        if refusal is None:
            return True
        if len(inputs) == 1:
            await self._control.persist(lambda: self._books.failed(batch, inputs, refusal))
            return False
        batch.state = "splitting"
        if batch.number not in self._halved:
            self._halved.add(batch.number)
            words = (
                f"Batch {batch.number:,} was refused ({refusal.code}): it is sent in halves, to find the text at fault."
            )
            self._control.notice(words, "info")
        middle = len(inputs) // 2
        left, right = inputs[:middle], inputs[middle:]
        if refusal.verdict is not Verdict.SPLIT:
            # Both halves before a closer look at one: an answer to either tells that the server isn't gone.
            outcomes = [await self._with_retries(batch, half) for half in (left, right)]
            settled = [await self._settle(batch, half, one) for half, one in zip((left, right), outcomes, strict=True)]
            return all(settled)
        done = await self._send(batch, left)
        if done and len(right) > 1 and not _about_size(refusal):
            # What the server refused must be in the other half: sending that whole would only be refused again.
            done = await self._settle(batch, right, refusal)
        else:
            done &= await self._send(batch, right)
        if done:
            await self._learn(refusal, left, right)
        return done

    async def _learn(self, refusal: Refusal, *halves: Sequence[Input]) -> None:
        """Nothing in the batch was wrong, so it was too large for this server: what follows is smaller.

        Which ceiling it was, only the server's words can tell: of the other one nothing is learnt.
        """
        if "token" in f"{refusal.code} {refusal.message}".lower():
            fits = max(sum(one.weight for one in half) for half in halves)
            limits = replace(self.limits, tokens=min(self.limits.tokens, fits))
        else:
            limits = replace(self.limits, inputs=min(self.limits.inputs, max(len(half) for half in halves)))
        if limits != self.limits:
            self.limits = limits
            await self._control.persist(lambda: self._books.learned(limits), at_stake=False)

    async def _with_retries(self, batch: BatchProgress, inputs: Sequence[Input]) -> Refusal | None:
        """Try up to the agreed number of times; None when the answer is kept, else the last refusal."""

        def wait(state: tenacity.RetryCallState) -> float:
            refusal = _refusal(state)
            seconds = backoff(state.attempt_number, refusal.retry_after, random.random())
            if refusal.slow_down:
                self._departures.slow_down(seconds, refusal.message)
            return seconds

        def announce(state: tenacity.RetryCallState) -> None:
            refusal = _refusal(state)
            batch.state = "backing off"
            batch.waits_for = f"try {state.attempt_number + 1} of {self._tries}: {refusal.code}"
            self._control.notice(f"Batch {batch.number}: {refusal.code}, trying again. {refusal.message}", "warning")

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_is_retried),
            stop=tenacity.stop_after_attempt(self._tries),
            wait=wait,
            before_sleep=announce,
            sleep=self._control.sleep,
            reraise=True,
        )
        while True:
            try:
                async for attempt in retrying:
                    with attempt:
                        flown = await self._departures.send(batch, inputs, attempt.retry_state.attempt_number)
                self._exhausted.clear()
                await self._departures.keep(batch, inputs, flown)
                await self._check_drift(batch, flown.answer)
                return None
            except RequestRefused as error:
                if not await self._cured(batch, error):
                    return error.refusal

    async def _cured(self, batch: BatchProgress, error: RequestRefused) -> bool:
        """Whether the trouble lay outside the batch and is over, so that the same is worth sending again.

        Raises:
            StopRun: It can't be cured here, or nobody is there to cure it.
        """
        refusal = error.refusal
        if refusal.verdict is Verdict.STOP:
            raise self._control.stop(refusal.code, refusal.message, refusal.next_step)
        if refusal.verdict is not Verdict.RETRY:
            self._exhausted.clear()  # it speaks
            return False
        self._exhausted.append(batch.number)
        if not self._is_gone(refusal.code):
            return False
        batch.state, batch.waits_for = "waiting", "the server"
        await self._control.trouble(error)
        self._exhausted.clear()
        return True

    def _is_gone(self, code: str) -> bool:
        """Whether the server is in trouble, rather than one of the inputs: those aren't to fail for that."""
        if code == "unreachable" or (code in _SILENT and not self._progress.requests_answered):
            return True
        return len(set(self._exhausted)) >= EXHAUSTED_BATCHES or len(self._exhausted) >= EXHAUSTED_PIECES

    async def _check_drift(self, batch: BatchProgress, answer: Answer) -> None:
        """Stop and ask when the server bills more than was agreed; once, until it bills more than that again."""
        books = self._books
        drift = books.drift
        if answer.tokens is None or self._progress.requests_answered < DRIFT_REQUESTS:
            return
        if drift <= DRIFT or drift <= books.agreed_drift * DRIFT:
            return
        await self._control.persist(lambda: books.agree_drift(drift), at_stake=False)
        batch.state, batch.waits_for = "waiting", "your word"
        await self._control.trouble(
            StoppedError(
                f"The server bills {(drift - 1) * 100:.1f}% more tokens than were counted.",
                next_step="Go on if that is all right: what is held for each request takes it in, and the cap holds.",
                code="bill_drift",
            )
        )


def _about_size(refusal: Refusal) -> bool:
    words = f"{refusal.code} {refusal.message}".lower()
    return refusal.status == 413 or any(
        word in words for word in ("token", "too large", "too many", "too long", "array")
    )


def _is_retried(error: BaseException) -> bool:
    return isinstance(error, RequestRefused) and error.refusal.verdict is Verdict.RETRY


def _refusal(state: tenacity.RetryCallState) -> Refusal:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, RequestRefused):
        raise TypeError("only refusals are retried")
    return error.refusal
