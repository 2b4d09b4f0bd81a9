"""One run, from the yes to its end. `Run.go` is the way of the data, readable at one go."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from batch_manager.embedding import Answer, Embedder
from batch_manager.engine.budget import Budget
from batch_manager.engine.delivery import Delivery
from batch_manager.engine.progress import BatchProgress, Progress
from batch_manager.engine.sending import Sender
from batch_manager.errors import BatchManagerError, Refusal, StoreError
from batch_manager.events import BatchChanged, Event, ItemFailed, Notice, RunChanged, RunState
from batch_manager.home import free_bytes
from batch_manager.packing import WINDOW_BATCHES, Input, Limits, pack_window
from batch_manager.pricing import show_usd
from batch_manager.quote import Quote
from batch_manager.store import DocumentationStore
from batch_manager.store.ledger import RunEnd
from batch_manager.vectors import VectorStore

if TYPE_CHECKING:
    from batch_manager.settings import Settings

log = logging.getLogger("batch_manager.engine")

GRACE = 5.0
"""Seconds that requests in flight are waited for when a run is stopped."""

LEAST_FREE = 64 * 1024 * 1024
"""Bytes that must be free before a request leaves: room for the answers in flight, the log and the index."""

OnTrouble = Literal["pause", "stop"]


class StopRun(Exception):
    """Nothing more is sent; the run's progress says why."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A request in the ledger, with the money that it holds (picodollars)."""

    request_id: int
    tokens: int
    cost: int


