"""The engine's face: any thread may ask, tell or listen; the work happens in the engine's own thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from batch_manager.documents import Kind
from batch_manager.embedding import space_of
from batch_manager.engine.agreement import Agreed, agree
from batch_manager.engine.budget import Budget
from batch_manager.engine.control import Level, OnTrouble
from batch_manager.engine.delivery import Delivery
from batch_manager.engine.driver import Driver
from batch_manager.engine.edge import Edge
from batch_manager.engine.generations import (
    cut_longer,
    drop_kept,
    index_to_fill,
    require_one_index,
    require_whole,
    seen_for,
    serving_settings,
    settle,
    sweep_serving,
)
from batch_manager.engine.index_care import mend_damage, mend_size
from batch_manager.engine.itinerary import Itinerary, itinerary_of
from batch_manager.engine.problems import problems
from batch_manager.engine.quoting import limits_of, quote_of
from batch_manager.engine.results import EMPTY, RunResults, collect
from batch_manager.engine.search import Meter, SearchHit, Unmetered, checked_query, neighbours, search
from batch_manager.engine.thread import LoopThread
from batch_manager.engine.verify import VerifyReport, verify
from batch_manager.errors import BatchManagerError, SettingError, UsageError
from batch_manager.events import EventBus, Notice, RunView, Subscription
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
    """Quotes, runs, searches and verifies over one store and one index."""

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
        return quote_of(self.settings, self.store, scope, cap, self._driver.view.limits.tokens_per_minute)

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
            UsageError: The index is of another model and only some items are meant, or a run is under way.
        """
        if self._driver.run is not None:
            raise UsageError("A run is under way.", next_step="Wait for it, pause it or cancel it.", code="running")
        self.require_key()
        require_whole(self.store, self.space, scope)

    def require_key(self) -> None:
        """Make sure that there is a key where one is needed.

        Raises:
            SettingError: There is none.
        """
        if self.settings.provider == "openai" and not self.settings.api_key:
            raise SettingError(
                "No OPENAI_API_KEY is set, so nothing can be sent to the embedding API.",
                next_step="Set OPENAI_API_KEY in the environment or in .env, or use --provider local.",
                code="no_api_key",
            )

    def problems(self) -> list[BatchManagerError]:
        """What stands in the way of the next run, or should be known before it; each with its next step.

        Raises:
            StoreError: The store can't be read.
        """
        return problems(self)

    def unfinished(self) -> RunRow | None:
        """A run that was interrupted with work left in it."""
        run = self.store.ledger.unfinished()
        return run if run is not None and self.store.work.planned_count(run.id) else None

    # The yes, and what follows

    def warm(self) -> None:
        """Load what a run will need while a person still reads the quote; nothing is sent. Returns at once."""

        async def load() -> None:
            try:
                await asyncio.gather(self._edge.warm_embedder(), self._edge.vectors().open())
            except BatchManagerError as error:
                # Found before anybody says yes: a damaged folder, a server that is away.
                self._bus.publish(Notice(0, str(error), "error"))

        self._thread.begin(load())

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

            agreed = agree(self.store, quote, quote_again)
            self._driver.ended.clear()
            ready: concurrent.futures.Future[None] = concurrent.futures.Future()
            self._thread.call(lambda: self._driver.begin(quote, agreed, ready))
            ready.result()

    def prepare(self, space: Space) -> None:
        """Do what a run of that space needs done before it is agreed to, in either lane; $0, and nothing is sent.

        Raises:
            VectorStoreError: Chroma doesn't answer.
            StoreError: The store can't be written.
        """
        self.finish_swap()
        cut_longer(self.store, space)  # what it keeps costs nothing, whatever becomes of the run

    def pause(self) -> None:
        """Send nothing more for now."""
        self._tell(lambda run: run.control.pause("Paused by you.", "Resume to go on."))

    def resume(self) -> None:
        """Go on."""
        self._tell(lambda run: run.control.resume())

    def cancel(self) -> None:
        """End the run in good order; what is in flight is kept."""
        self._tell(lambda run: run.cancel())

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
        return collect(self.store, last, self._driver.billed_tokens) if last else EMPTY

    # Questions to the index

    def search_price(self, query: str) -> Decimal:
        """What the query's own embedding costs, by the model of the index that serves.

        Raises:
            UsageError: The query can't be sent, or the index that serves can't be asked.
            SettingError: No price is known.
        """
        tokens = checked_query(query)
        return price_of(serving_settings(self.settings, self.store)).cost(tokens)

    def search_settings(self) -> Settings:
        """The settings by which a search asks: those in force, or of the index that serves while another is built.

        Raises:
            UsageError: A swap was broken off, or the index was made at another server.
            SettingError: There is no key.
        """
        asked = serving_settings(self.settings, self.store)
        if asked is self.settings:
            self.require_key()
        elif asked.provider == "openai" and not asked.api_key:
            raise SettingError(
                f"The index that serves is of {asked.model}; a query to it needs OPENAI_API_KEY, which is not set.",
                next_step="Set it to search until the index of the other model is done.",
                code="no_api_key",
            )
        return asked

    def search(
        self,
        query: str,
        kind: Kind | None = None,
        limit: int = 10,
        *,
        sources: Sequence[str] = (),
        schemas: Sequence[str] = (),
        meter: Meter | None = None,
    ) -> list[SearchHit]:
        """The nearest items, best first; sends the query alone. Blocks: call it from a thread that may wait.

        Args:
            query: What is looked for.
            kind: Only items of it.
            limit: Items at most.
            sources: Only items of one of these sources (names, globs, or parts of a title).
            schemas: Only items of one of these schemas (names or globs).
            meter: Who watches what it costs, and may keep it back.

        Raises:
            UsageError: The query can't be sent, the index that serves can't be asked, or no item is of such a source
                or schema.
            RequestRefused, VectorStoreError: The server or Chroma didn't answer.
        """
        asked = self.search_settings()
        checked_query(query)
        within = self.store.places.within(kind, sources, schemas)

        async def ask() -> list[SearchHit]:
            return await search(
                query,
                within,
                limit,
                self._edge.embedder_for(asked),
                self._edge.vectors(),
                self.store,
                space_of(asked),
                meter or Unmetered(),
            )

        return self._thread.do(ask())

    def neighbours(self, kind: Kind, name: str, limit: int = 8) -> list[SearchHit]:
        """The items nearest to an indexed one, best first, by its kept vector: $0, and nothing is sent. Blocks.

        Raises:
            UsageError: There is no such item, no vector is kept of it, or a swap was broken off.
            VectorStoreError: Chroma didn't answer.
        """
        require_one_index(self.store)
        serving = self.store.generations.serving()
        space = self.space if serving is None else serving.space
        item_id = self.store.items.find(kind, name)
        if item_id is None:
            raise UsageError(f"There is no {kind} {name!r} in the store.", code="no_such_item")

        async def ask() -> list[SearchHit]:
            return await neighbours(item_id, kind, name, limit, self._edge.vectors(), self.store, space)

        return self._thread.do(ask())

    def index_counts(self) -> dict[Kind, int]:
        """Vectors in each collection. Blocks."""

        async def ask() -> dict[Kind, int]:
            return await self._edge.vectors().counts()

        return self._thread.do(ask())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work of another room in the engine's loop, and wait for it. Blocks.

        Raises:
            UsageError: The engine was closed meanwhile.
        """
        return self._thread.do(work)

    def begin(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """The same without waiting; closing the engine cancels it."""
        return self._thread.begin(work)

    def notice(self, message: str, level: Level = "info") -> None:
        """Tell whoever listens."""
        self._bus.publish(Notice(0, message, level))

    async def deliver(self) -> None:
        """Bring what is paid for to the index, for $0; called in the loop. A run that is under way does it itself.

        An index that this was the last of, beside the one that served, serves from here on.

        Raises:
            VectorStoreError: It can't be used; the answers are safe.
        """
        if self._driver.run is not None:
            return
        vectors, active = self._edge.vectors(), self.store.generations.active()
        space = self.space if active is None else active.space
        if self.store.answers.waiting(self.store.answers.space_id(space)):
            await vectors.open()
            await self._free_delivery().drain()
        await settle(self.store, vectors, self.notice)

    def sweep(self) -> int:
        """Take what is gone from its source out of the index, for $0; returns how many items. Blocks."""

        async def do() -> int:
            swept = await sweep_serving(self.store, self._edge.vectors())
            return swept + (await self._free_delivery().sweep() if self.store.departures.waiting(1) else 0)

        return self._thread.do(do())

    def verify(self, repair: bool = False) -> VerifyReport:
        """Compare store and Chroma both ways; with `repair` mend what costs nothing. Blocks.

        Raises:
            UsageError: A swap was broken off, and this may only look.
            VectorStoreError: Chroma doesn't answer.
        """
        if repair:
            self.finish_swap()
        else:
            require_one_index(self.store)

        async def ask() -> VerifyReport:
            if repair:
                vectors = self._edge.vectors()
                await mend_damage(self.store, vectors, self.settings)
                await mend_size(self.store, index_to_fill(self.store, vectors))
                await self._free_delivery().drain()
                await self._free_delivery().sweep()
            report = await verify(self.store, self._edge.vectors(), repair=repair)
            if repair:
                await self._free_delivery().drain()
            return report

        return self._thread.do(ask())

    def finish_swap(self) -> bool:
        """Finish the change to another index where it was broken off in its last step; True when there was one. Blocks.

        Raises:
            VectorStoreError: Chroma doesn't answer.
        """
        beside = self.store.generations.beside()
        if beside is None or beside.state != "swapping":
            return False
        return self._thread.do(settle(self.store, self._edge.vectors(), log.info))

    def drop_kept(self) -> int:
        """Take the indexes that are kept beside the one that serves out of Chroma; returns how many. Blocks.

        What was paid for them stays among the answers.

        Raises:
            VectorStoreError: Chroma doesn't answer.
        """
        self.finish_swap()
        return self._thread.do(drop_kept(self.store, self._edge.vectors()))

    def close(self, timeout: float = 10.0) -> None:
        """End a run in good order, Chroma's process and the thread; safe to call twice."""
        with self._starting:  # a start that is under way comes first, so that its run is ended in good order
            self._closed = True
        if not self._thread.started:
            return
        self.cancel()
        self._driver.ended.wait(timeout)

        async def last() -> None:
            await self._driver.stop()
            await self._edge.close()

        if not self._thread.end(last, timeout):
            log.warning("Chroma's process didn't end in time")

    # Inside

    def _free_delivery(self) -> Delivery:
        """A delivery outside a run: of what is paid for, and of what is gone."""
        active = self.store.generations.active()
        space = self.space if active is None else active.space
        quote = dataclasses.replace(self.quote(Scope("pending", ids=())), space=space)
        agreed = Agreed(0, self.store.answers.space_id(space), Budget(0))
        run = self._driver.make(quote, agreed, "raise")
        return Delivery(run.books, run.control, index_to_fill(self.store, self._edge.vectors()))

    def _tell(self, order: Any) -> None:
        def deliver() -> None:
            if self._driver.run is not None:
                order(self._driver.run)

        if self._thread.started:
            self._thread.call(deliver)
