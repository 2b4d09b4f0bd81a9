"""What Chroma's process is asked: requests as they come through the pipe, and the end of whoever asks."""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import BinaryIO

from batch_manager.frames import Frame, read_frame

PATIENCE = 120.0
"""Seconds that a write may still take once the parent has gone."""


class Inbox:
    """Requests, read by a thread of their own, so that the parent's end is seen in mid-call too.

    When the pipe closes, requests that were not begun are dropped. A write that is under way is finished
    first (`PATIENCE` bounds it), since stopping Chroma in the middle of one can damage its folder; anything else ends
    at once.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        # SimpleQueue: its put may be called by a signal handler that interrupts a get.
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._ended = False
        self._writing = False
        self._busy = False
        threading.Thread(target=self._read, daemon=True, name="inbox").start()

    def next(self) -> Frame | None:
        """The next request, or None when there will be none; waits."""
        self._busy = self._writing = False
        frame = None if self._ended else self._frames.get()
        if frame is None or self._ended:
            return None
        self._writing = frame[0].get("op") in ("write", "delete", "reset", "open")
        self._busy = True
        return frame

    def end(self) -> None:
        """Take no further request; may be called by a signal handler."""
        self._ended = True
        self._frames.put(None)

    def _read(self) -> None:
        try:
            while (frame := read_frame(self._source)) is not None:
                self._frames.put(frame)
        finally:
            self.end()
            if self._busy and not self._writing:
                os._exit(0)
            # The main thread ends the process as soon as it comes back from its call; this is for one that doesn't.
            time.sleep(PATIENCE)
            os._exit(1)
