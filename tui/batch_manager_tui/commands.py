"""The one table of commands: it feeds the bindings, the footer, the help, the palette and a test of each.

A command says whether it can be used now; when it can't, its reason is what the user reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from batch_manager_tui import availability
from batch_manager_tui.situation import Situation

Group = Literal[
    "Move",
    "Choose",
    "Spend",
    "During a run",
    "Bring in and out",
    "Look",
    "App",
    "Other screens",
    "Details",
    "Failures",
    "Bill",
    "Half price",
    "Sources",
    "Search",
    "Check",
]
GROUPS: tuple[Group, ...] = get_args(Group)

Available = Callable[[Situation], str | None]


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that a user can do.

    Attributes:
        id: Also the name of its binding, so that keys can be remapped.
        keys: Textual's names of the keys.
        label: A word or two for the footer and the palette.
        help: One line.
        available: The reason why it can't be used now, or None.
        rank: Place in the footer, low first; None keeps it out.
        action: What its key does on a screen of its own (`places`); empty for the main screen's.
    """

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    group: Group
    available: Available
    rank: int | None = None
    action: str = ""

    @property
    def shown_keys(self) -> str:
        """The keys as a person writes them."""
        return " ".join(_KEY_NAMES.get(key, key.replace("ctrl+", "^")) for key in self.keys)

    @property
    def shown_key(self) -> str:
        """The first key."""
        return self.shown_keys.partition(" ")[0]


_KEY_NAMES = {
    "up": "↑",
    "down": "↓",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "slash": "/",
    "question_mark": "?",
    "escape": "esc",
    "asterisk": "*",
    "comma": ",",
    "minus": "-",
    "shift+tab": "shift+tab",
}


