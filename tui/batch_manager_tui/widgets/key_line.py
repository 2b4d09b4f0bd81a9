"""The line at the bottom: the keys that work now; for a moment, a notice, on two lines where it takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from batch_manager_tui.display import cell_len, clip, shown, wrap
from batch_manager_tui.widgets.strips import strip_of

STAYS = 6.0
"""Seconds that a notice stays when no key is pressed."""

BESIDE = 3
"""Cells between a notice and the keys beside it."""

Keys = list[tuple[str, str, str]]
"""(command's id, key, label), in the order of their weight."""


class KeyLine(Widget):
    """Keys and labels, cut at whole entries; a click on one is its key."""

    COMPONENT_CLASSES: ClassVar = {
        "key-line--key",
        "key-line--label",
        "key-line--info",
        "key-line--warning",
        "key-line--error",
    }

    @dataclass
    class Pressed(Message):
        """A key's label was clicked."""

        command: str

    def __init__(self, keys: Keys | None = None) -> None:
        super().__init__()
        self._keys: Keys = keys or []
        self._notice = ""
        self._level = "info"
        self._timer: Timer | None = None
        self._places: list[tuple[int, int, str]] = []

    @property
    def notice(self) -> str:
        """The notice that stands there now; empty when none does."""
        return self._notice

    def show_keys(self, keys: Keys) -> None:
        """Show these keys."""
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    def say(self, message: str, level: str = "info") -> None:
        """Show a notice in place of the keys.

        Args:
            message: A sentence or two, the next step last.
            level: `info`, `warning` or `error`.
        """
        self._notice, self._level = shown(message), level
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(STAYS, self.clear)
        self._fit()

    def clear(self) -> None:
        """Back to the keys."""
        if self._notice:
            self._notice = ""
            self._fit()

    def on_resize(self) -> None:
        """A notice follows the width."""
        self._fit()

    def _fit(self) -> None:
        self.styles.height = len(notice_lines(self._notice, self.size.width - 2)) if self._notice else 1
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The notice, or as many keys as fit."""
        width = self.size.width
        self._places = []
        if self._notice:
            style = self.get_component_rich_style(f"key-line--{self._level}")
            lines = notice_lines(self._notice, width - 2)
            said = " " + lines[y] if y < len(lines) else ""
            if y < len(lines) - 1:
                return strip_of([(said, style)], width, style)
            # What has room beside it can still be clicked.
            used = cell_len(said) + BESIDE
            return strip_of(
                [(said + " " * BESIDE, style), *self._key_pieces(_first_of(self._keys, width - used), used)],
                width,
                style,
            )
        return strip_of(self._key_pieces(_that_fit(self._keys, width), 0), width, self.rich_style)

    def _key_pieces(self, keys: Keys, used: int) -> list[tuple[str, Style]]:
        """These keys, from that cell on; their places are remembered."""
        key_style = self.get_component_rich_style("key-line--key")
        label_style = self.get_component_rich_style("key-line--label")
        pieces: list[tuple[str, Style]] = []
        for command, key, label in keys:
            size = _size(key, label)
            self._places.append((used, used + size, command))
            pieces += [(f" {key}", key_style), (f" {label} ", label_style)]
            used += size
        return pieces

    def on_click(self, event: events.Click) -> None:
        """Find the entry under the pointer; a click on a notice shows the keys again."""
        places, last = self._places, event.y == self.size.height - 1
        self.clear()
        for start, end, command in places if last else ():
            if start <= event.x < end:
                self.post_message(self.Pressed(command))


def notice_lines(notice: str, width: int) -> list[str]:
    """A notice on at most two lines; what is cut stands before its last sentence, which says what to do.

    Args:
        notice: A harmless text.
        width: Cells of a line.
    """
    width = max(8, width)
    lines = wrap(notice, width)
    if len(lines) <= 2:
        return lines
    said, stop, step = notice.rpartition(". ")
    if stop and cell_len(step) <= width:
        return [clip(said + stop.strip(), width), step]
    return [lines[0], clip(" ".join(lines[1:]), width)]


def _size(key: str, label: str) -> int:
    return cell_len(key) + cell_len(label) + 3


def _first_of(keys: Keys, width: int) -> Keys:
    """As many of the first as fit."""
    first: Keys = []
    for entry in keys:
        width -= _size(entry[1], entry[2])
        if width < 0:
            break
        first.append(entry)
    return first


def _that_fit(keys: Keys, width: int) -> Keys:
    """As many as fit; the last two (help and quit) always have their place."""
    kept = keys[-2:]
    left = width - sum(_size(key, label) for _, key, label in kept)
    first: Keys = []
    for entry in keys[:-2]:
        left -= _size(entry[1], entry[2])
        if left < 0:
            break
        first.append(entry)
    return first + kept
