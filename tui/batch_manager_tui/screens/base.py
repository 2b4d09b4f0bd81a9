"""What every screen of the app has: the header, the key line, and a word when there is too little room."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.content import Content
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.widget import Widget

from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.status_header import StatusHeader

if TYPE_CHECKING:
    from batch_manager_tui.app import BatchManagerApp

LEAST = (60, 18)
"""Columns and rows that the app needs."""


class TooSmall(Widget):
    """Covers the screen when it can't show what matters."""

    def render(self) -> Content:
        """What is there, what is needed, what to do."""
        size = self.app.size
        return Content(
            f"batch manager needs {LEAST[0]}×{LEAST[1]}\nthis terminal is {size.width}×{size.height}\n\n"
            "make it larger, or q to quit"
        )


def too_small(app: BatchManagerApp) -> bool:
    """Less room than the app needs."""
    return app.size.width < LEAST[0] or app.size.height < LEAST[1]


class AppScreen(Screen[None]):
    """A full screen of the app."""

    @property
    def batch_app(self) -> BatchManagerApp:
        """The app, by its own type."""
        return cast("BatchManagerApp", self.app)

    def compose(self) -> ComposeResult:
        """Header, body, keys."""
        yield StatusHeader()
        yield from self.body()
        yield KeyLine(self.footer())
        yield TooSmall()

    def body(self) -> ComposeResult:
        """What stands between header and keys."""
        raise NotImplementedError

    def footer(self) -> Keys:
        """The key line at the start."""
        return []

    def on_mount(self) -> None:
        """The header knows the workspace."""
        self.show_header()

    def on_resize(self) -> None:
        """Cover everything while there is too little room."""
        self.set_class(too_small(self.batch_app), "-too-small")

    def show_header(self) -> None:
        """Show what is in force."""
        opened = self.batch_app.opened
        header = self.query_one(StatusHeader)
        header.show(opened.settings if opened else None, bool(opened and opened.busy))

    def say(self, message: str, level: str = "info") -> None:
        """A one-line notice."""
        for line in self.query(KeyLine):  # none while the app closes
            line.say(message, level)


class AppModal(ModalScreen[ScreenResultType]):
    """A question over a screen."""

    @property
    def batch_app(self) -> BatchManagerApp:
        """The app, by its own type."""
        return cast("BatchManagerApp", self.app)

    def on_mount(self) -> None:
        """See whether there is room to read it."""
        self.on_resize()

    def on_resize(self) -> None:
        """A question that can't be read can't be answered."""
        self.set_class(too_small(self.batch_app), "-too-small")
