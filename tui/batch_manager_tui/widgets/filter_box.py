"""The filter's box under the list: the list follows as it is typed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from batch_manager_tui.widgets.box import Box


class _NameBox(Box):
    BINDINGS: ClassVar = [
        Binding("escape", "leave(True)", "clear", show=False),
        Binding("enter,down,tab", "leave(False)", "to the list", show=False),
    ]

    def action_leave(self, clear: bool) -> None:
        """Go; clear what was typed when esc was the way."""
        if clear:
            self.value = ""
        self.post_message(FilterBox.Left())


class FilterBox(Horizontal):
    """Hidden while there is no filter by name."""

    @dataclass
    class Typed(Message):
        """Another filter."""

        text: str

    class Left(Message):
        """The box was left."""

    def compose(self) -> ComposeResult:
        """A slash and a line to type in."""
        yield Static("/", markup=False)
        yield _NameBox(placeholder="part of a name")

    def on_mount(self) -> None:
        """Not there before it is asked for."""
        self.display = False

    def enter(self) -> None:
        """Show the box, and type in it."""
        self.display = True
        self.query_one(_NameBox).focus()

    def show(self, text: str) -> None:
        """Show this filter without typing in it; nothing when it is empty."""
        with self.prevent(Input.Changed):
            self.query_one(_NameBox).value = text
        self.display = bool(text)

    def leave(self) -> None:
        """Clear and hide it."""
        self.query_one(_NameBox).value = ""
        self.display = False

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell what is typed."""
        event.stop()
        self.post_message(self.Typed(event.value))

    def on_filter_box_left(self) -> None:
        """An empty box needs no line."""
        if not self.query_one(_NameBox).value:
            self.display = False
