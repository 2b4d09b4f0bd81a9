"""Files of documentation, one JSON document a line, read as a stream; `export` is the way back."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, NoReturn

from batch_manager.documents import from_payload
from batch_manager.errors import InputError
from batch_manager.sources import Found, Unreadable
from batch_manager.sources.export import write_jsonl
from batch_manager.sources.opening import WordsFile
from batch_manager.sources.shown import shown

__all__ = ["JsonlSource", "write_jsonl"]

MAX_LINE = 64 * 1024 * 1024
"""Longest line that is read, in bytes. Longer ones are skipped as they pass, without being held."""

RECODE = "iconv -f LATIN1 -t UTF-8 converts an old file"

ONE_A_LINE = "Write one JSON document a line (JSON Lines), as --export does."

Line = tuple[int, bytes | None]
"""Number from one, and the bytes without the line end; None when it was too long."""

_MEMBER = re.compile(rb'(?:^|[\r\n])[ \t]*\{[ \t]*"[^"\x00-\x1f]{1,60}"[ \t]*:')
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class JsonlSource(WordsFile):
    """Words from a JSON Lines file, packed or not, or from stdin when the path is the text `-`."""

    def read(self) -> Iterator[Found | Unreadable]:
        """Yield the lines' documents in order; see `read_lines`.

        Raises:
            InputError: What `Bytes.chunks` and `read_lines` raise.
        """
        with self._bytes.chunks() as chunks:
            yield from read_lines(chunks, self.title)


def read_lines(chunks: Iterator[bytes], title: str) -> Iterator[Found | Unreadable]:
    """Yield the lines' documents in order; `where` is `line N`, counted from one, empty lines included.

    Memory is bounded by the longest line that is let through (`MAX_LINE`), not by the file.

    Raises:
        InputError: `empty_file`, `not_documentation` (a binary file) or `not_one_a_line` (a JSON array, or JSON
            over several lines).
    """
    head = next(chunks, b"")
    if head.startswith(_UTF16) or _is_binary(head):
        raise InputError(
            f"{title} is not UTF-8 text, so it can't be documentation.",
            next_step="Give a JSON Lines file in UTF-8; a database is read with --scan.",
            code="not_documentation",
        )
    lines = ((number, line) for number, line in split(chain([head], chunks)) if line is None or line.strip())
    first_two = list(islice(lines, 2))
    if not first_two:
        raise InputError(f"{title} is empty.", next_step="Give a file with one document a line.", code="empty_file")
    if _goes_over_lines([line for _, line in first_two]):
        raise InputError(f"{title} is JSON, but not one document a line.", next_step=ONE_A_LINE, code="not_one_a_line")
    entries = chain(first_two, lines)
    del first_two  # or the first lines, however long, would be held to the end
    for number, line in entries:
        yield read_line(line, f"line {number}")


def split(chunks: Iterable[bytes]) -> Iterator[Line]:
    """Cut a stream of bytes into lines at each newline, without holding a line longer than `MAX_LINE`."""
    number = 1
    held = bytearray()
    too_long = False
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            if too_long or len(held) + len(piece) > MAX_LINE:
                yield number, None
            elif held:
                held += piece
                yield number, bytes(held)
            else:
                yield number, piece
            held = bytearray()
            too_long = False
            number += 1
        too_long = too_long or len(held) + len(rest) > MAX_LINE
        if too_long:
            held = bytearray()
        else:
            held += rest
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
        return Unreadable(where, f"not UTF-8: byte {error.start + 1} is 0x{line[error.start]:02x}; {RECODE}")
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        return Unreadable(where, f"not JSON: {reason} at column {error.colno}")
    except RecursionError:
        return Unreadable(where, "nested too deeply")
    except ValueError as error:
        return Unreadable(where, shown(str(error)))


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
    value = _DECODER.decode(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of its members; a hook for `json`.

    Raises:
        ValueError: A member stands twice, and nobody could say which one counts.
    """
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{double[:40]!r} stands twice in one object")
    return members


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity; a hook for `json`.

    Raises:
        ValueError: Always.
    """
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=without_doubles, parse_constant=refuse_constant)
"""`json.loads` would make one for each line, which is a third of the reading."""
