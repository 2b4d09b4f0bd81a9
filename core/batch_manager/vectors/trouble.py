"""What Chroma's many ways to fail mean to the user; decisions over strings alone."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from batch_manager.ellipsis import cut
from batch_manager.errors import VectorStoreError

_SQLITE_CODE = re.compile(r"\(code: (\d+)\)")
_OS_CODE = re.compile(r"\(os error (\d+)\)")

# https://sqlite.org/rescode.html; an extended code keeps the primary one in its lowest byte.
_SQLITE = {5: "locked", 6: "locked", 8: "denied", 11: "damaged", 13: "disk_full", 14: "denied", 26: "damaged"}
_OS = {1: "denied", 13: "denied", 17: "not_a_folder", 20: "not_a_folder", 28: "disk_full", 30: "denied"}
_WORDS = (
    ("no space left", "disk_full"),
    ("disk is full", "disk_full"),
    ("disk quota exceeded", "disk_full"),
    ("database is locked", "locked"),
    ("expecting embedding with dimension", "other_shape"),
    ("loading hnsw index", "damaged"),
    ("deserializing pickle", "damaged"),
    ("hnsw segment reader", "damaged"),
    ("hnsw segment writer", "damaged"),
    ("malformed", "damaged"),
    ("not a database", "damaged"),
    ("no such table", "damaged"),
    ("no such column", "damaged"),
    ("permission denied", "denied"),
    ("could not connect to a chroma server", "away"),
    ("connection refused", "away"),
)


def one_line(text: str, limit: int = 300) -> str:
    """The text on one line, with nothing in it that steers a terminal, cut to `limit` characters."""
    text = " ".join(text[: limit * 4].split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return cut(shown, limit)


def shown_url(url: str) -> str:
    """The URL without user name, password, query and fragment."""
    parts = urlsplit(url)
    return one_line(urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")))


def place(directory: str | None, url: str | None) -> str:
    """Where the vectors are, for messages."""
    return f"the Chroma server at {shown_url(url)}" if url else f"the vector folder {one_line(str(directory))}"


def explain(words: str, where: str, *, on_server: bool) -> VectorStoreError:
    """Names a failure of Chroma.

    Args:
        words: The error's own text.
        where: `place` of the vectors.
        on_server: True when a Chroma server said it: its disk and its folder are not ours to mend.
    """
    return known(_class_of(words), where, words, on_server=on_server)


def known(what: str, where: str, words: str = "", *, on_server: bool = False) -> VectorStoreError:
    """The error of a class: away, locked, disk_full, denied, not_a_folder, damaged, crashed, other_shape or failed."""
    said = f" ({one_line(words)})" if words else ""
    mend = (
        "Restore it on the server."
        if on_server
        else "Rebuild it for $0 (R in the app, --rebuild-indexes, --verify --repair): it is put aside and built again."
    )
    table = {
        "away": (
            "vectors_away",
            f"{where} can't be reached{said}.",
            "Start the server or correct CHROMA_URL, then try again.",
        ),
        "locked": ("vectors_locked", f"{where} is in use by another program.", "End that program, then try again."),
        "disk_full": (
            "vectors_disk_full",
            f"The disk of {where} is full.",
            "Make room on it, then go on; nothing is lost.",
        ),
        "denied": (
            "vectors_failed",
            f"{where} can't be read and written{said}.",
            "Give this user the right to write there, or set CHROMA_PERSIST_DIRECTORY to another folder.",
        ),
        "not_a_folder": (
            "vectors_failed",
            f"{where} is not a folder{said}.",
            "Set CHROMA_PERSIST_DIRECTORY to a folder.",
        ),
        "damaged": ("vectors_damaged", f"{where} is damaged{said}.", mend),
        "crashed": ("vectors_crashed", f"Chroma's process ended unexpectedly{said}.", "Try again; nothing is lost."),
        "other_shape": (
            "vectors_other_shape",
            f"{where} holds vectors of another shape{said}.",
            "Rebuild the indexes for this model, or set the model that they were made with.",
        ),
    }
    code, message, step = table.get(
        what, ("vectors_failed", f"{where} failed{said}.", "Try again; the log file has more on it.")
    )
    return VectorStoreError(message[:1].upper() + message[1:], next_step=step, code=code)


def _class_of(words: str) -> str:
    sqlite = _SQLITE_CODE.search(words)
    if sqlite and (what := _SQLITE.get(int(sqlite[1]) & 0xFF)):
        return what
    system = _OS_CODE.search(words)
    if system and (what := _OS.get(int(system[1]))):
        return what
    lower = words.lower()
    return next((what for sign, what in _WORDS if sign in lower), "failed")
