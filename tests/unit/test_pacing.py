"""Pacing against a simulated server: the allowed rate is used and hardly ever hit. No clock, no sleep."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.embedding import RateLimits
from batch_manager.embedding.pacing import Meter, Pacer

LATENCY = 0.150


@dataclass
class Bucket:
    """A server's meter: it refills without steps and holds `capacity` units."""

    per_minute: int
    capacity: float
    level: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.capacity

    def refill(self, now: float) -> None:
        self.level = min(self.capacity, self.level + (now - self.at) * self.per_minute / 60)
        self.at = now


@dataclass
class Server:
    """Answers after `LATENCY`, half of it on the way in, by two meters as the account's limits are."""

    tokens: Bucket
    requests: Bucket
    headers: bool = True

    def charge(self, amount: int, now: float) -> bool:
        self.tokens.refill(now)
        self.requests.refill(now)
        enough = self.tokens.level >= min(amount, self.tokens.capacity) and self.requests.level >= 1
        self.requests.level = max(0.0, self.requests.level - 1)  # a refused request counts as well
        if enough:
            self.tokens.level -= amount
        return enough

    def told(self) -> RateLimits | None:
        if not self.headers:
            return None
        return RateLimits(
            requests_per_minute=self.requests.per_minute,
            requests_left=max(0, math.floor(self.requests.level)),
            tokens_per_minute=self.tokens.per_minute,
            tokens_left=max(0, math.floor(self.tokens.level)),
        )


