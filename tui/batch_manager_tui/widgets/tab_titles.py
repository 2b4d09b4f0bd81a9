"""Titles of a screen's panes where only one of them has room: all in one border, to be clicked. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from batch_manager_tui.display import cell_len

STARTS = 3
"""Cells from a pane's left edge to its title."""

BETWEEN = " ─ "


def tab_titles(names: Sequence[str], front: int) -> Content:
    """The names, that of the pane in front the strongest."""
    parts: list[tuple[str, str]] = []
    for place, name in enumerate(names):
        parts += [(BETWEEN, "$soft")] if place else []
        parts.append((name, "bold" if place == front else "$soft"))
    return Content.assemble(*parts)


def tab_at(names: Sequence[str], cell: int) -> int | None:
    """The name that is at that cell of a pane's border; None where there is none."""
    start = STARTS
    for place, name in enumerate(names):
        if start <= cell < start + cell_len(name):
            return place
        start += cell_len(name) + len(BETWEEN)
    return None
