"""Pages of rows: what a list has in its hands of a table that it never reads whole."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batch_manager.store.items import ItemRow

PAGE = 100
"""Rows a page; more than most terminals have."""

KEPT = 32
"""Pages that are kept; the one that was used longest ago gives way."""

UNKNOWN = 0
"""What stands for an id that isn't read yet; no item has it."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is read first of a list: some of its ids, whole pages of them, with their rows.

    Attributes:
        start: The place of the first; the first of a page.
    """

    ids: array[int]
    rows: Sequence[ItemRow]
    start: int = 0

    @property
    def end(self) -> int:
        """The place after the last."""
        return self.start + len(self.ids)

    def shows(self, item_id: int | None) -> bool:
        """Whether that item is in it; without one, whether it is the list's beginning."""
        return self.start == 0 if item_id is None else item_id in self.ids

    def of(self, ids: array[int]) -> bool:
        """Whether the list is this one, where it is known."""
        return bool(self.ids) and ids[self.start : self.end] == self.ids


ReadRows = Callable[[Sequence[int]], list[ItemRow]]


class RowPages:
    """Rows by their place in a list of ids, read a page at a time.

    Attributes:
        reads: Pages read so far.
    """

    def __init__(self, read: ReadRows) -> None:
        self._read = read
        self._ids: Sequence[int] = ()
        self._pages: OrderedDict[int, dict[int, ItemRow]] = OrderedDict()
        self.reads = 0

    @property
    def ids(self) -> Sequence[int]:
        """The ids, in the list's order."""
        return self._ids

    def show(self, ids: Sequence[int]) -> None:
        """Another list of ids."""
        self._ids = ids
        self._pages.clear()

    def show_part(self, part: Part) -> None:
        """Another list, of which only a part is known so far."""
        self._ids = array("q", [UNKNOWN]) * part.start + part.ids
        self._pages.clear()
        rows = {row.id: row for row in part.rows}
        for at in range(0, len(part.ids), PAGE):
            ids = part.ids[at : at + PAGE]
            self._pages[(part.start + at) // PAGE] = {one: rows[one] for one in ids if one in rows}

    def go_on(self, ids: Sequence[int]) -> None:
        """The same list, of which only a part was known so far; its last page may have been a piece of one."""
        self._pages.pop(len(self._ids) // PAGE, None)
        self._ids = ids

    def forget(self) -> None:
        """The rows have changed; the ids have not."""
        self._pages.clear()

    def id(self, index: int) -> int | None:
        """The item at that place; None when it isn't known yet."""
        return None if self._ids[index] == UNKNOWN else self._ids[index]

    def row(self, index: int) -> ItemRow | None:
        """The row at that place; None when it is gone from the store, or not known yet."""
        item_id = self.id(index)
        if item_id is None:
            return None
        number = index // PAGE
        page = self._pages.get(number)
        if page is None:
            wanted = self._ids[number * PAGE : (number + 1) * PAGE]
            page = {row.id: row for row in self._read(wanted)}
            self.reads += 1
            self._pages[number] = page
            if len(self._pages) > KEPT:
                self._pages.popitem(last=False)
        else:
            self._pages.move_to_end(number)
        return page.get(item_id)
