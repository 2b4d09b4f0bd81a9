"""A worker: takes batches of any shared run, sends them by the engine's own rules, and brings answers to the index."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from batch_manager.engine.control import log
from batch_manager.engine.feeding import Feeder
from batch_manager.engine.quoting import limits_of
from batch_manager.engine.shared import jobs
from batch_manager.engine.shared.deadline import LONGEST, InTime
from batch_manager.engine.shared.handing import database_of, pack_next
from batch_manager.engine.shared.lanes import Lanes
from batch_manager.engine.shared.queue import SharedQueue
from batch_manager.engine.shared.rescue import Rescuer
from batch_manager.engine.shared.wire import Wire
from batch_manager.errors import BatchManagerError, UsageError

if TYPE_CHECKING:
    from batch_manager.engine.engine import Engine

HEAR = 2.0
"""Seconds after which a worker looks by itself whether anything was asked, should the wire have failed."""

KEEP = 3.0
"""Seconds between two looks for what dead workers have left."""

SAY = 0.5
"""Seconds between two words on what is done with each batch."""

DELIVER = 0.5
TROUBLE = 5.0
"""Seconds between two deliveries; after one that failed it is longer."""

GRACE = LONGEST + 1
"""Seconds that requests in flight are waited for when a worker ends."""


class Worker:
    """One worker, in the engine's loop."""

    def __init__(self, engine: Engine, name: str) -> None:
        """Nothing is taken yet.

        Args:
            engine: Over the shared store; it has no run of its own.
            name: What others see of it.
        """
        self._engine = engine
        self._name = name
        self._queue: SharedQueue | None = None
        self._lanes: Lanes | None = None
        self._jobs: jobs.JobThread | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: UsageError | None = None
        self._stopped = False

    async def go(self) -> None:
        """Work until `stop` is called.

        Raises:
            UsageError: A run was agreed for other settings than this worker has; what it had taken is given back.
            BatchManagerError: It couldn't begin.
        """
        engine, store = self._engine, self._engine.store
        jobs.make_tables(database_of(store))
        self._lanes = Lanes(engine.settings, store, InTime(await engine.embedder()), engine.publish)
        self._lanes.check()
        self._queue = SharedQueue(store, self._lanes, self._name, self._fail)
        loop, queue = asyncio.get_running_loop(), self._queue
        self._jobs = jobs.JobThread(
            database_of(store).url,
            self._name,
            engine.settings.concurrency,
            lambda batch_id, job_id: asyncio.run_coroutine_threadsafe(queue.accept(batch_id, job_id), loop),
        )
        sides = [asyncio.create_task(side) for side in (self._listen(), self._keep(), self._say(), self._deliver())]
        try:
            if not self._stopped:
                self._jobs.start()
                await Feeder(engine.settings.concurrency, self._tasks).feed(queue)
        finally:
            self.stop()
            for side in sides:
                side.cancel()
            await asyncio.gather(*sides, return_exceptions=True)
            await asyncio.to_thread(self._jobs.join, 10.0)
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        """Take nothing more; what is in flight comes in, the rest is given back. Called in the loop."""
        if self._stopped:
            return
        self._stopped = True
        if self._queue is not None:
            self._queue.close()
        if self._lanes is not None:
            self._lanes.stop()
        if self._jobs is not None:
            self._jobs.stop()
        asyncio.get_running_loop().call_later(GRACE, self._give_up)

    def _give_up(self) -> None:
        for task in set(self._tasks):
            task.cancel()

    def _fail(self, error: UsageError) -> None:
        self._failed = error
        self.stop()

    async def _listen(self) -> None:
        database = database_of(self._engine.store)
        wire = Wire(database.url, database.schema_id)
        lanes = self._lanes
        assert lanes is not None

        async def heard() -> None:
            await wire.wait(HEAR)
            lanes.refresh()

        try:
            await _for_ever(heard, 0.0)
        finally:
            await wire.close()

    async def _keep(self) -> None:
        rescuer = Rescuer(self._engine.store)

        async def keep() -> None:
            store = self._engine.store
            for run in store.batches.runs():
                pack_next(store, run.id, limits_of(self._engine.settings, store))
            if found := rescuer.look():
                self._engine.notice(f"Batches of workers that are gone are in the queue again: {found:,}.", "warning")

        await _for_ever(keep, KEEP)

    async def _say(self) -> None:
        lanes = self._lanes
        assert lanes is not None

        async def say() -> None:
            lanes.say()

        await _for_ever(say, SAY)

    async def _deliver(self) -> None:
        """Bring what anyone was answered to the index, while no other worker does; end the runs that are through."""
        store = self._engine.store

        async def deliver() -> None:
            if not self._engine.index.has_waiting() and not store.batches.runs():
                return
            if not store.database.take_turn():
                return
            try:
                await self._engine.index.deliver(sweep=True)
            finally:
                store.database.end_turn()
            for run in store.batches.runs():
                if store.batches.complete(run.id):
                    log.info("run %d is done", run.id)

        await _for_ever(deliver, DELIVER)


async def _for_ever(work: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Do it again and again; trouble of the store or of Chroma is for the next time, and so is a fault of ours."""
    while True:
        try:
            await work()
            await asyncio.sleep(seconds)
        except BatchManagerError as error:
            log.warning("%s", error.message)
            await asyncio.sleep(TROUBLE)
        except Exception:
            log.exception("a part of the worker broke, and goes on")
            await asyncio.sleep(TROUBLE)
