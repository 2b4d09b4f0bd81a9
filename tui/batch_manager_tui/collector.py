"""When Python looks through its objects for garbage: never for long while somebody types."""

from __future__ import annotations

import gc
import time

AWAKE = (4_000, 3, 1_000_000)
"""The collector's thresholds once all is loaded: often and briefly, a hundredth of a second at a time, and no
look through everything at a moment of its own choice. What Textual leaves behind after each picture goes around in
circles; at the distance that suits a start, each look at it takes a tenth of a second."""

REST = 5.0
"""Seconds without a key after which a look through everything keeps nobody waiting."""

ENOUGH = 5
"""Looks through what is younger since the last look through everything, before another one is worth it."""


class Collector:
    """Python's collector of garbage, led by what the screen does; it is the process's own until `begin`.

    Attributes:
        stirred: When a key or the mouse came last (`time.monotonic`, seconds).
    """

    def __init__(self) -> None:
        self.stirred = time.monotonic()
        self._settled: set[str] | None = None

    def begin(self) -> None:
        """Lead it from now on. Not where many apps share a process, as in tests: they share it too."""
        self._settled = set()

    def stir(self) -> None:
        """Somebody is typing."""
        self.stirred = time.monotonic()

    def settle(self, what: str) -> None:
        """What is loaded by now stays: the collector need not look through it again and again.

        Once for each thing that is loaded: what is garbage at that moment is never collected any more.
        """
        if self._settled is not None and what not in self._settled:
            self._settled.add(what)
            gc.freeze()
            gc.set_threshold(*AWAKE)

    def rest(self) -> None:
        """Look through everything when nobody types and it is worth it; what is left is what stays.

        To be called from time to time while nothing is open that will go again: it would be taken for what stays.
        """
        if not self._settled or time.monotonic() - self.stirred < REST or gc.get_count()[2] < ENOUGH:
            return
        gc.collect()
        gc.freeze()
