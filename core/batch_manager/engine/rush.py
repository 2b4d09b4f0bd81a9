"""A rush: answers come faster than Chroma could take them, so that its end waits for Chroma whatever they do. Pure."""

from __future__ import annotations

from dataclasses import dataclass

PACE = 1_000.0
"""Items a second from which on it is one. An embedded Chroma takes 300 to 900."""

STRETCH = 0.25
"""Seconds over which the pace is taken: a request brings a hundred items at once."""

LULL = 1.0
"""Seconds without an answer that end it."""


@dataclass(slots=True)
class Rush:
    """Whether answers come in a rush."""

    _on: bool = False
    _since: float = float("-inf")
    _last: float = float("-inf")
    _items: int = 0

    def came(self, items: int, now: float) -> None:
        """So many more items were answered."""
        if now - self._last > LULL:  # what came before, and what came now of it, says nothing of the pace
            self._on, self._since, self._items = False, now, 0
        else:
            self._items += items
            passed = now - self._since
            if passed >= STRETCH:
                self._on = self._items / passed >= PACE
                self._since, self._items = now, 0
        self._last = now

    def goes_on(self, now: float) -> bool:
        """Whether it is one now."""
        return self._on and now - self._last <= LULL
