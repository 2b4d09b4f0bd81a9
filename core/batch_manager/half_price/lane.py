"""The lane's face: any thread may ask, hand over, collect, cancel or move; the work happens in the engine's thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Collection
from decimal import Decimal
from typing import TYPE_CHECKING

from batch_manager.embedding import require_key
from batch_manager.engine import Engine
from batch_manager.engine.agreement import agree
from batch_manager.errors import BatchManagerError, SettingError, UsageError
from batch_manager.half_price.desk import SETTLE_SECONDS, Desk
from batch_manager.half_price.ends import give_up
from batch_manager.half_price.look import Look
from batch_manager.half_price.offer import half_of
from batch_manager.half_price.planning import FileLimits, interval
from batch_manager.half_price.views import Collected, JobView, Lanes, views_of
from batch_manager.pricing import Price, batch_price_of
from batch_manager.quote import Quote, Scope
from batch_manager.store.jobs import Waiting

if TYPE_CHECKING:
    from batch_manager.settings import Settings
    from batch_manager.store import DocumentationStore

log = logging.getLogger("batch_manager.half_price")

FOLDER = "half-price"
"""In the home: files on their way to the server."""

LONGEST_WAIT = 300.0
"""Seconds between two looks at the server, at most."""

BLINK = 0.1
"""Seconds between two questions to whoever waits whether it is to end."""

Follow = Callable[[], bool]
"""Called again and again while a look lasts; True ends it in good order."""


class _Undo(Exception):
    """Takes a transaction back on purpose."""


class HalfPrice:
    """The half-price lane of one home.

    Attributes:
        looks: How often the server was looked at; grows with each look, so that a screen knows when to read again.
    """

    def __init__(
        self,
        settings: Settings,
        store: DocumentationStore,
        engine: Engine,
        *,
        settle_seconds: float = SETTLE_SECONDS,
        file_limits: FileLimits | None = None,
    ) -> None:
        """Nothing is sent or imported yet.

        Args:
            settings: What is in force.
            store: The home's store.
            engine: Whose thread and index are used.
            settle_seconds: See `desk.SETTLE_SECONDS`.
            file_limits: Ceilings of a file; smaller ones are for tests.
        """
        self._settings = settings
        self._store = store
        self._engine = engine
        self._settle_seconds = settle_seconds
        self._file_limits = file_limits or FileLimits()
        self._turn: asyncio.Lock | None = None
        self._watching = threading.Event()
        self.looks = 0

    # Before the yes

    def lanes(self, scope: Scope, cap: Decimal | None = None) -> Lanes:
        """What the scope would cost in each lane; nothing is sent or written.

        Raises:
            SettingError: No price is known at all.
            StoreError: The store can't be read.
        """
        return self.lanes_of(self._engine.quote(scope, cap))

    def lanes_of(self, now: Quote) -> Lanes:
        """Both lanes of a quote for now."""
        try:
            return Lanes(now, self._half(now))
        except SettingError as error:
            if error.code != "no_batch_lane":
                raise
            return Lanes(now, None, error.message)

    def price(self) -> Price | None:
        """The price of this lane; None where it isn't offered. Cheap: from the settings alone."""
        try:
            return batch_price_of(self._settings)
        except SettingError:
            return None

    def quote(self, scope: Scope, cap: Decimal | None = None) -> Quote:
        """What the scope would cost in this lane.

        Raises:
            SettingError: This model or server has no such lane; or no price is known.
            StoreError: The store can't be read.
        """
        return self._half(self._engine.quote(scope, cap))

    def _half(self, now: Quote) -> Quote:
        queue = self._store.note(f"batch_queue:{now.space.server}:{now.space.model}")
        return half_of(now, self._settings, int(queue) if queue else None)

    # The yes, and what follows

    def start(self, quote: Quote, follow: Follow | None = None) -> Collected:
        """Hand over what was agreed. Blocks until the server has it, or something stands in the way.

        Args:
            quote: What was agreed.
            follow: Called while it lasts; see `Follow`.

        Raises:
            QuoteChanged: The store, the model or the price changed since; ask again.
            SettingError: No key; or the server has no Batch API after all, and everything is pending again.
            UsageError: A run is under way, or the index is of another model.
            RequestRefused: The server refuses; what is agreed stays so, and goes on with `collect`.
        """
        if quote.lane != "batch":
            raise UsageError("This quote is for the other lane.", code="other_lane")
        self._engine.check(quote.scope)
        self._engine.prepare(quote.space)
        agree(self._store, quote, lambda: self.quote(quote.scope, quote.cap))
        return self.collect(follow)

    def collect(self, follow: Follow | None = None) -> Collected:
        """Look at everything that is under way: hand over what isn't yet, take in what is back. Blocks.

        Problems of one batch are written down with it and don't stop the others.

        Args:
            follow: Called while it lasts; see `Follow`.

        Raises:
            SettingError: No key; or the server has no Batch API.
            StoreError: The store can't be written.
        """
        mine = self._store.answers.space_id(self._engine.space)
        if not self._store.jobs.handed_runs() and not self._store.jobs.with_files(mine):
            return Collected()
        require_key(self._engine.settings)
        if follow is None:
            return self._engine.do(self._pass())
        work = self._engine.begin(self._pass())
        while not concurrent.futures.wait([work], BLINK).done:
            if follow():
                return self._ended(work)
        return work.result()

    def _ended(self, work: concurrent.futures.Future[Collected]) -> Collected:
        """End a look; what it had in its hands is written down before this returns."""
        work.cancel()

        async def is_over() -> None:
            async with self._its_turn():
                pass

        self._engine.do(is_over())
        runs = tuple(run.id for run in self._store.jobs.handed_runs())
        return Collected(under_way=tuple(one for one in self.jobs() if not one.over), runs=runs, ended=True)

    def jobs(self) -> tuple[JobView, ...]:
        """Batches of the runs that are under way, from the store alone; cheap, from any thread."""
        runs = self._store.jobs.handed_runs()
        return views_of([(run, self._store.jobs.of_run(run.id)) for run in runs])

    def watch(self) -> None:
        """Look again and again while something is under way, at growing intervals. Returns at once."""
        if self._watching.is_set() or not self._store.jobs.handed_runs():
            return
        self._watching.set()
        self._engine.begin(self._watch())

    def waiting(self) -> Waiting:
        """What is handed over under these settings and not back, from the store alone."""
        return self._store.jobs.waiting(self._store.answers.space_id(self._engine.space))

    # Change of mind

    def give_up(self, job_ids: Collection[int]) -> tuple[JobView, ...]:
        """Wait no longer for those of these batches that the server doesn't show: their texts are pending again.

        Their cost stays held. Only for what somebody said yes to: they may be done, and billed, all the same, and to
        send their texts again is then to pay twice. Blocks.

        Raises:
            StoreError: It could not be written.
        """
        return self._engine.do(self._give_up(frozenset(job_ids)))

    def items_of(self, job_ids: Collection[int]) -> int:
        """Items that wait for these batches."""
        return len(self._store.jobs.awaited_items(list(job_ids)))

    def cancel(self, job_ids: tuple[int, ...] | None = None) -> None:
        """Ask for the end of batches, of all unless some are named; what is done is kept and paid, by `collect`."""
        for job in self._store.jobs.under_way():
            if job_ids is None or job.id in job_ids:
                self._store.jobs.change(job.id, cancel_asked=True)

    def quote_move(self, job_ids: tuple[int, ...] | None = None, cap: Decimal | None = None) -> Quote:
        """What it would cost now to index what these batches have not brought; nothing is changed.

        Raises:
            SettingError: No price is known.
            StoreError: The store can't be read.
        """
        ids = self._open_ids(job_ids)
        scope = Scope("pending", ids=tuple(self._store.jobs.awaited_items(ids)))
        found: list[Quote] = []
        with contextlib.suppress(_Undo), self._store.transaction():
            self._mark_moved(ids)
            found.append(self._engine.quote(scope, cap))
            raise _Undo
        return found[0]

    def move(self, quote: Quote, job_ids: tuple[int, ...] | None = None) -> None:
        """Take what these batches have not brought into the other lane: cancelled there, and started here.

        What they still bring is kept; what is then paid for twice is told by the ledger.

        Raises:
            QuoteChanged: More or less is left by now; ask again.
            UsageError: A run is under way, or the index is of another model.
        """
        self._engine.check(quote.scope)
        ids = self._open_ids(job_ids)
        # In one transaction with the run: what is moved without one would be on sale while its batch still works on it.
        self._engine.start(quote, lambda: self._mark_moved(ids))

    def _open_ids(self, job_ids: tuple[int, ...] | None) -> list[int]:
        return [one.id for one in self._store.jobs.under_way() if job_ids is None or one.id in job_ids]

    def _mark_moved(self, ids: list[int]) -> None:
        for job_id in ids:
            self._store.jobs.mark(job_id, None, "moved", only=("planned",))
            self._store.jobs.change(job_id, moved=True, cancel_asked=True)

    # Inside; all of it in the engine's thread

    @contextlib.asynccontextmanager
    async def _desk(self) -> AsyncIterator[Desk]:
        from batch_manager.embedding.batch_api import BatchApi  # the client takes a second to import

        api = await asyncio.to_thread(BatchApi, self._settings)
        try:
            yield Desk(
                store=self._store,
                settings=self._settings,
                space=self._engine.space,
                api=api,
                folder=self._store.folder / FOLDER,
                tell=self._tell,
                settle_seconds=self._settle_seconds,
                file_limits=self._file_limits,
            )
        finally:
            await api.close()

    def _its_turn(self) -> asyncio.Lock:
        self._turn = self._turn or asyncio.Lock()
        return self._turn

    async def _pass(self) -> Collected:
        async with self._its_turn(), self._desk() as desk:
            try:
                return await Look(desk, self._engine).go()
            finally:
                self.looks += 1

    async def _give_up(self, job_ids: frozenset[int]) -> tuple[JobView, ...]:
        ended: list[JobView] = []
        async with self._its_turn():
            for run in self._store.jobs.handed_runs():
                gone = {job.id for job in self._store.jobs.of_run(run.id) if job.unseen and job.id in job_ids}
                for job in self._store.jobs.of_run(run.id):
                    if job.id in gone and job.state != "settled":
                        give_up(self._store, job)
                jobs = self._store.jobs.of_run(run.id)
                ended += [one for one in views_of([(run, jobs)]) if one.id in gone]
                in_no_job = next(self._store.jobs.unplanned(run.id), None)
                if in_no_job is None and all(job.state == "settled" for job in jobs):
                    self._store.jobs.close_run(run.id)
        return tuple(ended)

    async def _watch(self) -> None:
        looks = 0
        try:
            while self._store.jobs.handed_runs():
                before = {job.id: (job.state, job.status, job.completed) for job in self._store.jobs.under_way()}
                try:
                    found = await self._pass()
                except BatchManagerError as error:
                    self._tell(str(error), "error")
                    return
                if found.fatal is not None:
                    return
                after = {job.id: (job.state, job.status, job.completed) for job in self._store.jobs.under_way()}
                looks = looks + 1 if after == before else 0
                await asyncio.sleep(interval(looks, LONGEST_WAIT))
        finally:
            self._watching.clear()

    def _tell(self, words: str, level: str) -> None:
        log.log(logging.INFO if level == "info" else logging.WARNING, "%s", words)
        self._engine.notice(words, "warning" if level == "warning" else "error" if level == "error" else "info")
