"""A text to read: wrapped, scrollable, shown harmless; the text itself is kept as it is."""

from __future__ import annotations

from rich.style import Style
from textual.strip import Strip

from batch_manager_tui.display import count, wrap
from batch_manager_tui.widgets.strips import Line, LineView, clip_line, strip_of

MOST = 200_000
"""Characters that are laid out; a longer text says how much is left out."""


class TextPane(LineView):
    """Shows one text.

    Attributes:
        source: The text, whole and unchanged.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.source = ""
        self._head: list[Line] = []
        self._lines: list[str] = []
        self._laid_out = -1

    def show(self, text: str, head: list[Line] | None = None) -> None:
        """Show this text.

        Args:
            text: What to read.
            head: Lines above it.
        """
        self.source = text
        self._head = head or []
        self._laid_out = -1
        self.scroll_to(y=0, animate=False)
        self.fit_lines()

    def fit_lines(self) -> None:
        """Wrap anew when the width is another."""
        width = max(10, self.line_width - 1)
        if width != self._laid_out:
            self._laid_out = width
            self._lines = wrap(self.source[:MOST], width)
            if len(self.source) > MOST:
                left = len(self.source) - MOST
                self._lines += ["", f"… {count(left, 'more character')}; the whole text is sent."]
        super().fit_lines()

    def line_count(self) -> int:
        """Lines as wrapped."""
        return len(self._head) + len(self._lines)

    def draw_line(self, index: int, width: int) -> Strip:
        """One line of it."""
        if index < len(self._head):
            pieces = [(text, self.part(name)) for text, name in clip_line(self._head[index], width)]
            return strip_of(pieces, width, self.ground)
        return strip_of([(self._lines[index - len(self._head)], Style())], width, self.ground)
