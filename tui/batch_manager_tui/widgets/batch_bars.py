"""The batches: one bar each, drawn as text by one widget, with a total above them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from textual.strip import Strip

from batch_manager.events import BatchView, RunView
from batch_manager.pricing import show_usd
from batch_manager_tui.advice import own_advice
from batch_manager_tui.display import cell_len, clip, clock, count, duration, fit, pad, shown, span, wrap
from batch_manager_tui.widgets.bars import DOT, bar, flow, rate_line
from batch_manager_tui.widgets.key_line import notice_lines
from batch_manager_tui.widgets.strips import LEAST_WIDTH, Line, LineView, Make, clip_line, strip_of
from batch_manager_tui.widgets.words import ALL_FAILED, BATCH, RUN
from batch_manager_tui.widgets.worker_lanes import lane_lines

_BATCH_PARTS = {
    "waiting": "soft",
    "sending": "accent",
    "backing off": "warning",
    "splitting": "warning",
    "answered": "accent",
    "indexed": "success",
    "failed": "error",
    "stopped": "soft",
}
_RUN_PARTS = {"done": "success", "stopped": "error", "paused": "warning", "interrupted": "warning"}


SAMPLES = 60
"""Rates that are kept, one a second."""

CHANGING = "nothing is to be sent; the index is changed"
CHANGED = "nothing was sent; the index is changed"
"""What a run without items does: it turns to an index that is whole already."""

WITH_WORKER = 80
WORKER_CELLS = 14
LEAST_WORKER = 6
"""Width from which a batch names its worker beside its bar, where there are several; the cells for that, and the least
in which the name stands in the bar's place."""

FEW_ROWS = 12
"""Below this the total says it in two lines."""


class BatchBars(LineView):
    """The run's total and its batches; before the first run, what was there before.

    Attributes:
        keys: The keys that go on with a paused run and cancel it.
        key: The key of any command.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = RunView()
        self.keys = ("p", "x")
        self.key: Callable[[str], str] = str
        self._idle: list[Line] = []
        self._make_idle: Make = lambda _: []
        self._put_by = 0
        self._head: list[Line] = []
        self._note = ""
        self._rates: deque[float] = deque(maxlen=SAMPLES)
        self._sampled: tuple[int, int] = (0, -1)

    def show(self, view: RunView) -> None:
        """Show the run as it stands; draws only when there is something new."""
        if view == self.view:
            return
        self.view = view
        self._sample(view)
        self._lay_out()

    def _sample(self, view: RunView) -> None:
        """Keep the rate, once for each second of the run."""
        run_id, second = self._sampled
        if view.run_id != run_id:
            self._rates.clear()
        elif int(view.seconds) == second:
            return
        self._sampled = (view.run_id, int(view.seconds))
        if view.active:
            self._rates.append(view.rate or 0.0)

    @property
    def shows_run(self) -> bool:
        """A run is to be seen: one of this session, unless something else was done after it."""
        return bool(self.view.run_id) and self.view.run_id != self._put_by

    def put_by(self) -> None:
        """Something else was done since the run: show what there is now."""
        self._put_by = 0 if self.view.active else self.view.run_id
        self._lay_out()
        self.scroll_to(y=0, animate=False, immediate=True)

    def note(self, message: str) -> None:
        """The latest word of the engine; it stands under the total while the run goes on."""
        self._note = message

    def show_idle(self, make: Make) -> None:
        """What to show while there was no run yet, or something else was done after it; made for the pane's width."""
        self._make_idle = make
        if not self.shows_run:
            self._lay_out()

    def fit_lines(self) -> None:
        """Words wrap to the width; a run's shrink where there are few rows."""
        if not self.shows_run:
            self._idle = self._make_idle(max(LEAST_WIDTH, self.line_width))
        else:
            few = self.scrollable_content_region.height < FEW_ROWS
            self._head = total_lines(_advised(self.view, self.key), max(10, self.line_width), few, self.keys)
            if not few:
                if any(self._rates) and self.view.active:
                    # The rate of this moment may be the highest so far; it is kept only once a second.
                    rates = [*list(self._rates)[:-1], max(self._rates[-1], self.view.rate or 0.0)]
                    self._head.append(rate_line(rates, max(10, self.line_width)))
                if self._note and self.view.active:
                    self._head += [[(line, "soft")] for line in notice_lines("→ " + self._note, self.line_width)]
                if self.view.workers:
                    self._head += [[], *lane_lines(self.view, max(10, self.line_width))]
                self._head.append([])
        super().fit_lines()

    def line_count(self) -> int:
        """The total, and one for each batch."""
        return len(self._head) + len(self.view.batches) if self.shows_run else len(self._idle)

    def render_line(self, y: int) -> Strip:
        """The total stays in sight; the batches scroll under it."""
        if self.shows_run and y < len(self._head):
            return self._strip(self._head[y], self.line_width)
        return super().render_line(y)

    def draw_line(self, index: int, width: int) -> Strip:
        """A line of the idle picture, or a batch."""
        if not self.shows_run:
            return self._strip(self._idle[index], width)
        place = index - len(self._head)
        return self._strip(batch_line(self.view.batches[place], width) if place >= 0 else [], width)

    def _strip(self, line: Line, width: int) -> Strip:
        pieces = ((text, self.part(name)) for text, name in clip_line(line, width))
        return strip_of(pieces, width, self.ground)

    def _lay_out(self) -> None:
        self.fit_lines()
        if self.view.active and not self.has_focus:
            self.scroll_to(y=self._first_at_work(), animate=False, immediate=True)  # in the same paint

    def _first_at_work(self) -> int:
        """Where to look while nobody scrolls: one finished batch, then those at work."""
        for index, batch in enumerate(self.view.batches):
            if batch.state not in ("indexed", "failed", "stopped", "answered"):
                return max(0, index - 1)
        return len(self.view.batches)


