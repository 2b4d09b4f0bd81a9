"""Following a run on stderr: live bars where stderr is a terminal, plain lines at sensible intervals elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from batch_manager.cli import terminal
from batch_manager.cli.lines import batch_line, total_line
from batch_manager.events import BatchChanged, BatchView, Event, ItemFailed, Notice, RunView

if TYPE_CHECKING:
    from batch_manager.cli.signals import Stop
    from batch_manager.engine import Engine

LOOK = 0.1
"""Seconds between two looks at the run."""

INTERVALS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between plain lines: often at first, then so that the log of a long run stays readable."""

NAMED = 20
"""Events of one look that are told one by one; a flood of them is counted."""


class Screen(Protocol):
    """Shows a run while it goes on."""

    def show(self, view: RunView) -> None:
        """The run as it stands; called about ten times a second."""

    def tell(self, line: str) -> None:
        """A line that stays."""

    def batch(self, batch: BatchView) -> None:
        """A batch is over."""


def follow(engine: Engine, stop: Stop, screen: Screen) -> RunView:
    """Show the run until it ends; returns its last picture."""
    subscription = engine.subscribe()
    try:
        while True:
            view = engine.wait(LOOK)
            _tell(screen, subscription.drain())
            stop.check(screen.tell)
            screen.show(view)
            if not view.active:
                return view
    finally:
        engine.unsubscribe(subscription)


def follow_others(engine: Engine, screen: Screen) -> RunView:
    """The same for a run that others have agreed to: Ctrl-C is KeyboardInterrupt, and ends nothing of it."""
    subscription = engine.subscribe()
    try:
        while True:
            view = engine.wait(LOOK)
            _tell(screen, subscription.drain())
            screen.show(view)
            if not view.active:
                return view
    finally:
        engine.unsubscribe(subscription)


@contextlib.contextmanager
def screen(*, rehearsal: bool = False) -> Iterator[Screen]:
    """The screen that fits where stderr leads to."""
    mark = "REHEARSAL  " if rehearsal else ""
    if not terminal.bars_fit():
        yield PlainLines(mark)
        return
    from batch_manager.cli.bars import Bars

    with Bars(mark) as bars:
        yield bars


class PlainLines:
    """For files, pipes and terminals that can't move their cursor."""

    def __init__(self, mark: str = "") -> None:
        self._mark = mark
        self._printed = 0
        self._next = time.monotonic() + INTERVALS[0]
        self._last = ""

    def show(self, view: RunView) -> None:
        """A line when it is time for one, and one at the end."""
        now = time.monotonic()
        if view.active and now < self._next:
            return
        line = self._mark + total_line(view)
        if line != self._last:
            terminal.say(line)
        self._last = line
        self._printed += 1
        self._next = now + INTERVALS[min(self._printed // 10, len(INTERVALS) - 1)]

    def tell(self, line: str) -> None:
        """At once."""
        terminal.say(line)

    def batch(self, batch: BatchView) -> None:
        """At once; a flood of them is held back by `follow`."""
        terminal.say(self._mark + batch_line(batch))


def _tell(to: Screen, events: list[Event]) -> None:
    told = 0
    for event in events:
        if isinstance(event, Notice | ItemFailed | BatchChanged):
            told += 1
            if told <= NAMED:
                _tell_one(to, event)
    if told > NAMED:
        to.tell(f"… and {told - NAMED} more of that; all of it is in the results.")


def _tell_one(to: Screen, event: Notice | ItemFailed | BatchChanged) -> None:
    if isinstance(event, Notice):
        # What is an error is said at the end, once, with the next step.
        to.tell(event.message if event.level == "info" else f"warning: {event.message}")
    elif isinstance(event, ItemFailed):
        to.tell(f"failed: {event.kind} {event.name}: {event.code}: {event.message}")
    else:
        to.batch(event.batch)
