"""Help: the table of commands, and what the glyphs mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding

from batch_manager_tui.commands import COMMANDS, GROUPS, Command, Group
from batch_manager_tui.display import pad
from batch_manager_tui.screens.base import AppScreen
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.strips import Line, Lines
from batch_manager_tui.widgets.words import BATCH, STATUS

KEY_CELLS = 14


class HelpScreen(AppScreen):
    """All keys."""

    BINDINGS: ClassVar = [
        Binding("escape,q,question_mark,enter", "back", "back", show=False),
        Binding("j,down", "move('down')", "down", show=False),
        Binding("k,up", "move('up')", "up", show=False),
        Binding("pagedown,space", "move('page_down')", "page down", show=False),
        Binding("pageup", "move('page_up')", "page up", show=False),
        Binding("g,home", "move('top')", "top", show=False),
        Binding("G,end", "move('bottom')", "bottom", show=False),
    ]

    def body(self) -> ComposeResult:
        """One page of lines."""
        page = Lines(id="help-page", classes="pane")
        page.border_title = "Keys"
        yield page

    def footer(self) -> Keys:
        """The way back."""
        return [("move('down')", "j k", "scroll"), ("back", "esc", "back")]

    def on_mount(self) -> None:
        """Fill the page."""
        super().on_mount()
        self.query_one("#help-page", Lines).focus()

    def on_resize(self) -> None:
        """One column, or two where there is room."""
        super().on_resize()
        self.call_after_refresh(self._fill)

    def on_key_line_pressed(self, message: KeyLine.Pressed) -> None:
        """A click on a key."""
        self.call_later(self.run_action, f"screen.{message.command}" if "(" in message.command else "screen.back")

    def action_back(self) -> None:
        """Back to the items."""
        self.dismiss(None)

    def action_move(self, step: str) -> None:
        """Scroll."""
        self.query_one("#help-page", Lines).move(step)

    def _fill(self) -> None:
        page = self.query_one("#help-page", Lines)
        page.show_lines(help_lines(page.line_width, self.batch_app.keys.commands))


def help_lines(width: int, commands: Sequence[Command] = COMMANDS) -> list[Line]:
    """Every command by group, with the keys that hold; in two columns where they fit."""
    blocks = [_group(group, commands) for group in GROUPS]
    blocks.append(_glyphs())
    if width < 150:
        return [line for block in blocks for line in [*block, []]]
    middle = width // 2
    left, right = blocks[:3], blocks[3:]
    first = [line for block in left for line in [*block, []]]
    second = [line for block in right for line in [*block, []]]
    lines: list[Line] = []
    for number in range(max(len(first), len(second))):
        line = first[number] if number < len(first) else []
        used = sum(len(text) for text, _ in line)
        other = second[number] if number < len(second) else []
        lines.append([*line, (" " * max(1, middle - used), ""), *other])
    return lines


def _group(group: Group, commands: Sequence[Command]) -> list[Line]:
    lines: list[Line] = [[(group, "strong")]]
    for command in commands:
        if command.group == group:
            lines.append([("  " + pad(command.shown_keys, KEY_CELLS), "accent"), (command.help, "")])
    return lines


def _glyphs() -> list[Line]:
    items = "  ".join(f"{glyph} {word}" for glyph, word in STATUS.values())
    batches = [f"{glyph} {word}" for glyph, word in BATCH.values()]
    return [
        [("Signs", "strong")],
        [("  " + pad("items", KEY_CELLS), "soft"), (items, "")],
        [("  " + pad("batches", KEY_CELLS), "soft"), ("  ".join(batches[:4]), "")],
        [("  " + pad("", KEY_CELLS), "soft"), ("  ".join(batches[4:]), "")],
        [
            ("  " + pad("bars", KEY_CELLS), "soft"),
            ("━", "accent"),
            (" indexed  ", ""),
            ("━", "success"),
            (" paid for, on its way  ", ""),
            ("━", "error"),
            (" failed  ", ""),
            ("─", "soft"),
            (" left", ""),
        ],
    ]
