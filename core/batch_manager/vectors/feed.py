"""The way into Chroma's process: a thread of its own writes into the pipe, in order.

The child reads only between two of Chroma's calls, and then it needs the next thousand rows at once. The event loop may
be at something else just then, such as marking the last thousand.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Iterator, Sequence

ROOM = 1024 * 1024
"""Bytes that the pipe holds, where the system lets that be said: fewer turns between both of its ends."""

PIECE = 256 * 1024
"""Bytes a call: joined to that, small pieces don't wake the reader each, and nothing is held twice for long."""


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
                for some in joined(pieces):
                    left = memoryview(some)
                    while left:
                        left = left[os.write(self._pipe, left) :]
                del pieces  # rows are large, and the next may be long in coming
        except OSError:  # the reader has gone, which whoever waits for its answers is told by the other pipe
            self._closed = True
        finally:
            os.close(self._pipe)


def joined(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of about `PIECE`, or more where one is larger. Pure."""
    some: list[bytes] = []
    size = 0
    for piece in pieces:
        some.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield b"".join(some)
            some, size = [], 0
    if some:
        yield b"".join(some)


def widen(pipe: int) -> None:
    """Let a pipe hold more, where the system can; it works without."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, ROOM)
