"""Waits: what was asked for at least, exponential otherwise, always spread and always bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batch_manager.embedding.backoff import BASE, CEILING, FIRST_TIMEOUT, LONGEST_TIMEOUT, backoff, timeout

tries = st.integers(1, 10_000)
chances = st.floats(0, 1)


@given(tried=tries, chance=chances)
def test_exponential_with_jitter_under_a_ceiling(tried: int, chance: float) -> None:
    step = min(CEILING, BASE * 2.0 ** min(tried - 1, 30))
    assert step / 2 <= backoff(tried, None, chance) <= step


@given(tried=tries, asked=st.floats(0, 600), chance=chances)
def test_at_least_what_was_asked(tried: int, asked: float, chance: float) -> None:
    assert asked <= backoff(tried, asked, chance) <= asked + 1


def test_requests_that_failed_together_are_spread() -> None:
    assert len({backoff(1, 0, chance / 10) for chance in range(10)}) == 10
    assert len({backoff(1, None, chance / 10) for chance in range(10)}) == 10


@given(tries)
def test_timeouts_grow_and_end(tried: int) -> None:
    assert FIRST_TIMEOUT <= timeout(tried) <= timeout(tried + 1) <= LONGEST_TIMEOUT
