"""Theirs: what others do at a store that is shared: the runs of workers, and items that somebody else brought in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from batch_manager.errors import BatchManagerError
from batch_manager_tui.display import shown
from batch_manager_tui.workers import begin

if TYPE_CHECKING:
    from batch_manager.workspace import Workspace
    from batch_manager_tui.app import BatchManagerApp

LOOK = 3.0
"""Seconds between two looks, where somebody else may start a run or bring items in."""


class Theirs:
    """Looks at what others do, where there are others."""

    def __init__(self, app: BatchManagerApp) -> None:
        self._app = app
        self._said = ""
        self._looking = False

    def attend(self, workspace: Workspace) -> None:
        """Look from now on, as long as the app has this workspace."""
        if workspace.settings.store_server is None:
            return
        begin(self._app, partial(self._watch, workspace), group="theirs")
        if workspace.busy is not None or workspace.engine.shares:
            self._app.set_interval(LOOK, lambda: self._look(workspace))

    def _look(self, workspace: Workspace) -> None:
        app = self._app
        # Not behind a question: a run that came up there would be in the way of its yes.
        here = app.opened is workspace and app.screen is app.main
        if here and not app.main.desk.occupied and not self._looking:
            self._looking = True
            begin(app, partial(self._take_in, workspace), group="theirs")

    async def _take_in(self, workspace: Workspace) -> None:
        try:
            await self._take_in_now(workspace)
        finally:
            self._looking = False

    async def _take_in_now(self, workspace: Workspace) -> None:
        app = self._app
        if not await self._watch(workspace):
            return
        try:
            await app.back.do(workspace.lend_again)
            counts = await app.back.read(workspace.store.items.counts)
        except BatchManagerError as error:
            self._complain(error)
            return
        if app.opened is workspace and not app.main.desk.occupied and counts != app.main.desk.counts:
            app.main.reload()

    async def _watch(self, workspace: Workspace) -> bool:
        """Show what workers have under way, whoever said yes to it; False when the store can't be asked."""
        app = self._app
        try:
            if await app.back.do(workspace.engine.watch):
                app.say("Workers have a run under way; pausing it pauses all of them.")
        except BatchManagerError as error:
            self._complain(error)
            return False
        self._said = ""
        return True

    def _complain(self, error: BatchManagerError) -> None:
        """Say it once, and not every three seconds."""
        if str(error) != self._said:
            self._said = str(error)
            self._app.say(shown(str(error)), "error")
