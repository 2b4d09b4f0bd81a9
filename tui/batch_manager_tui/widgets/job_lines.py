"""Batches of the half-price lane in words and bars. Pure."""

from __future__ import annotations

from batch_manager.half_price import JobView
from batch_manager.pricing import show_usd
from batch_manager_tui.display import fit, shown, when, wrap
from batch_manager_tui.widgets.bars import bar
from batch_manager_tui.widgets.cost_lines import labelled
from batch_manager_tui.widgets.strips import Line

STATE = 17
COUNTS = 18
NUMBER = 7

_PARTS = {
    "completed": "success",
    "failed": "error",
    "vanished": "error",
    "given up": "warning",
    "maybe submitted": "warning",
}


def job_heads(width: int) -> Line:
    """What the columns are."""
    room = max(0, width - NUMBER - STATE - COUNTS)
    return [(fit("batch", NUMBER) + fit("state", STATE) + " " * room + fit("done", COUNTS, ">"), "soft")]


def job_line(job: JobView, width: int) -> Line:
    """A batch: number, state, bar by the server's counts, done of all."""
    words = f"{job.done:,}/{job.total:,}"
    # In a narrow pane the counts take what they need, and the state what is left.
    for_counts = max(len(words) + 1, min(COUNTS, width - NUMBER - STATE))
    for_state = min(STATE, width - NUMBER - for_counts)
    room = width - NUMBER - for_state - for_counts
    line: Line = [
        (fit(f"{job.run_id}.{job.number}", NUMBER), "soft"),
        (fit(job.state, for_state), "warning" if job.problem else _PARTS.get(job.state, "accent")),
    ]
    if room >= 4:
        # What is kept is drawn as done; what is only counted by the server as on its way.
        line += bar(room, job.kept, job.failed, max(job.kept, job.done - job.failed), job.total)
    else:
        line.append((" " * room, ""))
    line.append((fit(words, for_counts, ">"), ""))
    return line


def job_words(job: JobView, width: int) -> list[Line]:
    """All about a batch: money, times, what stands in its way."""
    money = f"{show_usd(job.billed)} billed, {show_usd(job.estimated)} estimated"
    lines = [
        labelled("batch", shown(job.name) or "not submitted yet", width, both_ends=True),
        labelled("cost", money if job.over else f"{show_usd(job.estimated)} held", width, "accent"),
        labelled("since", when(job.since) if job.since else "not submitted yet", width),
        labelled("expires", when(job.expires) if job.expires else "not told yet", width),
    ]
    if job.files_left:
        lines.append(labelled("files", f"left on the server: {', '.join(shown(one) for one in job.files_left)}", width))
    for words, part in ((job.problem, "warning"), (job.next_step, "")):
        lines += [[(line, part)] for line in wrap(shown(words), width)] if words else []
    return lines


def empty_lines(width: int) -> list[Line]:
    """Nothing is under way."""
    words = "Nothing is under way. Under a price h chooses this lane: half the money, back within 24 h."
    return [[(line, "soft")] for line in wrap(words, width)]
