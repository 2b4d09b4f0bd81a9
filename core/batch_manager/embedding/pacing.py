"""Pacing: two rate meters (requests and tokens a minute), so that the account's limits are used and not hit.

Each meter is a bucket that refills as the server's does. The clock is handed in, so all of this is pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from batch_manager.embedding import RateLimits

SAFETY = 0.97
"""Part of the allowed rate that is used: the rest covers clocks and requests that overtake each other."""


@dataclass(frozen=True, slots=True)
class _Flight:
    """A request under way: its tokens, and all that had come back (requests, tokens) when it left."""

    tokens: int
    back_before: tuple[int, int]


@dataclass(slots=True)
class Meter:
    """A bucket of `per_minute` units; `level` of them are there now. Full and unlimited while nothing is known."""

    per_minute: int | None = None
    level: float = 0.0
    at: float = 0.0

    def refill(self, now: float) -> None:
        """Let time pass."""
        if self.per_minute is not None:
            gained = max(0.0, now - self.at) * self.per_minute / 60 * SAFETY
            self.level = min(float(self.per_minute), self.level + gained)
        self.at = now

    def learn(self, per_minute: int | None, left: int | None, unseen: float, now: float) -> None:
        """Take in what the server said; `unseen` units were sent that may not have been in its count."""
        if per_minute is None or per_minute <= 0:  # some servers send 0 or -1 for "not told"
            return
        self.refill(now)
        if self.per_minute != per_minute:
            known = self.per_minute is not None
            self.per_minute = per_minute
            if not known:
                self.level = per_minute - unseen
        if left is not None and left >= 0:
            # The truth lies between what was left and what was left less all that came in since.
            self.level = min(max(self.level, left - unseen), float(left))

    def wait(self, amount: float, now: float) -> float:
        """Seconds until that amount is there."""
        if self.per_minute is None:
            return 0.0
        self.refill(now)
        wanted = min(amount, float(self.per_minute))  # what is larger than the bucket can only wait for a full one
        return max(0.0, (wanted - self.level) / (self.per_minute / 60 * SAFETY))


class Pace(Protocol):
    """Who says when the next request may leave. One request at a time asks."""

    requests: Meter
    tokens: Meter

    def wait(self, tokens: int, now: float) -> float:
        """Seconds until a request of that many tokens may leave; 0 when it may now."""

    def give_way(self) -> None:
        """Whoever asked last asks no more: it has left, or never will."""

    def leave(self, tokens: int, now: float) -> int:
        """A request leaves; returns a ticket for `back`."""

    def back(self, ticket: int, limits: RateLimits | None, now: float, *, answered: bool = True) -> None:
        """It came back, with or without an answer."""

    def slow_down(self, seconds: float, now: float) -> None:
        """The server refused for its rate: nobody sends for that long."""


class Pacer:
    """The meters of one process that has an account to itself."""

    def __init__(self, requests_per_minute: int | None, tokens_per_minute: int | None, now: float) -> None:
        self._fixed = RateLimits(requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute)
        self.requests = Meter(requests_per_minute, float(requests_per_minute or 0), now)
        self.tokens = Meter(tokens_per_minute, float(tokens_per_minute or 0), now)
        self._in_flight: dict[int, _Flight] = {}
        self._sent = (0, 0)
        self._back = (0, 0)
        self._not_before = 0.0
        self._heard = False
        self._next = 0

    def wait(self, tokens: int, now: float) -> float:
        """Seconds until a request of that many tokens may leave; 0 when it may now."""
        if not self._heard and self._in_flight:
            return 0.01  # the first answer tells the limits; until then one request at a time
        return max(self._not_before - now, self.requests.wait(1, now), self.tokens.wait(tokens, now), 0.0)

    def give_way(self) -> None:
        """Nothing is taken before it leaves."""

    def leave(self, tokens: int, now: float) -> int:
        """A request leaves; returns a ticket for `back`."""
        self.requests.refill(now)
        self.tokens.refill(now)
        self.requests.level -= 1
        self.tokens.level -= tokens
        self._next += 1
        self._sent = (self._sent[0] + 1, self._sent[1] + tokens)
        self._in_flight[self._next] = _Flight(tokens, self._back)
        return self._next

    def back(self, ticket: int, limits: RateLimits | None, now: float, *, answered: bool = True) -> None:
        """It came back, with or without an answer."""
        flight = self._in_flight.pop(ticket, None)
        if flight is None:
            return
        self._heard = True
        self._back = (self._back[0] + 1, self._back[1] + flight.tokens)
        if limits is None:
            return
        # Only what was back before this one left is surely in the server's count: answers overtake each other.
        unseen = (self._sent[0] - flight.back_before[0] - 1, self._sent[1] - flight.back_before[1] - flight.tokens)
        told = (self._fixed.requests_per_minute, self._fixed.tokens_per_minute)
        self.requests.learn(told[0] or limits.requests_per_minute, limits.requests_left, unseen[0], now)
        self.tokens.learn(told[1] or limits.tokens_per_minute, limits.tokens_left, unseen[1], now)

    def slow_down(self, seconds: float, now: float) -> None:
        """The server refused for its rate: nobody sends for that long."""
        self._not_before = max(self._not_before, now + seconds)
