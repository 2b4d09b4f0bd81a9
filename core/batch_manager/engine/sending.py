"""One batch on its way: paced, reserved, sent, tried again, halved; its answers kept before anything else."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import tenacity

from batch_manager.embedding import Answer, Embedder
from batch_manager.embedding.backoff import backoff
from batch_manager.embedding.pacing import Pace, Pacer
from batch_manager.engine.books import Books, NotNow, Reservation
from batch_manager.engine.control import Control, StopRun
from batch_manager.engine.progress import BatchProgress
from batch_manager.errors import Refusal, RequestRefused, StoppedError, Verdict
from batch_manager.events import LimitsView
from batch_manager.packing import Input, Limits, pack_window
from batch_manager.settings import Settings

EXHAUSTED_BATCHES = 3
EXHAUSTED_PIECES = 8
"""Batches, or pieces of them, that used up their tries without any answer between, until the server counts as gone.
Halving a batch with one bad input gives two such pieces in a row, with three of them seven."""

_SILENT = frozenset({"connection_lost", "timeout"})

GIVEN_UP = Refusal(Verdict.RETRY, "no_answer", "The run ended before the answer came.", maybe_billed=True)

DRIFT = 1.02
DRIFT_REQUESTS = 10


ROOM_WAIT = 0.05
SHARED_ROOM_WAIT = 0.5
"""Seconds between two looks at whether requests in flight have left room under the cap; a worker asks the store."""


class _Flown(NamedTuple):
    """An answer that came, and after how many seconds; it isn't kept yet."""

    held: Reservation
    answer: Answer
    seconds: float


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
        self._embedder = embedder
        self._wake = wake
        self.limits = limits
        self._tries = settings.max_retries + 1
        self._pacer: Pace = pace or Pacer(settings.requests_per_minute, settings.tokens_per_minute, time.monotonic())
        self._by_bytes = False
        self._turn = asyncio.Lock()
        # A request is written down together with the answer that makes room for it, and leaves when both are durable.
        self._ahead = asyncio.Semaphore(settings.concurrency)
        self._places = asyncio.Semaphore(settings.concurrency)
        self._exhausted: list[int] = []
        self._halved: set[int] = set()
        self._known_tokens = settings.tokens_per_minute

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
                self._pacer.slow_down(seconds, time.monotonic())
                # By our count of tokens there was room, so the server may count bytes: pace by the larger from now on.
                self._by_bytes |= "token" in refusal.message.lower()
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
                        flown = await self._once(batch, inputs, attempt.retry_state.attempt_number)
                self._exhausted.clear()
                await self._keep(batch, inputs, flown)
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

    async def _once(self, batch: BatchProgress, inputs: Sequence[Input], tried: int) -> _Flown:
        """One request: wait for its turn, reserve its worst cost, send; a refusal is noted and raised."""
        books = self._books
        ids = [one.text_id for one in inputs]
        texts = await self._control.persist(lambda: books.store.work.bodies(ids), at_stake=False)
        tokens = sum(one.tokens for one in inputs)
        async with self._ahead:
            batch.started = batch.started or time.monotonic()
            ticket = await self._wait_for_turn(batch, inputs)
            batch.state, batch.waits_for = "sending", ""
            batch.tries += 1
            limits, answered = None, False
            try:
                reservation = await self._reserve(batch, inputs, tokens)
                await self._place(reservation)
                sent = time.monotonic()
                try:
                    answer = await self._embedder.embed(
                        [texts[one.text_id] for one in inputs], tried=tried, expected_tokens=tokens
                    )
                except BaseException as error:
                    self._places.release()
                    seconds = time.monotonic() - sent
                    if isinstance(error, RequestRefused):
                        refusal = error.refusal
                        await self._control.persist(lambda: books.refused(reservation, refusal, seconds))
                    elif isinstance(error, asyncio.CancelledError):
                        books.refused(reservation, GIVEN_UP, seconds)
                    raise
                limits, answered = answer.limits, True
                return _Flown(reservation, answer, time.monotonic() - sent)
            finally:
                self._pacer.back(ticket, limits, time.monotonic(), answered=answered)
                self._show_limits()

    async def _place(self, reservation: Reservation) -> None:
        """Wait for a place among those in flight. The run may have been paused or stopped since its turn came."""
        try:
            await self._places.acquire()
            try:
                await self._control.gate()
            except BaseException:
                self._places.release()
                raise
        except (StopRun, asyncio.CancelledError):
            self._books.unsent(reservation)
            raise

    async def _keep(self, batch: BatchProgress, inputs: Sequence[Input], flown: _Flown) -> None:
        """Keep an answer, and what it tells. Until then no other has its place: a kill costs only those."""
        held, answer, seconds = flown
        # It is paid for and lives only here, so a store that is full or busy is tried for long.
        try:
            await self._control.keep(lambda: self._books.answered(held, batch, inputs, answer, seconds))
        finally:
            self._places.release()
        self._wake()
        await self._check_drift(batch, answer)
        told = self._pacer.tokens.per_minute
        if told and told != self._known_tokens:
            self._known_tokens = told
            await self._control.persist(lambda: self._books.note_account(told), at_stake=False)

    async def _reserve(self, batch: BatchProgress, inputs: Sequence[Input], tokens: int) -> Reservation:
        """Hold the worst cost; with somebody there to go on, a budget that has no room pauses the run."""
        while True:
            try:
                return await self._control.keep(lambda: self._books.reserve(batch, inputs, tokens), at_stake=False)
            except NotNow as reason:
                batch.waits_for = str(reason)
                await self._control.sleep(SHARED_ROOM_WAIT)
                await self._control.gate()
            except StoppedError as error:
                batch.state, batch.waits_for = "waiting", "room in a budget"
                if self._control.paused_for(error.code):
                    await self._control.gate()  # another batch has said so
                else:
                    await self._control.trouble(error)
                batch.state, batch.waits_for = "sending", ""

    async def _wait_for_turn(self, batch: BatchProgress, inputs: Sequence[Input]) -> int:
        async with self._turn:  # first come, first served: a large request isn't overtaken for ever
            weight = sum(one.weight if self._by_bytes else one.tokens for one in inputs)
            try:
                while (seconds := await self._seconds_left(weight)) > 0:
                    self._show_limits()  # what is left grows while nobody sends
                    if seconds > 1:
                        batch.waits_for = f"the rate limit, {seconds:.0f} s"
                    await self._control.sleep(min(seconds, 1.0))
                while self._books.waits_for_room(sum(one.tokens for one in inputs)):
                    batch.waits_for = "room under the cap"
                    await self._control.sleep(ROOM_WAIT)
                await self._control.gate()
                return self._pacer.leave(weight, time.monotonic())
            finally:
                self._pacer.give_way()

    async def _seconds_left(self, weight: int) -> float:
        return await self._control.persist(lambda: self._pacer.wait(weight, time.monotonic()), at_stake=False)

    def _show_limits(self) -> None:
        tokens, requests = self._pacer.tokens, self._pacer.requests
        self._progress.limits = LimitsView(
            tokens_per_minute=tokens.per_minute,
            tokens_left=None if tokens.per_minute is None else max(0, int(tokens.level)),
            requests_per_minute=requests.per_minute,
            requests_left=None if requests.per_minute is None else max(0, int(requests.level)),
        )

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
