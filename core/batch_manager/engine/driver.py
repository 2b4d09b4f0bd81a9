"""The driver: takes an agreed run from its first step to its end, and keeps the picture of it up to date."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
from typing import TYPE_CHECKING

from batch_manager.engine.agreement import Agreed
from batch_manager.engine.books import Books
from batch_manager.engine.control import Control, OnTrouble
from batch_manager.engine.edge import Edge
from batch_manager.engine.feeding import internal
from batch_manager.engine.generations import index_to_fill, settle, sweep_serving
from batch_manager.engine.index_care import prepare
from batch_manager.engine.journal import Journal
from batch_manager.engine.progress import Progress
from batch_manager.engine.quoting import limits_of
from batch_manager.engine.run import Run
from batch_manager.errors import BatchManagerError
from batch_manager.events import EventBus, RunView
from batch_manager.quote import Quote
from batch_manager.store import DocumentationStore

if TYPE_CHECKING:
    from batch_manager.engine.shared.watch import Watch
    from batch_manager.settings import Settings

log = logging.getLogger("batch_manager.engine")

TICK = 0.1
"""Seconds between two pictures of a run."""


class Driver:
    """One run at a time. It works in the engine's loop; the picture may be read from any thread."""

    def __init__(
        self, settings: Settings, store: DocumentationStore, edge: Edge, bus: EventBus, on_trouble: OnTrouble
    ) -> None:
        """A driver with no run yet.

        Args:
            settings: What is in force.
            store: The home's store.
            edge: Where a run reaches out to.
            bus: Who is told.
            on_trouble: What a run does when it meets trouble that somebody could cure.
        """
        self._settings = settings
        self._store = store
        self._edge = edge
        self._bus = bus
        self._on_trouble: OnTrouble = on_trouble
        self._task: asyncio.Task[None] | None = None
        self.run: Run | Watch | None = None
        self._journal = Journal(store)
        self.view = RunView()
        self.last: RunView | None = None
        self.billed_tokens = 0
        self.ended = threading.Event()
        self.ended.set()

    def begin(
        self, quote: Quote, agreed: Agreed, ready: concurrent.futures.Future[None], *, shared: bool = False
    ) -> None:
        """Start the run, or to watch it where workers do it; called in the loop. Whoever said yes waits for `ready`."""
        try:
            run = self.run = self._watch(quote, agreed) if shared else self.make(quote, agreed)
            self.view = run.progress.view(time.monotonic())
            self._task = asyncio.ensure_future(self._drive(run))
            ready.set_result(None)
        except Exception as error:
            self.run = None
            self.ended.set()
            ready.set_exception(error)

    async def stop(self) -> None:
        """Cancel a run that is still under way; called in the loop, when it has had its time to end in good order."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._journal.close()

    def make(self, quote: Quote, agreed: Agreed, on_trouble: OnTrouble | None = None) -> Run:
        """A run with its books and its progress; nothing happens yet."""
        items = quote.items + quote.unsendable_count
        progress = Progress(agreed.run_id, quote, agreed.budget, time.monotonic(), items=items)
        progress.failed = quote.unsendable_count
        control = Control(progress, self._bus.publish, on_trouble or self._on_trouble)
        books = Books(agreed.run_id, agreed.space_id, quote, self._store, control, self._journal)
        return Run(books, control, self._settings, limits_of(self._settings, self._store))

    def _watch(self, quote: Quote, agreed: Agreed) -> Watch:
        from batch_manager.engine.shared.watch import SharedControl, Watch

        items = quote.items + quote.unsendable_count
        progress = Progress(agreed.run_id, quote, agreed.budget, time.monotonic(), items=items, watched=True)
        control = SharedControl(progress, self._bus.publish, self._store)
        return Watch(control, self._store, limits_of(self._settings, self._store))

    async def _drive(self, run: Run | Watch) -> None:
        ticking = asyncio.ensure_future(self._tick(run))
        try:
            if not isinstance(run, Run):
                await run.go()
                return
            self._store.keep_little()
            serving = self._edge.vectors()
            vectors = index_to_fill(self._store, serving)
            warming = asyncio.ensure_future(self._edge.warm_embedder())
            preparing = asyncio.ensure_future(prepare(run.books, run.control, vectors, self._settings))
            # To the end of both, whatever comes of one: nothing may go on at the index behind a run that is over.
            await asyncio.wait({warming, preparing})
            preparing.result()
            vectors = index_to_fill(self._store, serving)  # a damaged folder that was put aside took the others along
            await sweep_serving(self._store, serving)
            await run.go(
                warming.result(),
                vectors,
                lambda: settle(self._store, serving, lambda words: run.control.notice(words, "info")),
            )
        except BatchManagerError as error:
            run.broken(error)
        except Exception as error:
            log.exception("run %d broke", run.progress.run_id)
            run.broken(internal(error))
        finally:
            ticking.cancel()
            self.billed_tokens = run.progress.tokens_billed
            self.last = self.view = run.progress.view(time.monotonic())
            self.run = None
            self.ended.set()

    async def _tick(self, run: Run | Watch) -> None:
        while True:
            now = time.monotonic()
            run.progress.sample(now)
            self.view = run.progress.view(now)
            await asyncio.sleep(TICK)
