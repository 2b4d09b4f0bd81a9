"""How long it still takes, and why that jumped: a reason that stands beside an ETA for a while.

Pure; the clock is handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from batch_manager.embedding.pacing import SAFETY
from batch_manager.events import BatchState, LimitsView
from batch_manager.plural import counted

LOOK = 3.0
"""Seconds between two ETAs that are compared; a picture is made much more often."""

FACTOR = 1.5
LEAST = 5.0
"""A jump is this many times what was expected, and at least so many seconds off."""

STAYS = 15.0
"""Seconds that a reason stays."""

DRIFT = 0.1
"""Part of what was expected that an ETA may be off without speaking against a reason that still stands."""

Stage = Literal["sending", "index"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a batch is at: its state, and what it waits for in plain words."""

    state: BatchState
    waits_for: str


def range_of(left: float, rates: Sequence[float], answers: int) -> tuple[float, float]:
    """Soonest and latest in seconds, by several rates of which none is 0.

    A rate that was seen over n answers is known to about 1/√n of it, so that the range is wide at first and closes.
    """
    share = 1 + 1 / sqrt(max(1, answers))
    return left / max(rates) / share, left / min(rates) * share


def allowed_seconds(tokens: int, requests: int, limits: LimitsView) -> float:
    """Seconds that the account's limits hold back what isn't sent yet, at the least; 0 where none is known."""
    waits = [0.0]
    if limits.tokens_per_minute:
        waits.append((tokens - (limits.tokens_left or 0)) / limits.tokens_per_minute)
    if limits.requests_per_minute:
        waits.append((requests - (limits.requests_left or 0)) / limits.requests_per_minute)
    return max(waits) * 60 / SAFETY


class EtaWatch:
    """Compares the ETA with what it was a moment ago."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._middle = 0.0
        self._reason = ""
        self._said = 0.0

    def forget(self) -> None:
        """After a pause there is nothing to compare with."""
        self._at = None

    def reason(self, eta: tuple[float, float] | None, slowest: Stage, batches: Sequence[Waiting], now: float) -> str:
        """The reason of the latest jump, such as `longer: the rate limit holds 3 batches back`; empty after a while.

        Args:
            eta: Soonest and latest, in seconds.
            slowest: The stage that the end waits for.
            batches: Those that aren't over.
            now: Seconds, by a clock that never goes back.
        """
        if eta is None:
            return ""
        middle = (eta[0] + eta[1]) / 2
        if self._at is None:
            self._at, self._middle = now, middle
        elif now - self._at >= LOOK:
            expected = max(0.0, self._middle - (now - self._at))
            word = "longer" if middle > expected else "sooner"
            if jumped(expected, middle):
                self._reason, self._said = f"{word}: {why(middle > expected, slowest, batches)}", now
            elif abs(middle - expected) > DRIFT * expected and not self._reason.startswith(word):
                self._reason = ""  # it went the other way since
            self._at, self._middle = now, middle
        return self._reason if self._reason and now - self._said < STAYS else ""


def jumped(expected: float, found: float) -> bool:
    """Whether that is a jump and no drift."""
    low, high = sorted((expected, found))
    return high - low >= LEAST and high >= low * FACTOR


def why(longer: bool, slowest: Stage, batches: Sequence[Waiting]) -> str:
    """What explains it best, of what is going on now."""
    limited = sum("rate limit" in one.waits_for for one in batches)
    again = sum(one.state == "backing off" for one in batches)
    if not longer:
        return "the index keeps up again" if slowest == "sending" and not batches else "answers come faster"
    if slowest == "index":
        return "the vectors go into Chroma more slowly than answers come"
    if limited:
        return f"the rate limit holds {_batches(limited)} back"
    if again:
        return f"{_batches(again)} {'tries' if again == 1 else 'try'} again after an error"
    if any(one.state == "splitting" for one in batches):
        return "a refused batch is sent in smaller ones"
    return "the server answers more slowly"


def _batches(number: int) -> str:
    return counted(number, "batch", "batches")
