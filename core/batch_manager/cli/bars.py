"""Live progress bars on a terminal's stderr, by rich: a line for each batch at work, the total below."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from batch_manager.cli.lines import bar, batch_line, total_line
from batch_manager.events import BatchState, BatchView, RunView
from batch_manager.sources.shown import shown

AT_WORK: frozenset[BatchState] = frozenset({"sending", "backing off", "splitting", "answered"})
LOOKS: dict[BatchState, str] = {"sending": "cyan", "backing off": "yellow", "splitting": "yellow", "answered": "green"}
SHOWN = 12
"""Batches shown at once; a small terminal shows fewer."""


class Bars:
    """Use as a context manager; the last picture stays on the screen."""

    def __init__(self, mark: str = "") -> None:
        """Draw to stderr; `mark` stands before the total. (NO_COLOR is rich's business.)"""
        self._mark = mark
        self._console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def show(self, view: RunView) -> None:
        """Draw the run as it stands."""
        room = max(1, min(SHOWN, self._console.size.height - 4))
        at_work = [one for one in view.batches if one.state in AT_WORK] if view.active else []
        lines = [self._batch(one) for one in at_work[:room]]
        if len(at_work) > room:
            lines.append(Text(f"… {len(at_work) - room} more batches at work", style="dim"))
        done = view.indexed + view.failed
        lines.append(Text(f"{self._mark}{bar(done, view.items)} {total_line(view)}", style="bold"))
        self._live.update(Group(*lines), refresh=True)

    def tell(self, line: str) -> None:
        """A line above the bars, which stays."""
        self._console.print(Text(shown(line, 2_000)))

    def batch(self, batch: BatchView) -> None:
        """Nothing to add: a batch that is over has left the picture, and the total has it."""

    def _batch(self, batch: BatchView) -> Text:
        done = batch.answered + batch.failed
        text = f"{bar(done, batch.items, 10)} {shown(batch_line(batch))}"
        return Text(text, style=LOOKS.get(batch.state, ""), no_wrap=True, overflow="ellipsis")

    def __enter__(self) -> Bars:
        self._live.__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        self._live.__exit__(*details)
