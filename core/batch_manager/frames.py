"""Frames through a pipe, between the program and the processes beside it: Chroma's and the local model's.

A frame is a prefix (two big-endian numbers), a header in JSON and a blob of raw bytes. Vectors travel in the
blob as float32, little endian, one after another: as JSON they would be five times as large and no longer exact.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Mapping
from typing import IO, Any, BinaryIO

PREFIX = struct.Struct("!IQ")
"""Bytes of the header, bytes of the blob."""

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


def read_frame(stream: IO[bytes]) -> Frame | None:
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
