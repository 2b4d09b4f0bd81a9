"""The selection: filter and marks, and which items a command means by them. Pure values, no screen."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar, get_args

from batch_manager.documents import KINDS, Kind
from batch_manager.quote import Scope
from batch_manager.store.items import STATUSES, ItemFilter, Status
from batch_manager_tui.widgets.words import FINDING

T = TypeVar("T")
Sort = Literal["added", "name", "tokens", "status"]


@dataclass(slots=True)
class Selection:
    """What the list shows and what is marked in it.

    Attributes:
        wanted: The filter.
        ids: The items that fit it, in order.
        marks: Marked items, by id; they stay marked when the filter hides them.
    """

    wanted: ItemFilter = field(default_factory=ItemFilter)
    ids: array[int] = field(default_factory=lambda: array("q"))
    marks: set[int] = field(default_factory=set)
    _listed: tuple[array[int], frozenset[int]] | None = None

    @property
    def listed(self) -> frozenset[int]:
        """The items that fit the filter, in no order; made once for a list, since of a long one it takes a while."""
        if self._listed is None or self._listed[0] is not self.ids:
            self._listed = (self.ids, frozenset(self.ids.tolist()))
        return self._listed[1]

    @property
    def narrowed(self) -> bool:
        """The filter leaves something out."""
        return bool(self.wanted.text or self.wanted.kind or self.wanted.status or self.wanted.problem)

    def next_status(self) -> None:
        """All, pending, indexed, failed, skipped, and round again."""
        order: tuple[Status | None, ...] = (None, *STATUSES)
        self.wanted = replace(self.wanted, status=_after(order, self.wanted.status))

    def next_kind(self) -> None:
        """All, tables, relationships, and round again."""
        order: tuple[Kind | None, ...] = (None, *KINDS)
        self.wanted = replace(self.wanted, kind=_after(order, self.wanted.kind))

    def next_sort(self) -> None:
        """As added, by name, by tokens, by status, and round again."""
        order: tuple[Sort, ...] = get_args(Sort)
        self.wanted = replace(self.wanted, sort=_after(order, self.wanted.sort))

    def sort_by(self, sort: Sort) -> None:
        """By this; as added when it is so already."""
        self.wanted = replace(self.wanted, sort="added" if self.wanted.sort == sort else sort)

    def next_finding(self, found: Sequence[str]) -> None:
        """All, then one sort of finding after the other, of those that there are; and round again."""
        order: tuple[str | None, ...] = (None, *found)
        at = order.index(self.wanted.problem) if self.wanted.problem in order else 0
        self.wanted = replace(self.wanted, problem=order[(at + 1) % len(order)])

    def toggle(self, item_id: int) -> None:
        """Mark or unmark one."""
        self.marks ^= {item_id}

    def toggle_all(self) -> frozenset[int]:
        """Mark all that fit the filter; unmark them when they are marked already. Returns whose mark was turned."""
        turned = self.listed - self.marks if self.marks else self.listed
        if turned:
            self.marks |= turned
            return turned
        if len(self.marks) == len(self.listed):
            self.marks.clear()
        else:
            self.marks -= self.listed
        return self.listed

    def invert(self) -> frozenset[int]:
        """Turn the marks of all that fit the filter round. Returns whose mark was turned."""
        self.marks ^= self.listed
        return self.listed

    def mark(self, ids: Iterable[int]) -> frozenset[int]:
        """Mark these. Returns those that were not marked before."""
        turned = frozenset(ids) - self.marks
        self.marks |= turned
        return turned

    def unmark_all(self) -> frozenset[int]:
        """Mark nothing. Returns what was marked."""
        turned = frozenset(self.marks)
        self.marks.clear()
        return turned

    @property
    def hidden(self) -> int:
        """Marked items that the filter hides; whatever is done with the marked is done with them as well."""
        if not self.marks or not self.narrowed:
            return 0
        return len(self.marks - self.listed)

    def marked_words(self) -> str:
        """How many are marked, and how many of them the filter hides."""
        hidden = self.hidden
        return f"{len(self.marks):,} marked" + (f", {hidden:,} of them hidden by the filter" if hidden else "")

    def hidden_among(self, ids: Iterable[int]) -> int:
        """How many of these the filter hides."""
        if not self.narrowed:
            return 0
        return sum(one not in self.listed for one in ids)

    def pending_scope(self) -> Scope:
        """What `start` means: the marked, else all in the filter; of these, the pending."""
        if self.marks:
            return Scope("pending", ids=tuple(self.marks))
        if self.wanted.text or self.wanted.problem or self.wanted.status not in (None, "pending"):
            return Scope("pending", ids=tuple(self.ids))
        return Scope("pending", kinds=(self.wanted.kind,) if self.wanted.kind else KINDS)

    def failed_scope(self) -> Scope:
        """What `retry` means: the marked, else all in the filter; of these, the failed.

        A list of another status has none of them, so that it leaves none out either. What a retry can't cure is left
        out of it; the failure desk retries that all the same.
        """
        if self.marks:
            return Scope("failed", ids=tuple(self.marks), curable=True)
        if (self.wanted.text or self.wanted.problem) and self.wanted.status in (None, "failed"):
            return Scope("failed", ids=tuple(self.ids), curable=True)
        return Scope("failed", curable=True, kinds=(self.wanted.kind,) if self.wanted.kind else KINDS)

    def words(self) -> str:
        """The filter in words; empty when it leaves nothing out."""
        problem = self.wanted.problem
        parts = [
            self.wanted.status or "",
            f"{self.wanted.kind}s" if self.wanted.kind else "",
            FINDING.get(problem, problem) if problem else "",
        ]
        return " · ".join(part for part in parts if part)


def _after(order: tuple[T, ...], value: T) -> T:
    return order[(order.index(value) + 1) % len(order)]
