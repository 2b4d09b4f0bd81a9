"""A process's standing with the system's scheduler: it may step back for others, and come forward again.

Niceness can be raised by anybody and lowered by hardly anybody. Where Linux puts each session into a group of its own
(sched(7), autogroup), a group's niceness may be set both ways, and Chroma's process has a session to itself. Elsewhere
nothing changes.
"""

from __future__ import annotations

from pathlib import Path

BEHIND = 10
"""Niceness of who steps back: a tenth of the processor where others want all of it, and all that they leave."""


AGAIN = 0.2
"""Seconds until a user may say so again; the system bears it ten times a second."""


def step_back(pid: int, yes: bool) -> bool:
    """Have the process's session step back, or come forward; False when it is too soon after the last time.

    Args:
        pid: A process with a session of its own.
        yes: Back.
    """
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(BEHIND if yes else 0), encoding="ascii")
    except BlockingIOError:
        return False
    except OSError:  # there is no such thing here, or no such process any more
        return True
    return True
