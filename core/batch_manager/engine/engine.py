"""The engine's face: any thread may ask, tell or listen; the work happens in the engine's own thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections.abc import Coroutine
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from batch_manager.documents import KINDS, Kind
from batch_manager.embedding import Embedder, make_embedder, space_of
from batch_manager.engine.agreement import Agreed, agree
from batch_manager.engine.books import Books
from batch_manager.engine.budget import Budget
from batch_manager.engine.control import Control, OnTrouble
from batch_manager.engine.delivery import Delivery
from batch_manager.engine.index_care import mend_damage, prepare, require_same_model
from batch_manager.engine.problems import problems
from batch_manager.engine.progress import Progress
from batch_manager.engine.results import EMPTY, RunResults, collect
from batch_manager.engine.run import Run, internal
from batch_manager.engine.search import SearchHit, checked_query, neighbours, search
from batch_manager.engine.verify import VerifyReport, verify
from batch_manager.errors import BatchManagerError, SettingError, UsageError
from batch_manager.events import EventBus, Notice, RunView, Subscription
from batch_manager.packing import MAX_REQUEST_TOKENS, Limits
from batch_manager.pricing import Price, price_of
from batch_manager.quote import Quote, Scope, Space, Speed, make_quote, run_seconds
from batch_manager.store import DocumentationStore
from batch_manager.store.ledger import RunRow
from batch_manager.vectors import VectorStore

if TYPE_CHECKING:
    from batch_manager.settings import Settings

log = logging.getLogger("batch_manager.engine")
logging.getLogger("batch_manager").addHandler(logging.NullHandler())  # a library is silent until it is asked

TICK = 0.05
"""Seconds between two pictures of a run."""

FIRST_GUESS_SECONDS = 0.5
LOCAL_SECONDS = 0.05
"""A request's time before any was measured here: to a server, and to the model on this machine."""

