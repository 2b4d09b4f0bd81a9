"""A question that only `y` says yes to: before a deed that can't be taken back."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical

from batch_manager_tui.display import wrap
from batch_manager_tui.screens.base import AppModal, TooSmall
from batch_manager_tui.widgets.choices import Choices
from batch_manager_tui.widgets.strips import Lines


class AskYes(AppModal[bool]):
    """Asks, and answers with whether it was agreed."""

    BINDINGS: ClassVar = [
        Binding("y", "agree", "yes", show=False),
        Binding("escape,n", "decline", "no", show=False),
    ]

    def __init__(self, title: str, words: str, yes: str) -> None:
        """The question.

        Args:
            title: What it is about.
            words: What a yes does.
            yes: The same in a word or two, beside its key.
        """
        super().__init__()
        self._title = title
        self._words = words
        self._yes = yes

    def compose(self) -> ComposeResult:
        """What happens then, and the keys."""
        with Vertical(id="question") as box:
            box.border_title = self._title
            yield Lines(id="words")
            yield Choices([("agree", "y", self._yes), ("decline", "n", "no")])
        yield TooSmall()

    def on_mount(self) -> None:
        """No key but its own is an answer."""
        super().on_mount()
        self.query_one("#words", Lines).can_focus = False
        self.set_focus(None)

    def placed(self) -> None:
        """The words follow the width."""
        self._show()

    def on_choices_chosen(self, message: Choices.Chosen) -> None:
        """A click on a choice."""
        if message.choice == "agree":
            self.action_agree()
        else:
            self.action_decline()

    def action_agree(self) -> None:
        """Yes, unless the question can't be read."""
        if not self.has_class("-too-small"):
            self.dismiss(True)

    def action_decline(self) -> None:
        """No."""
        self.dismiss(False)

    def _show(self) -> None:
        words = self.query_one("#words", Lines)
        lines = wrap(self._words, max(20, words.line_width))
        words.styles.height = len(lines)
        words.show_lines([[(line, "")] for line in lines])
