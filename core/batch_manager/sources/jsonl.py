"""Files of documentation, one JSON document a line, read as a stream; `export` is the way back."""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from batch_manager.documents import from_payload
from batch_manager.errors import InputError
from batch_manager.sources import Brings, Found, Unreadable
from batch_manager.sources.export import write_jsonl
from batch_manager.sources.shown import expanded, reason_of, shown

__all__ = ["JsonlSource", "write_jsonl"]

MAX_LINE = 64 * 1024 * 1024
"""Longest line that is read, in bytes. Longer ones are skipped as they pass, without being held."""

CHUNK = 64 * 1024
"""Bytes read at once; the first of them decide whether this is text at all."""

ONE_A_LINE = "Write one JSON document a line (JSON Lines), as --export does."

Line = tuple[int, bytes | None]
"""Number from one, and the bytes without the line end; None when it was too long."""

_MEMBER = re.compile(rb'(?:^|[\r\n])[ \t]*\{[ \t]*"[^"\x00-\x1f]{1,60}"[ \t]*:')
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class JsonlSource:
    """Words from a JSON Lines file, or from stdin when the path is the text `-`."""

    def __init__(self, path: str | Path) -> None:
        # Only the text means stdin: Path("./-") is a file of that name.
        self._path = None if path == "-" else expanded(path)

    @property
    def brings(self) -> Brings:
        """Always words."""
        return "words"

    @property
    def title(self) -> str:
        """The path, with control characters escaped."""
        return "standard input" if self._path is None else shown(str(self._path))

    def read(self) -> Iterator[Found | Unreadable]:
        """Yield the lines' documents in order; `where` is `line N`, counted from one, empty lines included.

        Memory is bounded by the longest line that is let through (`MAX_LINE`), not by the file.

        Raises:
            InputError: `no_such_file`, `is_directory`, `unreadable_file`, `empty_file`, `not_documentation`
                (a binary file) or `not_one_a_line` (a JSON array, or JSON over several lines).
        """
        with self._opened() as stream:
            chunks = self._chunks(stream)
            head = next(chunks, b"").removeprefix(codecs.BOM_UTF8)
            if head.startswith(_UTF16) or _is_binary(head):
                raise InputError(
                    f"{self.title} is not UTF-8 text, so it can't be documentation.",
                    next_step="Give a JSON Lines file in UTF-8, unpacked; a database is read with --scan.",
                    code="not_documentation",
                )
            lines = ((number, line) for number, line in split(chain([head], chunks)) if line is None or line.strip())
            first_two = list(islice(lines, 2))
            if not first_two:
                raise InputError(
                    f"{self.title} is empty.", next_step="Give a file with one document a line.", code="empty_file"
                )
            if _goes_over_lines([line for _, line in first_two]):
                raise InputError(
                    f"{self.title} is JSON, but not one document a line.", next_step=ONE_A_LINE, code="not_one_a_line"
                )
            entries = chain(first_two, lines)
            del first_two  # or the first lines, however long, would be held to the end
            for number, line in entries:
                yield read_line(line, f"line {number}")

    @contextlib.contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if self._path is None:
            if sys.stdin is None:
                raise InputError("There is no standard input.", next_step="Give a file.", code="unreadable_file")
            yield sys.stdin.buffer
            return
        try:
            if self._path.is_dir():
                raise IsADirectoryError
            # Unbuffered: chunks are read whole, and a pipe's bytes are handed on as they come.
            stream = self._path.open("rb", buffering=0)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            self._refuse(error)
        with stream:
            yield stream

    def _chunks(self, stream: BinaryIO) -> Iterator[bytes]:
        # A pipe may hand over a few bytes at a time, and the first chunk has to say what the file is.
        head = bytearray()
        try:
            while len(head) < CHUNK and (chunk := _some(stream, CHUNK - len(head))):
                head += chunk
            yield bytes(head)
            while chunk := _some(stream, CHUNK):
                yield chunk
        except OSError as error:
            self._refuse(error)

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


def split(chunks: Iterable[bytes]) -> Iterator[Line]:
    """Cut a stream of bytes into lines at each newline, without holding a line longer than `MAX_LINE`."""
    number = 1
    held = bytearray()
    too_long = False
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            if too_long or len(held) + end - start > MAX_LINE:
                yield number, None
            else:
                held += chunk[start:end]
                yield number, bytes(held)
            held = bytearray()
            too_long = False
            number += 1
            start = end + 1
        too_long = too_long or len(held) + len(chunk) - start > MAX_LINE
        if too_long:
            held = bytearray()
        else:
            held += chunk[start:]
    if too_long:
        yield number, None
    elif held:
        yield number, bytes(held)


def read_line(line: bytes | None, where: str) -> Found | Unreadable:
    """Read the document of one line; None stands for a line that was too long to be held."""
    if line is None:
        return Unreadable(where, f"longer than {MAX_LINE // 2**20} MB")
    try:
        return Found(from_payload(_object(line.decode("utf-8"))), where)
    except UnicodeDecodeError as error:
        return Unreadable(where, f"not UTF-8: byte {error.start + 1} is 0x{line[error.start]:02x}")
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        return Unreadable(where, f"not JSON: {reason} at column {error.colno}")
    except RecursionError:
        return Unreadable(where, "nested too deeply")
    except ValueError as error:
        return Unreadable(where, shown(str(error)))


def _some(stream: BinaryIO, size: int) -> bytes:
    """What is there now, and only nothing at the end."""
    if isinstance(stream, io.BufferedReader):
        return stream.read1(size)
    return stream.read(size)


def _is_binary(head: bytes) -> bool:
    """Whether these first bytes are no text and hold no line that looks like a document.

    One bad byte among documents is that line's trouble, not the file's.
    """
    if _MEMBER.search(head):
        return False
    if b"\0" in head:
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # doesn't mind a character cut at the end
    except UnicodeDecodeError:
        return True
    return False


def _goes_over_lines(first_two: list[bytes | None]) -> bool:
    """Whether the first line begins something that only later lines end, or is an array that holds it all.

    A first line that is merely bad isn't: it breaks before its end, or the second one stands by itself.
    """
    first = (first_two[0] or b"").strip()
    if len(first_two) == 1:
        return first.startswith(b"[")
    second = (first_two[1] or b"").strip()
    if first.startswith(b"["):
        return _breaks_at(first) == len(first) and _breaks_at(second) is not None
    return first.startswith(b"{") and _breaks_at(first) == len(first) and second[:1] in (b'"', b"}")


def _breaks_at(line: bytes) -> int | None:
    """Where a line stops being JSON, in bytes; None when it doesn't."""
    try:
        text = line.decode()
        json.loads(text)
    except json.JSONDecodeError as error:
        return len(text[: error.pos].encode())
    except (ValueError, RecursionError):
        return 0
    return None


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{double[:40]!r} stands twice in one object")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
