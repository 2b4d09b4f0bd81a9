"""One request on its way: its turn, its reservation, its place among those in flight, its answer kept before all else.

A place is free again once the answer is on the disk, so that no more than N are lost, whenever the program is killed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from batch_manager.embedding import Answer, Embedder
from batch_manager.embedding.pacing import Pace
from batch_manager.engine.books import Books, NotNow, Reservation
from batch_manager.engine.control import Control
from batch_manager.engine.progress import BatchProgress
from batch_manager.errors import Refusal, RequestRefused, StoppedError, Verdict
from batch_manager.events import LimitsView
from batch_manager.packing import Input
from batch_manager.settings import Settings

ROOM_WAIT = 0.05
SHARED_ROOM_WAIT = 0.5
"""Seconds between two looks at whether requests in flight have left room under the cap; a worker asks the store."""

GIVEN_UP = Refusal(Verdict.RETRY, "no_answer", "The run ended before the answer came.", maybe_billed=True)


class Flown(NamedTuple):
    """An answer that came, and after how many seconds; it isn't kept yet."""

    held: Reservation
    answer: Answer
    seconds: float


class Departures:
    """The requests of one run."""

    def __init__(
        self,
        books: Books,
        control: Control,
        embedder: Embedder,
        pace: Pace,
        settings: Settings,
        wake: Callable[[], None],
    ) -> None:
        """No request is out; the arguments are those of `Sender`."""
        self._books = books
        self._control = control
        self._progress = control.progress
        self._embedder = embedder
        self._pacer = pace
        self._wake = wake
        self._by_bytes = False
        self._known_tokens = settings.tokens_per_minute
        self._turn = asyncio.Lock()
        # A request is written down together with the answer that makes room for it, and leaves when both are durable.
        self._ahead = asyncio.Semaphore(settings.concurrency)
        self._places = asyncio.Semaphore(settings.concurrency)

    def slow_down(self, seconds: float, message: str) -> None:
        """The server refused for its rate: nothing is sent for that long."""
        self._pacer.slow_down(seconds, time.monotonic())
        # By our count of tokens there was room, so the server may count bytes: pace by the larger from now on.
        self._by_bytes |= "token" in message.lower()

    async def send(self, batch: BatchProgress, inputs: Sequence[Input], tried: int) -> Flown:
        """Send one request; its place is kept until `keep`.

        Raises:
            RequestRefused: There is no answer; that is written down.
            StopRun: The run stops before it is sent.
            StoreError: It could not be written down, or its refusal couldn't.
        """
        ids = [one.text_id for one in inputs]
        texts = await self._control.persist(lambda: self._books.store.work.bodies(ids), at_stake=False)
        bodies = [texts[one.text_id] for one in inputs]
        async with self._ahead:
            batch.started = batch.started or time.monotonic()
            while True:
                flown = await self._in_turn(batch, inputs, bodies, tried)
                if flown is not None:
                    return flown

    async def _in_turn(
        self, batch: BatchProgress, inputs: Sequence[Input], bodies: Sequence[str], tried: int
    ) -> Flown | None:
        """Wait for its turn, reserve its worst cost, wait for a place, send; None when a pause came before that."""
        tokens = sum(one.tokens for one in inputs)
        ticket = await self._wait_for_turn(batch, inputs)
        batch.state, batch.waits_for = "sending", ""
        batch.tries += 1
        answer: Answer | None = None
        try:
            reservation = await self._reserve(batch, inputs, tokens)
            if not await self._takes_place(reservation):
                batch.tries -= 1
                return None
            sent = time.monotonic()
            try:
                answer = await self._embedder.embed(bodies, tried=tried, expected_tokens=tokens)
            except RequestRefused as error:
                refusal, seconds = error.refusal, time.monotonic() - sent
                await self._control.persist(lambda: self._books.refused(reservation, refusal, seconds))
                raise
            except asyncio.CancelledError:
                self._books.refused(reservation, GIVEN_UP, time.monotonic() - sent)
                raise
            finally:
                if answer is None:
                    self._places.release()
            return Flown(reservation, answer, time.monotonic() - sent)
        finally:
            limits = None if answer is None else answer.limits
            self._pacer.back(ticket, limits, time.monotonic(), answered=answer is not None)
            self._show_limits()

    async def _takes_place(self, reservation: Reservation) -> bool:
        """Wait for a place; where the run was paused or stopped since the turn came, the request is taken back."""
        try:
            await self._places.acquire()
        except asyncio.CancelledError:
            self._books.unsent(reservation)
            raise
        if self._control.goes_on:
            return True
        self._places.release()
        await self._control.persist(lambda: self._books.unsent(reservation))
        return False

    async def keep(self, batch: BatchProgress, inputs: Sequence[Input], flown: Flown) -> None:
        """Keep an answer, and what it tells. Until then no other has its place: a kill costs only those."""
        held, answer, seconds = flown
        # It is paid for and lives only here, so a store that is full or busy is tried for long.
        try:
            await self._control.keep(lambda: self._books.answered(held, batch, inputs, answer, seconds))
        finally:
            self._places.release()
        self._wake()
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
