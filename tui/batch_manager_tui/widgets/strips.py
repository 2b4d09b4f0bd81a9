"""Lines made of pieces, and the base of the widgets that draw them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import ANSIToTruecolor, LineFilter
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from batch_manager_tui.display import ELLIPSIS, clip

Piece = tuple[str, Style]
"""A harmless text and its style."""

Line = list[tuple[str, str]]
"""Harmless texts, each with the name of its part (`soft`, `strong`, …); an empty name is plain text."""

Make = Callable[[int], list[Line]]
"""Makes lines for a width in cells."""

LEAST_WIDTH = 20
"""Cells that lines are made for while a view has less, or none yet."""

COLOURS = {
    "soft": "soft",
    "strong": "foreground",
    "accent": "accent",
    "success": "success",
    "warning": "warning",
    "error": "error",
}
"""A part → the theme's variable that it is written in."""

GROUNDS = ("cursor", "range")
"""Parts that a line lies on; unlike the others they depend on the focus, so the style sheet has them."""


@cache
def _written(colour: str, *, bold: bool) -> Style:
    return Style(color=Color.parse(colour).rich_color, bold=bold or None)


def strip_of(pieces: Iterable[Piece], width: int, fill: Style) -> Strip:
    """A line of exactly `width` cells."""
    if fill.reverse:  # a cursor without colours of its own: the parts' colours would turn into patches of ground
        segments = [Segment(text, fill + Style(bold=style.bold)) for text, style in pieces if text]
    else:
        segments = [Segment(text, fill + style) for text, style in pieces if text]
    used = sum(cell_len(segment.text) for segment in segments)
    if used > width:
        return Strip(segments, used).adjust_cell_length(width, fill)
    if used < width:
        segments.append(Segment(" " * (width - used), fill))
    return Strip(segments, width)


class LineView(ScrollView, can_focus=True, inherit_bindings=False):
    """A scrolling view of lines that are drawn when they come into sight.

    Subclasses give `line_count` and `draw_line`; keys come from the screen's table through `move`.
    """

    COMPONENT_CLASSES: ClassVar = {f"line--{part}" for part in GROUNDS}

    DEFAULT_CSS = """
    LineView { overflow-x: hidden; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    """

    def line_count(self) -> int:
        """How many lines there are."""
        raise NotImplementedError

    def draw_line(self, index: int, width: int) -> Strip:
        """The line at that index; `index` is below `line_count`."""
        raise NotImplementedError

    _ground: Style | None = None
    _drawn_width = _top = 0
    _scrolled: tuple[Size, Size] | None = None

    @property
    def ground(self) -> Style:
        """What a line without a ground of its own lies on."""
        return self.rich_style if self._ground is None else self._ground

    @property
    def line_width(self) -> int:
        """Cells of a line."""
        return self.scrollable_content_region.width

    def part(self, name: str) -> Style:
        """What a part says itself (its colour, its weight), to lay over a line's base; see `COLOURS` and `GROUNDS`.

        Colours come from the theme: by the style sheet, all of them would be worked out anew for every view whenever
        a screen is opened, the focus moves or the terminal is resized.
        """
        if name in COLOURS:
            return _written(self.app.theme_variables[COLOURS[name]], bold=name == "strong")
        return self.get_component_rich_style(f"line--{name}", partial=True) if name else Style()

    def ready_made(self, line: Line, width: int) -> Strip:
        """A line that only has to be cut to the width."""
        return strip_of(((text, self.part(name)) for text, name in clip_line(line, width)), width, self.ground)

    def fit_lines(self) -> None:
        """Adjust to a new number of lines, and draw again."""
        self.virtual_size = Size(self.line_width, self.line_count())
        self.refresh()

    def draw_again(self, index: int) -> None:
        """Draw this line again, and no other."""
        self.refresh(Region(0, index - int(self.scroll_offset.y), self.size.width, 1))

    def on_resize(self) -> None:
        """The lines follow the width."""
        self.fit_lines()

    def _scroll_update(self, virtual_size: Size) -> None:
        # Textual's own draws the scroll bar again, in a picture of its own, whenever the screen is laid out.
        if (sizes := (virtual_size, self.container_size)) != self._scrolled:
            self._scrolled = sizes
            super()._scroll_update(virtual_size)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw the view; what much has to be asked for is the same for every line of a picture."""
        self._ground = self.rich_style
        self._drawn_width, self._top = self.line_width, int(self.scroll_offset.y)
        try:
            return super().render_lines(crop)
        finally:
            self._ground = None

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Without Textual's that turns a terminal's own colours into others: no line here has any of these then."""
        return [one for one in super().get_line_filters() if not isinstance(one, ANSIToTruecolor)]

    def render_line(self, y: int) -> Strip:
        """Draw one line of the view."""
        width, index = self._drawn_width, y + self._top
        if index >= self.line_count():
            return Strip.blank(width, self.ground)
        return self.draw_line(index, width)

    def move(self, step: str) -> None:
        """Scroll: `down`, `up`, `page_down`, `page_up`, `top`, `bottom`."""
        page = max(1, self.scrollable_content_region.height - 1)
        if step in ("top", "bottom"):
            self.scroll_to(y=0 if step == "top" else self.max_scroll_y, animate=False)
            return
        lines = {"down": 1, "up": -1, "page_down": page, "page_up": -page}[step]
        self.scroll_to(y=self.scroll_y + lines, animate=False)


class Lines(LineView):
    """A view of ready-made lines."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.lines: list[Line] = []
        self._make: Make | None = None

    def show_lines(self, lines: list[Line]) -> None:
        """Show these; draws only when they are others."""
        self._make = None
        self._take(lines)

    def show_made(self, make: Make) -> None:
        """Show what is made for the width, and make it anew when the width becomes another.

        A view that was just brought into sight, or lies under a question, learns its width only later.
        """
        self._make = make
        self._take(make(max(LEAST_WIDTH, self.line_width)))

    def on_resize(self) -> None:
        """Lines that were made for a width follow it."""
        if self._make is not None:
            self.show_made(self._make)

    def _take(self, lines: list[Line]) -> None:
        before, self.lines = self.lines, lines
        if len(lines) != len(before) or self.virtual_size.width != self.line_width:
            self.fit_lines()
            return
        for index, (line, former) in enumerate(zip(lines, before, strict=True)):
            if line != former:
                self.draw_again(index)

    def line_count(self) -> int:
        """One each."""
        return len(self.lines)

    def draw_line(self, index: int, width: int) -> Strip:
        """Cut to the width."""
        return self.ready_made(self.lines[index], width)


def clip_line(line: Line, width: int) -> Line:
    """At most `width` cells; an ellipsis stands for what is cut."""
    if sum(cell_len(text) for text, _ in line) <= width:
        return line
    clipped: Line = []
    left = width
    for text, name in line:
        size = cell_len(text)
        if size >= left:
            clipped.append((clip(text, left) if size > left else text[: max(0, len(text) - 1)] + ELLIPSIS, name))
            break
        clipped.append((text, name))
        left -= size
    return clipped
