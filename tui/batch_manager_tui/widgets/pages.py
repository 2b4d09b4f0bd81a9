"""Pages of rows: what a list has in its hands of a table that it never reads whole."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from batch_manager.store.items import ItemRow

PAGE = 200
"""Rows a page."""

KEPT = 16
"""Pages that are kept; the one that was used longest ago gives way."""

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

    def show(self, ids: Sequence[int], first: Sequence[ItemRow] = ()) -> None:
        """Another list of ids, with the rows of its first page where they are read already."""
        self._ids = ids
        self._pages.clear()
        if first:
            self._pages[0] = {row.id: row for row in first[:PAGE]}

    def go_on(self, ids: Sequence[int]) -> None:
        """The same list, of which only the first page was known so far."""
        self._ids = ids

    def forget(self) -> None:
        """The rows have changed; the ids have not."""
        self._pages.clear()

    def row(self, index: int) -> ItemRow | None:
        """The row at that place; None when it is gone from the store."""
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
        return page.get(self._ids[index])
