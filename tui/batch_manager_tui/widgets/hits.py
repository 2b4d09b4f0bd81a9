"""What a search found: its lines, and the box that it is typed in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.widgets import Input

from batch_manager_tui.display import clip, fit, shown
from batch_manager_tui.widgets.box import Box
from batch_manager_tui.widgets.pick_list import PickList
from batch_manager_tui.widgets.strips import Line
from batch_manager_tui.widgets.words import KIND

if TYPE_CHECKING:
    from batch_manager.engine import SearchHit

SCORE_CELLS = 8


class QueryBox(Box, inherit_bindings=False):
    """A box that leaves ctrl+k to the screen around it; ctrl+u still empties it."""

    BINDINGS: ClassVar = [one for one in Input.BINDINGS if isinstance(one, Binding) and one.key != "ctrl+k"]

    @classmethod
    def _meanings(cls) -> Iterator[tuple[str, str]]:
        return (one for one in super()._meanings() if one[0] != "ctrl+k")


class Hits(PickList):
    """The results, best first."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.hits: list[SearchHit] = []

    def show_hits(self, hits: list[SearchHit]) -> None:
        """Show these; the cursor on the best."""
        self.hits = hits
        self.show(len(hits), lambda index, width: hit_line(self.hits[index], width))

    @property
    def current(self) -> SearchHit | None:
        """The hit under the cursor."""
        return self.hits[self.cursor] if self.hits else None


def hit_line(hit: SearchHit, width: int) -> Line:
    """Score as figure and bar, kind, name."""
    full = round(hit.score * SCORE_CELLS)
    return [
        (f" {hit.score:.2f} ", "strong"),
        ("━" * full, "accent"),
        ("─" * (SCORE_CELLS - full) + "  ", "soft"),
        (fit(KIND[hit.kind], 10), "soft"),
        (clip(shown(hit.name), max(8, width - 26)), ""),
    ]
