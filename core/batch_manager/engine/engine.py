"""The engine's face: any thread may ask, tell or listen; the work happens in the engine's own thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from batch_manager.embedding import Embedder, require_key, space_of
from batch_manager.engine.agreement import Agreed, agree
from batch_manager.engine.control import BY_YOU, Level, OnTrouble
from batch_manager.engine.driver import Driver
from batch_manager.engine.edge import Edge
from batch_manager.engine.generations import (
    cut_longer,
    require_whole,
    seen_for,
)
from batch_manager.engine.index import Index
from batch_manager.engine.itinerary import Itinerary, itinerary_of
from batch_manager.engine.problems import problems
from batch_manager.engine.quoting import limits_of, quote_of
from batch_manager.engine.results import EMPTY, RunResults, collect
from batch_manager.engine.resuming import as_agreed
from batch_manager.engine.thread import LoopThread
from batch_manager.errors import BatchManagerError, StoreError, UsageError
from batch_manager.events import Event, EventBus, Notice, RunView, Subscription
from batch_manager.pricing import Price, price_of
from batch_manager.quote import Quote, Scope, Space
from batch_manager.store import DocumentationStore
from batch_manager.store.journeys import Travelled
from batch_manager.store.ledger import RunRow
from batch_manager.vectors import VectorStore

if TYPE_CHECKING:
    from batch_manager.settings import Settings

log = logging.getLogger("batch_manager.engine")
T = TypeVar("T")
logging.getLogger("batch_manager").addHandler(logging.NullHandler())  # a library is silent until it is asked


class Engine:
    """Quotes and runs over one store. `index` is what there is to ask the index, and what keeps it true."""

    def __init__(
        self,
        settings: Settings,
        store: DocumentationStore,
        *,
        on_trouble: OnTrouble = "pause",
        vectors: VectorStore | None = None,
    ) -> None:
        """Nothing heavy happens before it is needed.

        Args:
            settings: What is in force.
            store: The home's store.
            on_trouble: `pause` where somebody can cure and resume; `stop` where nobody is there.
            vectors: Instead of Chroma as the settings say.
        """
        self.settings = settings
        self.store = store
        self._edge = Edge(settings, vectors)
        self._thread = LoopThread(store.close)  # the store has a connection a thread
        self._bus = EventBus()
        self._driver = Driver(settings, store, self._edge, self._bus, on_trouble)
        self.index = Index(settings, store, self._edge, self._thread, self._driver, self.notice)
        self._starting = threading.Lock()
        self._closed = False

    # Before the yes

    @property
    def space(self) -> Space:
        """The embedding space that the settings speak of."""
        return space_of(self.settings)

    def price(self) -> Price:
        """The price that holds.

        Raises:
            SettingError: None is known.
        """
        return price_of(self.settings)

    def quote(self, scope: Scope, cap: Decimal | None = None) -> Quote:
        """What the scope would cost; nothing is sent or written.

        Raises:
            SettingError: No price is known.
            StoreError: The store can't be read.
        """
        return quote_of(self.settings, self.store, scope, cap)

    def itinerary(self) -> Itinerary:
        """Which request each pending text would travel in, if all of them were sent now.

        Raises:
            StoreError: The store can't be read.
        """
        space_id, seen = self.store.answers.space_id(self.space), seen_for(self.store, self.space)
        texts = self.store.work.texts(Scope("pending"), space_id, seen)
        return itinerary_of(texts, limits_of(self.settings, self.store))

    def travelled(self, item_id: int) -> tuple[Travelled, ...]:
        """The requests that an item's answers came with.

        Raises:
            StoreError: The store can't be read.
        """
        return self.store.ledger.travelled(item_id, self.store.answers.space_id(self.space))

    def saving(self, finding: str) -> Decimal:
        """USD that leaving out the pending items with this finding saves.

        Raises:
            SettingError: No price is known.
            StoreError: The store can't be read.
        """
        return self.price().cost(self.store.items.saved_tokens(finding, self.store.answers.space_id(self.space)))

    def check(self, scope: Scope) -> None:
        """Whether a run of this scope could start at all; asked before anyone is asked for a yes.

        Raises:
            SettingError: No key.
            UsageError: The index is of another model and only some items are meant, or a run is under way; or workers
                are to do it, and the store is a file.
        """
        if self._driver.run is not None and not self._may_leave:
            raise UsageError("A run is under way.", next_step="Wait for it, pause it or cancel it.", code="running")
        if self.shares:
            from batch_manager.engine.shared.handing import require_server

            require_server(self.settings)
        require_key(self.settings)
        require_whole(self.store, self.space, scope)

    def problems(self) -> list[BatchManagerError]:
        """What stands in the way of the next run, or should be known before it; each with its next step.

        Raises:
            StoreError: The store can't be read.
        """
        return problems(self)

    def unfinished(self) -> RunRow | None:
        """A run that was interrupted with work left in it; by a kill as well, that nobody has cleaned up after."""
        run = self.store.ledger.unfinished(driven=self.view().active or self.store.has_writer(self.settings.home))
        return run if run is not None and self.store.work.planned_count(run.id) else None

    # The yes, and what follows

    def warm(self) -> concurrent.futures.Future[None]:
        """Load what a run will need while a person still reads the quote; nothing is sent.

        Returns:
            At once: what is done when all is loaded. Troubles are told as notices.
        """

        async def load() -> None:
            try:
                await asyncio.gather(self._edge.warm_embedder(), self._edge.vectors().open())
            except BatchManagerError as error:
                # Found before anybody says yes: a damaged folder, a server that is away.
                self._bus.publish(Notice(0, str(error), "error"))

        return self._thread.begin(load())

    def start(self, quote: Quote, within: Callable[[], None] = lambda: None) -> None:
        """Begin what was agreed; returns once it is written down.

        Args:
            quote: What was agreed.
            within: What else is written down with it, all or nothing; the quote is for the store as it then is.

        Raises:
            QuoteChanged: The store, the model or the price changed since; ask again.
            SettingError: No key.
            UsageError: A run is under way, or the index is of another model.
            StoreError: The store can't be written.
        """
        with self._starting:
            if self._closed:
                raise UsageError("The engine is closed.", next_step="Open the home again.", code="closed")
            self.check(quote.scope)
            self.prepare(quote.space)

            def quote_again() -> Quote:
                within()
                return self.quote(quote.scope, quote.cap)

            if self.shares:
                self._ready_for_workers(quote)
            agreed = agree(self.store, quote, quote_again, shared=self.shares)
            if self._may_leave:
                self.leave("Another run was started")
                self._driver.ended.wait()
            self._begin(quote, agreed, shared=self.shares)

    @property
    def shares(self) -> bool:
        """Whether workers do what is agreed here, and this process only watches."""
        return self.settings.queue == "workers"

    @property
    def _may_leave(self) -> bool:
        """Whether the run that is under way goes on without this process, and so will the next."""
        run = self._driver.run
        return self.shares and run is not None and run.theirs and not run.control.cancelled

    def watch(self) -> bool:
        """Watch the oldest run that workers have under way; False when there is none, or a run is under way here."""
        with self._starting:
            runs = self.store.batches.runs() if self.store.on_server and self._driver.run is None else []
            if not runs:
                return False
            quote, agreed = as_agreed(self.settings, self.store, runs[0])
            self._begin(quote, agreed, shared=True)
            return True

    def _begin(self, quote: Quote, agreed: Agreed, *, shared: bool) -> None:
        self._driver.ended.clear()
        ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread.call(lambda: self._driver.begin(quote, agreed, ready, shared=shared))
        ready.result()

    def _ready_for_workers(self, quote: Quote) -> None:
        from batch_manager.engine.shared.handing import require_shareable

        self.do(require_shareable(self.settings, self.store, self._edge.vectors(), quote))

    async def embedder(self) -> Embedder:
        """What requests are sent with; called in the loop."""
        return await self._edge.warm_embedder()

    def publish(self, event: Event) -> None:
        """Hand an event to whoever listens."""
        self._bus.publish(event)

    def prepare(self, space: Space) -> None:
        """Do what a run of that space needs done before it is agreed to, in either lane; $0, and nothing is sent.

        Raises:
            VectorStoreError: Chroma doesn't answer.
            StoreError: The store can't be written.
        """
        self.index.finish_swap()
        cut_longer(self.store, space)  # what it keeps costs nothing, whatever becomes of the run

    def pause(self) -> None:
        """Send nothing more for now."""
        self._tell(lambda run: run.control.pause("Paused by you.", ""))

    def resume(self) -> None:
        """Go on."""
        self._tell(lambda run: run.control.resume())

    def cancel(self, who: str = BY_YOU) -> None:
        """End the run in good order; what is in flight is kept.

        Args:
            who: Who or what ended it, in words that begin a sentence.
        """
        self._tell(lambda run: run.cancel(who))

    def leave(self, who: str) -> None:
        """End one's own run in good order; what workers do goes on. `who` as in `cancel`."""
        self._tell(lambda run: run.leave(who))

    @property
    def watches(self) -> bool:
        """Whether the run that is under way is workers', and this process only watches it."""
        run = self._driver.run
        return run is not None and run.theirs

    def view(self) -> RunView:
        """Where the run stands; cheap, from any thread."""
        return self._driver.view

    def subscribe(self) -> Subscription:
        """Listen to events from now on."""
        return self._bus.subscribe()

    def unsubscribe(self, subscription: Subscription) -> None:
        """Listen no more."""
        self._bus.unsubscribe(subscription)

    def wait(self, timeout: float | None = None) -> RunView:
        """Wait for the end of the run; returns the picture at that time."""
        self._driver.ended.wait(timeout)
        return self._driver.view

    def results(self) -> RunResults:
        """What came of the last run, item by item."""
        last = self._driver.last
        if last is None:
            return EMPTY
        try:
            return collect(self.store, last, self._driver.billed_tokens)
        except StoreError as error:
            if error.code != "store_lost":
                raise
            # A server that was away during the run took this thread's connection too, and nobody has asked since.
            return collect(self.store, last, self._driver.billed_tokens)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work of another room in the engine's loop, and wait for it. Blocks.

        Raises:
            UsageError: The engine was closed meanwhile.
        """
        return self._thread.do(work)

    def call(self, order: Callable[[], None]) -> None:
        """Have the engine's loop call this soon; from any thread, and from a signal's handler."""
        self._thread.call(order)

    def begin(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """The same without waiting; closing the engine cancels it."""
        return self._thread.begin(work)

    def notice(self, message: str, level: Level = "info") -> None:
        """Tell whoever listens."""
        self._bus.publish(Notice(0, message, level))

    def close(self, timeout: float = 10.0) -> None:
        """End a run in good order, Chroma's process and the thread; safe to call twice. What workers do goes on."""
        with self._starting:  # a start that is under way comes first, so that its run is ended in good order
            self._closed = True
        if not self._thread.started:
            return
        self.leave("Stopped since the program ended")
        self._driver.ended.wait(timeout)

        async def last() -> None:
            await self._driver.stop()
            await self._edge.close()

        if not self._thread.end(last, timeout):
            log.warning("Chroma's process didn't end in time")

    # Inside

    def _tell(self, order: Any) -> None:
        def deliver() -> None:
            if self._driver.run is not None:
                order(self._driver.run)

        if self._thread.started:
            self._thread.call(deliver)
