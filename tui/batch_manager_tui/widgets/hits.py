"""What a search found: its lines, and the box that it is typed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.widgets import Input

from batch_manager_tui.display import clip, fit, shown, wrap
from batch_manager_tui.widgets.box import Box
from batch_manager_tui.widgets.guide import keyed
from batch_manager_tui.widgets.pick_list import PickList
from batch_manager_tui.widgets.strips import Line, Make
from batch_manager_tui.widgets.words import KIND

if TYPE_CHECKING:
    from batch_manager.engine import SearchHit

SCORE_CELLS = 8
KEY_CELLS = 7


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

    def show_hits(self, hits: list[SearchHit], empty: Make) -> None:
        """Show these, the cursor on the best; `empty` makes what stands there when there are none."""
        self.hits = hits
        self.show(len(hits), lambda index, width: hit_line(self.hits[index], width), empty=empty)

    @property
    def current(self) -> SearchHit | None:
        """The hit under the cursor."""
        return self.hits[self.cursor] if self.hits else None


def unasked(keys: Mapping[str, str], local: bool, width: int) -> list[Line]:
    """What stands there before anything was asked.

    Args:
        keys: The first key of each command.
        local: A query stays on this machine, so that it is asked as it is typed.
        width: Cells.
    """
    how = "results come as you type, for $0" if local else "sends it, for the price beside it"
    lines: list[Line] = [[("Nothing is asked yet.", "strong")], []]
    lines += [[(line, "")] for line in wrap("Type what you look for, in plain words.", width)]
    return [*lines, [], [(how, "")] if local else keyed(keys["search.open"], how, KEY_CELLS), *_keepers(keys)]


def nothing_near(keys: Mapping[str, str], kept: bool, width: int) -> list[Line]:
    """What stands there when nothing was found.

    Args:
        keys: The first key of each command.
        kept: The search is kept to a kind, a source or a schema.
        width: Cells.
    """
    why = "Nothing of what the search is kept to is near that." if kept else "Nothing is near that."
    lines: list[Line] = [[(line, "strong")] for line in wrap(why, width)]
    return [*lines, [], keyed(keys["filter"], "ask something else", KEY_CELLS), *_keepers(keys)]


def _keepers(keys: Mapping[str, str]) -> list[Line]:
    what = (("kind", "another kind"), ("source", "another source"), ("schema", "another schema"))
    return [keyed(keys[f"search.{name}"], words, KEY_CELLS) for name, words in what]


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
