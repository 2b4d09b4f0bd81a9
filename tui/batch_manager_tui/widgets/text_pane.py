"""A text to read: wrapped, scrollable, shown harmless; the text itself is kept as it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

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
        self._breaks: Sequence[int] = ()
        self._marks: set[int] = set()
        self._lines: list[str] = []
        self._laid_out = -1

    def show(self, text: str, head: list[Line] | None = None, breaks: Sequence[int] = ()) -> None:
        """Show this text.

        Args:
            text: What to read.
            head: Lines above it.
            breaks: Places, in characters, where another part begins, which is sent by itself; each is marked by a line
                that is no part of the text.
        """
        self.source = text
        self._breaks = breaks
        self._head = head or []
        self._laid_out = -1
        self.scroll_to(y=0, animate=False)
        self.fit_lines()

    def fit_lines(self) -> None:
        """Wrap anew when the width is another."""
        width = max(10, self.line_width - 1)
        if width != self._laid_out:
            self._laid_out = width
            self._lines, self._marks = [], set()
            places = [0, *(place for place in self._breaks if place < MOST), min(MOST, len(self.source))]
            for number, (start, end) in enumerate(pairwise(places), start=1):
                if number > 1:
                    self._marks.add(len(self._lines))
                    self._lines.append(part_mark(number, len(self._breaks) + 1, width))
                self._lines += wrap(self.source[start:end], width)
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
        place = index - len(self._head)
        return strip_of([(self._lines[place], self.part("soft" if place in self._marks else ""))], width, self.ground)


def part_mark(number: int, parts: int, width: int) -> str:
    """The line before another part of a text, which is sent as an input of its own. Pure."""
    words = f"╌╌ part {number:,} of {parts:,} "
    return words + "╌" * max(0, width - len(words))
