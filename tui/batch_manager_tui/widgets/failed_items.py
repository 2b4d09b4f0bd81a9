"""The items of one cause of failures: marked for the remedies, read a page at a time."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from batch_manager.store.items import ItemRow
from batch_manager_tui.display import clip, count, fit, shown
from batch_manager_tui.widgets.pages import ReadRows, RowPages
from batch_manager_tui.widgets.pick_list import PickList
from batch_manager_tui.widgets.strips import Line
from batch_manager_tui.widgets.words import KIND

NOTED = 48
"""Cells from which there is room for a note beside the name."""


class FailedItems(PickList):
    """The failed items of a cause.

    Attributes:
        ids: All of them.
        marks: Those that are marked, by id.
        by_message: The note is each item's own message, and not what it is for.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ids: array[int] = array("q")
        self.marks: set[int] = set()
        self.by_message = False
        self._pages = RowPages(lambda ids: [])

    def read_with(self, read: ReadRows) -> None:
        """Read rows with this."""
        self._pages = RowPages(read)

    def show_ids(self, ids: array[int], *, by_message: bool) -> None:
        """Show these items."""
        self.ids, self.by_message = ids, by_message
        self._pages.show(ids)
        self.show(len(ids), self._line)
        self.border_subtitle = count(len(ids), "item") if ids else None

    @property
    def current_id(self) -> int | None:
        """The item under the cursor."""
        return self.ids[self.cursor] if self.cursor < len(self.ids) else None

    @property
    def chosen(self) -> Sequence[int]:
        """The marked, else all of the cause."""
        return sorted(self.marks) or self.ids

    def mark(self) -> None:
        """Mark or unmark the item, and go one down."""
        if self.current_id is not None:
            self.marks ^= {self.current_id}
            self.move("down")
            self.refresh()

    def _line(self, index: int, width: int) -> Line:
        row = self._pages.row(index)
        if row is None:
            return [("   no longer there, or not readable", "soft")]
        marked = row.id in self.marks
        line: Line = [(" ● " if marked else "   ", "accent"), (fit(KIND[row.kind][:3], 4), "soft")]
        left = width - 7
        name = left if width < NOTED else min(44, left * 3 // 5)
        line.append((fit(clip(shown(row.name), name - 1), name), "strong" if marked else ""))
        if width >= NOTED:
            line.append((shown(self._note(row)), "soft"))
        return line

    def _note(self, row: ItemRow) -> str:
        return (row.message or "") if self.by_message else row.purpose
