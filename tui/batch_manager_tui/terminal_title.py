"""The terminal's title during a run: the percent, so that it is seen from another window; restored at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from batch_manager_tui.display import clip, shown

if TYPE_CHECKING:
    from batch_manager.events import RunView

KEEP = "\x1b[22;2t"
GIVE_BACK = "\x1b[23;2t"
"""xterm's stack of titles (ctlseqs: XTWINOPS); terminals without it ignore both."""

NAME = "batch manager"

LONGEST = 60


def title_sequence(title: str) -> str:
    """OSC 2 with a harmless title. Pure."""
    return f"\x1b]2;{clip(shown(title), LONGEST)}\x07"


def title_of(view: RunView) -> str:
    """`42% · batch manager`; with a word when the run waits for somebody. Pure."""
    percent = 100 if not view.items else (view.indexed + view.failed) * 100 // view.items
    waits = f" {view.state}" if view.state in ("paused", "stopping") else ""
    return f"{percent}%{waits} · {NAME}"


class TerminalTitle:
    """Sets the title while a run is under way."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """Writes to the terminal with `write`."""
        self._write = write
        self._title = ""

    def show(self, view: RunView) -> None:
        """Follow the run; writes only when the title is another one."""
        if not view.active:
            self.restore()
            return
        title = title_of(view)
        if title != self._title:
            self._write((KEEP if not self._title else "") + title_sequence(title))
            self._title = title

    def restore(self) -> None:
        """Give the title back that was there before; where that can't be, at least no percent stays."""
        if self._title:
            self._title = ""
            self._write(title_sequence(NAME) + GIVE_BACK)
