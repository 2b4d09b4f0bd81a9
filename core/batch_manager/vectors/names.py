"""Names of Chroma's collections: the index that serves, those beside it, and the change from one to the other.

`tables` and `relationships` are what other programs read. An index of another model is built as `tables--<suffix>`
and swapped in by renaming, which Chroma does in one transaction a collection; there is no renaming of two at once.
So the swap is four renamings whose order alone tells, after a kill, which are left: the built collection keeps its
name to the last, and where it is gone from, the swap of that kind is done.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from batch_manager.documents import KINDS, Kind
from batch_manager.vectors import COLLECTIONS


def collection_name(kind: Kind, suffix: str = "") -> str:
    """The collection of a kind, of the index that serves or of one beside it."""
    return f"{COLLECTIONS[kind]}--{suffix}" if suffix else COLLECTIONS[kind]


def swap(client: Any, built: str, kept_as: str) -> None:
    """Let a built index serve, and keep the one that served; what an earlier call did of it is not done again.

    Args:
        client: Chroma's.
        built: Suffix of the built index, whose collections all exist before the first call.
        kept_as: Suffix that the one that served gets. Collections that are left of that name give way.
    """
    for kind in KINDS:
        there = names(client)
        serving, new, old = collection_name(kind), collection_name(kind, built), collection_name(kind, kept_as)
        if new not in there:
            continue
        if serving in there:
            if old in there:
                client.delete_collection(old)
            rename(client, serving, old)
        rename(client, new, serving)


def rename(client: Any, name: str, new_name: str) -> None:
    """Give a collection another name; it stays the same collection, with all its rows."""
    client.get_collection(name, embedding_function=None).modify(name=new_name)


def names(client: Any) -> set[str]:
    """Names of all collections."""
    found: set[str] = set()
    while page := client.list_collections(limit=1_000, offset=len(found)):
        found.update(one.name for one in page)
    return found


def drop(client: Any, folder: Path | None, suffix: str) -> None:
    """Take an index beside the one that serves out, and its files.

    Args:
        client: Chroma's.
        folder: Where an embedded Chroma keeps its files.
        suffix: Of the index.
    """
    for kind in KINDS:
        name = collection_name(kind, suffix)
        if name in names(client):
            segments = _segments(folder, name) if folder else []
            client.delete_collection(name)
            for segment in segments:
                # Chroma 1.5.9 leaves the vectors' own folder behind (tried).
                shutil.rmtree(segment, ignore_errors=True)


def _segments(folder: Path, name: str) -> list[Path]:
    """Folders of a collection's vectors."""
    question = (
        "SELECT s.id FROM segments s JOIN collections c ON c.id = s.collection WHERE c.name = ? AND s.scope = 'VECTOR'"
    )
    with contextlib.closing(sqlite3.connect(f"{(folder / 'chroma.sqlite3').as_uri()}?mode=ro", uri=True)) as connection:
        ids = [str(row[0]) for row in connection.execute(question, (name,))]
    return [folder / one for one in ids if one and (folder / one).is_dir() and Path(one).name == one]
