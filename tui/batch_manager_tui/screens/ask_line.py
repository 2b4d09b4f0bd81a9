"""Asking for one line: a source's address, a password. Answers with the line, or None."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Input

from batch_manager_tui.screens.base import TooSmall
from batch_manager_tui.screens.telling import Telling
from batch_manager_tui.widgets.box import Box
from batch_manager_tui.widgets.choices import Choices
from batch_manager_tui.widgets.strips import Lines


class AskLine(Telling[str | None]):
    """One question, one line."""

    BINDINGS: ClassVar = [Binding("escape", "close", "close", show=False)]

    def __init__(
        self, title: str, hint: str, placeholder: str, *, secret: bool = False, value: str = "", refused: str = ""
    ) -> None:
        """One question.

        Args:
            title: What it is about.
            hint: What can be typed.
            placeholder: An example.
            secret: It isn't shown as it is typed.
            value: What was typed before.
            refused: Why that can't be taken.
        """
        super().__init__(*((refused, "error") if refused else (hint,)))
        self._title, self._placeholder, self._secret, self._value = title, placeholder, secret, value

    def compose(self) -> ComposeResult:
        """Hint, box, keys."""
        with Vertical(id="question") as box:
            box.border_title = self._title
            yield Lines(id="words")
            line = Box(self._value, placeholder=self._placeholder, id="line")
            line.password = self._secret
            yield line
            yield Choices([("go", "enter", "go"), ("close", "esc", "close")])
        yield TooSmall()

    def on_mount(self) -> None:
        """Begin in the box."""
        super().on_mount()
        self.query_one("#line", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """That is the answer."""
        event.stop()
        self.dismiss(event.value)

    def on_choices_chosen(self, message: Choices.Chosen) -> None:
        """A click on a choice."""
        self.dismiss(self.query_one("#line", Input).value if message.choice == "go" else None)

    def action_close(self) -> None:
        """No answer."""
        self.dismiss(None)
