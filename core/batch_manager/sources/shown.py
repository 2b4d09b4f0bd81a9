"""Names and paths as they may be shown: on one line, with nothing in them that steers a terminal."""

from __future__ import annotations

import os
from pathlib import Path

from batch_manager.ellipsis import cut


def shown(text: str, limit: int = 200) -> str:
    """Escape what doesn't print (control and format characters, lone surrogates) and cut what is too long.

    Args:
        text: Anything, hostile or not.
        limit: Most characters of the result; the cut is marked with an ellipsis.
    """
    # One escape is at least as long as what it stands for, so the rest of a long text needs no look.
    escaped = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text[: limit + 1]
    )
    return cut(escaped, limit)


def reason_of(error: OSError | ValueError) -> str:
    """Why a file could not be used, without the path that the system's message may repeat."""
    return shown(getattr(error, "strerror", None) or str(error))


def expanded(path: str | Path) -> Path:
    """The path with a leading `~` replaced; as it is when nobody knows whose home is meant."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  # Path.expanduser raises for an unknown user
