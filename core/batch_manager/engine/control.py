"""Control: whether a run may go on. It owns the run's states, and says every change to whoever listens.

starting → running ⇄ paused → stopping → done, stopped or interrupted
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from batch_manager.documents import Kind
from batch_manager.engine.progress import BatchProgress, Progress
from batch_manager.errors import BatchManagerError, RequestRefused, StoppedError, StoreError
from batch_manager.events import BatchChanged, Event, ItemFailed, Notice, RunChanged, RunState

log = logging.getLogger("batch_manager.engine")

OnTrouble = Literal["pause", "stop", "raise", "wait"]
Level = Literal["info", "warning", "error"]

TROUBLE_WAIT = 5.0
"""Seconds that a worker, to whom nobody looks, waits until it tries again what didn't work."""

PERSIST_TRIES = 5
PERSIST_WAIT = 1.0
"""Tries, and seconds between them, to write to the store before somebody is called."""

BY_YOU = "Stopped by you"

T = TypeVar("T")

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class StopRun(Exception):
    """Nothing more is sent; the run's progress says why."""


class Control:
    """Pause, resume and stop of one run. It lives in the engine's event loop."""

    def __init__(self, progress: Progress, publish: Callable[[Event], None], on_trouble: OnTrouble) -> None:
        """A run that is about to start.

        Args:
            progress: What is known of the run; the reason of every state is kept there.
            publish: Where events go.
            on_trouble: `pause` where somebody can cure and resume, `stop` where nobody is there, `raise` where
                there is no run, but a caller who waits, `wait` where others may do better meanwhile.
        """
        self.progress = progress
        self._publish = publish
        self._on_trouble: OnTrouble = on_trouble
        self._going = asyncio.Event()
        self._going.set()
        self._stopping = asyncio.Event()
        self.cancelled = False
        self.set_aside = False

    @property
    def stopping(self) -> bool:
        """Nothing more may be sent."""
        return self._stopping.is_set()

    @property
    def goes_on(self) -> bool:
        """It is neither paused nor stopping."""
        return self._going.is_set() and not self.stopping

    def paused_for(self, code: str) -> bool:
        """Whether it is paused for that reason."""
        return self.progress.state == "paused" and self.progress.code == code

    # What a person does

    def pause(self, reason: str, next_step: str, code: str = "") -> None:
        """Send nothing more for now; what is in flight comes in."""
        if self.progress.state not in ("running", "starting"):
            return
        self._going.clear()
        self.progress.pause(time.monotonic())
        self.remember(code, reason, next_step)
        self.enter("paused")

    def resume(self) -> None:
        """Go on."""
        if self.progress.state != "paused":
            return
        self.remember("", "", "")
        self.progress.resume(time.monotonic())
        self.enter("running")
        self._going.set()

    def cancel(self, who: str = BY_YOU) -> None:
        """End in good order: nothing new is sent, what is in flight is kept.

        Args:
            who: Who or what ended it, in words that begin a sentence.
        """
        self.cancelled = True
        self.stop("", f"{who}; what was paid for is kept.", "Start again to go on.")

    # What the run's own parts do

    def stop(self, code: str, reason: str, next_step: str) -> StopRun:
        """Stop all sending; the first reason counts. Returns what the caller raises."""
        if not self.stopping:
            self.remember(code, reason, next_step)
            self._stopping.set()
            self._going.set()  # whoever waits at the gate has to learn of it
            self.enter("stopping")
        return StopRun()

    async def trouble(self, error: BatchManagerError) -> None:
        """Something outside is wrong. With somebody there the run pauses until it is cured; else it stops.

        A worker waits for the store, and leaves what the server doesn't take from it to the others; but each try of
        what may be billed costs, so a server that takes requests and answers none ends the run for all of them.

        Raises:
            StopRun: Nobody is there, or the run is stopped meanwhile.
        """
        self.notice(error.message, "error")
        if self._on_trouble == "raise":
            raise error
        if self._on_trouble == "wait" and isinstance(error, RequestRefused):
            if error.refusal.maybe_billed:
                raise self.stop(error.code, error.message, error.next_step)
            self.set_aside = True
            raise StopRun
        if self._on_trouble == "wait" and not isinstance(error, StoppedError):
            await self.sleep(TROUBLE_WAIT)
            return
        if self._on_trouble in ("stop", "wait"):
            raise self.stop(error.code, error.message, error.next_step)
        self.pause(error.message, error.next_step, error.code)
        await self.gate()

    async def persist(self, write: Callable[[], T], *, at_stake: bool = True) -> T:
        """Write to the store, in this thread and at once; see `keep`."""

        async def at_once() -> T:
            return write()

        return await self.keep(at_once, at_stake=at_stake)

    async def keep(self, write: Callable[[], Awaitable[T]], *, at_stake: bool = True) -> T:
        """Write to the store. While it is busy or full that is tried again, a second apart; then somebody is called.

        Args:
            write: All of it or nothing; what it returns is returned.
            at_stake: It would be lost. Otherwise somebody is called at once, unless the store is only busy.

        Raises:
            StopRun: The run stops without it.
            StoreError: The run stops, and the very last try failed as well.
        """
        for tried in itertools.count(1):
            try:
                return await write()
            except StoreError as error:
                try:
                    if tried % PERSIST_TRIES and (at_stake or error.code == "store_busy"):
                        await asyncio.sleep(PERSIST_WAIT)
                    else:
                        await self.trouble(error)
                except (StopRun, asyncio.CancelledError):
                    if not at_stake:
                        raise
                    return await write()  # the trouble may be over, and nobody have said so but by ending
        raise AssertionError("it counts for ever")

    async def gate(self) -> None:
        """Pass when the run goes on.

        Raises:
            StopRun: It stops.
        """
        await self._going.wait()
        if self.stopping:
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

    # What is said

    def enter(self, state: RunState) -> None:
        """A new state, with the reason that is remembered."""
        progress = self.progress
        progress.state = state
        log.info("run %d is %s%s", progress.run_id, state, f": {progress.reason}" if progress.reason else "")
        self._publish(RunChanged(progress.next(), state, progress.reason, progress.next_step))

    def remember(self, code: str, reason: str, next_step: str) -> None:
        """Why the run is in its state."""
        self.progress.code, self.progress.reason, self.progress.next_step = code, reason, next_step

    def notice(self, message: str, level: Level) -> None:
        """Something that a person should know; the log gets it too."""
        log.log(_LEVELS[level], "%s", message)
        self._publish(Notice(self.progress.next(), message, level))

    def item_failed(self, kind: Kind, name: str, code: str, message: str) -> None:
        """An item failed for good in this run."""
        self._publish(ItemFailed(self.progress.next(), kind, name, code, message))

    def batch_over(self, batch: BatchProgress) -> None:
        """A batch is through, or stopped."""
        self._publish(BatchChanged(self.progress.next(), batch.view(time.monotonic())))
