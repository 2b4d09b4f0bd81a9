"""A list of lines with a cursor; the lines are made when they come into sight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual import events
from textual.message import Message
from textual.strip import Strip

from batch_manager_tui.widgets.strips import LEAST_WIDTH, Line, LineView, Make, clip_line, strip_of

DrawLine = Callable[[int, int], Line]
"""(index, width) → the line."""


class PickList(LineView):
    """Any number of lines, one of them under the cursor.

    Attributes:
        cursor: Index of the line under the cursor; 0 when there is none.
    """

    @dataclass
    class Moved(Message):
        """The cursor is on another line."""

        picks: PickList

    @dataclass
    class Opened(Message):
        """A line was clicked twice."""

        picks: PickList

    def __init__(self, *, id: str | None = None, classes: str | None = "pane") -> None:
        super().__init__(id=id, classes=classes)
        self.cursor = 0
        self._count = 0
        self._draw: DrawLine = lambda index, width: []
        self._empty: Make | None = None

    def show(self, count: int, draw: DrawLine, cursor: int = 0, empty: Make | None = None) -> None:
        """Show that many lines; the cursor at that place, or the nearest there is.

        Args:
            count: How many.
            draw: Draws one.
            cursor: Where the cursor is.
            empty: Makes what stands there when there are none.
        """
        self._count, self._draw, self._empty = count, draw, empty
        self.cursor = max(0, min(cursor, count - 1))
        self.fit_lines()
        self._keep_in_sight()

    def line_count(self) -> int:
        """As many as were given."""
        return self._count

    def render_line(self, y: int) -> Strip:
        """A line of the list; of an empty one, what it says instead."""
        width = self.line_width
        if self._count or self._empty is None:
            return super().render_line(y)
        lines = self._empty(max(LEAST_WIDTH, width))
        line = clip_line(lines[y], width) if y < len(lines) else []
        return strip_of(((text, self.part(name)) for text, name in line), width, self.ground)

    def draw_line(self, index: int, width: int) -> Strip:
        """A line, on the cursor's ground where the cursor is."""
        base = self.get_component_rich_style("line--cursor") if index == self.cursor else self.ground
        line = clip_line(self._draw(index, width), width)
        return strip_of(((text, self.part(name)) for text, name in line), width, base)

    def move(self, step: str) -> None:
        """Move the cursor."""
        page = max(1, self.scrollable_content_region.height - 1)
        to = {
            "down": self.cursor + 1,
            "up": self.cursor - 1,
            "page_down": self.cursor + page,
            "page_up": self.cursor - page,
            "top": 0,
            "bottom": self._count - 1,
        }[step]
        self.go(to)

    def go(self, index: int) -> None:
        """The cursor to that place, or the nearest there is."""
        index = max(0, min(index, self._count - 1))
        if index != self.cursor:
            self.cursor = index
            self._keep_in_sight()
            self.refresh()
            self.post_message(self.Moved(self))

    def on_click(self, event: events.Click) -> None:
        """Click: cursor; twice: open."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        index = offset.y + int(self.scroll_offset.y)
        if index < self._count:
            self.go(index)
            if event.chain == 2:
                self.post_message(self.Opened(self))

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        super().on_resize()
        self._keep_in_sight()

    def on_focus(self) -> None:
        """The cursor line is stronger with the focus."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor line is weaker without the focus."""
        self.refresh()

    def _keep_in_sight(self) -> None:
        top, height = int(self.scroll_offset.y), self.scrollable_content_region.height
        if height > 0 and not top <= self.cursor < top + height:
            above = self.cursor if self.cursor < top else self.cursor - height + 1
            self.scroll_to(y=above, animate=False, immediate=True)
