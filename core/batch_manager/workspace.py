"""A workspace: one home opened, with its store, its engine and its lock; the sample and the rehearsal included."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar

from batch_manager.engine import Engine
from batch_manager.errors import HomeBusy, StoreError, VectorStoreError
from batch_manager.half_price.lane import HalfPrice
from batch_manager.home import WriterLocks, make_home, reset_home
from batch_manager.store import DocumentationStore
from batch_manager.store.opening import writer_locks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

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

REHEARSAL_KEY = "rehearsal-needs-no-key"
REHEARSAL_BATCH = 20
"""Documents a request in the rehearsal of the sample: small, so that there are batches to watch."""

POISON = "ord_hdr_hist: "
"""Begins one text of the sample, which the rehearsal refuses, so that a failure and its reason are seen."""


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
        if demo or rehearse:
            settings = _own_home(settings, demo=demo, rehearse=rehearse)
            if reset:
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
                _bring_sample(settings, store)
            elif rehearse:
                _bring_copy(user, store)
            if rehearse:
                server = _start_server(demo, settings.home)
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


def own_settings(settings: Settings, *, demo: bool = False, rehearse: bool = False) -> Settings:
    """The settings that hold in a demo's or rehearsal's home, without opening it."""
    return _own_home(settings, demo=demo, rehearse=rehearse) if demo or rehearse else settings


def _own_home(settings: Settings, *, demo: bool, rehearse: bool) -> Settings:
    from batch_manager.settings import DEFAULT_MODEL, LOCAL_MODEL

    name = "-".join(["demo"] * demo + ["rehearsal"] * rehearse)
    own = dataclasses.replace(
        settings,
        home=settings.home / name,
        store_url=None,
        chroma_directory=None,
        chroma_url=None,
        queue="here",
        log_file=None,
        mode="rehearsal" if rehearse else "demo",
    )
    if not rehearse:
        if settings.provider == "openai" and settings.origins.get("EMBEDDING_PROVIDER") == "flag":
            return own  # asked for by name: the sample at a real server
        return dataclasses.replace(own, provider="local", model=LOCAL_MODEL, dimensions=None)
    batch = own.batch_size if settings.origins.get("EMBEDDING_BATCH_SIZE", "default") != "default" else REHEARSAL_BATCH
    return dataclasses.replace(
        own,
        provider="openai",
        api_key=REHEARSAL_KEY,
        # The port is another one at each start; the store must know the server by a lasting name.
        server_name="rehearsal",
        base_url="http://127.0.0.1/v1",
        model=DEFAULT_MODEL if own.provider == "local" else own.model,
        price_per_million=own.price_per_million,
        batch_size=batch if demo else own.batch_size,
    )


def _bring_sample(settings: Settings, store: DocumentationStore) -> None:
    from batch_manager.sources.sample import sample_sources

    if store.items.counts().total():
        return  # what a user did to the sample (skipped, changed) stays until --reset
    for source in sample_sources(settings.home):
        store.items.bring(source)


def _bring_copy(user: Settings, store: DocumentationStore) -> None:
    """The user's own items, as they are now, into the rehearsal's store."""
    from batch_manager.sources.collection import IterableSource

    theirs = DocumentationStore.look(user)
    try:
        store.items.bring(IterableSource(theirs.items.documents(), "words", "your documentation store"))
    finally:
        theirs.close()


@contextlib.contextmanager
def rehearsing(settings: Settings, *, demo: bool) -> Iterator[Settings]:
    """A rehearsal's settings with its server under them, for as long as something is asked of it."""
    with _start_server(demo, None) as server:
        yield dataclasses.replace(settings, base_url=server.base_url)


def _start_server(demo: bool, home: Path | None) -> RehearsalServer:
    from batch_manager.rehearsal import RehearsalServer, demo_options

    # Proxies of the environment are for the outside; a request to loopback through one would leave the machine.
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"]))
    options = demo_options(poison=POISON) if demo else demo_options()
    # Batches go on while the program is closed, as the real ones do: the next server finds them here.
    folder = None if home is None else str(home / "rehearsal-server")
    return RehearsalServer.start(dataclasses.replace(options, batch_folder=folder))
