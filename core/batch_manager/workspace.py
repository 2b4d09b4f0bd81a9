"""A workspace: one home opened, with its store, its engine and its lock; the sample and the rehearsal included."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar

from batch_manager.engine import Engine
from batch_manager.errors import HomeBusy, StoreError, VectorStoreError
from batch_manager.half_price.lane import HalfPrice
from batch_manager.home import WriterLocks, make_home, reset_home
from batch_manager.practice import bring_copy, bring_sample, own_settings, start_server
from batch_manager.store import DocumentationStore
from batch_manager.store.opening import writer_locks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batch_manager.quote import Quote, Scope
    from batch_manager.rehearsal import RehearsalServer
    from batch_manager.settings import Settings

log = logging.getLogger("batch_manager.workspace")

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that a lock of whoever writes is waited for where it is lent: others have it for a moment, or for a scan."""

BRIEFLY = 1.0
"""The same where looking is something too."""

LOOK = 0.2
"""Seconds between two tries."""


class Workspace:
    """What the app and the flags work with.

    Attributes:
        settings: Those in force here; a demo and a rehearsal change some.
        store: The documentation store.
        engine: The engine over it.
        half_price: The half-price lane.
        cap: The cap that was given by a flag, in USD; one that is typed into a question is that run's alone.
        busy: Why this workspace can only look, when another process writes in the home.
        lends: The lock of whoever writes is only held while something is changed (see `alone`).
    """

    def __init__(
        self,
        settings: Settings,
        store: DocumentationStore,
        engine: Engine,
        lock: WriterLocks | None,
        server: RehearsalServer | None,
        busy: HomeBusy | None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.engine = engine
        self.half_price = HalfPrice(settings, store, engine)
        self.cap: Decimal | None = None
        self.busy = busy
        self.lends = False
        self._lock = lock
        self._lent = threading.Lock()
        self._holders = 0
        self._unsettled = False
        self._server = server

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        demo: bool = False,
        rehearse: bool = False,
        reset: bool = False,
        on_trouble: Literal["pause", "stop"] = "pause",
        look_when_busy: bool = False,
        lend: bool = False,
    ) -> Workspace:
        """Open a home for work.

        Args:
            settings: As the user has them.
            demo: The sample in a home of its own, with the local model unless it is rehearsed.
            rehearse: The OpenAI path against a loopback server, in a home of its own.
            reset: Start that home anew.
            on_trouble: What a run does when somebody would have to act (see `Engine`).
            look_when_busy: Open for looking when another process writes here, instead of raising.
            lend: Where workers send, hold the lock of whoever writes only while something is changed, so that others
                can plan as well. Else it is held until the end.

        Raises:
            UsageError: The home can't be made.
            HomeBusy: Another process writes in it.
            StoreError: The store can't be opened.
        """
        user = settings
        settings = own_settings(user, demo=demo, rehearse=rehearse)
        if reset and (demo or rehearse):
            reset_home(settings.home)
        make_home(settings.home, own=demo or rehearse)
        lock = writer_locks(settings)
        team = settings.queue == "workers" and settings.store_server is not None
        try:
            _acquire(lock, 0.0 if not team else BRIEFLY if look_when_busy else PATIENCE)
        except HomeBusy as busy:
            if lend and team and _is_current(settings):
                # Somebody changes something just now, a scan perhaps: this one's turn comes later.
                store = DocumentationStore(settings)
                workspace = cls(settings, store, Engine(settings, store, on_trouble=on_trouble), lock, None, None)
                workspace.lends, workspace._unsettled = True, True
                return workspace
            if not look_when_busy:
                raise
            store = DocumentationStore.look(settings)
            return cls(settings, store, Engine(settings, store), None, None, busy)
        server = None
        try:
            store = DocumentationStore(settings)
            store.ledger.recover()
            if demo:
                bring_sample(settings, store)
            elif rehearse:
                bring_copy(user, store)
            if rehearse:
                server = start_server(demo, settings.home)
                settings = dataclasses.replace(settings, base_url=server.base_url)
            engine = Engine(settings, store, on_trouble=on_trouble)
            _finish_swap(engine)
        except BaseException:
            if server is not None:
                server.stop()
            lock.release()
            raise
        workspace = cls(settings, store, engine, lock, server, None)
        # Batches at half the price are looked after by this process alone, as long as there are any.
        if lend and team:
            workspace._holders = 1
            workspace.lend_again()
        return workspace

    def quote(self, scope: Scope) -> Quote:
        """What the scope would cost, under the cap that holds: the one that was given, else the interrupted run's own.

        Raises:
            SettingError: No price is known.
            StoreError: The store can't be read.
        """
        return self.engine.quote(scope, self.cap).going_on()

    def alone(self, work: Callable[P, T]) -> Callable[P, T]:
        """The same work, done while no other program writes in the store.

        Returns:
            What does it. It raises HomeBusy when another program has been writing for too long.
        """

        def go(*args: P.args, **kwargs: P.kwargs) -> T:
            with self._writing():
                return work(*args, **kwargs)

        return go

    def hold(self) -> None:
        """Lend the lock no more.

        Raises:
            HomeBusy: Another program writes.
        """
        if self.lends:
            self._enter()
            self.lends = False

    def lend_again(self) -> None:
        """Lend the lock that is held, once no batch at half the price is left to be looked after.

        Raises:
            StoreError: The store can't be read.
        """
        if self.lends or not self._holders or self.store.jobs.handed_runs():
            return
        self.lends = True
        self._leave()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        if not self.lends:
            yield
            return
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._lent:
            if not self._holders and self._lock is not None:
                _acquire(self._lock, PATIENCE)
            self._holders += 1
        try:
            self._settle()
        except BaseException:
            self._leave()
            raise

    def _settle(self) -> None:
        """What an open home begins with, where it was opened while another program wrote in it."""
        if self._unsettled:
            self.store.ledger.recover()
            _finish_swap(self.engine)
            self._unsettled = False

    def _leave(self) -> None:
        with self._lent:
            self._holders -= 1
            if not self._holders and self._lock is not None:
                self._lock.release()

    def let_others_plan(self) -> None:
        """Give the locks back: what was agreed is workers' business, and whoever only watches is in nobody's way."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def close(self) -> None:
        """End everything in good order; safe to call twice."""
        self.engine.close()
        self.store.close()
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_current(settings: Settings) -> bool:
    """Whether the store is there in this version, so that opening it changes nothing."""
    try:
        store = DocumentationStore.look(settings)
    except StoreError:
        return False
    try:
        return not store.absent
    finally:
        store.close()


def _acquire(lock: WriterLocks, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            return lock.acquire()
        except HomeBusy:
            if time.monotonic() >= deadline:
                raise
            time.sleep(LOOK)


def _finish_swap(engine: Engine) -> None:
    """What an earlier process was killed at, in the last step of a change of the index."""
    try:
        engine.index.finish_swap()
    except VectorStoreError as error:
        log.warning("the change of the index is still to be finished: %s", error)  # searches say so; the next run tries
