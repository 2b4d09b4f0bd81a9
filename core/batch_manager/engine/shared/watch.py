"""Watching a run that workers do: the same picture as of one's own run, read from the store whenever it changes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from batch_manager.engine.control import BY_YOU, Control, StopRun
from batch_manager.engine.progress import Progress
from batch_manager.engine.shared import jobs
from batch_manager.engine.shared.handing import database_of, pack_next
from batch_manager.engine.shared.wire import Wire
from batch_manager.errors import BatchManagerError, StoreError
from batch_manager.events import BatchState, RunState
from batch_manager.packing import Limits
from batch_manager.store import DocumentationStore
from batch_manager.store.watched import BatchRow

if TYPE_CHECKING:
    from typing import Any

LOOK = 0.5
"""Seconds between two looks at the least; a look that takes long is followed by ten times its length."""

HEAR = 2.0
NEVER = frozenset({"store_rights", "store_read_only"})
"""Codes of a store that this user may only read: asking again is of no use."""

LONELY = 5.0
"""Seconds without any worker until that is said."""

GRACE = 10.0
"""Seconds that requests in flight are waited for when a run is cancelled."""


class SharedControl(Control):
    """See `Control`; what a person does is asked of every worker."""

    def __init__(self, progress: Progress, publish: Callable[[Any], None], store: DocumentationStore) -> None:
        super().__init__(progress, publish, "stop")
        self._store = store
        self._unheard: Callable[[], object] | None = None

    def pause(self, reason: str, next_step: str, code: str = "") -> None:
        """See `Control`."""
        if self._ask(lambda: self._store.batches.ask(self.progress.run_id, "pause")):
            super().pause(reason, next_step, code)

    def resume(self) -> None:
        """See `Control`."""
        if self._ask(lambda: self._store.batches.ask(self.progress.run_id, "")):
            super().resume()

    def cancel(self, who: str = BY_YOU) -> None:
        """See `Control`."""
        reason = f"{who}; what was paid for is kept."
        if self._ask(
            lambda: self._store.batches.end(self.progress.run_id, "interrupted", reason, "", "Start again to go on.")
        ):
            super().cancel(who)

    def paused_by_others(self, paused: bool) -> None:
        """Somebody else has paused it, or let it go on."""
        if paused:
            super().pause("Paused by you, or by somebody else who watches.", "Resume to go on.")
        else:
            super().resume()

    @property
    def unheard(self) -> bool:
        """Whether the last that was asked hasn't reached the workers."""
        return self._unheard is not None

    def ask_again(self) -> None:
        """Ask what the workers couldn't be told before.

        Raises:
            StoreError: They still can't.
        """
        if self._unheard is not None:
            self._unheard()
            self._unheard = None

    def _ask(self, ask: Callable[[], object]) -> bool:
        """Ask it of the workers; False when this user never may."""
        self._unheard = ask
        try:
            self.ask_again()
        except StoreError as error:
            if error.code in NEVER:
                self._unheard = None
                self.notice(str(error), "error")
                return False
            self.notice(f"The workers couldn't be told, and will be as soon as they can: {error.message}", "error")
        return True


