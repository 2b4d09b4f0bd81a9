"""The one table of commands: it feeds the bindings, the footer, the help, the palette and a test of each.

A command says whether it can be used now; when it can't, its reason is what the user reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

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


def key_of(now: Situation, command: str) -> str:
    """The first key of a command, as it holds now and as a person writes it."""
    return now.keys.get(command) or BY_ID[command].shown_key


def _running(now: Situation) -> str:
    return f"A run is under way: {key_of(now, 'pause')} pauses it, {key_of(now, 'cancel')} cancels it."


def always(_: Situation) -> str | None:
    return None


def _ready(now: Situation) -> str | None:
    return None if now.ready else "The home is still being opened."


def _has_items(now: Situation) -> str | None:
    if not now.ready:
        return _ready(now)
    if not now.counts.total():
        return (
            f"There are no items yet: {key_of(now, 'scan')} scans a database, {key_of(now, 'import')} imports a file."
        )
    return None


def _lists_items(now: Situation) -> str | None:
    if reason := _has_items(now):
        return reason
    return None if now.listed else f"No item fits the filter: {key_of(now, 'clear')} clears it."


def _may_write(now: Situation) -> str | None:
    return now.busy or None


def may_change(now: Situation) -> str | None:
    """Why items can't be changed now, or None."""
    if reason := _ready(now) or _may_write(now):
        return reason
    if now.reading:
        return "A scan or an import is still being read."
    return _running(now) if now.running else None


def _start(now: Situation) -> str | None:
    if now.view.state == "paused":
        return f"The run is paused: {key_of(now, 'pause')} goes on with it."
    if reason := may_change(now) or _has_items(now):
        return reason
    if not now.counts.total("pending") and not now.changes:
        failed = now.counts.total("failed")
        return (
            f"Nothing is pending; {key_of(now, 'retry')} retries {failed:,} failed."
            if failed
            else "Nothing is pending."
        )
    return None if now.marked else _lists_items(now)


def _retry(now: Situation) -> str | None:
    if reason := may_change(now) or _has_items(now):
        return reason
    return None if now.counts.total("failed") else "Nothing has failed."


def _failures(now: Situation) -> str | None:
    if reason := _has_items(now):
        return reason
    return None if now.counts.total("failed") else "Nothing has failed."


def _rebuild(now: Situation) -> str | None:
    return may_change(now) or _has_items(now)


def _pause(now: Situation) -> str | None:
    if now.view.state in ("running", "starting", "paused"):
        return None
    return "The run is stopping already." if now.view.state == "stopping" else "No run is under way."


def _cancel(now: Situation) -> str | None:
    if now.view.state == "stopping":
        return "The run is stopping already."
    return None if now.view.active else "No run is under way."


def _skip(now: Situation) -> str | None:
    return may_change(now) or _lists_items(now)


def _undo(now: Situation) -> str | None:
    return _has_items(now)


def _search(now: Situation) -> str | None:
    if reason := _has_items(now):
        return reason
    if now.searchable:
        return None
    return f"Nothing is indexed yet, so there is nothing to search: {key_of(now, 'start')} starts."


def _clear(now: Situation) -> str | None:
    return None


def _demo(now: Situation) -> str | None:
    if now.mode != "live":
        return f"This is the {now.mode} already."
    if not now.ready:
        return _ready(now)
    return _running(now) if now.running else None


