"""The pipe between the program and Chroma's process: frames, and the child's end of it.

A frame is a prefix (two big-endian numbers), a header in JSON and a blob of raw bytes. Vectors travel in the
blob as float32, little endian, one after another: as JSON they would be five times as large and no longer exact.
"""

from __future__ import annotations

import json
import os
import queue
import struct
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, BinaryIO

PREFIX = struct.Struct("!IQ")
"""Bytes of the header, bytes of the blob."""

PATIENCE = 120.0
"""Seconds that a write may still take once the parent has gone."""

Frame = tuple[dict[str, Any], bytes]


def begin(header: Mapping[str, Any], size: int) -> bytes:
    """A frame up to its blob of that size. The header may hold any text, lone surrogates too: JSON escapes them."""
    body = json.dumps(header, separators=(",", ":")).encode("ascii")
    return PREFIX.pack(len(body), size) + body


def pack(header: Mapping[str, Any], blob: bytes = b"") -> bytes:
    """One frame."""
    return begin(header, len(blob)) + blob


def unpack_header(body: bytes) -> dict[str, Any]:
    """The header of a frame from its bytes."""
    header: dict[str, Any] = json.loads(body)
    return header


def read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame of a blocking stream; None at its end, which may come in mid-frame."""
    prefix = stream.read(PREFIX.size)
    if len(prefix) < PREFIX.size:
        return None
    header_size, blob_size = PREFIX.unpack(prefix)
    body, blob = stream.read(header_size), stream.read(blob_size)
    if len(body) < header_size or len(blob) < blob_size:
        return None
    return unpack_header(body), blob


def take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for frames alone: whatever else prints from now on, native code too, goes to stderr."""
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return source, sink


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
