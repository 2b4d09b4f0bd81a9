"""The base of what commands do: the main screen that they work on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batch_manager_tui.app import BatchManagerApp
    from batch_manager_tui.screens.main import MainScreen


class Doer:
    """Knows the main screen and the app."""

    def __init__(self, screen: MainScreen) -> None:
        self._screen = screen

    @property
    def _app(self) -> BatchManagerApp:
        return self._screen.batch_app
