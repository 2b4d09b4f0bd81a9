"""One run, from the yes to its end. `Run.go` is the way of the data, readable at one go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from batch_manager.embedding import Embedder
from batch_manager.engine.books import CAP_REACHED, Books
from batch_manager.engine.control import BY_YOU, Control, StopRun
from batch_manager.engine.delivery import Delivery
from batch_manager.engine.feeding import Feeder
from batch_manager.engine.own_queue import OwnQueue
from batch_manager.engine.sending import Sender
from batch_manager.errors import BatchManagerError
from batch_manager.events import RunState
from batch_manager.packing import Limits
from batch_manager.settings import Settings
from batch_manager.store.ledger import RunEnd
from batch_manager.vectors import VectorStore

GRACE = 5.0
"""Seconds that requests in flight, and then the last rows for Chroma, are waited for when a run is cancelled."""


class Run:
    """A run that was agreed. It lives in the engine's event loop."""

    theirs = False
    """Whether others do it."""

    def __init__(self, books: Books, control: Control, settings: Settings, limits: Limits) -> None:
        """A run over these books; nothing happens before `go`."""
        self.books = books
        self.control = control
        self.progress = control.progress
        self._settings = settings
        self._limits = limits
        self._tasks: set[asyncio.Task[None]] = set()

    async def go(self, embedder: Embedder, vectors: VectorStore, settle: Callable[[], Awaitable[object]]) -> None:
        """Deliver what is paid for, send what is agreed, deliver as answers come; then write down how it ended.

        Args:
            embedder: Where it is sent.
            vectors: The index that it is delivered to.
            settle: The last step, when all is through: an index that was built beside another may serve now.
        """
        delivery = Delivery(self.books, self.control, vectors)
        sender = Sender(self.books, self.control, embedder, self._settings, self._limits, delivery.wake)
        try:
            if self.progress.state == "starting":  # it may have been paused or stopped while Chroma was opened
                self.control.enter("running")
            await self.control.gate()
            self.books.open()
            await self._first(delivery)
            following = asyncio.create_task(delivery.follow())
            try:
                await self._feed(sender)
            finally:
                delivery.no_more()
                await self._last_delivery(following)
            await settle()
        except StopRun:
            pass  # the reason stands in the progress
        except BatchManagerError as error:
            self.control.remember(error.code, error.message, error.next_step)
        finally:
            await self._give_up()
        self._end()

    def cancel(self, who: str = BY_YOU) -> None:
        """End in good order; requests that are in flight have some seconds to come in. `who` as in `Control.cancel`."""
        if not self.control.cancelled:
            self.control.cancel(who)
            asyncio.get_running_loop().call_later(GRACE, lambda: asyncio.ensure_future(self._give_up()))

    def leave(self, who: str) -> None:
        """The program ends, and the run with it."""
        self.cancel(who)

    def broken(self, error: BatchManagerError) -> None:
        """It can't go on, or couldn't even begin."""
        self.control.remember(error.code, error.message, error.next_step)
        if self.progress.ended is None:
            self._end()

    async def _first(self, delivery: Delivery) -> None:
        """What is gone leaves the index, and what was paid for comes first: it costs nothing.

        Raises:
            StopRun: The run was cancelled, and the grace is over.
        """

        async def deliver() -> None:
            await delivery.sweep()
            await delivery.drain()

        task = asyncio.create_task(deliver())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task})
        if task.cancelled():
            raise StopRun
        task.result()

    async def _feed(self, sender: Sender) -> None:
        """Send what is agreed, packed window by window: N requests in flight, and one more that is ready."""
        await Feeder(self._settings.concurrency + 1, self._tasks).feed(OwnQueue(self.books, self.control, sender))
        if self.control.stopping:
            raise StopRun

    async def _last_delivery(self, following: asyncio.Task[None]) -> None:
        """What is paid for still goes to Chroma when a run stops; a user who waits at the door isn't kept for long."""
        await asyncio.wait({following}, timeout=GRACE if self.control.cancelled else None)
        if not following.done():
            following.cancel()
            await asyncio.wait({following})
        if following.cancelled():
            return
        error = following.exception()  # taken in any case, or it would be told of as one that nobody took
        if error is not None and not (self.control.stopping and isinstance(error, StopRun | BatchManagerError)):
            raise error

    async def _give_up(self) -> None:
        """Wait no longer for requests in flight; their outcome is unknown, and their money stays held."""
        for task in set(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self) -> None:
        progress = self.progress
        progress.ended = time.monotonic()
        state: RunState = "stopped" if progress.code else "done"
        if self.control.cancelled:
            state = "interrupted"
        for batch in progress.batches.values():
            batch.settle(delivered=not progress.delivering)
        try:
            self.books.close(self._kept_state(state))
        except BatchManagerError as error:
            self.control.remember(error.code, error.message, error.next_step)
            state = "stopped"
        self.control.enter(state)

    def _kept_state(self, state: RunState) -> RunEnd:
        if state == "done":
            return "done"
        # A run that stopped for a reason outside it (money, the server, Chroma) goes on under the same yes.
        return "stopped" if self.progress.code == CAP_REACHED else "interrupted"
