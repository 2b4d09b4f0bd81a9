"""What the app remembers from one start to the next: order, filter, theme, bell; a small file in the home."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from batch_manager.documents import KINDS
from batch_manager.store.items import STATUSES, ItemFilter
from batch_manager_tui.selection import Sort
from batch_manager_tui.themes import THEMES
from batch_manager_tui.widgets.words import FINDING

FILE_NAME = "app.json"

LONGEST = 65_536
"""Bytes that are read; whatever is longer was not written here."""

LONGEST_TEXT = 200
"""Characters of a filter by name that are remembered."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The app as it was left.

    Attributes:
        wanted: Filter and order of the list.
        theme: The theme's name.
        bell: A bell rings at the end of a run.
    """

    wanted: ItemFilter = field(default_factory=ItemFilter)
    theme: str = THEMES[0].name
    bell: bool = False


def parse(text: str) -> Remembered:
    """Read what was kept; what is damaged or unknown is as if it had never been kept. Pure."""
    try:
        kept = json.loads(text)
    except (ValueError, RecursionError):
        return Remembered()
    if not isinstance(kept, dict):
        return Remembered()
    wanted = kept.get("wanted")
    wanted = wanted if isinstance(wanted, dict) else {}
    text_filter = wanted.get("text")
    return Remembered(
        wanted=ItemFilter(
            status=_one_of(wanted.get("status"), STATUSES, None),
            kind=_one_of(wanted.get("kind"), KINDS, None),
            text=text_filter[:LONGEST_TEXT] if isinstance(text_filter, str) else "",
            sort=_one_of(wanted.get("sort"), get_args(Sort), "added"),
            problem=_one_of(wanted.get("problem"), FINDING, None),
        ),
        theme=_one_of(kept.get("theme"), [theme.name for theme in THEMES], THEMES[0].name),
        bell=kept.get("bell") is True,
    )


def dump(remembered: Remembered) -> str:
    """The file's text. Pure."""
    wanted = asdict(remembered.wanted)
    wanted["text"] = wanted["text"][:LONGEST_TEXT]
    kept = {one.name: getattr(remembered, one.name) for one in fields(remembered)}
    return json.dumps({**kept, "wanted": wanted}, indent=1) + "\n"


def read(home: Path) -> Remembered:
    """What was kept in this home; nothing special when there is no file, or none that can be read."""
    try:
        with (home / FILE_NAME).open("rb") as file:
            return parse(file.read(LONGEST).decode("utf-8", "replace"))
    except OSError:
        return Remembered()  # a list in its first order needs no complaint


def write(home: Path, remembered: Remembered) -> None:
    """Keep it, readable by its owner only; the file is there whole or as it was before.

    Raises:
        OSError: It can't be written.
    """
    handle, name = tempfile.mkstemp(prefix=".app-", suffix=".part", dir=home)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(dump(remembered))
        Path(name).replace(home / FILE_NAME)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _one_of(value: object, allowed: Iterable[Any], otherwise: Any) -> Any:
    return value if isinstance(value, str) and value in tuple(allowed) else otherwise
