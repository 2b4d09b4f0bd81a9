"""The stand-in: a small process that the shell knows as the job, so that ctrl-z stops it and not a run.

A stopped process answers nobody: requests in flight would time out, and what they cost might be paid twice. So the app
lives in a child of what the shell started. Ctrl-z stops the parent alone: the shell has its prompt again, the run goes
on, and `fg` makes the parent go on, which the child sees by being in the foreground again.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

FORWARDED = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


def can_split() -> bool:
    """There is job control, and something to fork with."""
    return hasattr(os, "fork") and hasattr(signal, "SIGTSTP") and sys.stdin is not None and sys.stdin.isatty()


def split() -> int | None:
    """Go on in a child; must come before any thread.

    Returns:
        In the child None; in the parent the exit code, once the child has ended.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        return None

    def hand_on(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    for name in FORWARDED:
        signal.signal(getattr(signal, name), hand_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the whole group gets it, and the child decides
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
