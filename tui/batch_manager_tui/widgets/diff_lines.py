"""What changed in a text, as lines: only what went and what came, since the whole text is beside it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from batch_manager.store.former import Former
from batch_manager_tui.display import shown, wrap
from batch_manager_tui.widgets.strips import Line

MOST = 40
"""Pieces that are shown; more of a difference is another text."""

MOST_COMPARED = 20_000
"""Characters of each text that are compared: comparing grows with the square of what differs."""

_PIECE = re.compile(r"[^\n]*?(?:, (?=\S)|\n|$)")


def diff_lines(former: Former | None, text: str, width: int) -> list[Line]:
    """The difference between the former text of an item and the one that it has now; nothing when there is none.

    Args:
        former: What it was.
        text: What it is.
        width: Cells.
    """
    if former is None or former.text == text:
        return []
    title = "changed, against the text in the index" if former.indexed else "changed, against the text before"
    lines: list[Line] = [[], [(title, "strong")]]
    pieces = list(changed_pieces(former.text[:MOST_COMPARED], text[:MOST_COMPARED]))
    for mark, piece in pieces[:MOST]:
        part = "error" if mark == "-" else "success"
        # What is hostile in it is escaped before it is cut into lines.
        told = wrap(shown(piece), max(8, width - 2)) or [""]
        lines += [[(f"{mark if not at else ' '} {line}", part)] for at, line in enumerate(told)]
    if len(pieces) > MOST:
        lines.append([(f"… and {len(pieces) - MOST:,} more", "soft")])
    if not pieces:
        lines.append([("the difference is further on in the text", "soft")])
    return lines


def changed_pieces(before: str, now: str) -> Iterator[tuple[str, str]]:
    """(`-` or `+`, piece) of what went and what came, in order; a piece is a line, or what stands between commas.

    Pieces are as they stand, with their commas. A comma alone is only a difference where there is no other: each column
    that is added at the end gives one to that before it.
    """
    old, new = _pieces(before), _pieces(now)
    found = list(_changed(old, new, [one.rstrip(",") for one in old], [one.rstrip(",") for one in new]))
    yield from found or _changed(old, new, old, new)


def _changed(
    old: Sequence[str], new: Sequence[str], was: Sequence[str], is_now: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """The pieces of both texts that differ by what is compared of them."""
    for what, a, b, c, d in SequenceMatcher(None, was, is_now, autojunk=False).get_opcodes():
        if what != "equal":
            yield from (("-", piece) for piece in old[a:b])
            yield from (("+", piece) for piece in new[c:d])


def _pieces(text: str) -> list[str]:
    return [one for one in (piece.strip() for piece in _PIECE.findall(text)) if one]
