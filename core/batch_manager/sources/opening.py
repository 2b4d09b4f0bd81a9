"""Bytes of a file or of stdin, in order and unpacked, with one kind of error for all that can go wrong."""

from __future__ import annotations

import codecs
import contextlib
import io
import sys
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NoReturn

from batch_manager.errors import InputError
from batch_manager.sources import Brings
from batch_manager.sources.shown import expanded, reason_of, shown

CHUNK = 64 * 1024
"""Bytes read at once; the first of them decide what the file is."""

GZIP = b"\x1f\x8b\x08"
"""How gzip begins (RFC 1952: the magic number, then deflate, the only method there is)."""

TO_UTF8 = "Convert it first: iconv -f {} -t UTF-8 OLD > NEW."


class Bytes:
    """What a path names, or stdin when it is the text `-`."""

    def __init__(self, path: str | Path) -> None:
        # Only the text means stdin: Path("./-") is a file of that name.
        self.path = None if path == "-" else expanded(path)

    @property
    def title(self) -> str:
        """The path, with control characters escaped."""
        return "standard input" if self.path is None else shown(str(self.path))

    @contextlib.contextmanager
    def chunks(self) -> Iterator[Iterator[bytes]]:
        """The content in chunks: the first has `CHUNK` bytes unless it is all, and no byte order mark.

        Gzip is seen by its first bytes and unpacked as it is read, so memory doesn't grow with the file.

        Raises:
            InputError: `no_such_file`, `is_directory`, `unreadable_file`, or `truncated_file` and `damaged_file`
                for a packed one. The chunks raise it too.
        """
        with self._opened() as stream:
            yield _without_mark(self._unpacked(self._raw(stream)))

    @contextlib.contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if self.path is None:
            if sys.stdin is None:
                raise InputError("There is no standard input.", next_step="Give a file.", code="unreadable_file")
            yield sys.stdin.buffer
            return
        try:
            if self.path.is_dir():
                raise IsADirectoryError
            # Unbuffered: chunks are read whole, and a pipe's bytes are handed on as they come.
            stream = self.path.open("rb", buffering=0)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            self._refuse(error)
        with stream:
            yield stream

    def _raw(self, stream: BinaryIO) -> Iterator[bytes]:
        try:
            while chunk := _some(stream, CHUNK):
                yield chunk
        except OSError as error:
            self._refuse(error)

    def _unpacked(self, raw: Iterator[bytes]) -> Iterator[bytes]:
        head = _first(raw, len(GZIP))
        if not head.startswith(GZIP):
            yield head
            yield from raw
            return
        packed = head
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            while packed:
                if unpacker.eof:
                    if not packed.strip(b"\0"):
                        packed = next(raw, b"")  # padding, as tapes and some tools leave it
                        continue
                    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)  # another member, as `cat a.gz b.gz` makes
                yield unpacker.decompress(packed, CHUNK)
                packed = unpacker.unconsumed_tail or unpacker.unused_data or next(raw, b"")
            while rest := unpacker.decompress(b"", CHUNK):
                yield rest
        except zlib.error as error:
            raise InputError(
                f"{self.title} is damaged: {shown(str(error))}.",
                next_step="Try gzip -t on it; get it again from where it came.",
                code="damaged_file",
            ) from None
        if not unpacker.eof:
            raise InputError(
                f"{self.title} ends in the middle: the packed data is cut off.",
                next_step="Get it again from where it came; nothing of it was taken in.",
                code="truncated_file",
            )

    def _refuse(self, error: OSError | ValueError) -> NoReturn:
        if isinstance(error, IsADirectoryError):
            raise InputError(
                f"{self.title} is a directory.", next_step="Name a file in it.", code="is_directory"
            ) from None
        if isinstance(error, FileNotFoundError):
            raise InputError(
                f"There is no file {self.title}.", next_step="Check the path.", code="no_such_file"
            ) from None
        raise InputError(
            f"{self.title} can't be read: {reason_of(error)}.",
            next_step="Check the path and who may read it.",
            code="unreadable_file",
        ) from None


class WordsFile:
    """What every source over a file of words has in common; how it is read is each one's own.

    Args:
        path: The file, or the text `-` for stdin. Nothing is opened before it is read.
    """

    def __init__(self, path: str | Path) -> None:
        self._bytes = Bytes(path)

    @property
    def brings(self) -> Brings:
        """Always words."""
        return "words"

    @property
    def title(self) -> str:
        """The path, with control characters escaped."""
        return self._bytes.title

    @property
    def key(self) -> str:
        """The same: words go by the names in the file, wherever it lies."""
        return self.title

    @property
    def label(self) -> str:
        """The file's name without its ending."""
        return "stdin" if self._bytes.path is None else shown(self._bytes.path.stem)

    def covers(self, schema: str) -> bool:
        """Not by itself: a file of single documents may be a part of them."""
        return False


def decoded(chunks: Iterator[bytes], title: str) -> Iterator[str]:
    """The chunks as text.

    Raises:
        InputError: `not_utf8`, with the line that has the first byte of something else.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    for chunk, is_last in chain(((one, False) for one in chunks), [(b"", True)]):
        try:
            text = decoder.decode(chunk, final=is_last)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].count(b"\n")
            raise InputError(
                f"{title} is not UTF-8: line {line} has the byte 0x{error.object[error.start]:02x}.",
                next_step=TO_UTF8.format("LATIN1") + " (WINDOWS-1252 when it comes from Windows.)",
                code="not_utf8",
            ) from None
        line += text.count("\n")
        yield text


def _without_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    # A pipe may hand over a few bytes at a time, and the first chunk has to say what the file is.
    yield _first(chunks, CHUNK).removeprefix(codecs.BOM_UTF8)
    yield from chunks


def _first(chunks: Iterator[bytes], size: int) -> bytes:
    head = bytearray()
    while len(head) < size and (chunk := next(chunks, None)) is not None:
        head += chunk
    return bytes(head)


def _some(stream: BinaryIO, size: int) -> bytes:
    """What is there now, and only nothing at the end."""
    if isinstance(stream, io.BufferedReader):
        return stream.read1(size)
    return stream.read(size)
