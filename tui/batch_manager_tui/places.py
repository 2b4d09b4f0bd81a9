"""The table's other half: what keys do on the screens behind the main one, and which of them hold where.

A key that moves, goes back or asks for help has one meaning, and one line in `keys.toml`, on all of them.
"""

from __future__ import annotations

from typing import Literal, get_args

from textual.binding import Binding, BindingType

from batch_manager_tui.availability import always
from batch_manager_tui.commands import BY_ID, COMMANDS, Command, Group

Place = Literal["details", "failures", "bill", "half_price", "settings", "sources", "search", "check", "help"]
PLACES: tuple[Place, ...] = get_args(Place)


def _command(
    name: str, keys: tuple[str, ...], label: str, words: str, group: Group, action: str, rank: int | None = None
) -> Command:
    return Command(name, keys, label, words, group, always, rank, action)


BACK = _command("back", ("escape", "q"), "back", "Back to the screen before", "Other screens", "back", 99)

_OWN: dict[Place, tuple[Command, ...]] = {
    "details": (
        _command("details.next", ("n", "right"), "next item", "The list's next item", "Details", "turn(1)", 10),
        _command("details.before", ("b", "left"), "item before", "The item before", "Details", "turn(-1)", 20),
        _command(
            "details.open",
            ("enter",),
            "open",
            "Open the nearest item under the cursor; elsewhere back to the list",
            "Details",
            "open",
            30,
        ),
        _command("details.page", ("space",), "read on", "One page down", "Details", "move('page_down')"),
    ),
    "failures": (
        _command("failures.retry", ("r",), "retry", "Price and retry the marked, else the group", "Failures", "retry"),
        _command("failures.open", ("enter",), "open", "To the cause's items; there, the item", "Failures", "open"),
        _command("failures.skip", ("minus",), "skip", "Leave the marked, else the group, out", "Failures", "skip"),
        _command("failures.save", ("w",), "write list", "Write them to a file, with reasons", "Failures", "save"),
        _command("failures.mark", ("space",), "mark", "Mark the item, for the remedies", "Failures", "mark"),
        _command("failures.undo", ("u",), "undo skip", "The last skip never was", "Failures", "undo"),
    ),
    "bill": (
        _command(
            "bill.csv", ("c",), "write CSV", "Write it as CSV, by run, day, model or person", "Bill", "save('csv')", 10
        ),
        _command(
            "bill.view", ("v",), "by day, model", "Runs, days, models, people, and round again", "Bill", "view", 5
        ),
        _command("bill.json", ("J",), "write JSON", "The same as JSON", "Bill", "save('json')", 20),
    ),
    "half_price": (
        _command("half_price.look", ("l", "enter"), "look now", "Ask the server now", "Half price", "look", 10),
        _command("half_price.cancel", ("x",), "cancel", "End it; what is done is kept", "Half price", "cancel", 20),
        _command(
            "half_price.give_up", ("w",), "give up", "Wait no longer for it; asks first", "Half price", "give_up", 40
        ),
        _command(
            "half_price.move", ("m",), "index now", "Price what is left in the fast lane", "Half price", "shift", 30
        ),
    ),
    "settings": (),
    "sources": (
        _command("sources.add", ("a",), "add", "Add a database or a file", "Sources", "add", 10),
        _command("sources.test", ("t",), "test", "Reach it and count what is there", "Sources", "test", 20),
        _command(
            "sources.plan",
            ("p",),
            "what changed",
            "Compare it with what is kept; nothing is kept",
            "Sources",
            "plan",
            30,
        ),
        _command("sources.scan", ("enter", "s"), "read", "Read it, and keep what is new", "Sources", "scan", 40),
        _command("sources.remove", ("minus",), "forget", "Forget the source; its items stay", "Sources", "remove", 50),
    ),
    "search": (
        _command("search.open", ("enter",), "ask, open", "In the box ask; then open the item", "Search", "open", 10),
        _command("search.kind", ("ctrl+k", "t"), "kind", "All, tables, relationships", "Search", "kind", 30),
        _command("search.source", ("ctrl+r", "o"), "source", "All sources, or one of them", "Search", "source", 40),
        _command("search.schema", ("ctrl+s", "m"), "schema", "All schemas, or one of them", "Search", "schema", 50),
    ),
    "check": (
        _command("check.look", ("l", "enter"), "check again", "Compare store and index anew", "Check", "look", 20),
        _command("check.repair", ("r",), "repair", "Mend what costs nothing", "Check", "repair", 10),
        _command("check.stop", ("x",), "stop", "Compare no further", "Check", "stop", 5),
    ),
    "help": (_command("help.page", ("space",), "read on", "One page down", "Other screens", "move('page_down')"),),
}

_OPENS: dict[Place, str] = {
    "failures": "failures",
    "bill": "bill",
    "half_price": "half_price",
    "settings": "settings",
    "sources": "sources",
    "search": "search",
    "check": "check",
    "help": "help",
}
"""Which of the main screen's commands opens it; the same key closes it."""

_ALIKE: dict[Place, tuple[tuple[str, str], ...]] = {"search": (("filter", "edit"),)}
"""Main commands that mean much the same there, and what their keys do: `/` goes to the box on both."""

_EVERYWHERE = ("help", "theme", "suspend")
_MOVES = ("down", "up", "page_down", "page_up", "top", "bottom")

PLACE_COMMANDS: tuple[Command, ...] = (BACK, *(command for place in PLACES for command in _OWN[place]))
"""Every command that only other screens have."""

ALL_COMMANDS: tuple[Command, ...] = (*COMMANDS, *PLACE_COMMANDS)


def own_commands(place: Place) -> tuple[Command, ...]:
    """What this screen alone can do."""
    return _OWN[place]


def commands_of(place: Place) -> tuple[Command, ...]:
    """Every command whose keys hold on that screen, each with what its key does there."""
    moves = [(name, f"move('{name}')") for name in _MOVES]
    panes = [("next_pane", "other_pane(1)"), ("previous_pane", "other_pane(-1)")]
    shared = [(name, name) for name in _EVERYWHERE if name != _OPENS.get(place)]
    opener = [(_OPENS[place], "back")] if place in _OPENS else []
    borrowed = tuple(
        _with_action(BY_ID[name], action) for name, action in (*moves, *panes, *shared, *opener, *_ALIKE.get(place, ()))
    )
    return (*_OWN[place], *borrowed, BACK)


def bindings_of(place: Place) -> list[BindingType]:
    """The bindings of that screen; their ids are those of the table, so that one line of `keys.toml` changes all."""
    return [Binding(",".join(one.keys), one.action, one.label, show=False, id=one.id) for one in commands_of(place)]


def held_in(name: str) -> tuple[str, ...]:
    """Where a command's keys hold: `main`, and the names of other screens."""
    return _HELD[name]


def _with_action(command: Command, action: str) -> Command:
    return Command(
        command.id, command.keys, command.label, command.help, command.group, command.available, None, action
    )


def _places_of(name: str) -> tuple[str, ...]:
    main = ("main",) if name in BY_ID else ()
    return (*main, *(place for place in PLACES if any(one.id == name for one in commands_of(place))))


_HELD = {command.id: _places_of(command.id) for command in ALL_COMMANDS}
