"""The change of the index to another model: begun with a yes, built beside, swapped in, gone back from, dropped.

What there is stands in `store.generations`; this is what is done about it, and what is said of it beforehand.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from batch_manager.documents import KINDS
from batch_manager.embedding import space_of
from batch_manager.embedding.shorten import can_be_cut_for, shorten
from batch_manager.engine.way_back import is_local, told_size, way_back
from batch_manager.errors import UsageError
from batch_manager.index_change import IndexChange, disk_need
from batch_manager.plural import counted
from batch_manager.quote import Scope, Space, Work
from batch_manager.store import DocumentationStore
from batch_manager.store.generations import half_done, seen_lasting, seen_stage, title_of
from batch_manager.store.scopes import Seen
from batch_manager.vectors import VectorStore, row_id

if TYPE_CHECKING:
    from batch_manager.settings import Settings

PAGE = 1_000
"""Rows that are held at a time."""

USUAL_DIMENSIONS = 1536
"""What disk is reckoned with where a model's size isn't known before its first answer."""


# Before the yes


def seen_for(store: DocumentationStore, space: Space) -> Seen:
    """How items are looked at for the index of that space, whichever index is worked on now."""
    longer = tuple(store.cuts.longer(space)) if can_be_cut_for(space) else ()
    if store.generations.other_than(space) is None:
        return Seen(longer)
    found = store.generations.find(space)
    return Seen(longer, seen_stage(found), seen_lasting(found))


def change_of(settings: Settings, store: DocumentationStore, space: Space, work: Work) -> IndexChange | None:
    """What a run under these settings does to the index; None where it stays of the model that it is of."""
    generations = store.generations
    serving, beside = generations.serving(), generations.beside()
    if serving is None or (serving.is_of(space) and beside is None):
        return None
    target = generations.find(space)
    goes_on = beside is not None and beside.is_of(space)
    items = sum(work.items.values())
    dimensions = space.dimensions or USUAL_DIMENSIONS
    text_bytes = items * round(store.items.mean_bytes())
    return IndexChange(
        step="goes on" if goes_on else "begins" if target is None else "back",
        serving=serving.title,
        to=title_of(space.model, space.dimensions),
        returns=serving.is_of(space),
        items=items,
        disk=disk_need(items, text_bytes, dimensions, work.texts),
        free=None if settings.chroma_url else _free(settings.vectors_directory),
        failed=generations.blocked().failed if goes_on else 0,
    )


def require_whole(store: DocumentationStore, space: Space, scope: Scope) -> None:
    """Make sure that an index of another model is turned to for all items or not at all.

    Raises:
        UsageError: Only some items are meant.
    """
    if not scope.whole:
        require_same_model(store, space)


def require_same_model(store: DocumentationStore, space: Space) -> None:
    """Make sure that the index that is worked on is of this model.

    Raises:
        UsageError: It is of another one.
    """
    other = store.generations.other_than(space)
    if other is None:
        return
    now = title_of(space.model, space.dimensions) if other.model == space.model else space.model
    raise UsageError(
        f"The index was built with {other.title}, not with {now}.",
        next_step=f"To stay with it, {way_back(other, space)}; or index all that is pending: that builds another index"
        " beside it.",
        code="other_model",
    )


def require_one_index(store: DocumentationStore) -> None:
    """Make sure that it can be said which index the names `tables` and `relationships` mean.

    Raises:
        UsageError: A swap was broken off half way.
    """
    beside = store.generations.beside()
    if beside is not None and beside.state == "swapping":
        raise half_done(beside)


def say_building(store: DocumentationStore, space: Space) -> None:
    """Say that another index is being built beside the one that serves, as a problem to know of.

    Raises:
        UsageError: So it is.
    """
    require_one_index(store)
    serving, beside = store.generations.serving(), store.generations.beside()
    if serving is not None and beside is not None:
        if serving.is_of(space):
            step = f"Index what is pending to stay with that one; to finish the other, {way_back(beside, space)}."
        else:
            step = f"Index what is pending to finish it; to go back to the other, {way_back(serving, space)}."
        raise UsageError(
            f"An index of {beside.title} is being built; that of {serving.title} serves until the last item is in.",
            next_step=step,
            code="index_building",
        )


# Searching


def serving_settings(settings: Settings, store: DocumentationStore) -> Settings:
    """The settings by which the index that serves is asked: its own model, as long as another isn't done.

    Raises:
        UsageError: A swap was broken off half way, or the index was made at another server than the one that is set.
    """
    require_one_index(store)
    serving = store.generations.serving()
    if serving is None or serving.is_of(space_of(settings)):
        return settings
    provider: Literal["local", "openai"] = "local" if is_local(serving) else "openai"
    asked = dataclasses.replace(
        settings,
        provider=provider,
        model=serving.model,
        # A size that is the model's own is left to it: some servers refuse to be told.
        dimensions=told_size(serving.model, serving.dimensions) if provider == "openai" else None,
    )
    if serving.server is not None and asked.server != serving.server:
        # A key belongs to the server that it is set beside; it isn't sent to another one.
        raise UsageError(
            f"The index that serves is of {serving.title} and was made at {serving.server}.",
            next_step="Set OPENAI_BASE_URL to that server and its model to search, or finish the index of the other.",
            code="other_server",
        )
    return asked


# The change itself


def cut_longer(store: DocumentationStore, space: Space) -> int:
    """Cut the shorter vectors of this space from longer ones that were paid for; returns how many. $0, resumable."""
    if not can_be_cut_for(space) or not (longer := store.cuts.longer(space)):
        return 0
    space_id = store.answers.space_id(space, make=True)
    done = 0
    for longer_id in longer:
        last = 0
        while page := store.cuts.waiting(longer_id, space_id, last, PAGE):
            last = page[-1].text_id
            vectors = shorten([one.vector for one in page], space.dimensions or 0)
            store.cuts.keep(
                space_id, [(one.text_id, one.request_id, vector) for one, vector in zip(page, vectors, strict=True)]
            )
            done += len(page)
    return done


async def settle(store: DocumentationStore, vectors: VectorStore, say: Callable[[str], None]) -> bool:
    """Let a built index serve, if its last item is in; finish a swap that was broken off. True when one serves anew.

    Args:
        store: The store.
        vectors: The index that serves, of which the other is beside.
        say: Who is told, in a sentence.

    Raises:
        VectorStoreError: Chroma doesn't answer; what is left is done by the next call.
        StoreError: The store can't be written; as before.
    """
    built, serving = store.generations.beside(), store.generations.serving()
    if built is None or serving is None:
        return False
    if built.state == "building":
        blocked = store.generations.blocked()
        if blocked.failed and not blocked.pending:
            say(
                f"{counted(blocked.failed, 'item')} failed under {built.title}, so the index of {serving.title} still"
                " serves. Try them again, or skip them."
            )
        if not blocked.free:
            return False
        # An index without any relationship needs the collection all the same: its absence is the mark of the swap.
        await vectors.beside(built.suffix).make()
        store.generations.begin_swap(built)
    await vectors.swap(built.suffix, serving.suffix)
    store.generations.end_swap()
    say(f"The index of {built.title} serves now; that of {serving.title} is kept.")
    return True


async def sweep_serving(store: DocumentationStore, vectors: VectorStore) -> int:
    """Take what is gone from its source out of the index that serves, while another is worked on; returns how many."""
    serving, active = store.generations.serving(), store.generations.active()
    if serving is None or active is None or serving.id == active.id or active.state == "swapping":
        return 0
    swept = 0
    while gone := store.generations.gone(serving, PAGE):
        for kind in KINDS:
            ids = [row_id(name, no) for _, of, name, parts in gone if of == kind for no in range(1, parts + 1)]
            if ids:
                await vectors.delete(kind, ids)
        store.generations.removed(serving, [item_id for item_id, *_ in gone])
        swept += len(gone)
    return swept


async def drop_kept(store: DocumentationStore, vectors: VectorStore) -> int:
    """Take the indexes that are kept out of Chroma, and forget where their items stood; returns how many."""
    kept = store.generations.kept()
    for one in kept:
        await vectors.beside(one.suffix).drop()
        store.generations.drop(one)
    return len(kept)


def index_to_fill(store: DocumentationStore, vectors: VectorStore) -> VectorStore:
    """The index that runs work on: the one that serves, or the one that is being built beside it."""
    beside = store.generations.beside()
    return vectors if beside is None else vectors.beside(beside.suffix)


def _free(folder: Path) -> int | None:
    """Bytes that are free where the folder is or will be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
