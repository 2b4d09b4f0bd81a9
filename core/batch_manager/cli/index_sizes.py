"""What each index takes on the disk, read off Chroma's folder without waking Chroma."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batch_manager.documents import KINDS
from batch_manager.index_change import megabytes
from batch_manager.vectors.names import collection_name

if TYPE_CHECKING:
    from batch_manager.settings import Settings
    from batch_manager.store import DocumentationStore
    from batch_manager.store.generations import Generation

_SEGMENTS = "SELECT c.name, s.id FROM collections c JOIN segments s ON s.collection = c.id AND s.scope = 'VECTOR'"
"""The folders of each collection's vectors, in Chroma's own schema (1.x)."""


STATES = {"serving": "serves", "building": "is being built", "swapping": "is being swapped in", "kept": "is kept"}


@dataclass(frozen=True, slots=True)
class IndexSize:
    """An index, and what it takes.

    Attributes:
        items: Items that stand in it.
        bytes: Of its vectors' files; None on a server. (Texts are in one file for all.)
    """

    generation: Generation
    items: int
    bytes: int | None

    @property
    def words(self) -> str:
        """`serves, 120 items, 1.2 MB of vectors`."""
        size = "" if self.bytes is None else f", {megabytes(self.bytes)} of vectors"
        return f"{STATES[self.generation.state]}, {self.items:,} {'item' if self.items == 1 else 'items'}{size}"


def index_sizes(settings: Settings, store: DocumentationStore) -> list[IndexSize]:
    """Every index that there is, in the order in which they came."""
    folders = None if settings.chroma_url else _folders(settings.vectors_directory)
    sizes = []
    for one in store.generations.all():
        suffix = "" if one.state == "serving" else one.suffix
        size = None
        if folders is not None:
            size = sum(_size(folder) for kind in KINDS for folder in folders.get(collection_name(kind, suffix), ()))
        sizes.append(IndexSize(one, store.generations.items(one), size))
    return sizes


def _folders(directory: Path) -> dict[str, list[Path]] | None:
    """Collection → folders of its vectors; None where Chroma's file can't be read."""
    database = directory / "chroma.sqlite3"
    if not database.exists():
        return {}
    found: dict[str, list[Path]] = {}
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            for name, segment in connection.execute(_SEGMENTS):
                found.setdefault(name, []).append(directory / segment)
    except sqlite3.Error:  # damaged, locked or of another version: --verify says more
        return None
    return found


def _size(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.glob("*") if one.is_file())
