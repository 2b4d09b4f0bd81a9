"""Keys of the user's own: `keys.toml` in the home, laid over the table of commands.

    start = "S"
    search = ["s", "ctrl+f"]
    failures.retry = "ctrl+r"

A name without a dot is the main screen's, or holds on every screen; with one it is that screen's own.
What can't be taken is said once and left as it was; no key ever means two things on one screen.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from textual.keys import Keys, key_to_character

from batch_manager_tui.commands import Command
from batch_manager_tui.places import ALL_COMMANDS, PLACES, held_in

MAIN = "main"
FILE_NAME = "keys.toml"

LONGEST = 65_536
"""Bytes that are read."""

ALWAYS_QUIT = frozenset({"ctrl+q", "ctrl+c"})
"""Whatever a file says, these leave the app from every screen."""

_SHORTENED = {"slash": "/", "backslash": "\\", "at": "@", "minus": "-", "plus": "+", "underscore": "_"}
"""Names that Textual shortened and doesn't find the character of."""

_MODIFIERS = ("ctrl+", "alt+", "shift+")
_NAMES = frozenset(str(key.value) for key in Keys)


@dataclass(frozen=True, slots=True)
class KeysInForce:
    """The table with the user's keys.

    Attributes:
        commands: Every command, with the keys that hold.
        changed: Ids of those whose keys are the user's.
        troubles: What couldn't be taken, in plain words.
        first: The first key of each command, by its id, as a person writes it.
    """

    commands: tuple[Command, ...] = ALL_COMMANDS
    changed: frozenset[str] = frozenset()
    troubles: tuple[str, ...] = ()
    first: Mapping[str, str] = field(init=False, repr=False, compare=False)

    @property
    def keymap(self) -> dict[str, str]:
        """The changed keys as Textual wants them: by binding id, parted by commas."""
        return {
            one.id: ",".join("comma" if key == "," else key for key in one.keys)
            for one in self.commands
            if one.id in self.changed
        }

    def __post_init__(self) -> None:
        """Asked for several times with each key that is pressed, so it is made once."""
        object.__setattr__(self, "first", MappingProxyType({one.id: one.shown_key for one in self.commands}))

    def key(self, command: str) -> str:
        """The first key of a command, as a person writes it."""
        return self.first[command]


def read_keys(home: Path) -> KeysInForce:
    """The keys that hold in this home; those of the table when there is no file."""
    try:
        with (home / FILE_NAME).open("rb") as file:
            text = file.read(LONGEST).decode("utf-8")
    except FileNotFoundError:
        return KeysInForce()
    except (OSError, UnicodeDecodeError) as error:
        return KeysInForce(troubles=(f"it can't be read ({getattr(error, 'strerror', None) or 'not UTF-8'})",))
    return parse_keys(text)


def parse_keys(text: str) -> KeysInForce:
    """The keys that a file's text gives. Pure."""
    try:
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return KeysInForce(troubles=(f"it isn't TOML ({str(error)[:80]})",))
    wanted: dict[str, tuple[str, ...]] = {}
    troubles: list[str] = []
    known = {command.id for command in ALL_COMMANDS}
    for name, value in _flat(given):
        keys = _keys(value)
        if name not in known:
            troubles.append(f"there is no command {name[:40]!r}")
        elif isinstance(keys, str):
            troubles.append(f"{name}: {keys}")
        elif name != "quit" and (kept := ALWAYS_QUIT.intersection(keys)):
            troubles.append(f"{name}: {' '.join(sorted(kept))} always quits")
        else:
            wanted[name] = keys
    clashes = _without_clashes(wanted)
    commands = tuple(replace(one, keys=wanted[one.id]) if one.id in wanted else one for one in ALL_COMMANDS)
    return KeysInForce(commands, frozenset(wanted), (*troubles, *clashes))


def _flat(given: Mapping[str, object]) -> list[tuple[str, object]]:
    """(command, value): a screen's own lines are a table of that screen's name, `[failures]` or `failures.retry`.

    Those of the main screen need none; where a command is called like a screen, `[main]` keeps the two apart.
    """
    lines: list[tuple[str, object]] = []
    for name, value in given.items():
        if isinstance(value, dict) and name == MAIN:
            lines += value.items()
        elif isinstance(value, dict) and name in PLACES:
            lines += [(f"{name}.{key}", one) for key, one in value.items()]
        else:
            lines.append((name, value))
    return lines


def _without_clashes(wanted: dict[str, tuple[str, ...]]) -> list[str]:
    """Take out of `wanted` what would give a key two meanings on one screen, and say which."""
    said: list[str] = []
    while True:
        held: dict[tuple[str, str], list[Command]] = {}
        for one in ALL_COMMANDS:
            for key in set(map(_plain, wanted.get(one.id, one.keys))):
                for place in held_in(one.id):
                    held.setdefault((place, key), []).append(one)
        clashing: dict[str, dict[str, None]] = {}
        for (_, key), ones in held.items():
            for one in ones if len(ones) > 1 else []:
                if one.id in wanted:
                    others = " and ".join(other.label for other in ones if other.id != one.id)
                    clashing.setdefault(one.id, {})[f"{key} means {others} already"] = None
        if not clashing:
            return said
        said += [f"{name}: {'; '.join(words)}" for name, words in clashing.items()]
        for name in clashing:
            del wanted[name]


def _keys(value: object) -> tuple[str, ...] | str:
    """The keys of one line, or why they are none."""
    listed: Sequence[object] = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if not listed:
        return 'it must be a key, or a list of keys, such as ["s", "ctrl+r"]'
    keys: list[str] = []
    for one in listed:
        if not isinstance(one, str) or not _is_key(one):
            return f"{str(one)[:40]!r} is no key"
        keys.append(_plain(one))
    return tuple(dict.fromkeys(keys))


def _is_key(name: str) -> bool:
    if len(name) == 1:
        return name.isprintable() and not name.isspace()
    plain = name
    for modifier in _MODIFIERS:
        plain = plain.removeprefix(modifier)
    return name in _NAMES or plain in _NAMES or _character(name) is not None or (plain != name and len(plain) == 1)


def _plain(key: str) -> str:
    """One spelling of a key: its character where it is one that stands on a keyboard by itself."""
    character = key if len(key) == 1 else _character(key)
    return _SPELT.get(character, character) if character else key


def _character(key: str) -> str | None:
    if "+" in key or len(key) == 1:
        return None
    character = _SHORTENED.get(key) or key_to_character(key)
    return character if character is not None and character.isprintable() and not character.isspace() else None


_SPELT: Mapping[str, str] = {
    character: key
    for one in ALL_COMMANDS
    for key in one.keys
    if len(key) > 1 and (character := _character(key)) is not None
}
"""Characters that the table spells by name, so that both spellings are one."""
