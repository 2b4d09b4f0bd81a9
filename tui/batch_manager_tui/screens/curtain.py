"""The curtain: the app's first paint, the main screen's own frame with nothing in it yet.

It needs next to nothing to be imported, so it is there at once; what is typed meanwhile is kept for the main screen.
"""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widget import Widget

from batch_manager_tui.screens.base import AppScreen
from batch_manager_tui.widgets.key_line import Keys

PANES = {"items-pane": "1 Items", "cost": "2 Cost", "batches": "3 Batches", "preview": "Text under the cursor"}
"""Panes of the main screen and their titles."""

MOST = 100
"""Keys that are kept."""


class Frame(Widget, can_focus=True):
    """A pane with nothing in it."""

    def render(self) -> str:
        """Nothing."""
        return ""


class Panes(Widget):
    """Where the panes stand."""


class Curtain(AppScreen):
    """Header and empty panes.

    Attributes:
        typed: Keys that were typed while it stood there.
    """

    SETTLES: ClassVar = False
    BINDINGS: ClassVar = [Binding("q,ctrl+q,ctrl+c", "app.quit", show=False, priority=True)]

    def __init__(self) -> None:
        super().__init__(classes="-at-items")
        self.typed: list[str] = []

    def body(self) -> ComposeResult:
        """The panes, as the main screen lays them out."""
        frames = []
        for name, title in PANES.items():
            frame = Frame(id=name, classes="pane")
            frame.border_title = title
            frames.append(frame)
        yield Panes(*frames, id="panes")

    def footer(self) -> Keys:
        """The one that does something now."""
        return [("quit", "q", "quit")]

    def on_mount(self) -> None:
        """The list has the focus."""
        super().on_mount()
        self.query_one("#items-pane").focus()

    def on_key(self, event: events.Key) -> None:
        """Keep it."""
        if len(self.typed) < MOST:
            self.typed.append(event.key)
        event.stop()
