"""Deeds: what each command of the table does on the main screen. One method a command, named like it."""

from __future__ import annotations

from functools import partial

from batch_manager.quote import Scope
from batch_manager_tui.screens.bringing import Bringing
from batch_manager_tui.screens.choosing import Choosing
from batch_manager_tui.screens.looking import Looking
from batch_manager_tui.spending import ask_and_start
from batch_manager_tui.workers import begin


class Deeds(Choosing, Bringing, Looking):
    """The commands' doings: what spends, what a run is told, and the app. Whether one may be done is the table's."""

    def start(self) -> None:
        """Price what is chosen, and ask."""
        selection = self._screen.desk.selection
        self._screen.readings.once_listed(
            lambda: self._ask(selection.pending_scope(), "Index what is pending", self._hidden())
        )

    def retry(self) -> None:
        """Price what failed, and ask."""
        selection = self._screen.desk.selection
        self._screen.readings.once_listed(
            lambda: self._ask(selection.failed_scope(), "Retry what failed", self._aside())
        )

    def rebuild(self) -> None:
        """Price everything, and ask."""
        self._ask(Scope("all"), "Index every item again")

    def _hidden(self) -> str:
        selection = self._screen.desk.selection
        hidden = selection.hidden
        return f"{hidden:,} of the {len(selection.marks):,} marked are hidden by the filter" if hidden else ""

    def _aside(self) -> str:
        desk, words = self._screen.desk, [self._hidden()]
        if desk.retryable != desk.counts.total("failed"):
            words.append(f"what retrying won't cure is left out: {self._app.keys.key('failures')} says why")
        return "; ".join(word for word in words if word)

    def _ask(self, scope: Scope, title: str, aside: str = "") -> None:
        begin(self._screen, partial(ask_and_start, self._app, scope, title, aside), exclusive=True, group="spend")

    # During a run

    def pause(self) -> None:
        """Pause, or go on."""
        engine = self._app.workspace.engine
        if engine.view().state == "paused":
            engine.resume()
        else:
            engine.pause()

    def cancel(self) -> None:
        """End in good order."""
        self._app.workspace.engine.cancel()
        self._screen.say("Stopping: answers on their way are kept.")

    # The app

    def theme(self) -> None:
        """The next one."""
        self._app.next_theme()

    def bell(self) -> None:
        """Ring at the end, or no longer."""
        self._app.bell_at_end = not self._app.bell_at_end
        words = "A bell rings at the end of a run." if self._app.bell_at_end else "No bell at the end of a run."
        self._screen.say(words)
        self._app.memory.keep_soon()

    def suspend(self) -> None:
        """Back to the shell."""
        self._app.to_the_shell()

    def quit(self) -> None:
        """Quit; the app asks during a run."""
        begin(self._screen, self._app.action_quit, exclusive=True, group="quit")
