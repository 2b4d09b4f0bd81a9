"""The index's face: what it is asked, and what keeps it true. Any thread may call; the work is in the engine's loop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from batch_manager.documents import Kind
from batch_manager.embedding import require_key, space_of
from batch_manager.engine.agreement import Agreed
from batch_manager.engine.asked import Asked, Query
from batch_manager.engine.budget import Budget
from batch_manager.engine.delivery import Delivery
from batch_manager.engine.driver import Driver
from batch_manager.engine.edge import Edge
from batch_manager.engine.generations import (
    drop_kept,
    index_to_fill,
    require_one_index,
    serving_settings,
    settle,
    sweep_serving,
)
from batch_manager.engine.index_care import mend_damage, mend_size, refuse_lost
from batch_manager.engine.quoting import quote_of
from batch_manager.engine.search import (
    Meter,
    OnlyKept,
    SearchHit,
    Unmetered,
    checked_query,
    neighbours,
    query_vector,
    search,
)
from batch_manager.engine.thread import LoopThread
from batch_manager.engine.verify import VerifyReport, verify
from batch_manager.errors import DeclinedError, SettingError, UsageError
from batch_manager.pricing import price_of
from batch_manager.quote import Scope, Space
from batch_manager.store import DocumentationStore

if TYPE_CHECKING:
    from batch_manager.settings import Settings
    from batch_manager.sources.watch import Watch

log = logging.getLogger("batch_manager.engine")


class Index:
    """Searches, verifies, mends and sweeps the index of one home; sends nothing but a query."""

    def __init__(
        self,
        settings: Settings,
        store: DocumentationStore,
        edge: Edge,
        thread: LoopThread,
        driver: Driver,
        tell: Callable[[str], None],
    ) -> None:
        """Nothing is opened yet.

        Args:
            settings: What is in force.
            store: The home's store.
            edge: Where the embedder and the vector store are had.
            thread: The engine's own, in which the work is done.
            driver: Who knows whether a run is under way.
            tell: Says something to whoever listens.
        """
        self._settings = settings
        self._store = store
        self._edge = edge
        self._thread = thread
        self._driver = driver
        self._tell = tell
        self._asked = Asked()

    def search_price(self, query: str) -> Decimal:
        """What the query's own embedding costs, by the model of the index that serves; $0 where it is kept.

        Raises:
            UsageError: The query can't be sent, or the index that serves can't be asked.
            SettingError: No price is known.
        """
        tokens = checked_query(query)
        asked = serving_settings(self._settings, self._store)
        price = price_of(asked)
        return Decimal(0) if _query(query, asked) in self._asked else price.cost(tokens)

    def keeps(self, query: str) -> bool:
        """Whether this was asked before and its vector is kept, so that it is asked again for $0 and sends nothing.

        Raises:
            UsageError: The index that serves can't be asked.
        """
        return _query(query, serving_settings(self._settings, self._store)) in self._asked

    def search_settings(self) -> Settings:
        """The settings by which a search asks: those in force, or of the index that serves while another is built.

        Raises:
            UsageError: A swap was broken off, or the index was made at another server.
            SettingError: There is no key.
        """
        asked = serving_settings(self._settings, self._store)
        if asked is self._settings:
            require_key(self._settings)
        elif asked.provider == "openai" and not asked.api_key:
            raise SettingError(
                f"The index that serves is of {asked.model}; a query to it needs OPENAI_API_KEY, which is not set.",
                next_step="Set it to search until the index of the other model is done.",
                code="no_api_key",
            )
        return asked

    def leaves_unnamed(self, asked: Settings) -> bool:
        """Whether a search by these settings leaves this machine, though those in force name the model on it.

        Nobody who chose the local model expects that, so that such a search wants a yes of its own.
        """
        return self._settings.provider == "local" and asked.provider != "local"

    def search(
        self,
        query: str,
        kind: Kind | None = None,
        limit: int = 10,
        *,
        sources: Sequence[str] = (),
        schemas: Sequence[str] = (),
        meter: Meter | None = None,
        agreed: bool = False,
        may_pay: bool = True,
    ) -> list[SearchHit]:
        """The nearest items, best first; sends the query alone, or nothing where its vector is kept.

        Blocks: call it from a thread that may wait.

        Args:
            query: What is looked for.
            kind: Only items of it.
            limit: Items at most.
            sources: Only items of one of these sources (names, globs, or parts of a title).
            schemas: Only items of one of these schemas (names or globs).
            meter: Who watches what it costs, and may keep it back.
            agreed: Somebody said yes to sending the query to a server that the settings in force don't name.
            may_pay: Somebody said yes to the query's price, too; without, only a kept vector or the model on this
                machine answers.

        Raises:
            DeclinedError: `server_not_named`: it would be sent to such a server, and nobody said yes;
                `query_not_kept`: it would be paid for, and nobody said yes to that.
            UsageError: The query can't be sent, the index that serves can't be asked, or no item is of such a source
                or schema.
            RequestRefused, VectorStoreError: The server or Chroma didn't answer, or the index has lost all that it
                should hold; then nothing was sent.
        """
        asked = self.search_settings()
        checked_query(query)
        if not agreed and self.leaves_unnamed(asked):
            raise DeclinedError(
                f"The index that serves is of {asked.model}, so the query would be sent to {asked.host}, and the"
                " settings name the model on this machine; nothing was sent.",
                next_step="Set EMBEDDING_PROVIDER=openai to search it, or index with the model on this machine.",
                code="server_not_named",
            )
        within = self._store.places.within(kind, sources, schemas)

        async def ask() -> list[SearchHit]:
            await refuse_lost(self._store, self._edge.vectors(), self._settings)
            watched = meter or (Unmetered() if may_pay or asked.provider == "local" else OnlyKept())
            vector = await query_vector(
                _query(query, asked), self._asked, lambda: self._edge.embedder_for(asked), watched
            )
            return await search(query, vector, within, limit, self._edge.vectors(), self._store, space_of(asked))

        return self._thread.do(ask())

    def neighbours(self, kind: Kind, name: str, limit: int = 8) -> list[SearchHit]:
        """The items nearest to an indexed one, best first, by its kept vector: $0, and nothing is sent. Blocks.

        Raises:
            UsageError: There is no such item, no vector is kept of it, or a swap was broken off.
            VectorStoreError: Chroma didn't answer.
        """
        require_one_index(self._store)
        serving = self._store.generations.serving()
        space = space_of(self._settings) if serving is None else serving.space
        item_id = self._store.items.find(kind, name)
        if item_id is None:
            raise UsageError(f"There is no {kind} {name!r} in the store.", code="no_such_item")

        async def ask() -> list[SearchHit]:
            return await neighbours(item_id, kind, name, limit, self._edge.vectors(), self._store, space)

        return self._thread.do(ask())

    def counts(self) -> dict[Kind, int]:
        """Vectors in each collection. Blocks."""

        async def ask() -> dict[Kind, int]:
            return await self._edge.vectors().counts()

        return self._thread.do(ask())

    def has_waiting(self) -> bool:
        """Whether there is something that is paid for and not in the index yet."""
        return bool(self._store.answers.waiting(self._store.answers.space_id(self._space_to_fill())))

    async def deliver(self, *, sweep: bool = False) -> None:
        """Bring what is paid for to the index, for $0; called in the loop. A run that is under way does it itself.

        An index that this was the last of, beside the one that served, serves from here on.

        Args:
            sweep: Take what is gone from its source out of it as well.

        Raises:
            VectorStoreError: It can't be used; the answers are safe.
        """
        if self._driver.run is not None:
            return
        vectors = self._edge.vectors()
        if sweep and self._store.departures.waiting(1):
            await self._free_delivery().sweep()
        if self.has_waiting():
            await vectors.open()
            await self._free_delivery().drain()
        await settle(self._store, vectors, self._tell)

    def sweep(self) -> int:
        """Take what is gone from its source out of the index, for $0; returns how many items. Blocks."""

        async def do() -> int:
            swept = await sweep_serving(self._store, self._edge.vectors())
            return swept + (await self._free_delivery().sweep() if self._store.departures.waiting(1) else 0)

        return self._thread.do(do())

    def verify(self, repair: bool = False, watch: Watch | None = None) -> VerifyReport:
        """Compare store and Chroma both ways; with `repair` mend what costs nothing. Blocks.

        Args:
            repair: Mend as well.
            watch: Told how far it is, and able to end it.

        Raises:
            DeclinedError: The watch was told to stop.
            UsageError: A swap was broken off, and this may only look.
            VectorStoreError: Chroma doesn't answer.
        """
        here = self._settings.chroma_url is not None or self._settings.vectors_directory.exists()
        if not here and not self._store.items.counts().total("indexed") and not self._store.generations.searchable():
            return VerifyReport()  # nothing is claimed, and nothing is there: no need to make an index for that
        if repair:
            self.finish_swap()
        else:
            require_one_index(self._store)

        async def ask() -> VerifyReport:
            if repair:
                vectors = self._edge.vectors()
                await mend_damage(self._store, vectors, self._settings)
                await mend_size(self._store, index_to_fill(self._store, vectors))
                await self._free_delivery().drain()
                await self._free_delivery().sweep()
            report = await verify(self._store, self._edge.vectors(), repair=repair, watch=watch)
            if repair:
                await self._free_delivery().drain()
            return report

        return self._thread.do(ask())

    def finish_swap(self) -> bool:
        """Finish the change to another index where it was broken off in its last step; True when there was one. Blocks.

        Raises:
            VectorStoreError: Chroma doesn't answer.
        """
        beside = self._store.generations.beside()
        if beside is None or beside.state != "swapping":
            return False
        return self._thread.do(settle(self._store, self._edge.vectors(), log.info))

    def drop_kept(self) -> int:
        """Take the indexes that are kept beside the one that serves out of Chroma; returns how many. Blocks.

        What was paid for them stays among the answers.

        Raises:
            VectorStoreError: Chroma doesn't answer.
        """
        self.finish_swap()
        return self._thread.do(drop_kept(self._store, self._edge.vectors()))

    def _free_delivery(self) -> Delivery:
        """A delivery outside a run: of what is paid for, and of what is gone."""
        space = self._space_to_fill()
        quote = replace(quote_of(self._settings, self._store, Scope("pending", ids=()), None), space=space)
        agreed = Agreed(0, self._store.answers.space_id(space), Budget(0))
        run = self._driver.make(quote, agreed, "raise")
        return Delivery(run.books, run.control, index_to_fill(self._store, self._edge.vectors()))

    def _space_to_fill(self) -> Space:
        active = self._store.generations.active()
        return space_of(self._settings) if active is None else active.space


def _query(text: str, asked: Settings) -> Query:
    return Query(text, space_of(asked), asked.host)
