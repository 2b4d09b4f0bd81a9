"""A large JSON object, read as a stream: the members of its members, one by one.

Manifests are one object of a few sections (`nodes`, `sources`, `tables`), each with thousands of members. A member
is parsed at once and dropped by whoever doesn't want it, so memory follows what is kept and not the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from batch_manager.errors import InputError
from batch_manager.sources.jsonl import refuse_constant, without_doubles
from batch_manager.sources.opening import decoded
from batch_manager.sources.shown import shown

MAX_VALUE = 64 * 1024 * 1024
"""Longest member of a section, in characters."""

Member = tuple[str, str | int | None, Any]
"""The section; the key in it, the place in a list, or None for a section that is a plain value; the value."""

_SPACE = " \t\r\n"
_OF_NUMBERS = "0123456789+-.eE"
_LITERALS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")


def walk(chunks: Iterator[bytes], title: str) -> Iterator[Member]:
    """Yield what stands two levels deep in a JSON object, in order.

    Raises:
        InputError: `not_json`, `truncated_file`, `duplicate_keys`, `not_utf8`, or `too_large` for one member
            longer than `MAX_VALUE`. Each names the line.
    """
    window = _Window(decoded(chunks, title), title)
    window.expect("{", "an object")
    sections: set[str] = set()
    for section in _keys(window, sections, "}"):
        opening = window.peek()
        if opening == "{":
            window.expect("{", "an object")
            keys: set[str] = set()
            for key in _keys(window, keys, "}"):
                yield section, key, window.value()
        elif opening == "[":
            window.expect("[", "a list")
            place = 0
            while window.goes_on("]", first=place == 0):
                yield section, place, window.value()
                place += 1
        else:
            yield section, None, window.value()
    window.end()


def _keys(window: _Window, seen: set[str], closing: str) -> Iterator[str]:
    while window.goes_on(closing, first=not seen):
        key = window.value()
        if not isinstance(key, str):
            window.refuse("a member has no name")
        if key in seen:
            window.refuse(f"{shown(key, 60)!r} stands twice in one object", code="duplicate_keys")
        seen.add(key)
        window.expect(":", "a colon")
        yield key


class _Window:
    """The piece of the text that is being read."""

    def __init__(self, texts: Iterator[str], title: str) -> None:
        self._texts = texts
        self._title = title
        self._text = ""
        self._at = 0
        self._line = 1
        self._before = 0  # characters of the line that are let go already
        self._decoder = json.JSONDecoder(object_pairs_hook=without_doubles, parse_constant=refuse_constant)

    def peek(self) -> str:
        """The next character that isn't space; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(1):
                return ""

    def expect(self, character: str, what: str) -> None:
        """Go over one character that must be there."""
        found = self.peek()
        if not found:
            self._cut()
        if found != character:
            self.refuse(f"{what} is expected where {shown(found)!r} stands")
        self._at += 1

    def goes_on(self, closing: str, *, first: bool) -> bool:
        """Go over a comma or the closing bracket; whether another member follows."""
        found = self.peek()
        if found == closing:
            self._at += 1
            return False
        if not first:
            self.expect(",", "a comma")
            if self.peek() == closing:
                self.refuse(f"a comma stands before the {closing}")
        elif not found:
            self._cut()
        return True

    def value(self) -> Any:
        """Parse what comes next, whole."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if _comes_from_the_end(error, self._text):
                    if self._more(len(self._text) - self._at):
                        continue
                    self._cut()
                self._at = error.pos
                self.refuse(error.msg[:1].lower() + error.msg[1:].removesuffix(" at"))
            except RecursionError:
                self.refuse("it is nested too deeply")
            except ValueError as error:  # what the hooks say
                is_double = "stands twice" in str(error)
                self.refuse(shown(str(error)), code="duplicate_keys" if is_double else "not_json")
            # What a number's longest valid beginning leaves over is never longer than "e+".
            is_last = len(self._text) - end <= 2 and not self._text[end:].strip(_OF_NUMBERS)
            if is_last and isinstance(value, int | float):
                if self._more(1):
                    continue  # a number may go on
                if end < len(self._text):
                    self._cut()
            self._at = end
            return value

    def end(self) -> None:
        """Nothing but space may follow."""
        if self.peek():
            self.refuse("something follows the end of the object")

    def refuse(self, reason: str, code: str = "not_json") -> NoReturn:
        """End the reading, with the line where it stands."""
        newline = self._text.rfind("\n", 0, self._at)
        line = self._line + self._text.count("\n", 0, self._at)
        column = self._at - newline + (self._before if newline < 0 else 0)
        where = f"line {line:,} column {column:,}"
        raise InputError(
            f"{self._title} can't be read as JSON: {reason} ({where}).",
            next_step="Have the tool that wrote it write it again; nothing of it was taken in.",
            code=code,
        )

    def _cut(self) -> NoReturn:
        line = self._line + self._text.count("\n")
        raise InputError(
            f"{self._title} ends in the middle (line {line:,}): it was cut off.",
            next_step="Get it again from where it came; nothing of it was taken in.",
            code="truncated_file",
        )

    def _more(self, least: int) -> bool:
        """Read on, by at least so many characters where there are any, and let go of what was read."""
        if len(self._text) - self._at > MAX_VALUE:
            raise InputError(
                f"{self._title} has one member that is longer than {MAX_VALUE // 2**20} million characters.",
                next_step="No manifest has such a thing; check what the file is.",
                code="too_large",
            )
        newline = self._text.rfind("\n", 0, self._at)
        self._before = self._at - newline - 1 if newline >= 0 else self._before + self._at
        self._line += self._text.count("\n", 0, self._at)
        parts = [self._text[self._at :]]
        self._at = 0
        gained = 0
        while gained < least:
            text = next(self._texts, None)
            if text is None:
                break
            parts.append(text)
            gained += len(text)
        self._text = "".join(parts)
        return gained > 0


def _comes_from_the_end(error: json.JSONDecodeError, text: str) -> bool:
    """Whether more text could mend it."""
    rest = text[error.pos :]
    return (
        error.msg.startswith("Unterminated")
        or (error.msg.startswith("Invalid \\") and '"' not in rest)  # an escape that is cut
        or not rest.strip(_SPACE + _OF_NUMBERS)
        or any(literal.startswith(rest) for literal in _LITERALS)
    )