T = TypeVar("T")


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
        self._on_trouble: OnTrouble = on_trouble
        self._vectors = vectors
        self._embedder: Embedder | None = None
        self._bus = EventBus()
        self._run: Run | None = None
        self._last: RunView | None = None
        self._view = RunView()
        self._billed_tokens = 0
        self._ended = threading.Event()
        self._ended.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._making = threading.Lock()
        self._making_loop = threading.Lock()
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

    def limits(self) -> Limits:
        """Ceilings of a request: the setting, and what this server was found to take."""
        inputs, tokens = self.settings.batch_size, MAX_REQUEST_TOKENS
        learned = self.store.note(f"limits:{self.space.server}")
        if learned:
            least_inputs, least_tokens = (int(one) for one in learned.split(","))
            inputs, tokens = min(inputs, least_inputs), min(tokens, least_tokens)
        if self.settings.tokens_per_minute:
            tokens = min(tokens, self.settings.tokens_per_minute)
        return Limits(inputs, tokens)

    def quote(self, scope: Scope, cap: Decimal | None = None) -> Quote:
        """What the scope would cost; nothing is sent or written.

        Raises:
            SettingError: No price is known.
            StoreError: The store can't be read.
        """
        price = self.price()
        work = self.store.work.find(scope, self.store.answers.space_id(self.space))
        quote = make_quote(scope, work, self.space, self.settings.host, price, self.limits(), cap)
        return replace(quote, seconds=run_seconds(quote.requests, quote.tokens, quote.items, self._speed()))

    def saving(self, finding: str) -> Decimal:
        """USD that leaving out the pending items with this finding saves.

        Raises:
            SettingError: No price is known.
            StoreError: The store can't be read.
        """
        return self.price().cost(self.store.items.saved_tokens(finding, self.store.answers.space_id(self.space)))

    def _speed(self) -> Speed:
        """What this server's requests took so far, or a first guess."""
        guess = LOCAL_SECONDS if self.settings.provider == "local" else FIRST_GUESS_SECONDS
        return Speed(
            request_seconds=self.store.ledger.request_seconds(self.settings.model) or guess,
            concurrency=self.settings.concurrency,
            tokens_per_minute=self.settings.tokens_per_minute or self._view.limits.tokens_per_minute,
        )

    def check(self, scope: Scope) -> None:
        """Whether a run of this scope could start at all; asked before anyone is asked for a yes.

        Raises:
            SettingError: No key.
            UsageError: The index is of another model, or a run is under way.
        """
        if self._run is not None:
            raise UsageError("A run is under way.", next_step="Wait for it, pause it or cancel it.", code="running")
        self.require_key()
        if not scope.rebuilds:
            require_same_model(self.store, self.space)

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
                await asyncio.gather(self._warm_embedder(), self._the_vectors().open())
            except BatchManagerError as error:
                # Found before anybody says yes: a damaged folder, a server that is away.
                self._bus.publish(Notice(0, str(error), "error"))

        asyncio.run_coroutine_threadsafe(load(), self._running_loop())

    def start(self, quote: Quote) -> None:
        """Begin what was agreed; returns once it is written down.

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
            loop = self._running_loop()
            agreed = agree(self.store, quote, lambda: self.quote(quote.scope, quote.cap))
            self._ended.clear()
            ready: concurrent.futures.Future[None] = concurrent.futures.Future()
            loop.call_soon_threadsafe(self._begin, quote, agreed, ready)
            ready.result()

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
        return self._view

    def subscribe(self) -> Subscription:
        """Listen to events from now on."""
        return self._bus.subscribe()

    def unsubscribe(self, subscription: Subscription) -> None:
        """Listen no more."""
        self._bus.unsubscribe(subscription)

    def wait(self, timeout: float | None = None) -> RunView:
        """Wait for the end of the run; returns the picture at that time."""
        self._ended.wait(timeout)
        return self._view

    def results(self) -> RunResults:
        """What came of the last run, item by item."""
        return collect(self.store, self._last, self._billed_tokens) if self._last else EMPTY

    # Questions to the index

    def search_price(self, query: str) -> Decimal:
        """What the query's own embedding costs."""
        return self.price().cost(checked_query(query))

    def search(self, query: str, kind: Kind | None = None, limit: int = 10) -> list[SearchHit]:
        """The nearest items, best first; sends the query alone. Blocks: call it from a thread that may wait.

        Raises:
            UsageError: The query can't be sent, or the index is of another model.
            RequestRefused, VectorStoreError: The server or Chroma didn't answer.
        """
        require_same_model(self.store, self.space)
        checked_query(query)

        async def ask() -> list[SearchHit]:
            kinds = KINDS if kind is None else (kind,)
            return await search(query, kinds, limit, self._the_embedder(), self._the_vectors(), self.store, self.space)

        return self._do(ask())

    def neighbours(self, kind: Kind, name: str, limit: int = 8) -> list[SearchHit]:
        """The items nearest to an indexed one, best first, by its kept vector: $0, and nothing is sent. Blocks.

        Raises:
            UsageError: There is no such item, no vector is kept of it, or the index is of another model.
            VectorStoreError: Chroma didn't answer.
        """
        require_same_model(self.store, self.space)
        item_id = self.store.items.find(kind, name)
        if item_id is None:
            raise UsageError(f"There is no {kind} {name!r} in the store.", code="no_such_item")

        async def ask() -> list[SearchHit]:
            return await neighbours(item_id, kind, name, limit, self._the_vectors(), self.store, self.space)

        return self._do(ask())

    def index_counts(self) -> dict[Kind, int]:
        """Vectors in each collection. Blocks."""

        async def ask() -> dict[Kind, int]:
            return await self._the_vectors().counts()

        return self._do(ask())

    def sweep(self) -> int:
        """Take what is gone from its source out of the index, for $0; returns how many items. Blocks."""

        async def do() -> int:
            return await self._free_delivery().sweep() if self.store.departures.waiting(1) else 0

        return self._do(do())

    def verify(self, repair: bool = False) -> VerifyReport:
        """Compare store and Chroma both ways; with `repair` mend what costs nothing. Blocks."""

        require_same_model(self.store, self.space)

        async def ask() -> VerifyReport:
            if repair:
                await mend_damage(self.store, self._the_vectors(), self.settings)
                await self._free_delivery().drain()
                await self._free_delivery().sweep()
            report = await verify(self.store, self._the_vectors(), repair=repair)
            if repair:
                await self._free_delivery().drain()
            return report

        return self._do(ask())

    def close(self, timeout: float = 10.0) -> None:
        """End a run in good order, Chroma's process and the thread; safe to call twice."""
        with self._starting:  # a start that is under way comes first, so that its run is ended in good order
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        self.cancel()
        self._ended.wait(timeout)

        async def end() -> None:
            # Whoever still waits for a search or a delivery is told now, and nothing opens Chroma again after this.
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            if self._embedder is not None:
                await self._embedder.close()
            if self._vectors is not None:
                await self._vectors.close()

        try:
            asyncio.run_coroutine_threadsafe(end(), loop).result(timeout)
        except TimeoutError:
            log.warning("Chroma's process didn't end in time")
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout)
        self._loop = self._thread = self._embedder = self._vectors = None

    # Inside

    def _begin(self, quote: Quote, agreed: Agreed, ready: concurrent.futures.Future[None]) -> None:
        try:
            run = self._make_run(quote, agreed)
            self._run = run
            self._view = run.progress.view(time.monotonic())
            self._task = asyncio.ensure_future(self._drive(run))
            ready.set_result(None)
        except Exception as error:
            self._run = None
            self._ended.set()
            ready.set_exception(error)  # whoever said yes waits for it

    def _make_run(self, quote: Quote, agreed: Agreed, on_trouble: OnTrouble | None = None) -> Run:
        items = quote.items + quote.unsendable_count
        progress = Progress(agreed.run_id, quote, agreed.budget, time.monotonic(), items=items)
        progress.failed = quote.unsendable_count
        control = Control(progress, self._bus.publish, on_trouble or self._on_trouble)
        books = Books(agreed.run_id, agreed.space_id, quote, self.store, control)
        return Run(books, control, self.settings, self.limits())

    async def _drive(self, run: Run) -> None:
        ticking = asyncio.ensure_future(self._tick(run))
        try:
            vectors = self._the_vectors()
            embedder, _ = await asyncio.gather(
                self._warm_embedder(), prepare(run.books, run.control, vectors, self.settings)
            )
            await run.go(embedder, vectors)
        except BatchManagerError as error:
            run.broken(error)
        except Exception as error:
            log.exception("run %d broke", run.progress.run_id)
            run.broken(internal(error))
        finally:
            ticking.cancel()
            self._billed_tokens = run.progress.tokens_billed
            self._last = self._view = run.progress.view(time.monotonic())
            self._run = None
            self._ended.set()

    async def _tick(self, run: Run) -> None:
        while True:
            now = time.monotonic()
            run.progress.sample(now)
            self._view = run.progress.view(now)
            await asyncio.sleep(TICK)

    def _free_delivery(self) -> Delivery:
        """A delivery outside a run: of what is paid for, and of what is gone."""
        space_id = self.store.answers.space_id(self.space)
        run = self._make_run(self.quote(Scope("pending", ids=())), Agreed(0, space_id, Budget(0)), "raise")
        return Delivery(run.books, run.control, self._the_vectors())

    def _the_vectors(self) -> VectorStore:
        if self._vectors is None:
            from batch_manager.vectors.process import ChromaProcess

            url = self.settings.chroma_url
            self._vectors = ChromaProcess(directory=None if url else self.settings.vectors_directory, url=url)
        return self._vectors

    async def _warm_embedder(self) -> Embedder:
        # The import of a client takes a second: it must not stop this loop's other work.
        return await asyncio.to_thread(self._the_embedder)

    def _the_embedder(self) -> Embedder:
        with self._making:
            if self._embedder is None:
                self._embedder = make_embedder(self.settings)
            return self._embedder

    def _tell(self, order: Any) -> None:
        def deliver() -> None:
            if self._run is not None:
                order(self._run)

        if self._loop is not None:
            self._loop.call_soon_threadsafe(deliver)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._running_loop()).result()
        except concurrent.futures.CancelledError:
            raise UsageError("The engine was closed meanwhile.", next_step="Ask again.", code="closed") from None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._making_loop:
            return self._loop or self._new_loop()

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._loop = asyncio.new_event_loop()

        def work() -> None:
            asyncio.set_event_loop(loop)
            loop.run_forever()
            loop.run_until_complete(loop.shutdown_asyncgens())
            self.store.close()  # this thread's connection
            loop.close()

        self._thread = threading.Thread(target=work, name="batch-manager-engine", daemon=True)
        self._thread.start()
        return loop
