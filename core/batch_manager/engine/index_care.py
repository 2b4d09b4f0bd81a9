"""Care of the index: that it is of the model in use, and that it is there; what is lost is put back for $0."""

from __future__ import annotations

from batch_manager.documents import KINDS
from batch_manager.engine.books import Books
from batch_manager.engine.control import Control
from batch_manager.errors import UsageError, VectorStoreError
from batch_manager.home import put_aside
from batch_manager.quote import Space
from batch_manager.settings import Settings
from batch_manager.store import DocumentationStore
from batch_manager.vectors import VectorStore

INDEX_SPACE = "index_space"
"""The store's note of the model and dimensions that Chroma's vectors are of."""


def require_same_model(store: DocumentationStore, space: Space) -> None:
    """Make sure that the index, if there is one, is of this model.

    Raises:
        UsageError: It is of another one.
    """
    noted = store.note(INDEX_SPACE)
    if noted is None or noted == _note(space):
        return
    model, dimensions = noted.split("\n")
    raise UsageError(
        f"The index was built with {model} ({dimensions} dimensions), not with {space.model}.",
        next_step=f"Use --model {model} or its provider, or build the index anew with --rebuild-indexes.",
        code="other_model",
    )


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
    if foreign and not rebuild:
        # Said before anything is paid for what would have no place.
        raise VectorStoreError(
            f"The index holds vectors of another size than the {quote.space.dimensions} of {quote.space.model}.",
            next_step="Rebuild the index (R in the app, --rebuild-indexes), or use the model that it was made with.",
            code="vectors_other_shape",
        )
    if rebuild and (foreign or store.note(INDEX_SPACE) not in (None, _note(quote.space))):
        books.replaces_index = True
    elif store.items.counts().total("indexed") and not sum((await vectors.counts()).values()):
        control.notice("Chroma has lost its vectors; they are put back from the store for $0.", "warning")
        store.answers.index_lost()


async def claim(books: Books, control: Control, vectors: VectorStore) -> None:
    """The first row of a run is about to go in: only now is an index of another model given up for it.

    A rebuild that never got an answer leaves the index that was there as it was.
    """
    if books.replaces_index:
        await vectors.reset()
        await control.persist(books.store.answers.forget_index)
        books.replaces_index = False
    await control.persist(lambda: books.store.set_note(INDEX_SPACE, _note(books.quote.space)))


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


async def _put_aside(store: DocumentationStore, vectors: VectorStore, settings: Settings) -> None:
    await vectors.close()
    put_aside(settings.vectors_directory)
    store.answers.index_lost()


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


def _note(space: Space) -> str:
    # Not the server: vectors of one model are alike wherever they were paid for.
    return f"{space.model}\n{space.dimensions or 'its own'}"
