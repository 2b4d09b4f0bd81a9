"""A lane for each of several workers: what it is at, and which part of the run its batches are. Pure."""

from __future__ import annotations

from batch_manager.events import RunView, WorkerView
from batch_manager_tui.display import cell_len, clip_middle, count, fit, shown
from batch_manager_tui.widgets.bars import bar
from batch_manager_tui.widgets.strips import Line

LANES = 8
"""Lanes at the most; those at work come first, and the others are counted."""

NAME_CELLS, LEAST_NAME = 20, 8
LEAST_BAR = 8


def lane_lines(view: RunView, width: int) -> list[Line]:
    """The lanes of a run.

    Args:
        view: The run.
        width: Cells.
    """
    busiest = sorted(view.workers, key=lambda worker: -worker.batches_done)
    first = sorted(busiest, key=lambda worker: not worker.at_work)[:LANES]
    names = max((cell_len(shown(worker.name)) for worker in first), default=0)
    cells = max(LEAST_NAME, min(NAME_CELLS, names, width - 28))
    lines = [_lane(worker, view, cells, width) for worker in sorted(first, key=lambda worker: worker.name)]
    if (others := len(view.workers) - LANES) > 0:
        lines.append([(f"and {count(others, 'other worker')}", "soft")])
    return lines


def _lane(worker: WorkerView, view: RunView, cells: int, width: int) -> Line:
    items = view.items
    idle = ("○", "waits") if view.active else ("✓", "done")
    glyph, doing = ("▶", f"{worker.at_work} at work") if worker.at_work else idle
    part = "accent" if worker.at_work else "soft"
    head = f"{glyph} {fit(clip_middle(shown(worker.name), cells), cells)}"
    line: Line = [(f"{head}  ", part), (fit(doing, 11), "" if worker.at_work else "soft")]
    through, digits = f"{worker.answered + worker.failed:,}", len(f"{items:,}")
    room = width - sum(cell_len(text) for text, _ in line)
    if room < LEAST_BAR + 2 * digits + 5:  # " 1,203 of 4,000"
        return [*line, (fit(through, max(room, 0), ">"), "")]
    figures = fit(f"{through} of {items:,}", 2 * digits + 5, ">")
    done = fit(count(worker.batches_done, "batch", "batches"), 15, ">") + " "
    if room >= LEAST_BAR + cell_len(done + figures):
        figures = done + figures
    drawn = bar(room - cell_len(figures), worker.indexed, worker.failed, worker.answered, items)
    return [*line, *drawn, (figures, "")]
