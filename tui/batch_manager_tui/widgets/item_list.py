"""The list of items: any number of rows, of which only those in sight are read and drawn."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from batch_manager.store.items import ItemRow, Status
from batch_manager_tui.display import cell_len, clip, clip_apart, fit, shown
from batch_manager_tui.selection import Selection
from batch_manager_tui.widgets.columns import MARK_CELLS, Columns
from batch_manager_tui.widgets.guided import GuidedView
from batch_manager_tui.widgets.pages import Part, ReadRows, RowPages
from batch_manager_tui.widgets.strips import Piece, strip_of
from batch_manager_tui.widgets.words import KIND, STATUS

BESIDE = 3
"""Rows above and below that a name which is cut is told from."""

_STATUS_PARTS: dict[Status, str] = {"pending": "", "indexed": "success", "failed": "error", "skipped": "soft"}


class ItemList(GuidedView):
    """The items that fit the filter, with cursor and marks."""

    @dataclass
    class CursorMoved(Message):
        """The cursor is on another item; None when the list is empty."""

        item_id: int | None

    @dataclass
    class MarksChanged(Message):
        """An item was marked or unmarked by the mouse."""

        item_id: int

    @dataclass
    class ColumnsChanged(Message):
        """The names have the notes' room, or no longer."""

        names_alone: bool

    class ItemOpened(Message):
        """An item was clicked twice."""

    def __init__(self, selection: Selection, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.selection = selection
        self.cursor = 0
        self.range_from: int | None = None
        self.names_alone = False
        self.pages = RowPages(lambda ids: [])
        self._part: Part | None = None
        self._then: str | None = None

    def read_with(self, read: ReadRows) -> None:
        """Read rows from this store from now on."""
        self.pages = RowPages(read)

    def show_part(self, part: Part) -> bool:
        """Show the items of a list that are read first, while the others are still being read.

        What a command means by "all" is the whole list, so `selection.ids` waits for it. So does the list's length,
        since the whole screen is laid out for another one.

        Returns:
            Whether they are shown: not where the cursor has moved on to another item meanwhile.
        """
        if not part.shows(self.current_id if self.cursor else None):
            return False
        before, begun = self.current_id, self._id_at(self.range_from)
        self.pages.show_part(part)
        self._part, self._then = part, None
        self._shown(before, begun, max(part.end, self.virtual_size.height))
        return True

    def show(self, ids: array[int]) -> None:
        """Show these items; the cursor stays on its item, or near its place when that is gone."""
        self.selection.ids = ids
        part, self._part = self._part, None
        top = int(self.scroll_offset.y)
        bottom = top + self.scrollable_content_region.height
        if part and part.of(ids) and part.start <= top and (part.end == len(ids) or bottom <= part.end):
            self.pages.go_on(ids)  # what is in sight stays as it is
            self.virtual_size = Size(self.line_width, len(ids))
        else:
            before, begun = self.current_id, self._id_at(self.range_from)
            self.pages.show(ids)
            self._shown(before, begun, len(ids))
        then, self._then = self._then, None
        if then is not None:
            self.move(then)

    def _shown(self, before: int | None, begun: int | None, lines: int) -> None:
        """Another list is there; the items that the cursor was on, and that a range was begun at, are looked for."""
        ids = self.pages.ids
        if begun is None or self._id_at(self.range_from) != begun:
            self.range_from = None  # what stands at the place where it was begun is another item
        if before is None or self.cursor >= len(ids) or ids[self.cursor] != before:
            try:
                self.cursor = ids.index(before) if before is not None else 0
            except ValueError:
                self.cursor = min(self.cursor, max(0, len(ids) - 1))
            self.range_from = None
        self.virtual_size = Size(self.line_width, lines)
        self.refresh()
        self._keep_in_sight()
        self.call_after_refresh(self._keep_in_sight)  # the list's own height may change with what is beside it
        self._share_out()
        self._tell()

    def rows_changed(self) -> None:
        """What the rows say has changed: read those in sight again, and draw those that are others now."""
        in_sight = self._in_sight()
        before = [self.pages.row(index) for index in in_sight]
        self.pages.forget()
        for index, row in zip(in_sight, before, strict=True):
            if self.pages.row(index) != row:
                self.draw_again(index)
        self._share_out()

    def _in_sight(self) -> range:
        top = int(self.scroll_offset.y)
        return range(top, min(top + self.scrollable_content_region.height, self.line_count()))

    def _share_out(self) -> None:
        """Where a name in sight would be cut beside notes of which none is there, the names have their room."""
        usual = Columns.for_width(self.line_width).name - 1
        rows = [row for index in self._in_sight() if (row := self.pages.row(index)) is not None]
        alone = not any(self._note(row)[0] for row in rows) and any(cell_len(shown(row.name)) > usual for row in rows)
        if alone != self.names_alone:
            self.names_alone = alone
            self.refresh()
            self.post_message(self.ColumnsChanged(alone))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other rows are in sight."""
        super().watch_scroll_y(old_value, new_value)
        if int(old_value) != int(new_value):
            self._share_out()

    @property
    def current_id(self) -> int | None:
        """The item under the cursor."""
        return self._id_at(self.cursor)

    def _id_at(self, place: int | None) -> int | None:
        return self.pages.id(place) if place is not None and place < self.line_count() else None

    @property
    def current_row(self) -> ItemRow | None:
        """The row under the cursor."""
        return self.pages.row(self.cursor) if self.cursor < len(self.pages.ids) else None

    def line_count(self) -> int:
        """One line an item."""
        return len(self.pages.ids)

    def move(self, step: str) -> None:
        """Move the cursor."""
        self._then = step if self._part is not None and step in ("top", "bottom") else None  # of the whole list
        page = max(1, self.scrollable_content_region.height - 1)
        last = self.line_count() - 1
        self.go(
            {
                "down": self.cursor + 1,
                "up": self.cursor - 1,
                "page_down": self.cursor + page,
                "page_up": self.cursor - page,
                "top": 0,
                "bottom": last,
            }[step]
        )

    def go(self, index: int) -> None:
        """The cursor to that place, or the nearest there is, or that is known yet."""
        known = self._part.start if self._part is not None else 0
        index = max(known, min(index, self.line_count() - 1))
        if index == self.cursor:
            return
        old, self.cursor = self.cursor, index
        if self.range_from is None:
            self.draw_again(old)
            self.draw_again(index)
        else:
            self.refresh()
        self._keep_in_sight()
        self._tell()

    def ranged(self) -> range:
        """Places from the range's start to the cursor."""
        if self.range_from is None:
            return range(0)
        return range(min(self.range_from, self.cursor), max(self.range_from, self.cursor) + 1)

    def draw_line(self, index: int, width: int) -> Strip:
        """One item."""
        at_cursor = index == self.cursor
        base = self.get_component_rich_style("line--cursor") if at_cursor else self.ground
        ranged = index in self.ranged()
        if ranged and not at_cursor:
            base = self.ground + self.part("range")
        row = self.pages.row(index)
        if row is None and self.pages.id(index) is None:
            return strip_of([], width, base)
        if row is None:
            return strip_of([("   no longer there, or not readable", self.part("soft"))], width, base)
        columns = Columns.for_width(width, self.names_alone)
        return strip_of(self._pieces(row, self._cut_name(index, row, columns), columns, at_cursor, ranged), width, base)

    def _cut_name(self, index: int, row: ItemRow, columns: Columns) -> str:
        """The name as it is shown: what doesn't fit is cut so that it is another than those beside it."""
        name, width = shown(row.name), columns.name - 1
        if cell_len(name) <= width:
            return name
        places = range(max(0, index - BESIDE), min(self.line_count(), index + BESIDE + 1))
        beside = (self.pages.row(place) for place in places if place != index)
        return clip_apart(name, [shown(one.name) for one in beside if one is not None], width)

    def _pieces(self, row: ItemRow, name: str, columns: Columns, at_cursor: bool, ranged: bool) -> list[Piece]:
        soft = self.part("soft")
        glyph, word = STATUS[row.status]
        marked = row.id in self.selection.marks
        kind = KIND[row.kind]
        pieces: list[Piece] = [
            (("┃" if ranged else " ") + ("● " if marked else "  "), self.part("accent")),
            (fit(f"{glyph} {word}", columns.status), self.part(_STATUS_PARTS[row.status])),
            (fit(kind if columns.kind > 5 else kind[:3], columns.kind), soft),
            (fit(name, columns.name), Style(bold=at_cursor or marked or None)),
            (fit(f"{row.tokens:,}" if row.tokens else "", columns.tokens - 2, ">"), soft),
        ]
        if columns.note:
            note, style = self._note(row)
            pieces += [("  ", soft), (clip(note, columns.note - 2), style)]
        return pieces

    def _note(self, row: ItemRow) -> tuple[str, Style]:
        if row.status == "failed" and row.code:
            return f"{shown(row.code)}: {shown(row.message or '')}", self.part("error")
        if row.problem:
            return f"can't be sent: {row.problem}", self.part("warning")
        if row.awaited:
            return "at half price", self.part("accent")
        if row.parts > 1:
            return f"{row.parts} parts  {shown(row.purpose)}", self.part("soft")
        return shown(row.purpose), self.part("soft")

    def on_focus(self) -> None:
        """The cursor line is stronger with the focus."""
        self.draw_again(self.cursor)

    def on_blur(self) -> None:
        """The cursor line is weaker without the focus."""
        self.draw_again(self.cursor)

    def on_click(self, event: events.Click) -> None:
        """Click: cursor; click on the mark's place: mark; twice: details."""
        index = event.y + int(self.scroll_offset.y)
        if index >= self.line_count() or self._id_at(index) is None:
            return
        self.go(index)
        item_id = self.current_id
        if event.x < MARK_CELLS and item_id is not None:
            self.selection.toggle(item_id)
            self.refresh()
            self.post_message(self.MarksChanged(item_id))
        elif event.chain == 2:
            self.post_message(self.ItemOpened())

    def _keep_in_sight(self) -> None:
        height = self.scrollable_content_region.height
        top = int(self.scroll_offset.y)
        if height <= 0:
            return
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

    def on_resize(self) -> None:
        """Keep the cursor in sight; the lines are drawn again already, for their new place."""
        self.virtual_size = Size(self.line_width, self.line_count() or self.guide_height)
        self._keep_in_sight()
        self._share_out()

    def _tell(self) -> None:
        self.post_message(self.CursorMoved(self.current_id))
