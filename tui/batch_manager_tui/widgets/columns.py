"""The list's columns: how a line's width is shared out, and the names above them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from batch_manager_tui.display import fit

Head = Literal["status", "kind", "name", "tokens"]
"""A column that can be clicked."""

MARK_CELLS = 3
"""Cells at the left that belong to the mark; a click there marks."""

LEAST_NAME, LEAST_NOTE = 22, 12
"""Cells below which a note says nothing that a longer name wouldn't say better."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths in cells; 0 leaves a column out."""

    status: int
    kind: int
    name: int
    tokens: int
    note: int

    @classmethod
    def for_width(cls, width: int, names_alone: bool = False) -> Columns:
        """Share a line out: the name first, then the note, unless names need the room and there is no note."""
        kind = 9 if width >= 90 else 5
        left = width - MARK_CELLS - 10 - kind - 9
        if left < LEAST_NAME + LEAST_NOTE or names_alone:
            return cls(10, kind, max(8, left), 9, 0)
        name = min(max(LEAST_NAME, left * 65 // 100), 44)
        return cls(10, kind, name, 9, left - name)


class ColumnHeads(Widget):
    """The names of the columns, above the list."""

    names_alone = False
    unused = False

    class Pressed(Message):
        """A head was clicked."""

        def __init__(self, head: Head) -> None:
            super().__init__()
            self.head: Head = head

    def on_click(self, event: events.Click) -> None:
        """Say which one."""
        if self.unused:
            return
        columns = Columns.for_width(self.size.width - 1, self.names_alone)
        left = event.x - MARK_CELLS
        heads: tuple[tuple[Head, int], ...] = (
            ("status", columns.status),
            ("kind", columns.kind),
            ("name", columns.name),
            ("tokens", columns.tokens),
        )
        for head, width in heads:
            if 0 <= left < width:
                self.post_message(self.Pressed(head))
            left -= width

    def follow(self, names_alone: bool) -> None:
        """The list gives the notes' room to the names, or takes it back."""
        if names_alone != self.names_alone:
            self.names_alone = names_alone
            self.refresh()

    def rest(self, unused: bool) -> None:
        """There is no row to stand above, or there is one again; the line keeps its place."""
        if unused != self.unused:
            self.unused = unused
            self.refresh()

    def render(self) -> Content:
        """One quiet line."""
        if self.unused:
            return Content()
        columns = Columns.for_width(self.size.width - 1, self.names_alone)
        words = [
            " " * MARK_CELLS,
            fit("status", columns.status),
            fit("kind"[: columns.kind - 1], columns.kind),
            fit("name", columns.name),
            fit("tokens", columns.tokens - 2, ">"),
            "  note" if columns.note else "",
        ]
        return Content("".join(words))
