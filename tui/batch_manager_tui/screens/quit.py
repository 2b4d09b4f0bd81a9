"""Leaving in the middle of a run: keep running, or pause and quit. Nothing is lost either way."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical

from batch_manager.events import RunView
from batch_manager_tui.display import count
from batch_manager_tui.screens.base import AppModal
from batch_manager_tui.widgets.choices import Choices
from batch_manager_tui.widgets.strips import Line, Lines
from batch_manager_tui.workers import begin

GRACE = 15.0
"""Seconds that the engine's good order is waited for; what is in flight is kept by the engine either way."""


class QuitDuringRun(AppModal[None]):
    """Asks, then waits for the run's good end."""

    BINDINGS: ClassVar = [
        Binding("escape,k,n", "stay", "keep running", show=False),
        Binding("p", "leave", "pause and quit", show=False),
    ]

    def compose(self) -> ComposeResult:
        """What happens then, and the keys."""
        with Vertical(id="question") as box:
            box.border_title = "A run is under way"
            yield Lines(id="words")
            yield Choices([("stay", "esc", "keep running"), ("leave", "p", "pause and quit")])

    def on_mount(self) -> None:
        """Say where the run stands."""
        super().on_mount()
        self._leaving = False
        view = self.batch_app.workspace.engine.view()
        self.query_one("#words", Lines).can_focus = False
        self._say(_standing(view))

    def on_choices_chosen(self, message: Choices.Chosen) -> None:
        """A click on a choice."""
        if message.choice == "stay":
            self.action_stay()
        else:
            self.action_leave()

    def action_stay(self) -> None:
        """Back to the run."""
        if not self._leaving:
            self.dismiss(None)

    def action_leave(self) -> None:
        """Stop in good order, then quit."""
        if self._leaving:
            return
        self._leaving = True
        self._say([[("Stopping: answers on their way are awaited a few seconds, and kept.", "")]])
        begin(self, self._leave, exclusive=True)

    async def _leave(self) -> None:
        engine = self.batch_app.workspace.engine
        engine.cancel()
        await self.batch_app.back.do(engine.wait, GRACE)
        self.batch_app.exit()

    def _say(self, lines: list[Line]) -> None:
        words = self.query_one("#words", Lines)
        words.styles.height = len(lines)
        words.show_lines(lines)


def _standing(view: RunView) -> list[Line]:
    left = max(0, view.items - view.indexed - view.failed)
    return [
        [(f"{view.indexed:,} of {view.items:,} are indexed, {count(left, 'item')} left.", "")],
        [("What is paid for is kept; s goes on next time.", "soft")],
    ]
