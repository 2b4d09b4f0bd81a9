"""The bridge: takes the engine's picture and events some 20 times a second, merged, and hands on what changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from batch_manager.events import Event, Notice, RunChanged, RunView

if TYPE_CHECKING:
    from batch_manager.engine import Engine

TICK = 1 / 20
"""Seconds between two looks."""

PICTURE = 5
"""Looks from one picture to the next while nothing but figures change: four pictures a second are more than anybody
reads, and drawing them is most of what the screen takes of a core during a run. Another state is shown at once."""


class Bridge:
    """One listener of one engine. It never waits, and it never misses the end of a run."""

    def __init__(self, engine: Engine, on_view: Callable[[RunView], None], on_notice: Callable[[Notice], None]) -> None:
        self._engine = engine
        self._on_view = on_view
        self._on_notice = on_notice
        self._events = engine.subscribe()
        self._last: RunView | None = None
        self._until_next = 0

    def tick(self) -> None:
        """Drain, look, tell."""
        events = self._events.drain()
        self._until_next -= 1
        if self._until_next <= 0 or any(isinstance(event, RunChanged) for event in events):
            self._until_next = PICTURE
            view = self._engine.view()
            # The sequence grows with every picture; what is drawn does not depend on it.
            shape = replace(view, sequence=0)
            if shape != self._last:
                self._last = shape
                self._on_view(view)
        if (notice := _newest_notice(events)) is not None:
            self._on_notice(notice)

    def close(self) -> None:
        """Listen no more."""
        self._engine.unsubscribe(self._events)


def _newest_notice(events: list[Event]) -> Notice | None:
    """Of many notices in one tick, the newest of the gravest level."""
    weight = {"info": 0, "warning": 1, "error": 2}
    notices = [event for event in events if isinstance(event, Notice)]
    return max(notices, key=lambda one: (weight[one.level], one.sequence)) if notices else None