class Run:
    """A run that was agreed. It lives in the engine's event loop."""

    def __init__(
        self,
        run_id: int,
        space_id: int,
        quote: Quote,
        settings: Settings,
        store: DocumentationStore,
        budget: Budget,
        publish: Callable[[Event], None],
        on_trouble: OnTrouble,
        limits: Limits,
    ) -> None:
        self.id = run_id
        self.space_id = space_id
        self.quote = quote
        self.settings = settings
        self.store = store
        self._limits = limits
        self._publish = publish
        self._on_trouble = on_trouble
        self._going = asyncio.Event()
        self._going.set()
        self._stopping = asyncio.Event()
        self._cancelled = False
        self.progress = Progress(run_id, quote, budget, time.monotonic(), items=quote.items + quote.unsendable_count)
        self.progress.failed = quote.unsendable_count
        self._tasks: set[asyncio.Task[None]] = set()

    # The way of the data

    async def go(self, embedder: Embedder, vectors: VectorStore) -> None:
        """Deliver what is paid for, send what is agreed, deliver as answers come; then write down how it ended."""
        sender = Sender(self, embedder, self._limits)
        self._delivery = delivery = Delivery(self, vectors)
        self._enter("running")
        try:
            self._announce_unsendable()
            self.progress.delivering = self.progress.answered = self.store.answers.waiting(self.space_id)
            # What an earlier run left undelivered comes along, whatever this run's scope is.
            self.progress.items += self.progress.answered - self.store.answers.waiting(self.space_id, self.id)
            await delivery.drain()  # what was paid for comes first, and costs nothing
            following = asyncio.create_task(delivery.follow())
            try:
                await self._feed(sender)
            finally:
                delivery.sending = False
                delivery.wake()
                await self._last_delivery(following)
        except StopRun:
            pass  # the reason stands in the progress
        except BatchManagerError as error:
            self._remember(error.code, error.message, error.next_step)
        finally:
            await self._end_tasks()
        self._end()

    async def _last_delivery(self, following: asyncio.Task[None]) -> None:
        """What is paid for still goes to Chroma when a run stops; a user who waits at the door isn't kept for long."""
        await asyncio.wait({following}, timeout=GRACE if self._cancelled else None)
        if not following.done():
            following.cancel()
            await asyncio.wait({following})
        elif not self._stopping.is_set():
            following.result()

    async def _feed(self, sender: Sender) -> None:
        """Pack what is agreed, window by window, and keep up to N batches at work."""
        slots = asyncio.Semaphore(self.settings.concurrency)
        planned = iter(self.store.work.planned(self.id))
        number = 0
        try:
            while window := list(islice(planned, sender.limits.inputs * WINDOW_BATCHES)):
                packed = pack_window(window, sender.limits)
                batches = []
                for inputs in packed:
                    number += 1
                    batches.append(self.progress.batch(number, len(inputs), sum(one.tokens for one in inputs)))
                for batch, inputs in zip(batches, packed, strict=True):
                    await slots.acquire()
                    if self._stopping.is_set():
                        slots.release()
                        raise StopRun
                    task = asyncio.create_task(self._one(sender, batch, inputs))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                    task.add_done_callback(lambda _: slots.release())
            await self._settle()
        except StopRun:
            await self._settle(GRACE if self._cancelled else None)
            raise
        if self._stopping.is_set():
            raise StopRun

    async def _one(self, sender: Sender, batch: BatchProgress, inputs: Sequence[Input]) -> None:
        try:
            await sender.send(batch, inputs)
            self.progress.batches_done += 1
        except StopRun:
            batch.state, batch.waits_for = "stopped", ""
        except BatchManagerError as error:
            # Such as a store that can't keep answers: nothing more may be sent.
            batch.state, batch.waits_for = "stopped", error.code
            self._stop(error.code, error.message, error.next_step)
        except Exception as error:
            log.exception("batch %d broke", batch.number)
            batch.state, batch.waits_for = "stopped", "a fault of this program"
            self._stop("internal", f"A fault of this program: {type(error).__name__}.", "See the log, and report it.")
        self._publish(BatchChanged(self._next(), batch.view(time.monotonic())))

    async def _settle(self, seconds: float | None = None) -> None:
        """Wait for the batches at work."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)

    async def _end_tasks(self) -> None:
        for task in set(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self) -> None:
        progress = self.progress
        progress.ended = time.monotonic()
        state: RunState = "done"
        if self._cancelled:
            state = "interrupted"
        elif progress.code:
            state = "stopped"
        for batch in progress.batches.values():
            if batch.state in ("waiting", "sending", "backing off", "splitting"):
                batch.state, batch.waits_for = "stopped", ""
        try:
            self.store.ledger.end_run(self.id, self._kept_state(state), progress.reason)
        except BatchManagerError as error:
            self._remember(error.code, error.message, error.next_step)
            state = "stopped"
        self._enter(state)

    def _kept_state(self, state: RunState) -> RunEnd:
        if state == "done":
            return "done"
        # A run that stopped for a reason outside it (money, the server, Chroma) goes on under the same yes.
        return "stopped" if self.progress.code == "cap_reached" else "interrupted"

    # What a batch on its way asks of its run

    def reserve(self, batch: int, tried: int, inputs: Sequence[Input], tokens: int) -> Reservation:
        """Write a request down, its worst cost held, before it leaves.

        Raises:
            StopRun: It doesn't fit under the cap, so the run stops in good order.
            StoreError: The store can't be written; nothing may be sent.
        """
        if free_bytes(self.store.path.parent) < LEAST_FREE:
            raise StoreError(
                f"The disk of {str(self.store.path.parent)!r} is nearly full, so answers could not be kept.",
                next_step="Free some space, then start again to go on.",
                code="store_full",
            )
        cost = self.quote.price.pico(tokens)
        if not self.progress.budget.fits(cost):
            left, left_tokens = self.store.work.left(self.id)
            raise self.stop(
                "cap_reached",
                f"The cap of {show_usd(self.quote.cap or self.quote.cost)} is reached: {left:,} texts are left,"
                f" which would cost {show_usd(self.quote.price.cost(left_tokens))}.",
                "Start again with a higher cap for the rest.",
            )
        request_id = self.store.ledger.reserve(
            self.id, batch, tried, self.quote.space.model, len(inputs), tokens, self.quote.price.per_million, cost
        )
        self.progress.budget.reserve(cost)
        self.progress.requests += 1
        return Reservation(request_id, tokens, cost)

    def answered(
        self, held: Reservation, batch: BatchProgress, inputs: Sequence[Input], answer: Answer, seconds: float
    ) -> None:
        """Keep an answer: vectors, usage and the items' state, in one transaction."""
        counted_by = "estimate" if answer.tokens is None else "server"
        tokens = held.tokens if answer.tokens is None else answer.tokens
        cost = self.quote.price.pico(tokens)
        with self.store.transaction():
            moved = self.store.answers.keep(
                self.id, self.space_id, held.request_id, [one.text_id for one in inputs], answer.vectors
            )
            self.store.ledger.settle(held.request_id, tokens, cost, counted_by, seconds)
        progress = self.progress
        progress.budget.settle(held.cost, cost)
        progress.requests_answered += 1
        progress.tokens_answered += held.tokens
        progress.tokens_billed += tokens
        progress.estimated_pico += held.cost
        progress.billed_pico += cost
        progress.answered += moved
        progress.delivering += moved
        batch.answered += len(inputs)
        self._delivery.wake()

    def refused(self, held: Reservation, refusal: Refusal, seconds: float) -> None:
        """Note a refusal; its money is let go unless the server may have billed it."""
        self.store.ledger.refuse(
            held.request_id, refusal.code, refusal.message, held=refusal.maybe_billed, seconds=seconds
        )
        if not refusal.maybe_billed:
            self.progress.budget.release(held.cost)

    def fail(self, batch: BatchProgress, inputs: Sequence[Input], refusal: Refusal) -> None:
        """These inputs can't be embedded: their items fail, and the rest goes on."""
        failed = self.store.answers.fail(
            self.id,
            [one.text_id for one in inputs],
            refusal.code,
            refusal.message,
            refusal.next_step,
            batch.tries,
        )
        batch.failed += len(inputs)
        self.progress.failed += len(failed)
        for kind, name in failed:
            self._publish(ItemFailed(self._next(), kind, name, refusal.code, refusal.message))

    def delivered(self, items: int) -> None:
        """That many items are in Chroma and marked."""
        self.progress.indexed += items
        self.progress.delivering = self.store.answers.waiting(self.space_id)

    def learned(self, limits: Limits) -> None:
        """This server takes smaller requests than was thought; remembered for it."""
        self.store.set_note(f"limits:{self.quote.space.server}", f"{limits.inputs},{limits.tokens}")
        self.notice(
            f"{self.quote.host} takes at most {limits.inputs} inputs and {limits.tokens:,} tokens a request.", "info"
        )

    def notice(self, message: str, level: Literal["info", "warning", "error"] = "info") -> None:
        """Tell whoever listens, and the log."""
        log.log({"info": 20, "warning": 30, "error": 40}[level], "%s", message)
        self._publish(Notice(self._next(), message, level))

    # Being told: pause, resume, stop

    def pause(self, reason: str = "", next_step: str = "", code: str = "") -> None:
        """Send nothing more for now; what is in flight comes in."""
        if self.progress.state not in ("running", "starting"):
            return
        self._going.clear()
        self.progress.pause(time.monotonic())
        self._remember(code, reason, next_step)
        self._enter("paused")

    def resume(self) -> None:
        """Go on."""
        if self.progress.state != "paused":
            return
        self._remember("", "", "")
        self.progress.resume(time.monotonic())
        self._enter("running")
        self._going.set()

    def cancel(self) -> None:
        """End in good order: nothing new is sent, what is in flight is kept."""
        self._cancelled = True
        self._stop("", "Stopped by you; what was paid for is kept.", "Start again to go on.")

    def broken(self, error: BatchManagerError) -> None:
        """It can't go on, or couldn't even begin."""
        self._remember(error.code, error.message, error.next_step)
        if self.progress.ended is None:
            self._end()

    def stop(self, code: str, reason: str, next_step: str) -> StopRun:
        """Stop all sending; returns what the caller raises."""
        self._stop(code, reason, next_step)
        return StopRun()

    async def trouble(self, code: str, reason: str, next_step: str) -> None:
        """Something outside is wrong. With somebody there the run pauses until it is cured; else it stops.

        Raises:
            StopRun: Nobody is there, or the run is stopped meanwhile.
        """
        self.notice(reason, "error")
        if self._on_trouble == "stop":
            raise self.stop(code, reason, next_step)
        self.pause(reason, next_step, code)
        await self.gate()

    async def gate(self) -> None:
        """Pass when the run goes on.

        Raises:
            StopRun: It stops.
        """
        await self._going.wait()
        if self._stopping.is_set():
            raise StopRun

    async def sleep(self, seconds: float) -> None:
        """Wait, but not longer than the run goes on.

        Raises:
            StopRun: It stops.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
        raise StopRun

    def _stop(self, code: str, reason: str, next_step: str) -> None:
        if self._stopping.is_set():
            return
        self._remember(code, reason, next_step)
        self._stopping.set()
        self._going.set()  # whoever waits at the gate has to learn of it
        self._enter("stopping")

    def _remember(self, code: str, reason: str, next_step: str) -> None:
        self.progress.code, self.progress.reason, self.progress.next_step = code, reason, next_step

    def _announce_unsendable(self) -> None:
        from batch_manager.documents import PROBLEMS

        for one in self.quote.unsendable:
            self._publish(ItemFailed(self._next(), one.kind, one.name, one.code, PROBLEMS[one.code][0]))

    def _enter(self, state: RunState) -> None:
        self.progress.state = state
        log.info("run %d is %s%s", self.id, state, f": {self.progress.reason}" if self.progress.reason else "")
        self._publish(RunChanged(self._next(), state, self.progress.reason, self.progress.next_step))

    def _next(self) -> int:
        self.progress.sequence += 1
        return self.progress.sequence