class Watch:
    """One shared run, as everybody who watches sees it; with the face of `Run`."""

    theirs = True

    def __init__(self, control: SharedControl, store: DocumentationStore, limits: Limits) -> None:
        """Nothing is looked at yet.

        Args:
            control: Of that run.
            store: The shared store.
            limits: Ceilings of a request, for what isn't packed yet.
        """
        self.control = control
        self.progress = control.progress
        self._store = store
        self._limits = limits
        self._failed_upto = 0
        self._lonely_since: float | None = time.monotonic()
        self._left = asyncio.Event()

    async def go(self) -> None:
        """Pack what isn't packed yet, and watch until the run is over for everyone."""
        store = self._store
        database = database_of(store)
        wire = Wire(database.url, database.schema_id)
        self._failed_upto = store.watched.last_attempt()
        try:
            if self.progress.state == "starting":
                self.control.enter("running")
            await self._pack()
            over: RunState | None = None
            while over is None:
                begun = time.monotonic()
                over = await self._look()
                if over is None:
                    await self._rest(wire, begun)
                if self._left.is_set():
                    raise StopRun
            await self._last_ones()
            self._end(over)
        except StopRun:
            self._end("interrupted")
        except BatchManagerError as error:
            self.broken(error)
        finally:
            await wire.close()

    def cancel(self, who: str = BY_YOU) -> None:
        """End it for every worker; what is in flight comes in. `who` as in `Control.cancel`."""
        if not self.control.cancelled:
            self.control.cancel(who)

    def leave(self, who: str) -> None:
        """Watch no more; the workers go on."""
        if self.control.unheard:
            self.control.notice("What was asked last hasn't reached the workers: they go on as before.", "warning")
        self.control.remember("", "The watching ended; the workers go on.", "Start again to watch.")
        self._left.set()

    def broken(self, error: BatchManagerError) -> None:
        """It can't be watched any more; the workers go on."""
        self.control.remember(error.code, error.message, error.next_step)
        if self.progress.ended is None:
            self._end("stopped")

    async def _pack(self) -> None:
        try:
            # Workers pack the rest, should nobody wait for it here.
            while not self._left.is_set() and pack_next(self._store, self.progress.run_id, self._limits):
                await asyncio.sleep(0)
        except StoreError as error:
            if error.code != "store_read_only":  # who may only look watches all the same
                raise

    async def _rest(self, wire: Wire, begun: float) -> None:
        took = time.monotonic() - begun
        try:
            async with asyncio.timeout(max(LOOK, 10 * took)):
                await self._left.wait()
        except TimeoutError:
            await wire.wait(HEAR - LOOK)

    async def _look(self) -> RunState | None:
        """Take in how things stand; how the run ended, once it has."""
        try:
            self.control.ask_again()
            return self._take_in()
        except StoreError as error:
            self.control.notice(f"{error.message} The workers go on by themselves.", "warning")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEAR):  # one that is to end is watched too, until the workers have heard
                    await self._left.wait()
            return None

    def _take_in(self) -> RunState | None:
        progress, store = self.progress, self._store
        run = store.batches.run(progress.run_id)
        totals = store.ledger.totals(run.id)
        stages = store.watched.stages(run.id)
        progress.indexed, progress.failed = stages.get("indexed", 0), stages.get("failed", 0)
        progress.delivering = stages.get("answered", 0)
        progress.answered = progress.indexed + progress.delivering
        progress.items = max(progress.items, sum(stages.values()))
        progress.requests = totals.requests
        progress.tokens_answered, progress.tokens_billed = totals.tokens_estimated, totals.tokens_billed
        progress.estimated_pico = progress.quote.price.pico(totals.tokens_estimated)
        progress.billed_pico = progress.budget.billed = totals.billed_pico
        progress.budget.held = totals.held_pico
        progress.workers = tuple(store.watched.workers(run.id))
        progress.batches_done = sum(worker.batches_done for worker in progress.workers)
        for row in store.watched.latest(run.id):
            self._batch(row)
        for one in store.watched.failed_since(run.id, self._failed_upto):
            self._failed_upto = one.attempt
            self.control.item_failed(one.kind, one.name, one.code, one.message)
        if run.state == "shared":
            self.control.paused_by_others(bool(run.asked))
            self._say_lonely()
            return None
        if not self.control.cancelled:
            self.control.remember(run.code, run.reason, run.next_step)
        if run.state == "done":
            return "done"
        return "stopped" if run.code else "interrupted"

    def _batch(self, row: BatchRow) -> None:
        progress, now = self.progress, time.monotonic()
        known = progress.batches.get(row.number)
        batch = known or progress.batch(row.number, row.inputs, row.tokens)
        before = batch.state
        batch.state, batch.waits_for, batch.worker = _state(row), row.waits_for, row.worker
        batch.tries, batch.answered, batch.failed = row.tries, row.answered, row.failed
        batch.indexed = min(row.delivered, row.answered)
        if row.state == "taken" and batch.started is None:
            batch.started = now
        if row.state == "done" and batch.started is not None:  # how long took what wasn't seen is not known here
            batch.ended = batch.ended or now
        if batch.state != before and batch.state in ("answered", "failed") and before != "indexed":
            self.control.batch_over(batch)

    def _say_lonely(self) -> None:
        """Where no worker is there, nothing will happen, and who watches should know why."""
        if jobs.workers_alive(database_of(self._store)):
            self._lonely_since = None
        elif self._lonely_since is None:
            self._lonely_since = time.monotonic()
        elif self._lonely_since and time.monotonic() - self._lonely_since > LONELY:
            self._lonely_since = 0.0
            self.control.notice("No worker is there. Start one: batch-manager --worker", "warning")

    async def _last_ones(self) -> None:
        """A run that was ended in the middle: requests in flight come in for some seconds."""
        begun = time.monotonic()
        while (
            not self._left.is_set()
            and self._store.watched.batches_at_work(self.progress.run_id)
            and time.monotonic() - begun < GRACE
        ):
            await asyncio.sleep(LOOK)
        self._take_in()

    def _end(self, state: RunState) -> None:
        progress = self.progress
        progress.ended = time.monotonic()
        for batch in progress.batches.values():
            batch.settle(delivered=not progress.delivering)
        self.control.enter(state)


def _state(row: BatchRow) -> BatchState:
    """A batch's state as a screen has it. Pure."""
    if row.state == "waiting":
        return "waiting"
    if row.state == "taken":
        found: dict[str, BatchState] = {"sending": "sending", "backing off": "backing off", "splitting": "splitting"}
        return found.get(row.doing, "waiting")
    if row.failed and not row.answered:
        return "failed"
    return "indexed" if row.delivered >= row.answered else "answered"
