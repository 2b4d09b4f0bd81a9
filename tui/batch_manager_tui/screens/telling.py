"""A question with a box, and words over it that say what can be typed and what came of it."""

from __future__ import annotations

from pathlib import Path

from textual.screen import ScreenResultType

from batch_manager_tui.display import wrap
from batch_manager_tui.screens.base import AppModal
from batch_manager_tui.widgets.strips import LEAST_WIDTH, Line, Lines

MOST_LINES = 12
"""Lines of what was found that are seen at once; the rest is scrolled to."""


class Telling(AppModal[ScreenResultType]):
    """Has a view `#words`, and says one thing at a time there."""

    def __init__(self, words: str, part: str = "soft") -> None:
        """A question.

        Args:
            words: What is said at first.
            part: How it is written.
        """
        super().__init__()
        self._told: tuple[str, str] | None = (words, part)

    def on_mount(self) -> None:
        """The words are only to be read."""
        super().on_mount()
        self.query_one("#words", Lines).can_focus = False

    def placed(self) -> None:
        """What was told follows the width; what was found is longer, and stays as it is."""
        if self._told is not None:
            self.tell(*self._told)

    def tell(self, words: str, part: str = "") -> None:
        """Say one thing, whole; work goes on when there is nobody to say it to."""
        self._told = (words, part)
        for view in self.query("#words").results(Lines):
            lines = wrap(words, max(LEAST_WIDTH, view.line_width))
            view.styles.height = len(lines)
            view.show_lines([[(line, part)] for line in lines])

    def show_lines(self, lines: list[Line]) -> None:
        """Say more."""
        self._told = None
        view = self.query_one("#words", Lines)
        view.styles.height = min(len(lines), MOST_LINES)
        view.show_lines(lines)


def is_taken(path: str) -> bool:
    """Whether there is something at that path already."""
    try:
        return Path(path).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return False  # the writing itself will say what is wrong with it
