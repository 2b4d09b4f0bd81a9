"""Away: the terminal is the shell's for a while, and the run goes on (`batch_manager.cli.stand_in`)."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batch_manager_tui.app import BatchManagerApp

LOOK = 0.2
"""Seconds between two looks at who has the terminal."""


GONE_LOOK = 2.0
"""Seconds between two looks at whether there still is a terminal."""


class Away:
    """Leaves the terminal, sees when it is ours again, and draws anew; ends the app where it is gone for good.

    Right after going, the terminal is still ours until the shell takes it; coming back then would stop the run at the
    next key. So it must have been somebody else's first.

    Attributes:
        gone: The terminal is the shell's.
    """

    def __init__(self, app: BatchManagerApp, stand_in: int | None) -> None:
        self._app = app
        self._stand_in = stand_in
        self._undrawn = contextlib.ExitStack()
        self.gone = False
        self._given_up = False

    @property
    def can_go(self) -> bool:
        """There is a process to stop in our place."""
        return self._stand_in is not None

    def watch(self) -> None:
        """Look from now on."""
        if _there_is_one():
            self._app.set_interval(GONE_LOOK, self._look_for_terminal)
        if self.can_go:
            signal.signal(signal.SIGCONT, lambda *_: self._told_to_go_on())
            self._app.set_interval(LOOK, self._look)

    def go(self) -> None:
        """Give the terminal to the shell."""
        driver = self._app.driver
        if self.gone or driver is None or self._stand_in is None:
            return
        self._undrawn.enter_context(self._app.batch_update())  # nothing may be drawn on what is the shell's
        driver.suspend_application_mode()
        self.gone, self._given_up = True, False
        os.kill(self._stand_in, signal.SIGSTOP)

    def _look_for_terminal(self) -> None:
        # Mostly a signal says so. Where none comes, such as in a session without a controlling terminal, reading what
        # is gone would keep a core busy for ever.
        if not _there_is_one():
            self._app.told_to_end("Stopped since the terminal is gone")

    def _look(self) -> None:
        if os.getppid() != self._stand_in:
            self._app.told_to_end("Stopped since its process was killed")  # whoever killed the stand-in meant the app
        elif self.gone and not _in_front():
            self._given_up = True
        elif self.gone and self._given_up:
            self._come_back()

    def _told_to_go_on(self) -> None:
        # By `fg` or `bg`: the shell had the terminal, even when that was too short to be seen.
        self._given_up = True

    def _come_back(self) -> None:
        driver = self._app.driver
        assert driver is not None, "it was there to go"
        driver.resume_application_mode()
        self.gone = False
        self._undrawn.close()
        self._app.refresh(layout=True)


def _there_is_one() -> bool:
    """Keys come from a terminal."""
    return sys.__stdin__ is not None and not sys.__stdin__.closed and sys.__stdin__.isatty()


def _in_front() -> bool:
    """The terminal is our group's."""
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno()) == os.getpgrp() if sys.__stdin__ is not None else False
    except OSError:
        return False  # the terminal is gone; a signal says so as well