def _advised(view: RunView, key: Callable[[str], str]) -> RunView:
    """The run as the app tells it: with keys in the place of flags."""
    return replace(view, next_step=own_advice(view.next_step, key)) if "--" in view.next_step else view


def total_lines(view: RunView, width: int, few: bool = False, keys: tuple[str, str] = ("p", "x")) -> list[Line]:
    """The run as a whole: state, percent, bar, rate, time, money, and why it waits.

    Args:
        view: The run.
        width: Cells.
        few: There are few rows: say it in two.
        keys: The keys that go on with a paused run and cancel it.
    """
    glyph, word = ALL_FAILED if view.all_failed else RUN[view.state]
    through = view.indexed + view.failed
    percent = 100 if not view.items else through * 100 // view.items
    figures = f" {percent:3d}%"
    head = f"{glyph} {word} "
    size = max(4, width - len(head) - len(figures))
    lines: list[Line] = [
        [
            (head, "error" if view.all_failed else _RUN_PARTS.get(view.state, "accent")),
            *bar(size, view.indexed, view.failed, view.answered, view.items),
            (figures, "strong"),
        ],
    ]
    if view.reason and view.state not in ("running", "done"):
        ways: Line = [(keys[0], "accent"), (" goes on", "")]
        paused = view.state == "paused"
        if few:
            said = clip_line([(shown(view.reason), "warning")], width - (cell_len(keys[0]) + 10 if paused else 0))
            return [*lines, [*ways, ("  ", ""), *said] if paused else said]
        lines += [[(text, "warning")] for text in wrap(view.reason, width)]
        lines += [[(text, "")] for text in wrap(view.next_step, width)] if view.next_step else []
        if paused:
            lines.append([*ways, (DOT, "soft"), (keys[1], "accent"), (" cancels", "")])
    counts: Line = [(f"{view.indexed:,} of {view.items:,}" + ("" if few else " indexed"), "")]
    if not view.items:
        counts = [(line, "") for line in wrap(CHANGING if view.active else CHANGED, width)[:1]]
    if view.failed:
        counts.append((f"{view.failed:,} failed", "error"))
    if few:
        return [*lines, *flow([*counts, *((words, "soft") for words in _left(view))], width)[:1]]
    if view.delivering:
        counts.append((f"{view.delivering:,} paid for, on their way", "soft"))
    lines += flow(counts, width)
    lines += flow([(words, "soft") for words in _pace(view)], width)
    if view.eta_reason and view.active:
        lines += [[(text, "warning")] for text in wrap(f"→ {view.eta_reason}", width)]
    return lines


