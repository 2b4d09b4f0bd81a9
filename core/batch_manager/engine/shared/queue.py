"""The queue of a worker: batches that procrastinate brings, each claimed before anything of it is sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from batch_manager.engine.control import PERSIST_WAIT, log
from batch_manager.engine.feeding import Packed, RequestQueue
from batch_manager.engine.shared.handing import give_back
from batch_manager.engine.shared.lanes import Lane, Lanes
from batch_manager.errors import StoreError, UsageError
from batch_manager.store import DocumentationStore
from batch_manager.store.batches import Claim

REST = 10.0
"""Seconds that a worker takes nothing after the server was gone for it; what it had is for the others meanwhile."""

STORE_TROUBLE = "store"
"""What the codes of the store's own troubles begin with."""

T = TypeVar("T")


class SharedQueue(RequestQueue):
    """See `RequestQueue`. It belongs to the engine's loop."""

    def __init__(self, store: DocumentationStore, lanes: Lanes, name: str, fail: Callable[[UsageError], None]) -> None:
        """Nothing is taken yet.

        Args:
            store: The shared store.
            lanes: What this worker has of each run.
            name: The worker's.
            fail: Told when a run isn't one that this worker may do.
        """
        self._store = store
        self._lanes = lanes
        self._name = name
        self._fail = fail
        self._brought: asyncio.Queue[tuple[int, int, asyncio.Future[None]] | None] = asyncio.Queue()
        self._under_way: dict[tuple[int, int], tuple[Claim, asyncio.Future[None]]] = {}
        self._rests_until = 0.0
        self._closed = False

    async def accept(self, batch_id: int, queue_id: int) -> None:
        """Do a batch that a job brought; returns when it is over for this worker."""
        over = asyncio.get_running_loop().create_future()
        if self._closed:
            return
        await self._brought.put((batch_id, queue_id, over))
        await over

    def close(self) -> None:
        """Take no more."""
        self._closed = True
        self._brought.put_nowait(None)

    async def take(self) -> Packed | None:
        """See `RequestQueue`; waits for the next one, until it is closed."""
        while True:
            await asyncio.sleep(max(0.0, self._rests_until - time.monotonic()))
            brought = await self._brought.get()
            if brought is None or self._closed:
                if brought is not None:
                    brought[2].set_result(None)
                self._leave_rest()
                return None
            packed = await self._claimed(*brought)
            if packed is not None:
                return packed

    async def over(self, packed: Packed, done: bool) -> None:
        """See `RequestQueue`. What isn't through is given back, unless its run is over for everyone."""
        lane = self._lanes.known(packed.control)
        claim, over = self._under_way.pop((lane.run_id, packed.batch.number))
        lane.books.claims.pop(packed.batch.number, None)
        try:
            if done:
                await self._kept(lambda: self._store.batches.finish(claim))
            else:
                await self._stopped(lane, claim)
        finally:
            if not over.done():
                over.set_result(None)

    async def _stopped(self, lane: Lane, claim: Claim) -> None:
        control, rests = lane.control, False
        if control.stopping and not lane.ended and not self._closed and lane.progress.code.startswith(STORE_TROUBLE):
            # The store failed this worker. The run isn't over for that: others go on, and so does a new lane here.
            lane.ended = rests = True
        elif control.stopping and not lane.ended and not self._closed:
            # Found here first: the account, the key, the cap. It ends the run for everyone.
            lane.ended = True
            reason, code, step = lane.progress.reason, lane.progress.code, lane.progress.next_step
            await self._kept(lambda: self._store.batches.end(lane.run_id, lane.end_state, reason, code, step))
        if control.set_aside and not self._closed:
            control.set_aside, rests = False, True
        if rests:
            self._rests_until = time.monotonic() + REST
        await self._kept(lambda: give_back(self._store, claim, REST if rests else 0.0))

    async def _claimed(self, batch_id: int, queue_id: int, over: asyncio.Future[None]) -> Packed | None:
        claim = await self._kept(lambda: self._store.batches.claim(batch_id, queue_id, self._name))
        if claim is None:
            over.set_result(None)
            return None
        try:
            lane = await self._kept(lambda: self._lanes.of(claim.run_id))
        except UsageError as error:
            await self._kept(lambda: give_back(self._store, claim))
            over.set_result(None)
            self._fail(error)
            return None
        if not claim.inputs:
            await self._kept(lambda: self._store.batches.finish(claim))
            over.set_result(None)
            return None
        tokens = sum(one.tokens for one in claim.inputs)
        batch = lane.progress.batch(claim.number, len(claim.inputs), tokens)
        batch.worker = self._name
        lane.books.claims[claim.number] = claim
        self._under_way[claim.run_id, claim.number] = (claim, over)
        return Packed(batch, claim.inputs, lane.sender, lane.control)

    def _leave_rest(self) -> None:
        while not self._brought.empty():
            brought = self._brought.get_nowait()
            if brought is not None:
                # Never claimed. Its job ends, and whoever looks for batches without one puts it in again.
                brought[2].set_result(None)

    async def _kept(self, write: Callable[[], T]) -> T:
        """Write to the store, however long it is away: nothing of a claim may be forgotten."""
        while True:
            try:
                return write()
            except StoreError as error:
                log.warning("%s", error.message)
                await asyncio.sleep(PERSIST_WAIT)
