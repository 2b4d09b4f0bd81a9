"""Feeding: what is given up on the way goes back to the queue."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from batch_manager.engine.feeding import Feeder, Packed, RequestQueue
from batch_manager.engine.progress import BatchProgress


class Sending:
    """A sender whose answers never come."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def send(self, batch: BatchProgress, inputs: Any) -> None:
        self.begun.set()
        await asyncio.Event().wait()


class Queue(RequestQueue):
    """One request."""

    def __init__(self, packed: Packed) -> None:
        self.left = [packed]
        self.ended: list[tuple[Packed, bool]] = []

    async def take(self) -> Packed | None:
        return self.left.pop() if self.left else None

    async def over(self, packed: Packed, done: bool) -> None:
        await asyncio.sleep(0)
        self.ended.append((packed, done))


@pytest.mark.timeout(30)
async def test_a_request_that_is_given_up_is_given_back() -> None:
    sender = Sending()
    packed = Packed(BatchProgress(1, 1, 1), (), cast("Any", sender), cast("Any", None))
    queue, tasks = Queue(packed), set[asyncio.Task[None]]()
    feeding = asyncio.create_task(Feeder(1, tasks).feed(queue))
    await sender.begun.wait()
    for task in set(tasks):
        task.cancel()
    await feeding
    assert queue.ended == [(packed, False)]
