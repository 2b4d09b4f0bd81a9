"""A view of lines that says something in their place while there are none."""

from __future__ import annotations

from textual.geometry import Size
from textual.strip import Strip

from batch_manager_tui.widgets.strips import LEAST_WIDTH, Line, LineView, Make, clip_line

ASIDE = 2
"""Cells on both sides of a guide."""


class GuidedView(LineView):
    """Lines, or a guide."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._guide: Make | None = None
        self._guided: tuple[int, list[Line]] = (0, [])

    def show_guide(self, make: Make | None) -> None:
        """Say something in the place of the rows, made for the width, or nothing any more.

        It is drawn here and not by a view of its own: to show that one and hide this lays the whole screen out anew.
        """
        before, self._guide = self._guide, make
        lines = self._guided[1]
        self._guided = (self.line_width, [] if make is None else make(max(LEAST_WIDTH, self.line_width - 2 * ASIDE)))
        if (make is None) != (before is None) or lines != self._guided[1]:
            if make is not None:  # longer than the place, it can be scrolled; rows see to their own length
                self.virtual_size = Size(self.line_width, len(self._guided[1]))
            self.refresh()

    @property
    def guide_height(self) -> int:
        """Lines of the guide; 0 without one."""
        return len(self._guided[1])

    def render_line(self, y: int) -> Strip:
        """A line of the guide, where there is one, or one of the view's own."""
        if self._guide is None:
            return super().render_line(y)
        if self._guided[0] != self._drawn_width:
            self._guided = (self._drawn_width, self._guide(max(LEAST_WIDTH, self._drawn_width - 2 * ASIDE)))
        index = y + self._top
        line = self._guided[1][index] if index < len(self._guided[1]) else []
        cut = clip_line(line, self._drawn_width - 2 * ASIDE)
        return self.ready_made([(" " * ASIDE, ""), *cut], self._drawn_width)
