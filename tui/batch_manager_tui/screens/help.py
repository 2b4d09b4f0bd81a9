"""Help: the table of commands, and what the glyphs mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult

from batch_manager_tui.commands import GROUPS, Command, Group
from batch_manager_tui.display import cell_len, pad, wrap
from batch_manager_tui.places import ALL_COMMANDS, Place, bindings_of, own_commands
from batch_manager_tui.screens.base import PlaceScreen
from batch_manager_tui.widgets.strips import Line, Lines, clip_line
from batch_manager_tui.widgets.words import BATCH, STATUS

KEY_CELLS = 14

TWO_COLUMNS = 150
"""Cells from which there is room for two columns."""


class HelpScreen(PlaceScreen):
    """All keys."""

    PLACE = "help"
    PANES = ("#help-page",)
    BINDINGS: ClassVar = bindings_of(PLACE)

    def __init__(self, about: Place | None = None) -> None:
        """All keys.

        Args:
            about: The screen that help was asked for on; its own keys come first.
        """
        super().__init__()
        self._about = about

    def body(self) -> ComposeResult:
        """One page of lines."""
        page = Lines(id="help-page", classes="pane")
        page.border_title = "Keys"
        yield page

    def on_mount(self) -> None:
        """One column, or two where there is room."""
        super().on_mount()
        commands = self.batch_app.keys.commands
        self.query_one("#help-page", Lines).show_made(lambda width: help_lines(width, commands, self._about))


def help_lines(width: int, commands: Sequence[Command] = ALL_COMMANDS, about: Place | None = None) -> list[Line]:
    """Every command by group, with the keys that hold; in two columns where they fit.

    Args:
        width: Cells.
        commands: All of them, with the keys in force.
        about: The screen whose own keys come first.
    """
    own = [one.group for one in own_commands(about)] if about else []
    groups = [*dict.fromkeys(own), *(group for group in GROUPS if group not in own)]
    two = width >= TWO_COLUMNS
    room = width // 2 - 1 if two else width
    blocks = [_group(group, commands, room) for group in groups if any(one.group == group for one in commands)]
    blocks.append(_signs(room))
    if not two:
        return [line for block in blocks for line in [*block, []]]
    middle = width // 2
    half = sum(len(block) + 1 for block in blocks) // 2
    left: list[Line] = []
    while blocks and len(left) < half:
        left += [*blocks.pop(0), []]
    right = [line for block in blocks for line in [*block, []]]
    lines: list[Line] = []
    for number in range(max(len(left), len(right))):
        line = clip_line(left[number], middle - 1) if number < len(left) else []
        used = sum(cell_len(text) for text, _ in line)
        other = right[number] if number < len(right) else []
        lines.append([*line, (" " * max(1, middle - used), ""), *other])
    return lines


def _group(group: Group, commands: Sequence[Command], width: int) -> list[Line]:
    lines: list[Line] = [[(group, "strong")]]
    for command in commands:
        if command.group == group:
            lines += _entry(command.shown_keys, command.help, width)
    return lines


def _entry(keys: str, words: str, width: int, part: str = "accent") -> list[Line]:
    """A key and what it does, on as many lines as that takes; keys that are wider than their column have their own."""
    head = [] if cell_len(keys) < KEY_CELLS else wrap(keys, width - 2)
    lines: list[Line] = [[("  " + line, part)] for line in head]
    for number, line in enumerate(wrap(words, max(8, width - 2 - KEY_CELLS))):
        lines.append([("  " + pad("" if number or head else keys, KEY_CELLS), part), (line, "")])
    return lines


def _signs(width: int) -> list[Line]:
    lines: list[Line] = [[("Signs", "strong")]]
    for label, signs in (("items", STATUS.values()), ("batches", BATCH.values())):
        lines += _entries(label, [(glyph, "", word) for glyph, word in signs], width)
    bars = [("━", "accent", "indexed"), ("━", "success", "paid for, on its way"), ("━", "error", "failed")]
    return lines + _entries("bars", [*bars, ("─", "soft", "left")], width)


def _entries(label: str, signs: Sequence[tuple[str, str, str]], width: int) -> list[Line]:
    """Signs with their words, each whole, on as many lines as they take."""
    lines: list[Line] = [[("  " + pad(label, KEY_CELLS), "soft")]]
    used = start = 2 + KEY_CELLS
    for sign, part, word in signs:
        size = cell_len(sign) + 1 + cell_len(word)
        if used > start and used + 2 + size > width:
            lines.append([("  " + pad("", KEY_CELLS), "soft")])
            used = start
        gap = "" if used == start else "  "
        lines[-1] += [(gap, ""), (sign, part), (f" {word}", "")]
        used += len(gap) + size
    return lines
