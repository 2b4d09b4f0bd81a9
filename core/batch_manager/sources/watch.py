"""Watching a reading: what it is at, and a way to end it from another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from batch_manager.errors import DeclinedError


class Watch:
    """Follows one reading of a source.

    Args:
        tell: Called with a few words at each step, such as `columns of 10,000 tables`, from the thread that reads.
    """

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._stopped = False
        self._interrupt: Callable[[], object] | None = None

    @property
    def stopped(self) -> bool:
        """Whether somebody asked for the end."""
        return self._stopped

    def stop(self) -> None:
        """Ask for the end, from any thread; a question that a server is at is interrupted where its driver can."""
        with self._lock:
            self._stopped = True
            if self._interrupt is not None:
                self._interrupt()

    def step(self, words: str) -> None:
        """Say what is done next, unless the end was asked for.

        Raises:
            DeclinedError: It was (code `cancelled`).
        """
        self.check()
        if self._tell is not None:
            self._tell(words)

    def check(self) -> None:
        """Go on, unless the end was asked for.

        Raises:
            DeclinedError: It was (code `cancelled`).
        """
        if self._stopped:
            raise cancelled()

    @contextmanager
    def interrupting(self, interrupt: Callable[[], object] | None) -> Iterator[None]:
        """Meanwhile, a stop calls this as well."""
        with self._lock:
            self._interrupt = interrupt
        try:
            yield
        finally:
            with self._lock:
                self._interrupt = None


def cancelled() -> DeclinedError:
    """The error of a reading that was ended on purpose."""
    return DeclinedError("Stopped before the end; nothing was changed.", code="cancelled")
