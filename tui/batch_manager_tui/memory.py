"""The app's memory: filter, order, theme and bell of one home, from one start to the next."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from batch_manager_tui.remembered import Remembered, read, write
from batch_manager_tui.workers import begin

if TYPE_CHECKING:
    from pathlib import Path

    from batch_manager_tui.app import BatchManagerApp

log = logging.getLogger("batch_manager.app")


class Memory:
    """What was kept, and what is to be kept when it has changed."""

    def __init__(self, app: BatchManagerApp) -> None:
        self._app = app
        self._kept = Remembered()

    def recall(self, home: Path) -> Remembered:
        """The app as it was left in this home."""
        self._kept = read(home)
        return self._kept

    def keep_soon(self) -> None:
        """Keep what has changed, in a thread beside."""
        if self._now() != self._kept:
            begin(self._app, partial(self._app.back.do, self.keep), group="remember")

    def keep(self) -> None:
        """Keep what has changed; nothing where the home is another's to write."""
        now, opened = self._now(), self._app.opened
        if opened is None or opened.busy is not None or now == self._kept:
            return
        self._kept = now
        try:
            write(opened.settings.home, now)
        except OSError as error:  # it is a comfort, and nobody waits for it
            log.warning("the filter and the order can't be remembered: %s", error)

    def _now(self) -> Remembered:
        app = self._app
        theme = self._kept.theme if app.no_color else app.theme
        return Remembered(app.main.desk.selection.wanted, theme, app.bell_at_end)
