"""The settings in force: problems first, then each with its origin, and where it is changed. Changes nothing."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container, Vertical

from batch_manager.errors import BatchManagerError
from batch_manager.in_force import InForce, in_force
from batch_manager_tui.display import shown
from batch_manager_tui.places import bindings_of
from batch_manager_tui.screens.base import PlaceScreen
from batch_manager_tui.widgets.pick_list import PickList
from batch_manager_tui.widgets.setting_lines import problem_lines, setting_heads, setting_line, setting_words
from batch_manager_tui.widgets.strips import Line, Lines
from batch_manager_tui.workers import begin

MOST_PROBLEMS = 9
"""Rows that problems may take; more of them are scrolled to."""


class SettingsScreen(PlaceScreen):
    """Problems, settings, and all about one."""

    PLACE = "settings"
    PANES = ("#setting-list", "#setting", "#problems")
    BINDINGS: ClassVar = bindings_of(PLACE)

    def __init__(self) -> None:
        super().__init__()
        self.settings: tuple[InForce, ...] = ()
        self.problems: list[BatchManagerError] = []

    def body(self) -> ComposeResult:
        """Problems over the settings and one of them."""
        problems = Lines(id="problems", classes="pane")
        problems.border_title = "Before a run"
        yield problems
        with Container(id="settings"):
            with Vertical(id="settings-pane", classes="pane") as pane:
                pane.border_title = "Settings in force"
                yield Lines(id="setting-heads")
                yield PickList(id="setting-list", classes=None)
            words = Lines(id="setting", classes="pane")
            words.border_title = "This setting"
            yield words

    def on_mount(self) -> None:
        """Read what is in force."""
        super().on_mount()
        workspace = self.batch_app.workspace
        self.settings = in_force(workspace.settings)
        self.query_one("#setting-heads", Lines).can_focus = False
        settings = self.query_one("#setting-list", PickList)
        settings.show(len(self.settings), lambda index, width: setting_line(self.settings[index], width))
        chosen = sum(one.chosen for one in self.settings)
        self.query_one("#settings-pane").border_subtitle = f"{chosen:,} of {len(self.settings):,} are not the default"
        begin(self, self._read_problems, exclusive=True, group="list")

    def placed(self) -> None:
        """Words follow the width."""
        self._show()

    def on_pick_list_moved(self, message: PickList.Moved) -> None:
        """Another setting."""
        self._show()

    async def _read_problems(self) -> None:
        app = self.batch_app
        try:
            self.problems = await app.back.read(app.workspace.engine.problems)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        self._show()

    def _show(self) -> None:
        if not self.query("#setting"):
            return
        problems, words = self.query_one("#problems", Lines), self.query_one("#setting", Lines)
        busy = self.batch_app.workspace.busy
        lines: list[Line] = problem_lines(self.problems, str(busy) if busy else "", max(20, problems.line_width - 1))
        problems.styles.height = min(len(lines), MOST_PROBLEMS if self.app.size.height >= 30 else 4) + 2
        problems.show_lines(lines)
        heads = self.query_one("#setting-heads", Lines)
        heads.show_lines([setting_heads(max(20, heads.line_width))])
        at = self.query_one("#setting-list", PickList).cursor
        about = setting_words(self.settings[at], max(20, words.line_width - 1))
        words.show_lines(about if self.app.size.height >= 30 else [line for line in about if line])