COMMANDS: tuple[Command, ...] = (
    Command("down", ("down", "j"), "down", "One line down", "Move", always),
    Command("up", ("up", "k"), "up", "One line up", "Move", always),
    Command("page_down", ("pagedown", "ctrl+d"), "page down", "One page down", "Move", always),
    Command("page_up", ("pageup", "ctrl+u"), "page up", "One page up", "Move", always),
    Command("top", ("home", "g"), "top", "To the first line", "Move", always),
    Command("bottom", ("end", "G"), "bottom", "To the last line", "Move", always),
    Command("next_pane", ("tab",), "next pane", "The next pane", "Move", always),
    Command("previous_pane", ("shift+tab",), "previous pane", "The pane before", "Move", always),
    Command("items", ("1",), "items", "The items' pane", "Move", always),
    Command("cost", ("2",), "cost", "The cost pane", "Move", always),
    Command("batches", ("3",), "batches", "The batches' pane", "Move", always),
    Command("mark", ("space",), "mark", "Mark or unmark the item, and go one down", "Choose", _lists_items, 20),
    Command(
        "mark_all", ("a",), "mark all", "Mark all that fit the filter; again: unmark them", "Choose", _lists_items, 40
    ),
    Command(
        "invert",
        ("asterisk",),
        "invert marks",
        "Turn the marks of all that fit the filter round",
        "Choose",
        _lists_items,
    ),
    Command("range", ("v",), "range", "Begin a range here; again: mark from there to here", "Choose", _lists_items),
    Command("filter", ("slash",), "filter", "Filter by name as you type; esc clears", "Choose", _has_items, 30),
    Command(
        "status", ("f",), "status", "Next status: all, pending, indexed, failed, skipped", "Choose", _has_items, 50
    ),
    Command("kind", ("t",), "kind", "Next kind: all, tables, relationships", "Choose", _has_items, 60),
    Command(
        "lint",
        ("l",),
        "findings",
        "Next finding: what would make a wasted embedding; - leaves it out",
        "Choose",
        _has_items,
    ),
    Command("sort", ("o",), "order", "Next order: as added, name, tokens, status", "Choose", _has_items),
    Command("clear", ("escape",), "back", "Back out: range, filter, marks", "Choose", _clear),
    Command(
        "start",
        ("s",),
        "start",
        "Price and index what is marked, else all that is pending in the filter",
        "Spend",
        _start,
        10,
    ),
    Command("retry", ("r",), "retry failed", "Price and retry the failed: the marked, else all", "Spend", _retry, 15),
    Command("rebuild", ("R",), "rebuild", "Index every item again; what was paid for costs $0", "Spend", _rebuild),
    Command("pause", ("p",), "pause", "Pause the run, or go on with it", "During a run", _pause, 5),
    Command(
        "cancel", ("x",), "cancel", "End the run in good order; what is paid for is kept", "During a run", _cancel, 6
    ),
    Command("scan", ("d",), "scan", "Read tables and relationships of a database", "Bring in and out", may_change, 35),
    Command(
        "import",
        ("i",),
        "import",
        "Read documentation from a file: JSON Lines, CSV, dbt, tbls",
        "Bring in and out",
        may_change,
        36,
    ),
    Command(
        "sources", ("c",), "sources", "Databases and files: add, test, see what changed", "Bring in and out", _ready, 37
    ),
    Command("export", ("e",), "export", "Write all documentation to a JSON Lines file", "Bring in and out", _has_items),
    Command(
        "skip",
        ("minus",),
        "skip",
        "Leave the marked (or this item) out of indexing; again: take it in",
        "Bring in and out",
        _skip,
    ),
    Command("undo", ("u",), "undo", "Take the last mark or skip back, one by one", "Choose", _undo),
    Command(
        "demo",
        ("D",),
        "sample",
        "Open the bundled sample, in a home of its own: no key, no network, $0",
        "Bring in and out",
        _demo,
        70,
    ),
    Command(
        "details", ("enter",), "details", "The exact text that is sent, and all that is known", "Look", _lists_items, 25
    ),
    Command(
        "failures", ("F",), "failures", "What failed, by cause: retry, open, skip, write a list", "Look", _failures, 16
    ),
    Command("bill", ("B",), "bill", "Every run: estimated and billed, by day and by model", "Look", _ready, 55),
    Command("half_price", ("h",), "half price", "Batches at half the price: how far; cancel, move", "Look", _ready),
    Command("settings", ("comma",), "settings", "Every setting in force, and where it came from", "Look", _ready, 65),
    Command("search", ("S", "ctrl+f"), "search", "Ask the index in plain words", "Look", _search, 45),
    Command("help", ("question_mark",), "help", "All keys", "App", always, 90),
    Command("palette", ("ctrl+p",), "palette", "All commands, by typing", "App", always),
    Command("theme", ("ctrl+t",), "theme", "Dark, light, or the terminal's own colours", "App", always),
    Command("bell", ("b",), "bell", "Ring at the end of a run, or no longer; remembered", "App", _ready),
    Command(
        "suspend", ("ctrl+z",), "to the shell", "Back to the shell; fg returns, a run goes on meanwhile", "App", always
    ),
    Command("quit", ("q", "ctrl+q", "ctrl+c"), "quit", "Quit; during a run it asks", "App", always, 95),
)
"""Every command of the main screen."""

BY_ID = {command.id: command for command in COMMANDS}
