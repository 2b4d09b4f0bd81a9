"""Being told to end: Ctrl-C, `kill`, a terminal that closes."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import IO, Any

INTERRUPTED = 130

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

PATIENCE = 15.0
"""Seconds for a run to end in good order: its own grace for requests in flight, then the last write to Chroma."""


class EndRequested(KeyboardInterrupt):
    """SIGTERM or SIGHUP came; unlike Ctrl-C it is no answer to a question."""


def ended_by(number: int) -> str:
    """Who ended a run with such a signal, in words that begin a sentence: Ctrl-C is a person's, others needn't be."""
    name = signal.Signals(number).name
    return {
        "SIGINT": "Stopped by you",
        "SIGHUP": "Stopped since the terminal was closed (SIGHUP)",
    }.get(name, f"Stopped by another program ({name})")


@contextlib.contextmanager
def end_on_signals() -> Iterator[None]:
    """Outside a run: SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that locks and children are let go."""

    def end(number: int, _: FrameType | None) -> None:
        raise EndRequested(signal.Signals(number).name)

    with _handled(tuple(one for one in SIGNALS if one != signal.SIGINT), end):
        yield


class Stop:
    """During a run: the first signal asks for an end in good order, the second ends at once.

    Use as a context manager around the run; `who` has the words of `ended_by` once one has come. Ending at once is safe
    since every answer is on the disk before anything else happens to it.
    """

    def __init__(self, cancel: Callable[[str], None]) -> None:
        """Nothing is installed before the context is entered.

        Args:
            cancel: Asks the run to end, and is told who ended it (`ended_by`); returns at once.
        """
        self._cancel = cancel
        self._asked_at: float | None = None
        self._unsaid = ""
        self.who = ""
        self._context: Any = None

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self._asked_at is not None

    def check(self, tell: Callable[[str], None]) -> None:
        """Tell of a signal, and end the process when the run doesn't end in time; called while it is waited for.

        A handler can't tell: it may have come in the middle of a write to the same stream.
        """
        if self._unsaid:
            tell(self._unsaid)
            self._unsaid = ""
        if self._asked_at is not None and time.monotonic() - self._asked_at > PATIENCE:
            os._exit(INTERRUPTED)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.asked:
            os._exit(INTERRUPTED)
        self._asked_at = time.monotonic()
        self._unsaid = (
            f"Stopping ({signal.Signals(number).name}): what is in flight is awaited and kept. Again ends at once."
        )
        self.who = ended_by(number)
        self._cancel(self.who)

    def __enter__(self) -> Stop:
        self._context = _handled(SIGNALS, self._handle)
        self._context.__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        self._context.__exit__(*details)


def wait_for_input(terminal: IO[str]) -> None:
    """Wait until there is a line to read on a terminal, or a signal raises what it raises.

    A signal that comes in the moment between the last look at signals and the wait itself doesn't interrupt a plain
    read: its handler would run at the next key only. So signals wake the wait by a pipe. Only in the main thread.
    """
    if os.name == "nt":  # no waiting for two things there
        return
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        lines = terminal.fileno()
        while lines not in select.select([lines, woken], [], [])[0]:
            os.read(woken, 64)
    finally:
        signal.set_wakeup_fd(before)
        os.close(wake)
        os.close(woken)


@contextlib.contextmanager
def _handled(numbers: tuple[Any, ...], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before: dict[Any, Any] = {}
    try:
        for number in numbers:
            # What the parent told us to ignore (nohup does) stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former if former is not None else signal.SIG_DFL)
