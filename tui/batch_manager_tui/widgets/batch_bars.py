"""The batches: one bar each, drawn as text by one widget, with a total above them."""

from __future__ import annotations

from textual.strip import Strip

from batch_manager.events import BatchView, RunView
from batch_manager.pricing import show_usd
from batch_manager_tui.display import clip, count, duration, fit, pad, shown, wrap
from batch_manager_tui.widgets.strips import Line, LineView, clip_line, strip_of
from batch_manager_tui.widgets.words import BATCH, RUN

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


class BatchBars(LineView):
    """The run's total and its batches; before the first run, what was there before."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = RunView()
        self._idle: list[Line] = []
        self._head: list[Line] = []
        self._follow = True

    def show(self, view: RunView) -> None:
        """Show the run as it stands; draws only when there is something new."""
        if view == self.view:
            return
        self.view = view
        self._lay_out()

    def show_idle(self, lines: list[Line]) -> None:
        """What to show while there was no run yet."""
        self._idle = lines
        if not self.view.run_id:
            self._lay_out()

    def fit_lines(self) -> None:
        """The head's words wrap to the width."""
        if self.view.run_id:
            self._head = [*total_lines(self.view, max(10, self.line_width)), []]
        super().fit_lines()

    def line_count(self) -> int:
        """The total, and one for each batch."""
        return len(self._head) + len(self.view.batches) if self.view.run_id else len(self._idle)

    def draw_line(self, index: int, width: int) -> Strip:
        """The total's lines, then bars."""
        if not self.view.run_id:
            line = self._idle[index]
        elif index < len(self._head):
            line = self._head[index]
        else:
            line = batch_line(self.view.batches[index - len(self._head)], width)
        pieces = ((text, self.part(name)) for text, name in clip_line(line, width))
        return strip_of(pieces, width, self.rich_style)

    def _lay_out(self) -> None:
        self.fit_lines()
        if self.view.active and not self.has_focus:
            self.scroll_to(y=self._first_at_work(), animate=False)

    def _first_at_work(self) -> int:
        """Where to look while nobody scrolls: the total when all fits, else the first batch that is at work."""
        height = self.scrollable_content_region.height
        if self.line_count() <= height:
            return 0
        for index, batch in enumerate(self.view.batches):
            if batch.state in ("sending", "backing off", "splitting", "waiting"):
                return max(0, index + len(self._head) - height // 2) if index else 0
        return 0


def total_lines(view: RunView, width: int) -> list[Line]:
    """The run as a whole: state, percent, bar, rate, time, money, and why it waits."""
    glyph, word = RUN[view.state]
    through = view.indexed + view.failed
    percent = 100 if not view.items else through * 100 // view.items
    figures = f" {percent:3d}%"
    head = f"{glyph} {word}"
    size = max(4, width - len(head) - 1 - len(figures))
    lines: list[Line] = [
        [(head + " ", _RUN_PARTS.get(view.state, "accent")), *bar(size, through, view.answered, view.items),
         (figures, "strong")],
    ]
    counts: Line = [(f"{view.indexed:,} of {view.items:,} indexed", "")]
    if view.failed:
        counts.append((f" · {view.failed:,} failed", "error"))
    waiting = view.delivering
    if waiting:
        counts.append((f" · {waiting:,} paid for, on their way", "soft"))
    lines.append(counts)
    lines.append([(" · ".join(_pace(view)), "soft")])
    if view.reason and view.state not in ("running", "done"):
        lines += [[(text, "warning")] for text in wrap(view.reason, width)]
        lines += [[(text, "")] for text in wrap(view.next_step, width)]
    return lines


def batch_line(batch: BatchView, width: int) -> Line:
    """One batch: number, state, bar or what it waits for, items, tokens, tries, seconds."""
    glyph, word = BATCH[batch.state]
    line: Line = [
        (fit("$0" if batch.number == 0 else str(batch.number), 4, ">") + " ", "soft"),
        (fit(f"{glyph} {word}", 13 if width >= 44 else 11) + " ", _BATCH_PARTS[batch.state]),
    ]
    done = batch.indexed + batch.failed
    figures = fit(f"{max(batch.answered, done):,}/{batch.items:,}", 9, ">")
    if width >= 58:
        figures += fit(f"{batch.tokens:,} tok", 12, ">")
    if width >= 68:
        figures += fit(count(batch.tries, "try", "tries") if batch.tries else "", 9, ">")
    figures += fit(duration(batch.seconds) if batch.seconds else "", 8, ">")
    room = width - sum(len(text) for text, _ in line) - len(figures)
    failed = f" {batch.failed} failed" if batch.failed and room >= 16 else ""
    waits = shown(batch.waits_for)
    if waits and room < 46:
        line.append((pad(clip(waits, room), room), "warning"))
    elif waits:
        line += [*bar(16, done, batch.answered, batch.items), (pad(" " + clip(waits, room - 18), room - 16), "warning")]
    elif room >= 4:
        line += bar(max(1, min(room - len(failed), 40)), done, batch.answered, batch.items)
        line.append((pad(failed, room - min(room - len(failed), 40)), "error"))
    line.append((figures, "soft" if batch.state in ("waiting", "stopped") else ""))
    return line


def bar(width: int, through: int, answered: int, total: int) -> Line:
    """A bar: what is through, what is answered but not yet through, what is left."""
    if total <= 0:
        return [("─" * width, "soft")]
    solid = min(width, through * width // total)
    half = max(0, min(width, max(answered, through) * width // total) - solid)
    return [("━" * solid, "accent"), ("━" * half, "success"), ("─" * (width - solid - half), "soft")]


def _pace(view: RunView) -> list[str]:
    parts = [duration(view.seconds)]
    if view.rate:
        parts.insert(0, f"{view.rate:,.1f} docs/s")
    if view.eta is not None and view.active:
        soonest, latest = (duration(seconds) for seconds in view.eta)
        parts.append(f"{soonest} left" if soonest == latest else f"{soonest} to {latest} left")
    if view.requests:
        parts.append(count(view.requests, "request"))
    parts.append(f"{show_usd(view.billed)} of {show_usd(view.quoted)}")
    return parts
