"""Opening: from the curtain to the main screen and its home, and from one home to another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from batch_manager.errors import BatchManagerError
from batch_manager_tui.display import shown
from batch_manager_tui.screens.curtain import Curtain
from batch_manager_tui.workers import begin

if TYPE_CHECKING:
    from batch_manager.workspace import Workspace
    from batch_manager_tui.app import BatchManagerApp
    from batch_manager_tui.screens.main import MainScreen

Opener: TypeAlias = "Callable[[], Workspace]"
"""Opens a workspace; called in a thread beside the app's, since it may take a second."""

FIRST_STYLES = 2
"""Files of styles that the first paint needs; those of the other screens come behind it."""


class Opening:
    """Opens workspaces for the app, and closes those that it opened.

    Attributes:
        opener: What opens the first one; None where the app was given one that is open.
    """

    def __init__(self, app: BatchManagerApp, opener: Opener | None) -> None:
        self._app = app
        self.opener = opener
        self._opened: list[Workspace] = []

    def begin(self) -> None:
        """First the screen, then the home."""
        if self.opener is None:
            self._app.enter(load_screens()())
        else:
            # The screens' and the home's modules are heavy; before the first paint they would take its time.
            self._app.call_after_refresh(lambda: begin(self._app, self._open, group="open"))

    async def open_sample(self) -> None:
        """Put the bundled sample's workspace in the place of the app's."""
        from batch_manager.workspace import Workspace

        app = self._app
        before = app.workspace
        app.say("Opening the sample…")
        try:
            workspace = await app.back.do(lambda: Workspace.open(before.settings, demo=True, look_when_busy=True))
        except BatchManagerError as error:
            app.say(shown(str(error)), "error")
            return
        self._opened.append(workspace)
        app.adopt(workspace)
        await app.back.do(before.close)
        app.say("This is the sample, in a home of its own. Your items are untouched.")

    def close(self) -> None:
        """Close every workspace that was opened here."""
        for workspace in self._opened:
            workspace.close()

    async def _open(self) -> None:
        app, opener = self._app, self.opener
        screen = await app.back.do(load_screens)
        if opener is None or not app.screen_stack:
            return  # somebody has left already
        await self._raise_curtain(screen)
        try:
            workspace = await app.back.do(opener)
        except BatchManagerError as error:
            app.failure = error
            app.exit(return_code=error.exit_code)
            return
        self._opened.append(workspace)
        app.adopt(workspace)

    async def _raise_curtain(self, screen: type[MainScreen]) -> None:
        """The main screen before the curtain; keys that were typed until now are its own."""
        app, curtain = self._app, self._app.screen
        app.stylesheet.read_all([Path(style) for style in app.CSS_PATH[FIRST_STYLES:]])
        app.refresh_css()
        await app.enter(screen())
        if isinstance(curtain, Curtain):
            for key in curtain.typed:
                app.simulate_key(key)


def load_screens() -> type[MainScreen]:
    """The main screen, and with it all that the app draws."""
    from batch_manager_tui.screens.main import MainScreen

    return MainScreen
