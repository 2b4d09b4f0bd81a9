"""The keys of a question, in a row; a click on one chooses it. None of them takes the focus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from batch_manager_tui.display import cell_len
from batch_manager_tui.widgets.strips import Piece, strip_of

GAP = 3


class Choices(Widget):
    """(id, key, words) side by side."""

    COMPONENT_CLASSES: ClassVar = {"choices--key", "choices--words"}

    @dataclass
    class Chosen(Message):
        """A choice was clicked."""

        choice: str

    def __init__(self, choices: list[tuple[str, str, str]]) -> None:
        super().__init__()
        self._choices = choices

    def rename(self, choice: str, words: str) -> None:
        """Give a choice other words."""
        self._choices = [(one, key, words if one == choice else old) for one, key, old in self._choices]
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The keys stand out, their words don't."""
        pieces: list[Piece] = []
        for _, key, words in self._choices:
            pieces.append((f" {key} ", self.get_component_rich_style("choices--key")))
            pieces.append((f" {words}" + " " * GAP, self.get_component_rich_style("choices--words")))
        return strip_of(pieces, self.size.width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        """Find the choice under the pointer."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        start = 0
        for choice, key, words in self._choices:
            end = start + cell_len(key) + cell_len(words) + 3
            if start <= offset.x < end:
                self.post_message(self.Chosen(choice))
                return
            start = end + GAP