COMMANDS: tuple[Command, ...] = (
    Command("down", ("down", "j"), "down", "One line down", "Move", availability.always),
    Command("up", ("up", "k"), "up", "One line up", "Move", availability.always),
    Command("page_down", ("pagedown", "ctrl+d"), "page down", "One page down", "Move", availability.always),
    Command("page_up", ("pageup", "ctrl+u"), "page up", "One page up", "Move", availability.always),
    Command("top", ("home", "g"), "top", "To the first line", "Move", availability.always),
    Command("bottom", ("end", "G"), "bottom", "To the last line", "Move", availability.always),
    Command("next_pane", ("tab",), "next pane", "The next pane", "Move", availability.always),
    Command("previous_pane", ("shift+tab",), "previous pane", "The pane before", "Move", availability.always),
    Command("items", ("1",), "items", "The items' pane", "Move", availability.always),
    Command("cost", ("2",), "cost", "The cost pane", "Move", availability.always),
    Command("batches", ("3",), "batches", "The batches' pane", "Move", availability.always),
    Command(
        "mark", ("space",), "mark", "Mark or unmark the item, and go one down", "Choose", availability.lists_items, 20
    ),
    Command(
        "mark_all",
        ("a",),
        "mark all",
        "Mark all that fit the filter; again: unmark them",
        "Choose",
        availability.lists_items,
        40,
    ),
    Command(
        "invert",
        ("asterisk",),
        "invert marks",
        "Turn the marks of all that fit the filter round",
        "Choose",
        availability.lists_items,
    ),
    Command(
        "range",
        ("v",),
        "range",
        "Begin a range here; again: mark from there to here",
        "Choose",
        availability.lists_items,
    ),
    Command(
        "filter", ("slash",), "filter", "Filter by name as you type; esc clears", "Choose", availability.has_items, 30
    ),
    Command(
        "status",
        ("f",),
        "status",
        "Next status: all, pending, indexed, failed, skipped",
        "Choose",
        availability.has_items,
        50,
    ),
    Command("kind", ("t",), "kind", "Next kind: all, tables, relationships", "Choose", availability.has_items, 60),
    Command(
        "lint",
        ("l",),
        "findings",
        "Next finding: what would make a wasted embedding; - leaves it out",
        "Choose",
        availability.has_items,
    ),
    Command("sort", ("o",), "order", "Next order: as added, name, tokens, status", "Choose", availability.has_items),
    Command("clear", ("escape",), "back", "Back out: range, filter, marks", "Choose", availability.clear),
    Command(
        "start",
        ("s",),
        "start",
        "Price and index what is marked, else all that is pending in the filter",
        "Spend",
        availability.start,
        10,
    ),
    Command(
        "retry",
        ("r",),
        "retry failed",
        "Price and retry what failed and may be cured by it: the marked, else all in the filter",
        "Spend",
        availability.retry,
        15,
    ),
    Command(
        "rebuild",
        ("R",),
        "rebuild",
        "Index every item again; what was paid for costs $0",
        "Spend",
        availability.rebuild,
    ),
    Command("pause", ("p",), "pause", "Pause the run, or go on with it", "During a run", availability.pause, 5),
    Command(
        "cancel",
        ("x",),
        "cancel",
        "End the run in good order; what is paid for is kept",
        "During a run",
        availability.cancel,
        6,
    ),
    Command(
        "scan",
        ("d",),
        "scan",
        "Read tables and relationships of a database",
        "Bring in and out",
        availability.may_add,
        35,
    ),
    Command(
        "import",
        ("i",),
        "import",
        "Read documentation from a file: JSON Lines, CSV, dbt, tbls",
        "Bring in and out",
        availability.may_add,
        36,
    ),
    Command(
        "sources",
        ("c",),
        "sources",
        "Databases and files: add, test, see what changed",
        "Bring in and out",
        availability.ready,
        37,
    ),
    Command(
        "export",
        ("e",),
        "export",
        "Write all documentation to a JSON Lines file",
        "Bring in and out",
        availability.has_items,
    ),
    Command(
        "skip",
        ("minus",),
        "skip",
        "Leave the marked (or this item) out of indexing; again: take it in",
        "Bring in and out",
        availability.skip,
    ),
    Command("undo", ("u",), "undo", "Take the last mark or skip back, one by one", "Choose", availability.undo),
    Command(
        "demo",
        ("D",),
        "sample",
        "Open the bundled sample, in a home of its own: no key, no network, $0",
        "Bring in and out",
        availability.demo,
        70,
    ),
    Command(
        "details",
        ("enter",),
        "details",
        "The exact text that is sent, and all that is known",
        "Look",
        availability.lists_items,
        25,
    ),
    Command(
        "failures",
        ("F",),
        "failures",
        "What failed, by cause: retry, open, skip, write a list",
        "Look",
        availability.failures,
        16,
    ),
    Command(
        "bill", ("B",), "bill", "Every run: estimated and billed, by day and by model", "Look", availability.ready, 55
    ),
    Command(
        "half_price",
        ("h",),
        "half price",
        "Batches at half the price: how far; cancel, move",
        "Look",
        availability.ready,
    ),
    Command(
        "settings",
        ("comma",),
        "settings",
        "Every setting in force, and where it came from",
        "Look",
        availability.ready,
        65,
    ),
    Command(
        "check",
        ("V",),
        "check index",
        "Compare store and index both ways; what is left to do; repair for $0",
        "Look",
        availability.check,
    ),
    Command("search", ("S", "ctrl+f"), "search", "Ask the index in plain words", "Look", availability.search, 45),
    Command("help", ("question_mark",), "help", "All keys", "App", availability.always, 90),
    Command("palette", ("ctrl+p",), "palette", "All commands, by typing", "App", availability.always),
    Command("theme", ("ctrl+t",), "theme", "Dark, light, or the terminal's own colours", "App", availability.always),
    Command("bell", ("b",), "bell", "Ring at the end of a run, or no longer; remembered", "App", availability.ready),
    Command(
        "suspend",
        ("ctrl+z",),
        "to the shell",
        "Back to the shell; fg returns, a run goes on meanwhile",
        "App",
        availability.always,
    ),
    Command("quit", ("q", "ctrl+q", "ctrl+c"), "quit", "Quit; during a run it asks", "App", availability.always, 95),
)
"""Every command of the main screen."""

BY_ID = {command.id: command for command in COMMANDS}
