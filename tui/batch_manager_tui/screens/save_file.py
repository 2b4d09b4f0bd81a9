"""Writing a file: asks for its path, writes it beside the app's thread, says what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Input

from batch_manager.errors import BatchManagerError, InputError
from batch_manager.sources.shown import expanded
from batch_manager_tui.display import home_path
from batch_manager_tui.screens.base import TooSmall
from batch_manager_tui.screens.telling import Telling, is_taken
from batch_manager_tui.widgets.box import Box
from batch_manager_tui.widgets.choices import Choices
from batch_manager_tui.widgets.strips import Lines
from batch_manager_tui.workers import begin

Write = Callable[[str], int]
"""Writes to that path and returns how many rows it wrote; may raise BatchManagerError."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: how many rows, and where, as it may be shown."""

    rows: int
    place: str


class SaveFile(Telling[Written | None]):
    """Answers with what was written, or None."""

    BINDINGS: ClassVar = [Binding("escape", "close", "close", show=False)]

    def __init__(self, title: str, hint: str, path: str, write: Write) -> None:
        super().__init__(hint)
        self._title, self._path, self._write = title, path, write
        self._asked_again = ""

    def compose(self) -> ComposeResult:
        """Hint, box, keys."""
        with Vertical(id="question") as box:
            box.border_title = self._title
            yield Lines(id="words")
            yield Box(self._path, placeholder="path of the file to write", id="place")
            yield Choices([("go", "enter", "write"), ("close", "esc", "close")])
        yield TooSmall()

    def on_mount(self) -> None:
        """Begin in the box."""
        super().on_mount()
        self.query_one("#place", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Write; a file that is there is only written over when it is asked for twice."""
        event.stop()
        place = event.value.strip()
        if place and place != self._asked_again and is_taken(place):
            self._asked_again = place
            self.tell("This file is there already. Enter again writes over it.", "warning")
            return
        begin(self, partial(self._save, place), exclusive=True, group="save")

    def on_choices_chosen(self, message: Choices.Chosen) -> None:
        """A click on a choice."""
        if message.choice == "close":
            self.action_close()
        else:
            box = self.query_one("#place", Input)
            self.post_message(Input.Submitted(box, box.value))

    def action_close(self) -> None:
        """Write nothing."""
        self.dismiss(None)

    async def _save(self, place: str) -> None:
        try:
            if place in ("", "-"):  # a screen is no place for a file's lines
                raise InputError("No file was named.", next_step="Type the path of the file to write.")
            written = await self.batch_app.back.do(self._write, place)
        except BatchManagerError as error:
            self.tell(str(error), "error")
            return
        if self.is_attached:
            self.dismiss(Written(written, home_path(expanded(place).absolute())))
