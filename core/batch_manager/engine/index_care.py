"""Care of the index that is worked on: that it is there, and of the right size; what is lost is put back for $0."""

from __future__ import annotations

from batch_manager.documents import KINDS
from batch_manager.engine.books import Books
from batch_manager.engine.control import Control
from batch_manager.errors import VectorStoreError
from batch_manager.home import put_aside
from batch_manager.plural import counted
from batch_manager.settings import Settings
from batch_manager.store import DocumentationStore
from batch_manager.vectors import VectorStore


async def prepare(books: Books, control: Control, vectors: VectorStore, settings: Settings) -> None:
    """Look at the index before a run: what was lost is put back; whether a rebuild replaces it is noted in the books.

    Raises:
        VectorStoreError: It can't be used, or holds vectors of another size. A rebuild puts a damaged one aside,
            since that was agreed to.
    """
    store, quote = books.store, books.quote
    rebuild = quote.scope.rebuilds
    store.answers.release(books.space_id)
    foreign = await _opened(store, control, vectors, settings, rebuild=rebuild, dimensions=quote.space.dimensions)
    if foreign and store.generations.beside() is not None:
        # What stands there under a name that is ours alone was left by an earlier store; nobody searches in it.
        await vectors.reset()
        store.answers.forget_index()
        foreign = False
    if foreign and not rebuild:
        # Said before anything is paid for what would have no place.
        raise VectorStoreError(
            f"The index holds vectors of another size than the {quote.space.dimensions} of {quote.space.model}.",
            next_step="Rebuild the index (R in the app, --rebuild-indexes), or use the model that it was made with.",
            code="vectors_other_shape",
        )
    if rebuild and foreign:
        books.replaces_index = True
    elif store.items.counts().total("indexed") and not sum((await vectors.counts()).values()):
        control.notice("Chroma has lost its vectors; they are put back from the store for $0.", "warning")
        store.answers.index_lost()


async def claim(books: Books, control: Control, vectors: VectorStore) -> None:
    """The first row of a run is about to go in: only now is an index of another size given up for it.

    A rebuild that never got an answer leaves what was there as it was.
    """
    if books.replaces_index:
        await vectors.reset()
        await control.persist(books.store.answers.forget_index)
        books.replaces_index = False
    await control.persist(lambda: books.store.generations.claim(books.quote.space, books.space_id))


async def mend_damage(store: DocumentationStore, vectors: VectorStore, settings: Settings) -> bool:
    """Put a damaged index aside, so that a repair can build it again from the store; True when there was one.

    Raises:
        VectorStoreError: It can't be opened for another reason, or a server's is damaged.
    """
    try:
        await vectors.open()
    except VectorStoreError as error:
        if error.code != "vectors_damaged" or settings.chroma_url:
            raise
        await _put_aside(store, vectors, settings)
        return True
    return False


async def mend_size(store: DocumentationStore, vectors: VectorStore) -> bool:
    """Drop collections with vectors of another size than the index's, so that a repair can fill them again for $0.

    Returns:
        Whether there were any.
    """
    active = store.generations.active()
    if active is None or not active.dimensions:
        return False
    if not {await vectors.dimensions(kind) for kind in KINDS} - {None, active.dimensions}:
        return False
    await vectors.reset()
    store.answers.index_lost()
    return True


async def refuse_lost(store: DocumentationStore, vectors: VectorStore, settings: Settings) -> None:
    """Refuse to ask an index that should hold items and holds nothing, before a query to it is paid for.

    Raises:
        VectorStoreError: It is so (`index_lost`), or Chroma doesn't answer.
    """
    indexed = store.generations.searchable()
    if not indexed or any((await vectors.counts()).values()):
        return
    folder = settings.chroma_url or str(settings.vectors_directory)
    gone = "" if settings.chroma_url or settings.vectors_directory.exists() else " no longer there, so it is"
    raise VectorStoreError(
        f"The index at {folder} is{gone} empty, and {counted(indexed, 'item')} should be in it; nothing was sent.",
        next_step=f"{_command(settings)} --verify --repair puts back what was paid for, for $0.",
        code="index_lost",
    )


def _command(settings: Settings) -> str:
    return "batch-manager --demo" if settings.mode == "demo" else "batch-manager"


async def _put_aside(store: DocumentationStore, vectors: VectorStore, settings: Settings) -> None:
    await vectors.close()
    put_aside(settings.vectors_directory)
    store.answers.index_lost()
    store.generations.all_lost()


async def _opened(
    store: DocumentationStore,
    control: Control,
    vectors: VectorStore,
    settings: Settings,
    *,
    rebuild: bool,
    dimensions: int | None,
) -> bool | None:
    """Open the index; True when its vectors have another size, None when it was damaged and is put aside."""
    try:
        await vectors.open()
        sizes = {await vectors.dimensions(kind) for kind in KINDS} - {None, dimensions}
        return dimensions is not None and bool(sizes)
    except VectorStoreError as error:
        if error.code != "vectors_damaged" or settings.chroma_url or not rebuild:
            raise
        control.notice(f"{error.message} It is put aside and built again for $0.", "warning")
        await _put_aside(store, vectors, settings)
        return None
