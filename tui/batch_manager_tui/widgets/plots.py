"""Plots as lines of text: columns over time, with their scale. Pure.

Drawn here rather than by a plotting package: eighths of a cell in the theme's own colours hold under NO_COLOR and the
terminal's palette, cost nothing to import, and a plot is a list of lines like everything else on these screens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from batch_manager_tui.display import cell_len, fit, pad
from batch_manager_tui.widgets.strips import Line

EIGHTHS = " ▁▂▃▄▅▆▇█"

LEAST = 12
"""Cells below which a plot says nothing."""


def columns(
    values: Sequence[float], width: int, height: int, scale: Callable[[float], str], first: str, last: str
) -> list[Line]:
    """Columns side by side, the highest value as high as the plot; under them what the first and the last are.

    Args:
        values: None below 0; where there are more than fit, the newest are drawn.
        width: Cells.
        height: Lines of the columns.
        scale: A value in words.
        first: What the first column is, such as a day.
        last: What the last one is.
    """
    most = max(values, default=0)
    top, zero = scale(most), scale(0)
    margin = max(cell_len(top), cell_len(zero)) + 1
    room = width - margin
    if room < LEAST or not most:
        return []
    values = values[-room:]
    thick = max(1, min(8, room // len(values)))
    filled = [max(1, round(value * height * 8 / most)) if value else 0 for value in values]
    lines: list[Line] = []
    for row in range(height - 1, -1, -1):
        cells = "".join(
            (EIGHTHS[max(0, min(8, eighths - row * 8))] * max(1, thick - (thick > 2))).ljust(thick)
            for eighths in filled
        )
        label = top if row == height - 1 else zero if row == 0 else ""
        lines.append([(fit(label, margin - 1, ">") + " ", "soft"), (cells, "accent")])
    drawn = thick * len(values)
    if len(values) > 1 and cell_len(first) + cell_len(last) < room:
        ends = pad(first, max(drawn, cell_len(first) + cell_len(last) + 1) - cell_len(last)) + last
    else:
        ends = last
    lines.append([(" " * margin + ends, "soft")])
    return lines
