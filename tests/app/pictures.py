"""Pictures of the screen as text: what stands in each cell, and in which style. Small, quick, and read by people.

A file has one screen in several sizes. Under each size stand its rows, then for each theme the styles of the rows:
letters of a legend, each with the number of cells it holds for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from rich.style import Style
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.app import App
from textual.strip import Strip

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class TextPicture(SingleFileSnapshotExtension):
    """One text file for each test."""

    _write_mode = WriteMode.TEXT
    _file_extension = "txt"

    def serialize(self, data: Any, **_: Any) -> str:
        """It is text already."""
        return str(data)


def rows_of(app: App[None]) -> list[str]:
    """What a person reads."""
    return ["".join(segment.text for segment in strip).rstrip() for strip in _strips(app)]


def styles_of(app: App[None]) -> list[str]:
    """The legend, then each row's styles; rows that are alike are told once, with their count."""
    legend: dict[str, str] = {}
    rows: list[str] = []
    for strip in _strips(app):
        cells = ((legend.setdefault(_words(s.style), _letter(len(legend))), s.cell_length) for s in strip)
        runs = [(key, sum(size for _, size in group)) for key, group in itertools.groupby(cells, lambda one: one[0])]
        rows.append(" ".join(f"{key}{size}" for key, size in runs))
    lines = [f"  {letter} {words}" for words, letter in legend.items()]
    return lines + [f"  {sum(1 for _ in same):>2}x {row}" for row, same in itertools.groupby(rows)]


def _strips(app: App[None]) -> Iterable[Any]:
    render = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens, simplify=True)
    return [Strip.join(row) for row in render.strips]


def _letter(number: int) -> str:
    return LETTERS[number] if number < len(LETTERS) else f"Z{number}."


def _words(style: Style | None) -> str:
    return str(style or "none")
