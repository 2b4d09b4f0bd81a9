"""Handing over: an agreed run becomes batches, each with a job in the queue; window by window, and restartable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from batch_manager.documents import KINDS
from batch_manager.engine.generations import index_to_fill, sweep_serving
from batch_manager.engine.shared import jobs
from batch_manager.errors import UsageError, VectorStoreError
from batch_manager.packing import WINDOW_BATCHES, Limits, pack_window
from batch_manager.quote import Quote
from batch_manager.store import DocumentationStore
from batch_manager.store.batches import Claim
from batch_manager.store.postgres import PostgresStore
from batch_manager.vectors import VectorStore

if TYPE_CHECKING:
    from batch_manager.settings import Settings


def database_of(store: DocumentationStore) -> PostgresStore:
    """The store's database, which has to be on PostgreSQL."""
    database = store.database
    assert isinstance(database, PostgresStore)
    return database


def require_server(settings: Settings) -> None:
    """Make sure that the store is where workers find it.

    Raises:
        UsageError: It is a file.
    """
    if settings.store_server is None:
        raise UsageError(
            "Workers share a store, and this one is a file.",
            next_step="Put it on PostgreSQL (DOCUMENTATION_STORE_URL), or leave out --workers.",
            code="not_shared",
        )


async def require_shareable(settings: Settings, store: DocumentationStore, vectors: VectorStore, quote: Quote) -> None:
    """Make what workers need before a run is agreed to: the queue, and an index that can take the vectors.

    Raises:
        UsageError: The store isn't on a server.
        StoreError: The queue can't be made.
        VectorStoreError: Chroma doesn't answer, or the index has vectors of another size.
    """
    require_server(settings)
    jobs.make_tables(database_of(store))
    serving, size = vectors, quote.space.dimensions
    vectors = index_to_fill(store, serving)
    await vectors.open()
    sizes = {await vectors.dimensions(kind) for kind in KINDS} - {None, size}
    if size is not None and sizes:
        raise VectorStoreError(
            f"The index holds vectors of another size than the {size} of {quote.space.model}.",
            next_step="Rebuild the index without --workers, or use the model that it was made with.",
            code="vectors_other_shape",
        )
    store.answers.release(store.answers.space_id(quote.space, make=True))
    if store.items.counts().total("indexed") and not sum((await vectors.counts()).values()):
        store.answers.index_lost()  # the workers put it back from the store for $0
    await sweep_serving(store, serving)


def pack_next(store: DocumentationStore, run_id: int, limits: Limits) -> int:
    """Pack the next window of a shared run and put it into the queue; returns how many batches, 0 when all is.

    Whoever finds something unpacked may call it: the store serves one at a time.
    """
    with store.transaction():
        window = store.batches.unpacked(run_id, limits.inputs * WINDOW_BATCHES)
        if not window:
            return 0
        made = store.batches.add(run_id, pack_window(window, limits))
        enqueue(store, made)
    return len(made)


def enqueue(store: DocumentationStore, batch_ids: Iterable[int], seconds: float = 0.0) -> None:
    """Jobs for batches; inside the caller's transaction."""
    store.batches.queued(jobs.put(database_of(store), list(batch_ids), seconds=seconds))


def give_back(store: DocumentationStore, claim: Claim, seconds: float = 0.0) -> None:
    """A batch that isn't through is for any worker again, after a while."""
    with store.transaction():
        if store.batches.give_back(claim):
            enqueue(store, [claim.batch_id], seconds)
