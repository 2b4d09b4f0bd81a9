"""The two streams: results to stdout, everything else to stderr; hostile text harmless on both."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

from batch_manager.plural import counted as counted

LINE = 2_000
"""Most characters of one line on stderr."""

NARROWEST = 20
"""Characters of the narrowest terminal that lines are fitted to; one that tells less doesn't know its size."""


def prepare() -> None:
    """Make both streams print whatever comes: what their encoding doesn't have is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """One line on stderr; control characters in it are escaped."""
    from batch_manager.sources.shown import shown  # the sources' own modules stand between here and the first paint

    # A reader that went away, or a closed stream, must not end the work.
    with contextlib.suppress(BrokenPipeError, ValueError):
        print(shown(line, LINE), file=sys.stderr, flush=True)


class Paced:
    """Says at most one line in a while, the newest: what is over in a moment says nothing."""

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._next = time.monotonic() + seconds

    @property
    def due(self) -> bool:
        """Whether it is time for a line; for lines that cost something to make."""
        return time.monotonic() >= self._next

    def say(self, line: str) -> None:
        """Say it when it is time for a line."""
        if self.due:
            self._next = time.monotonic() + self._seconds
            say(line)


def result(lines: Iterable[str]) -> None:
    """Lines on stdout, as they are: callers escape what they put in. Quiet when the reader went away."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()


def fitted(lines: Iterable[str]) -> Iterator[str]:
    """Lines as they fit on stdout: on a terminal those that are too long go on below, cut between words."""
    width = _width_of(sys.stdout) if _is_terminal(sys.stdout) else 0
    for line in lines:
        yield from wrapped(line, width)


def wrapped(line: str, width: int) -> list[str]:
    """A line in pieces of so many characters, cut between words; what goes on is indented. Pure.

    Args:
        line: One line; its own indentation and columns stay where it fits.
        width: Characters; too few to be a terminal's leave the line whole.
    """
    if width < NARROWEST or len(line) <= width:
        return [line]
    indent = " " * min(len(line) - len(line.lstrip()) + 2, width // 2)
    pieces: list[str] = []
    rest = line
    while len(rest) > width:
        cut = rest.rfind(" ", len(indent), width + 1)
        if cut <= 0:  # a word that is longer than a line
            cut = rest.find(" ", width)
            if cut < 0:
                break
        pieces.append(rest[:cut].rstrip())
        rest = indent + rest[cut:].lstrip()
    return [*pieces, rest]


def _width_of(stream: object) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns if isinstance(stream, io.IOBase) else 0
    except (OSError, ValueError):
        return 0


def silence_stdout() -> None:
    """Send what is still to come nowhere, so that the interpreter's last flush has no one to complain about."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def can_ask() -> bool:
    """Whether a question would be seen and could be answered."""
    return _is_terminal(sys.stdin) and _is_terminal(sys.stderr)


def bars_fit() -> bool:
    """Whether stderr is a terminal that can move its cursor."""
    return _is_terminal(sys.stderr) and os.environ.get("TERM", "") not in ("dumb", "unknown")


def app_fits() -> bool:
    """Whether a full-screen app could be seen and used."""
    return _is_terminal(sys.stdin) and _is_terminal(sys.stdout)


def _is_terminal(stream: object) -> bool:
    return isinstance(stream, io.IOBase) and not stream.closed and stream.isatty()


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Rows as aligned lines; the columns numbered in `right` (from 0) are set to the right."""
    if not rows:
        return []
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
