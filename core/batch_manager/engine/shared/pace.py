"""The pace of all workers together: each request takes its place in line at the store before it leaves."""

from __future__ import annotations

import time
from itertools import count

from batch_manager.embedding import RateLimits
from batch_manager.embedding.pacing import Meter, Pace
from batch_manager.engine.control import log
from batch_manager.errors import StoreError
from batch_manager.store.rates import Place, Rates, Told


class SharedPace(Pace):
    """See `Pace`. What is taken at the store counts for everybody from then on."""

    def __init__(self, rates: Rates, key: str, *, told: tuple[int | None, int | None]) -> None:
        """A pace that has asked for nothing yet.

        Args:
            rates: The shared meters.
            key: The server and the model.
            told: Tokens and requests a minute that settings fix.
        """
        self.requests = Meter(told[1])
        self.tokens = Meter(told[0])
        self._rates = rates
        self._key = key
        self._fixed = told
        self._leaves_at: float | None = None
        self._taken = 0
        self._heard = False
        self._tickets = count(1)
        rates.open(key, *told)

    def wait(self, tokens: int, now: float) -> float:
        """See `Pace`.

        Raises:
            StoreError: The store can't be asked.
        """
        if self._leaves_at is None:
            begun = time.monotonic()
            place = self._rates.take(self._key, tokens)
            # The seconds count from the statement's end, and that may have waited for others to write.
            now += time.monotonic() - begun
            self._show(place, now)
            if place.granted:
                self._taken, self._leaves_at = tokens, now + place.seconds
            return place.seconds
        if now < self._leaves_at:
            return self._leaves_at - now
        held_back = self._rates.held_back(self._key)  # somebody may have been refused meanwhile
        self._leaves_at = max(self._leaves_at, now + held_back)
        return held_back

    def give_way(self) -> None:
        """Whoever asked last never left: its place is given back."""
        if self._leaves_at is None:
            return
        self._leaves_at = None
        try:
            self._rates.give_back(self._key, self._taken)
        except StoreError as error:
            log.info("a place in line is lost: %s", error)  # it fills up again by itself

    def leave(self, tokens: int, now: float) -> int:
        """See `Pace`; what it takes was taken with the place."""
        self._leaves_at = None
        return next(self._tickets)

    def back(self, ticket: int, limits: RateLimits | None, now: float, *, answered: bool = True) -> None:
        """See `Pace`; only an answer can tell that there are no limits."""
        if not answered:
            return
        try:
            if limits is not None:
                self._rates.learn(
                    self._key,
                    Told(None if self._fixed[0] else limits.tokens_per_minute, limits.tokens_left),
                    Told(None if self._fixed[1] else limits.requests_per_minute, limits.requests_left),
                )
            elif not self._heard:
                self._rates.heard(self._key)
            self._heard = True
        except StoreError as error:
            log.info("what the server told of its limits is lost: %s", error)  # the next answer tells it again

    def slow_down(self, seconds: float, now: float) -> None:
        """See `Pace`."""
        try:
            self._rates.slow_down(self._key, seconds)
        except StoreError as error:
            log.info("the others aren't told to slow down: %s", error)

    def _show(self, place: Place, now: float) -> None:
        for meter, limit, level in (
            (self.tokens, place.tokens_per_minute, place.tokens),
            (self.requests, place.requests_per_minute, place.requests),
        ):
            meter.per_minute, meter.level, meter.at = limit, level, now
