"""Text for the screen: whatever it came from, it is shown as harmless characters that keep the columns straight.

Names, documents and server messages are hostile until shown: control characters, terminal escapes,
direction overrides and invisible characters become visible escapes. Nothing here reads markup.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.cells import cell_len as cell_len
from rich.cells import chop_cells

from batch_manager.plural import counted

count = counted
"""A number with its noun."""

ELLIPSIS = "…"

JOINER, TIE = "\u200d", "\u203f"

_UNIT = re.compile(r"(?:s|min|h)(?!\w)")
"""Units of time, as `duration` writes them."""

MAX_COMBINING = 3
"""Combining marks in a row that are drawn as they are; more of them would paint over the lines above."""


def shown(text: str) -> str:
    """One line, with every character that could hide, move or reorder text written out.

    `\\n` and `\\t` become two visible characters, U+202E becomes `\\u202e`, and so on. What joins emoji to one becomes
    a tie between them: terminals don't agree on the width of what is joined, but all do on that of the pieces.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(text))


def fit(text: str, width: int, align: str = "<") -> str:
    """Exactly `width` cells: cut with an ellipsis, or padded.

    Args:
        text: Already harmless.
        width: Cells.
        align: `<` left, `>` right.
    """
    return pad(clip(text, width), width, align)


def clip(text: str, width: int) -> str:
    """At most `width` cells; an ellipsis stands for what is cut."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    if width == 1:
        return ELLIPSIS
    return chop_cells(text[: 4 * width], width - 1)[0].rstrip() + ELLIPSIS


def clip_middle(text: str, width: int) -> str:
    """At most `width` cells; the middle gives way, as suits paths."""
    if cell_len(text) <= width:
        return text
    if width < 5:
        return clip(text, width)
    return _cut_after(text, (width - 1) // 3, width)


def _cut_after(text: str, head: int, width: int) -> str:
    """So many cells of its beginning, and of its end as many as fit behind the ellipsis."""
    if cell_len(text) <= width:
        return text
    tail = width - 1 - head
    if tail <= 0:
        return clip(text, width)
    end = text[-tail:]
    while cell_len(end) > tail:
        end = end[1:]
    return chop_cells(text, head)[0] + ELLIPSIS + end


def clip_apart(text: str, others: Iterable[str], width: int) -> str:
    """At most `width` cells, by which the text can be told from the others; what is cut is the same in all of them.

    Names of relationships begin and end alike, so that any one way of cutting makes some of them the same.

    Args:
        text: Already harmless.
        others: Texts beside it, that may be cut to the same.
        width: Cells.
    """
    cut = clip_middle(text, width)
    beside = [one for one in others if one != text]
    alike = next((one for one in beside if clip_middle(one, width) == cut), None)
    if alike is None or cut == text or width < 8:
        return cut
    for size in ((width - 1) * 2 // 3, width - 1, width // 6):  # another place for the one cut may tell them apart
        moved = _cut_after(text, size, width)
        if all(_cut_after(one, size, width) != moved for one in beside):
            return moved
    at = next(
        (place for place, (a, b) in enumerate(zip(text, alike, strict=False)) if a != b), min(len(text), len(alike))
    )
    # From shortly before the difference; the place is the same for both, so the cuts differ where the texts do.
    head, start = text[: width // 4], max(width // 4, at - width // 4)
    return clip(f"{head.rstrip()}{ELLIPSIS}{text[start:]}", width)


def pad(text: str, width: int, align: str = "<") -> str:
    """Spaces up to `width` cells."""
    missing = width - cell_len(text)
    if missing <= 0:
        return text
    return " " * missing + text if align == ">" else text + " " * missing


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, for reading: real line breaks break, words are kept whole where they fit."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines.extend(_wrapped(shown(paragraph), max(1, width)))
    return lines


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 9.95 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def clock(seconds: float) -> str:
    """The same in seven cells at most, for columns: `0.4 s`, `12 s`, `3:20`, `2:05:00`."""
    whole = round(seconds)
    if whole < 60:
        return duration(seconds)
    minutes = f"{whole // 60 % 60}:{whole % 60:02d}"
    return minutes if whole < 3600 else f"{whole // 3600}:{minutes.zfill(5)}"


def span(soonest: float, latest: float) -> str:
    """A range of time: `19–36 s`, `50 s–1 min 20 s`."""
    first, last = (duration(float(round(seconds)) if seconds >= 2 else seconds) for seconds in (soonest, latest))
    if first == last:
        return first
    if first.endswith(" s") and last.endswith(" s") and "min" not in first + last:
        return f"{first[:-2]}–{last}"
    return f"{first}–{last}"


def when(at: str) -> str:
    """A stored time for people: `2026-11-24 11:42 UTC`."""
    return shown(at[:16].replace("T", " ")) + " UTC"


def home_path(path: Path) -> str:
    """A path as a person writes it, with `~` for their home."""
    try:
        return "~/" + shown(str(path.relative_to(Path.home())))
    except ValueError:
        return shown(str(path))


def _visible(text: str) -> Iterator[str]:
    marks = 0
    for place, char in enumerate(text):
        if char == JOINER and _joins_emoji(text, place):
            marks = 0
            yield TIE
        elif not char.isprintable() and unicodedata.category(char) != "Zs":
            marks = 0
            yield _escape(char)
        elif unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
            marks += 1
            # Variation selectors change a character's width in some terminals and not in others.
            yield char if marks <= MAX_COMBINING and not 0xFE00 <= ord(char) <= 0xFE0F else _escape(char)
        else:
            marks = 0
            yield char


def _joins_emoji(text: str, place: int) -> bool:
    """Whether the joiner at that place stands between two emoji, the first of them perhaps with its variation."""
    before = place - 1 if text[place - 1 : place] != "\ufe0f" else place - 2
    return before >= 0 and all(_is_emoji(text[one : one + 1]) for one in (before, place + 1))


def _is_emoji(char: str) -> bool:
    return bool(char) and ord(char) >= 0x2190 and unicodedata.category(char) in ("So", "Sk")


def _escape(char: str) -> str:
    known = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char)
    if known:
        return known
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _wrapped(line: str, width: int) -> Iterator[str]:
    if cell_len(line) <= width:
        yield line
        return
    current, used = "", 0
    for word in _words(line):
        size = cell_len(word)
        if used + cell_len(word.rstrip()) <= width:
            current, used = current + word, used + size
            continue
        if current:
            yield current.rstrip()
        pieces = chop_cells(word, width) if size > width else [word]
        yield from (piece for piece in pieces[:-1])
        current = pieces[-1]
        used = cell_len(current)
    if current:
        yield current.rstrip()


def _is_unit(line: str, position: int) -> bool:
    """Here stands the unit of the number before, which is not to be read without it: `3 s`."""
    return position > 1 and line[position - 2].isdigit() and _UNIT.match(line, position) is not None


def _words(line: str) -> Iterator[str]:
    """Words with the spaces behind them."""
    start = 0
    for position in range(1, len(line)):
        if line[position - 1] == " " and line[position] != " " and not _is_unit(line, position):
            yield line[start:position]
            start = position
    yield line[start:]
