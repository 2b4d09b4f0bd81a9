"""The note beside a store's file that says where the store was moved to: whoever opens the file again is told.

Nothing is guessed and nothing is lost: the file stays as it was, and is a store again once the note is deleted.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from batch_manager.errors import StoreError
from batch_manager.store.database import now

SUFFIX = ".moved"


@dataclass(frozen=True, slots=True)
class Moved:
    """What the note says.

    Attributes:
        id: Of this store; the server's has it as well, so that a move that was broken off is known again.
        to: The server's store, without user and password.
        at: When the move began, or was done.
        done: All of it is there; until then the file is still the store.
    """

    id: str
    to: str
    at: str
    done: bool


def note_of(path: Path) -> Path:
    """Where the note of a store's file is."""
    return path.with_name(path.name + SUFFIX)


def begun(path: Path, to: str) -> Moved:
    """The note of a move that begins or goes on; the store's id stays, wherever it is moved to."""
    before = read_note(path)
    return Moved(uuid4().hex if before is None else before.id, to, now(), done=False)


def read_note(path: Path) -> Moved | None:
    """The note of a store's file; None where there is none.

    Raises:
        StoreError: There is one that can't be read.
    """
    note = note_of(path)
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        return Moved(str(told["id"]), str(told["to"]), str(told["at"]), bool(told["done"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise StoreError(
            f"{str(note)!r} says that the store was moved, and can't be read.",
            next_step="Find out where it is now; to use the file beside it as it was then, delete that note.",
            code="store_moved",
        ) from None


def write_note(path: Path, moved: Moved) -> None:
    """Write it, all of it or nothing.

    Raises:
        StoreError: It can't be written.
    """
    note = note_of(path)
    fresh = note.with_name(f"{note.name}.{os.getpid()}")
    try:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(moved), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(note)
    except OSError as error:
        raise StoreError(
            f"{str(note)!r} can't be written: {error.strerror or error}.",
            next_step="Make its folder writable, or free some disk; then the same command goes on.",
            code="store_read_only",
        ) from None


def refuse_moved(path: Path) -> None:
    """Refuse a store's file that was moved.

    Raises:
        StoreError: It was, or there is a note that can't be read.
    """
    moved = read_note(path)
    if moved is not None and moved.done:
        raise where_it_went(path, moved)


def where_it_went(path: Path, moved: Moved) -> StoreError:
    """The error of whoever opens a file whose store is elsewhere by now."""
    return StoreError(
        f"The store {str(path)!r} was moved to {moved.to!r} ({moved.at}).",
        next_step="Set DOCUMENTATION_STORE_URL and CHROMA_URL to work there. To use this file again as it was then,"
        f" delete {str(note_of(path))!r}.",
        code="store_moved",
    )
