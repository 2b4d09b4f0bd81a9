"""The stand-in: a small process that the shell knows as the job, so that ctrl-z stops it and not a run.

A stopped process answers nobody: requests in flight would time out, and what they cost might be paid twice. So the app
lives in a child of what the shell started. Ctrl-z stops the parent alone: the shell has its prompt again, the run goes
on, and `fg` makes the parent go on, which the child sees by being in the foreground again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import Any

GIVE_BACK = "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[<u\x1b[?1049l\x1b[?25h\x1b[0m"
"""What a killed app can't write any more: no mouse, focus and pastes, the keyboard, the shell's screen, the cursor."""

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
    terminal = _terminal()
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
    if code >= 0:
        return code
    _give_back(terminal)
    name = signal.Signals(-code).name
    print(f"error: The app's process was killed ({name}); what was paid for is kept. Start it again.", file=sys.stderr)
    return 128 - code


def _terminal() -> list[Any] | None:
    """How the terminal is set now, before the app sets it."""
    import termios

    try:
        return termios.tcgetattr(sys.stdin.fileno())
    except (termios.error, OSError, ValueError):
        return None


def _give_back(terminal: list[Any] | None) -> None:
    """Set the terminal as it was, since whoever was killed could not."""
    import termios

    with contextlib.suppress(termios.error, OSError, ValueError):
        if terminal is not None:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, terminal)
        sys.stdout.write(GIVE_BACK)
        sys.stdout.flush()
