"""The way into Chroma's process: a thread of its own writes into the pipe, in order.

The child reads only between two of Chroma's calls, and then it needs the next thousand rows at once. The event loop may
be at something else just then, such as marking the last thousand.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Sequence

ROOM = 1024 * 1024
"""Bytes that the pipe holds, where the system lets that be said: fewer turns between both of its ends."""

AT_ONCE = 1_024
"""Pieces a call, as many as POSIX systems take: a thousand rows leave in two calls, between which alone this thread has
to wait for the interpreter. The reader needs them at once."""


class Feed:
    """The writing end of a pipe. What is put first comes first; nobody waits."""

    def __init__(self, pipe: int) -> None:
        """Take over the end of a pipe, which is closed in the end."""
        self._pipe = pipe
        self._requests: queue.SimpleQueue[Sequence[bytes] | None] = queue.SimpleQueue()
        self._closed = False
        widen(pipe)
        threading.Thread(target=self._run, daemon=True, name="batch-manager-feed").start()

    def put(self, pieces: Sequence[bytes]) -> None:
        """Have these written, one behind the other; once the reader has gone, they go nowhere."""
        if not self._closed:
            self._requests.put(pieces)

    def close(self) -> None:
        """Close the pipe when all is written; safe to call twice."""
        if not self._closed:
            self._closed = True
            self._requests.put(None)

    def _run(self) -> None:
        try:
            while (pieces := self._requests.get()) is not None:
                write_all(self._pipe, pieces)
                del pieces  # rows are large, and the next may be long in coming
        except OSError:  # the reader has gone, which whoever waits for its answers is told by the other pipe
            self._closed = True
        finally:
            os.close(self._pipe)


def write_all(pipe: int, pieces: Sequence[bytes]) -> None:
    """Write these, one behind the other, as they lie; waits for the reader."""
    left, at = [memoryview(piece) for piece in pieces if piece], 0
    while at < len(left):
        written = _write(pipe, left[at : at + AT_ONCE])
        while at < len(left) and written >= len(left[at]):
            written -= len(left[at])
            at += 1
        if written:
            left[at] = left[at][written:]


def _write(pipe: int, pieces: Sequence[memoryview]) -> int:
    if hasattr(os, "writev"):
        return os.writev(pipe, pieces)
    return os.write(pipe, pieces[0])  # Windows has no call for several


def widen(pipe: int) -> None:
    """Let a pipe hold more, where the system can; it works without."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, ROOM)
