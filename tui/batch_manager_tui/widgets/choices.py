"""The keys of a question, in a row or more; a click on one chooses it. None of them takes the focus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from batch_manager_tui.display import cell_len
from batch_manager_tui.widgets.strips import Piece, strip_of

GAP = 3

Choice: TypeAlias = tuple[str, str, str]
"""Id, key, words."""


class Choices(Widget):
    """(id, key, words) side by side."""

    COMPONENT_CLASSES: ClassVar = {"choices--key", "choices--words"}

    @dataclass
    class Chosen(Message):
        """A choice was clicked."""

        choice: str

    def __init__(self, choices: list[Choice]) -> None:
        super().__init__()
        self._choices = choices

    def rename(self, choice: str, words: str) -> None:
        """Give a choice other words."""
        self.show([(one, key, words if one == choice else old) for one, key, old in self._choices])

    def show(self, choices: list[Choice]) -> None:
        """Show these instead."""
        if choices != self._choices:
            self._choices = choices
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many rows as the choices need: none of them is ever cut."""
        return len(rows_of(self._choices, width))

    def render_line(self, y: int) -> Strip:
        """The keys stand out, their words don't."""
        rows = rows_of(self._choices, self.size.width)
        pieces: list[Piece] = []
        for _, key, words in rows[y] if y < len(rows) else []:
            pieces.append((f" {key} ", self.get_component_rich_style("choices--key")))
            pieces.append((f" {words}" + " " * GAP, self.get_component_rich_style("choices--words")))
        return strip_of(pieces, self.size.width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        """Find the choice under the pointer."""
        offset = event.get_content_offset(self)
        rows = rows_of(self._choices, self.size.width)
        if offset is None or offset.y >= len(rows):
            return
        start = 0
        for one in rows[offset.y]:
            end = start + _cells(one)
            if start <= offset.x < end:
                self.post_message(self.Chosen(one[0]))
                return
            start = end + GAP


def rows_of(choices: list[Choice], width: int) -> list[list[Choice]]:
    """The choices in rows of that width, each whole. Pure."""
    rows: list[list[Choice]] = [[]]
    used = 0
    for one in choices:
        if rows[-1] and used + _cells(one) > width:
            rows.append([])
            used = 0
        rows[-1].append(one)
        used += _cells(one) + GAP
    return rows


def _cells(choice: Choice) -> int:
    _, key, words = choice
    return cell_len(key) + cell_len(words) + 3