def batch_line(batch: BatchView, width: int) -> Line:
    """One batch: number, state, bar or what it waits for, items, tokens, tries, seconds."""
    glyph, word = BATCH[batch.state]
    part, said = _BATCH_PARTS[batch.state], ""
    if batch.failed and batch.state in ("answered", "indexed"):
        glyph, word, part, said = "■", f"{batch.failed:,} failed", "error", "failed"
    number = "$0" if batch.number == 0 else f"{batch.number:,}"
    line: Line = [
        (fit(number, max(3, len(number)), ">") + " ", "soft"),
        (fit(f"{glyph} {word}", 13) + "  ", part),
    ]
    if batch.worker and width >= WITH_WORKER:
        line.append((fit(clip(shown(batch.worker), WORKER_CELLS), WORKER_CELLS) + "  ", "soft"))
    figures = fit(f"{max(batch.answered, batch.indexed):,}/{batch.items:,}", 8, ">")
    if width >= 58:
        figures += fit(f"{batch.tokens:,} tok", 12, ">")
    if width >= 68:
        figures += fit(count(batch.tries, "try", "tries") if batch.tries else "", 9, ">")
    figures += fit(clock(batch.seconds) if batch.tries and batch.seconds else "", 8, ">")
    used = sum(cell_len(text) for text, _ in line)
    room = width - used - len(figures)
    waits = shown(batch.waits_for)
    if waits and room < 30:
        # Where there is no room for both, what it waits for says more than figures that stand still.
        return [*line, (clip(waits, width - used), "warning")]
    if waits:
        size = max(0, min(16, room - 32))
        line += bar(size, batch.indexed, batch.failed, batch.answered, batch.items) if size >= 4 else []
        size = size if size >= 4 else 0
        line.append((fit(clip((" " if size else "") + waits, room - size - 1), room - size), "warning"))
    elif batch.worker and width < WITH_WORKER and room >= LEAST_WORKER and (said or not batch.failed):
        # Where there is no room for both, who does it says more than a bar beside the figures.
        line.append((fit(clip(shown(batch.worker), room - 1), room), "soft"))
    else:
        failed = f" {batch.failed} failed" if batch.failed and not said and room >= 20 else ""
        size = min(room - len(failed), 40)
        drawn = bar(size, batch.indexed, batch.failed, batch.answered, batch.items)
        line += drawn if size >= 4 else [(" " * max(0, size), "")]
        line.append((pad(failed, room - max(0, size)), "error"))
    line.append((figures, "soft" if batch.state in ("waiting", "stopped") else ""))
    return line


def _pace(view: RunView) -> list[str]:
    parts = [duration(view.seconds)]
    if view.rate:
        parts.insert(0, f"{view.rate:,.1f} docs/s")
    parts += _left(view)
    if view.requests:
        parts.append(count(view.requests, "request"))
    parts.append(f"{show_usd(view.billed)} of {show_usd(view.quoted)}")
    return parts


def _left(view: RunView) -> list[str]:
    if not view.active:
        return []
    if view.eta is None:
        return ["time left not known yet"] if view.state == "running" else []
    return [f"{span(*view.eta)} left"]
