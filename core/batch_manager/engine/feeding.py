"""Feeding: packed requests come from a queue, and up to N of them are at work at a time.

Where they come from is the queue's business: this process packs its own (`own_queue`), or takes what was packed for
any of several workers (`shared.queue`). How one is sent and settled is the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from batch_manager.engine.control import Control, StopRun
from batch_manager.engine.progress import BatchProgress
from batch_manager.engine.sending import Sender
from batch_manager.errors import BatchManagerError
from batch_manager.packing import Input

log = logging.getLogger("batch_manager.engine")

GIVE_BACK = 5.0
"""Seconds that giving back a request may take which was given up."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed request that is about to be sent, and by whose rules."""

    batch: BatchProgress
    inputs: Sequence[Input]
    sender: Sender
    control: Control


class RequestQueue(Protocol):
    """Packed requests, in the order in which they are to be sent."""

    async def take(self) -> Packed | None:
        """The next one; None when there will be no more."""

    async def over(self, packed: Packed, done: bool) -> None:
        """One is through (`done`: each input is answered or failed), or was stopped before that."""


class Feeder:
    """Keeps up to N packed requests at work."""

    def __init__(self, slots: int, tasks: set[asyncio.Task[None]]) -> None:
        """Nothing is taken yet.

        Args:
            slots: N.
            tasks: Where its tasks are noted as long as they go on; whoever cancels them gives the requests up.
        """
        self._slots = asyncio.Semaphore(slots)
        self._tasks = tasks

    async def feed(self, queue: RequestQueue) -> None:
        """Take and send until there is no more, and all that was taken is over."""
        mine: set[asyncio.Task[None]] = set()
        while True:
            await self._slots.acquire()
            packed = await queue.take()
            if packed is None:
                self._slots.release()
                break
            task = asyncio.create_task(_one(queue, packed))
            for tasks in (mine, self._tasks):
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            task.add_done_callback(lambda _: self._slots.release())
        if mine:
            await asyncio.wait(set(mine))


async def _one(queue: RequestQueue, packed: Packed) -> None:
    batch, control, done = packed.batch, packed.control, False
    try:
        await packed.sender.send(batch, packed.inputs)
        control.progress.batches_done += 1
        done = True
    except StopRun:
        batch.stop()
    except asyncio.CancelledError:
        batch.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVE_BACK):  # whoever cancels doesn't wait for a store that is away
                await asyncio.shield(queue.over(packed, False))
        raise
    except BatchManagerError as error:
        # Such as a store that can't keep answers: nothing more may be sent.
        batch.stop(error.code)
        control.stop(error.code, error.message, error.next_step)
    except Exception as error:
        log.exception("batch %d broke", batch.number)
        batch.stop("a fault of this program")
        fault = internal(error)
        control.stop(fault.code, fault.message, fault.next_step)
    await queue.over(packed, done)
    control.batch_over(batch)


def internal(error: Exception) -> BatchManagerError:
    """A fault of this program, as an error that a person can pass on."""
    return BatchManagerError(
        f"A fault of this program: {type(error).__name__}.", next_step="See the log, and report it.", code="internal"
    )
