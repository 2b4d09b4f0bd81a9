"""Titles of the panes: each with its key; where one pane fits, the others' beside it, to be clicked. Pure."""

from __future__ import annotations

from textual.content import Content

from batch_manager_tui.situation import PANES, Pane
from batch_manager_tui.widgets.tab_titles import BETWEEN, STARTS

_TITLES = (("1", "Items"), ("2", "Cost"), ("3", "Batches"))


def pane_title(name: str, more: str = "", tabs: bool = False) -> Content:
    """A pane's title with its key, and what else is to be said; with tabs the others' titles as well."""
    parts: list[tuple[str, str]] = []
    for key, title in _TITLES:
        if title == name:
            parts += [(f"{key} ", "$soft"), (title, "bold"), (f"  {more}" if more else "", "$warning")]
            parts.append((BETWEEN, "$soft"))
        elif tabs:
            parts.append((f"{key} {title}{BETWEEN}", "$soft"))
    last, style = parts.pop()
    return Content.assemble(*parts, (last.removesuffix(BETWEEN), style))


def pane_at(title: str, cell: int) -> Pane | None:
    """The pane whose title is at that cell of a pane's border; None where there is none."""
    for name, (key, words) in zip(PANES, _TITLES, strict=True):
        start = title.find(f"{key} {words}")
        if start >= 0 and start <= cell - STARTS < start + len(words) + 2:
            return name
    return None
