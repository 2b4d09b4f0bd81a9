"""A title in a pane's border, drawn without the pane."""

from __future__ import annotations

from typing import Literal

from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget

Place = Literal["border_title", "border_subtitle"]


def entitle(pane: Widget, words: Content, place: Place = "border_title") -> None:
    """Set a pane's title when it is another one, and draw the line that it stands in.

    Textual's own setting of it draws the whole pane again, which is most of what a mark in a long list would take.
    """
    if getattr(pane, place) == words.markup:
        return
    setattr(pane, f"_{place}", words)
    left, top = pane.content_offset
    line = 0 if place == "border_title" else pane.outer_size.height - 1
    pane.refresh(Region(-left, line - top, pane.outer_size.width, 1))
