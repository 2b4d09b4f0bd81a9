"""What stands where there is nothing to show: what it is, and which key is next. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from batch_manager.half_price import JobView
from batch_manager.pricing import show_usd
from batch_manager.store.ledger import RunRow
from batch_manager_tui.display import count, pad, shown, when, wrap
from batch_manager_tui.situation import Situation
from batch_manager_tui.widgets.job_lines import job_line
from batch_manager_tui.widgets.strips import Line
from batch_manager_tui.widgets.words import FINDING

KEY_CELLS = 5

DATE, DATE_AND_TIME = 10, 16
"""Characters of a time that say so much."""


def guide_lines(now: Situation, width: int) -> list[Line]:
    """Why the list is empty, and what to press."""
    if now.unread:
        return _unread(now.unread, width)
    if not now.ready:
        return [[("Opening the home…", "soft")]]
    if not now.counts.total():
        return _first_run(now, width)
    lines: list[Line] = [[("No item fits the filter.", "strong")], []]
    if now.wanted.text:
        lines += [[(line, "soft")] for line in wrap(f"name has “{shown(now.wanted.text)}”", width)]
    finding = FINDING.get(now.wanted.problem, now.wanted.problem) if now.wanted.problem else None
    for label, value in (("status", now.wanted.status), ("kind", now.wanted.kind), ("finding", finding)):
        if value:
            lines.append([(f"{label} {value}", "soft")])
    lines += [
        [],
        keyed(now.key("clear"), "shows all again"),
        keyed(now.key("status"), "next status"),
        keyed(now.key("kind"), "next kind"),
    ]
    return lines


def _first_run(now: Situation, width: int) -> list[Line]:
    width = min(width, 62)  # longer lines read badly
    lines: list[Line] = [[("Nothing here yet.", "strong")], []]
    words = "Bring in what is to be searched: the structure from a database, the words from a file, or both."
    lines += [[(line, "")] for line in wrap(words, width)]
    lines += [
        [],
        keyed(now.key("scan"), "scan a database"),
        keyed(now.key("import"), "import a file: JSON Lines, CSV, dbt, tbls"),
    ]
    if now.mode == "live":
        lines.append(keyed(now.key("demo"), "look at the bundled sample first: no key, no network, $0"))
    lines.append([])
    lines += _keyless(now, width)
    lines += [
        [(line, "soft")]
        for line in wrap("Nothing is sent anywhere before you have seen its price and pressed y.", width)
    ]
    return lines


def _unread(why: str, width: int) -> list[Line]:
    """The list's place while the items can't be read."""
    lines: list[Line] = [[("The items can't be read.", "strong")], []]
    lines += [[(line, "error")] for line in wrap(why, width)]
    return [*lines, [], *([(line, "soft")] for line in wrap("It is tried again every few seconds.", width))]


def idle_lines(
    now: Situation, unfinished: RunRow | None, runs: list[RunRow], width: int, jobs: Sequence[JobView] = ()
) -> list[Line]:
    """The batches' pane before a run of this session: what was, and how to begin."""
    lines: list[Line] = []
    if jobs:
        lines += [[("At half the price", "strong")], *(job_line(job, width) for job in jobs)]
        lines += [keyed(now.key("half_price"), "cancels, or indexes now"), []]
    if now.busy:
        lines += [[(line, "warning")] for line in wrap(now.busy, width)]
        lines.append([])
    if unfinished is not None:
        words = f"Run {unfinished.id} was interrupted; what was paid for is kept."
        lines += [[(line, "warning")] for line in wrap(words, width)]
        lines += [keyed(now.key("start"), "goes on under its quote"), []]
    elif not now.busy:
        lines += _keyless(now, width)
        lines += [[("No run yet." if not runs else "No run is under way.", "soft")]]
        if now.counts.total("pending"):
            lines.append(keyed(now.key("start"), "shows the price, then asks"))
        elif now.retryable:
            lines.append(keyed(now.key("retry"), "retries what failed"))
        elif now.counts.total("failed"):
            lines.append(keyed(now.key("failures"), "says why, and what helps"))
        lines.append([])
    if runs:
        lines.append([("Runs so far", "strong")])
        lines += [_run(run, width) for run in runs]
    return lines


def _keyless(now: Situation, width: int) -> list[Line]:
    """That nothing can be sent yet, and where it says what helps."""
    if not now.keyless:
        return []
    words = "No OPENAI_API_KEY is set: prices need none, sending does."
    lines: list[Line] = [[(line, "warning")] for line in wrap(words, width)]
    return [*lines, keyed(now.key("settings"), "says how to set it"), []]


def _run(run: RunRow, width: int) -> Line:
    part = {"done": "success", "stopped": "error", "interrupted": "warning"}.get(run.state, "soft")
    line: Line = [
        (pad(f"{run.id}", 4), "soft"),
        (pad(run.state, 12), part),
        (pad(show_usd(run.spent - run.held), 12), ""),
    ]
    if run.held:
        line.append((f"+{show_usd(run.held)} held  ", "warning"))
    elif width >= 48:
        line.append((count(run.requests, "request") + "  ", "soft"))
    at = when(run.agreed_at)
    # What doesn't fit is left out whole: the zone, then the time of day.
    used = sum(len(text) for text, _ in line)
    fits = next((size for size in (len(at), DATE_AND_TIME) if used + size <= width), DATE)
    line.append((at[:fits], "soft"))
    return line


def keyed(key: str, words: str, cells: int = KEY_CELLS) -> Line:
    """A key, and what it does; the words begin at that cell."""
    return [(pad(key, cells), "accent"), (words, "")]
