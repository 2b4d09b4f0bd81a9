"""Bars, sparks, and pieces with dots between them, as text. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from batch_manager_tui.display import cell_len
from batch_manager_tui.widgets.strips import Line

DOT = " · "
PAID = "╍"
"""What is paid for and not in the index yet: not as full as what is, without colours too."""
SPARKS = "▁▂▃▄▅▆▇█"


def bar(width: int, indexed: int, failed: int, answered: int, total: int) -> Line:
    """A bar: what is indexed, what is answered but not yet there, what failed, what is left."""
    if total <= 0:
        return [("─" * width, "soft")]
    solid = min(width, indexed * width // total)
    half = max(0, min(width, answered * width // total) - solid)
    # One that failed of many is still to be seen.
    lost = min(width - solid - half, max(1, failed * width // total)) if failed else 0
    return [
        ("━" * solid, "accent"),
        (PAID * half, "success"),
        ("━" * lost, "error"),
        ("─" * (width - solid - half - lost), "soft"),
    ]


def flow(pieces: Sequence[tuple[str, str]], width: int) -> list[Line]:
    """Pieces with dots between them, broken into lines at the dots. Pure."""
    lines: list[Line] = []
    used = 0
    for text, part in pieces:
        if lines and used + cell_len(DOT + text) <= width:
            lines[-1] += [(DOT, "soft"), (text, part)]
            used += cell_len(DOT + text)
        else:
            lines.append([(text, part)])
            used = cell_len(text)
    return lines


def rate_line(rates: Sequence[float], width: int) -> Line:
    """The rate over the last minute, a column a second, with its highest. Pure."""
    most = max(rates)
    words = f" {most:,.1f} docs/s at most"
    shown_rates = rates[-max(1, width - len(words) - 6) :]
    columns = "".join(SPARKS[min(7, int(rate * 8 / most))] if rate and most else " " for rate in shown_rates)
    return [("rate  ", "soft"), (columns, "accent"), (words, "soft")]
