"""The check: store and index compared beside the app's thread, what is left to be done, and repair for $0."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual.app import ComposeResult

from batch_manager.engine.check import Checked, check
from batch_manager.errors import BatchManagerError
from batch_manager.sources.watch import Watch
from batch_manager_tui.display import shown, wrap
from batch_manager_tui.places import bindings_of
from batch_manager_tui.screens.base import PlaceScreen
from batch_manager_tui.widgets.check_lines import check_lines, check_words
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.strips import Line, Lines
from batch_manager_tui.workers import begin

LOOK = 0.2
"""Seconds between two looks at how far it is."""


class CheckScreen(PlaceScreen):
    """One page: what it is at, then what it found."""

    PLACE = "check"
    PANES = ("#check-page",)
    BINDINGS: ClassVar = bindings_of(PLACE)

    def __init__(self) -> None:
        super().__init__()
        self.checked: Checked | None = None
        self._error: BatchManagerError | None = None
        self._watch: Watch | None = None
        self._repairing = self._repaired = False
        self._at = ""

    def body(self) -> ComposeResult:
        """One page of lines."""
        page = Lines(id="check-page", classes="pane")
        page.border_title = "Store and index"
        yield page

    def footer(self) -> Keys:
        """What does something now."""
        if self._watch is not None:
            return [*([] if self._repairing else [self.entry("check.stop")]), *self.ways_out()]
        untrue = self.checked is not None and self.checked.report.untrue and not self._repaired
        repair = [self.entry("check.repair")] if untrue else []
        return [*repair, self.entry("check.look"), *self.ways_out()]

    def on_mount(self) -> None:
        """Begin."""
        super().on_mount()
        self.query_one("#check-page", Lines).show_made(self._lines)
        self.set_interval(LOOK, self._look)
        self._begin(repair=False)

    def action_look(self) -> None:
        """Anew."""
        if self._watch is not None:
            self.say("It is being compared already.", "warning")
        elif self.may_change():
            self._begin(repair=False)

    def action_repair(self) -> None:
        """Mend what costs nothing."""
        if self._watch is not None:
            self.say("It is being compared still.", "warning")
        elif self.checked is None or not self.checked.report.untrue:
            self.say(f"{self.key('check.repair')} repair: there is nothing to repair.", "warning")
        elif self.may_change():
            self._begin(repair=True)

    def action_stop(self) -> None:
        """Compare no further; a repair ends by itself, since half of one would leave more to repair."""
        if self._watch is None or self._repairing:
            self.say(f"{self.key('check.stop')} stop: there is nothing to stop.", "warning")
        else:
            self._watch.stop()

    def on_unmount(self) -> None:
        """Nobody waits for it any more; a repair goes on to its end."""
        if self._watch is not None and not self._repairing:
            self._watch.stop()

    def _begin(self, *, repair: bool) -> None:
        self._watch, self._repairing = Watch(self._heard), repair
        self._at = "mending…" if repair else "comparing store and index…"
        self._error = None
        self._show()
        # The app's own work and not this screen's: what is being repaired goes on when the screen is left.
        begin(self.batch_app, partial(self._work, self._watch, repair), group="check")

    def _heard(self, words: str) -> None:
        # From the engine's thread, which must not wait for the screen: it is looked at now and then instead.
        self._at = words

    def _look(self) -> None:
        if self._watch is not None:
            self._show()

    async def _work(self, watch: Watch, repair: bool) -> None:
        app, workspace = self.batch_app, self.batch_app.workspace
        again = "Compared again: " if self.checked is not None and not repair else ""
        try:
            waiting = await app.back.do(workspace.half_price.waiting)
            work = workspace.alone(check) if repair else check
            self.checked = await app.back.do(work, workspace.engine, waiting, repair=repair, watch=watch)
            self._error, self._repaired = None, repair
        except BatchManagerError as error:
            self._error = error
        self._watch, self._repairing = None, False
        if repair:
            app.main.reload()
        words = "" if self.checked is None else check_words(self.checked, repaired=self._repaired)
        words = words if self._error is None else str(self._error)
        if self.is_attached:
            self._show()
        if self.is_attached or repair:
            app.say(shown(again + words), "info" if self._error is None else "warning")

    def _lines(self, width: int) -> list[Line]:
        if self._watch is not None:
            lines: list[Line] = [[(line, "accent")] for line in wrap(self._at, width)]
            stop = [] if self._repairing else [[(self.key("check.stop"), "accent"), ("  stops", "")]]
            return [*lines, [], *stop]
        if self._error is not None:
            lines = [[(line, "warning")] for line in wrap(self._error.message, width)]
            return lines + [[(line, "")] for line in wrap(self._error.next_step, width)]
        return (
            []
            if self.checked is None
            else check_lines(self.checked, self.batch_app.keys.first, width, repaired=self._repaired)
        )

    def _show(self) -> None:
        if not self.is_attached or not self.query("#check-page"):
            return
        self.query_one("#check-page", Lines).show_made(self._lines)
        self.query_one(KeyLine).show_keys(self.footer())