@dataclass
class Outcome:
    """What came of a simulated run; times in seconds from its start."""

    accepted: list[tuple[float, int]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    heard_at: float | None = None

    def used(self, per_minute: int, start: float, end: float) -> float:
        """Part of the allowed rate that was used between two moments."""
        return sum(tokens for at, tokens in self.accepted if start <= at < end) / (per_minute * (end - start) / 60)

    def used_requests(self, per_minute: int, start: float, end: float) -> float:
        return sum(1 for at, _ in self.accepted if start <= at < end) / (per_minute * (end - start) / 60)


def simulate(
    pacer: Pacer,
    server: Server,
    sizes: Iterator[int],
    concurrency: int,
    seconds: float,
    latency: Callable[[], float] = lambda: LATENCY,
) -> Outcome:
    """Drive the pacer as the engine does: a turn for one at a time, first come first served, then a flight."""
    outcome = Outcome()
    order = itertools.count()
    arrivals: list[tuple[float, int, str, int, int, float, RateLimits | None]] = []
    now, free, next_size = 0.0, concurrency, next(sizes)
    while now < seconds:
        while arrivals and arrivals[0][0] <= now:
            at, _, what, ticket, tokens, back_at, told = heapq.heappop(arrivals)
            if what == "in":
                fits = server.charge(tokens, at)
                if fits:
                    outcome.accepted.append((at, tokens))
                else:
                    outcome.refused.append(at)
                # The client reads headers of answers only; a refusal brings none of them.
                told = server.told() if fits else None
                heapq.heappush(arrivals, (back_at, next(order), "back" if fits else "no", ticket, tokens, 0.0, told))
            else:
                pacer.back(ticket, told, at)
                free += 1
                if what == "no":
                    pacer.slow_down(1.0, at)
                elif outcome.heard_at is None:
                    outcome.heard_at = at
        wait = pacer.wait(next_size, now) if free else math.inf
        if wait <= 0:
            ticket = pacer.leave(next_size, now)
            free -= 1
            flight = latency()
            heapq.heappush(arrivals, (now + flight / 2, next(order), "in", ticket, next_size, now + flight, None))
            next_size = next(sizes)
            continue
        # A sleep is never shorter than a tick of the loop's clock.
        now = min(now + min(max(wait, 0.001), 1.0), arrivals[0][0] if arrivals else math.inf)
    return outcome


def always(tokens: int) -> Iterator[int]:
    return itertools.repeat(tokens)


def mixed(low: int, high: int, seed: int = 3) -> Iterator[int]:
    chance = random.Random(seed)
    return (chance.randint(low, high) for _ in itertools.count())


def server_of(tokens: int, requests: int = 1_000_000, burst_seconds: float = 60, headers: bool = True) -> Server:
    return Server(
        Bucket(tokens, max(1.0, tokens * burst_seconds / 60)),
        Bucket(requests, max(1.0, requests * burst_seconds / 60)),
        headers,
    )


LOADS = [
    (60_000, 500, 1_500),
    (60_000, 15_000, 25_000),
    (60_000, 3_000, 30_000),
    (1_000_000, 15_000, 25_000),
    (1_000_000, 3_000, 5_000),
    (1_000_000, 1_000, 290_000),
]


@pytest.mark.parametrize("concurrency", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize(
    ("per_minute", "low", "high", "burst_seconds"),
    # The largest request must fit in a full meter.
    [(*load, burst) for load in LOADS for burst in (60, 20) if load[2] <= load[0] * burst / 60],
)
def test_the_allowed_rate_is_used_and_not_hit(
    per_minute: int, low: int, high: int, burst_seconds: float, concurrency: int
) -> None:
    server = server_of(per_minute, burst_seconds=burst_seconds)
    outcome = simulate(Pacer(None, None, 0.0), server, mixed(low, high), concurrency, 600)
    assert outcome.heard_at is not None
    assert not [at for at in outcome.refused if at > outcome.heard_at]
    assert outcome.used(per_minute, 120, 600) >= 0.95


@pytest.mark.parametrize(
    ("per_minute", "concurrency"), [(60, 1), (60, 4), (60, 32), (300, 1), (300, 4), (300, 32), (3_000, 16), (3_000, 32)]
)
def test_the_meter_of_requests_holds_as_well(per_minute: int, concurrency: int) -> None:
    server = server_of(10**9, per_minute)
    outcome = simulate(Pacer(None, None, 0.0), server, always(1_000), concurrency, 400)
    assert outcome.heard_at is not None
    assert not [at for at in outcome.refused if at > outcome.heard_at]
    assert outcome.used_requests(per_minute, 120, 400) >= 0.95


@pytest.mark.parametrize("concurrency", [1, 8, 32])
def test_limits_that_the_user_sets_hold_without_headers(concurrency: int) -> None:
    server = server_of(60_000, 600, headers=False)
    outcome = simulate(Pacer(600, 60_000, 0.0), server, mixed(1_000, 5_000), concurrency, 400)
    assert not outcome.refused
    assert outcome.used(60_000, 120, 400) >= 0.95


@pytest.mark.parametrize("concurrency", [1, 8, 32])
def test_flights_of_very_different_length(concurrency: int) -> None:
    chance = random.Random(5)
    server = server_of(1_000_000)
    outcome = simulate(
        Pacer(None, None, 0.0), server, mixed(5_000, 25_000), concurrency, 600, lambda: chance.uniform(0.05, 1.5)
    )
    assert outcome.heard_at is not None
    assert not [at for at in outcome.refused if at > outcome.heard_at]
    assert outcome.used(1_000_000, 120, 600) >= 0.95


class Shared(Bucket):
    """A meter of which another client uses half, evenly."""

    def refill(self, now: float) -> None:
        self.level = min(self.capacity, self.level + (now - self.at) * self.per_minute / 120)
        self.at = now


@pytest.mark.parametrize("concurrency", [1, 32])
def test_another_client_on_the_same_account_leaves_us_the_rest(concurrency: int) -> None:
    server = server_of(600_000)
    server.tokens = Shared(600_000, 600_000)
    outcome = simulate(Pacer(None, None, 0.0), server, mixed(5_000, 15_000), concurrency, 600)
    assert outcome.used(300_000, 120, 600) >= 0.95
    assert len(outcome.refused) < len(outcome.accepted), "nobody can know beforehand, yet it is no storm"


def test_nothing_is_known_before_the_first_answer() -> None:
    pacer = Pacer(None, None, 0.0)
    assert pacer.wait(10_000, 0.0) == 0
    ticket = pacer.leave(10_000, 0.0)
    assert pacer.wait(10_000, 0.01) > 0, "one at a time until the limits are known"
    pacer.back(ticket, None, 0.15)
    for _ in range(100):  # a server that tells none has none
        assert pacer.wait(10_000, 0.2) == 0
        pacer.leave(10_000, 0.2)


def test_a_lost_request_does_not_stop_the_rest() -> None:
    pacer = Pacer(None, None, 0.0)
    pacer.back(pacer.leave(10_000, 0.0), None, 60.0)
    assert pacer.wait(10_000, 60.0) == 0


def test_a_refusal_slows_all() -> None:
    pacer = Pacer(None, None, 0.0)
    pacer.back(pacer.leave(10, 0.0), None, 0.1)
    pacer.slow_down(2.0, 10.0)
    pacer.slow_down(0.5, 10.0)
    assert pacer.wait(10, 10.0) == pytest.approx(2.0)
    assert pacer.wait(10, 11.5) == pytest.approx(0.5)
    assert pacer.wait(10, 12.0) == 0


@pytest.mark.parametrize("limit", [0, -1])
def test_limits_that_say_nothing_are_no_limits(limit: int) -> None:
    pacer = Pacer(None, None, 0.0)
    told = RateLimits(limit, limit, limit, limit)
    for _ in range(50):
        pacer.back(pacer.leave(50_000, 0.0), told, 0.1)
    assert pacer.wait(50_000, 0.1) == 0


def test_what_is_larger_than_the_bucket_waits_for_a_full_one() -> None:
    pacer = Pacer(None, 1_000, 0.0)
    pacer.back(pacer.leave(1_000, 0.0), None, 0.0)
    assert 55 < pacer.wait(5_000, 0.0) < 65
    assert pacer.wait(5_000, 70.0) == 0


def test_a_clock_that_stands_or_sleeps() -> None:
    pacer = Pacer(100, 1_000, 0.0)
    pacer.back(pacer.leave(1_000, 0.0), None, 0.0)
    assert pacer.wait(1_000, 0.0) > 0
    assert pacer.wait(1_000, 36_000.0) == 0
    pacer.leave(1_000, 36_000.0)
    assert pacer.wait(1_000, 36_000.0) > 30, "a night's sleep fills the bucket once"


@given(
    told=st.builds(
        RateLimits,
        *(st.none() | st.integers(-1, 10**9) for _ in range(4)),
    ),
    steps=st.lists(st.tuples(st.floats(0, 100), st.integers(1, 300_000)), max_size=30),
)
def test_no_header_stops_the_run_for_ever(told: RateLimits, steps: list[tuple[float, int]]) -> None:
    pacer, now = Pacer(None, None, 0.0), 0.0
    for seconds, tokens in steps:
        now += seconds
        wait = pacer.wait(tokens, now)
        assert math.isfinite(wait)
        assert wait >= 0
        # A minute fills any meter; what is owed from before comes on top.
        now += wait * 1.0001
        assert pacer.wait(tokens, now) == pytest.approx(0, abs=1e-2)
        pacer.back(pacer.leave(tokens, now), told, now + 0.1)
        now += 0.1


def test_a_meter_without_limit_never_waits() -> None:
    meter = Meter()
    meter.learn(None, 5, 0, 1.0)
    assert meter.wait(10**12, 2.0) == 0
