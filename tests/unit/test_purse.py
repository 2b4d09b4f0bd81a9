"""What the queries of a session may cost."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.assistant.purse import Purse
from batch_manager.errors import StoppedError
from batch_manager.pricing import Price

PRICE = Price(Decimal(1), "a test")  # a dollar for a million tokens


def test_what_is_spent_stays_under_the_cap_and_the_refusal_says_so() -> None:
    purse = Purse(Decimal("0.00025")).at(PRICE)
    for _ in range(2):
        purse.reserve(100)
        purse.settle(100, 100)
    with pytest.raises(StoppedError, match=r"\$0.0001, and \$0.0002 of this session's cap of \$0.00025"):
        purse.reserve(100)
    assert purse.spent == Decimal("0.0002")


def test_a_request_that_may_have_been_billed_keeps_its_money_and_a_refused_one_does_not() -> None:
    purse = Purse(Decimal(1)).at(PRICE)
    purse.reserve(100)
    purse.reserve(100)
    purse.settle(100, 0)
    assert purse.spent == Decimal("0.0001")


def test_what_costs_nothing_needs_no_cap() -> None:
    purse = Purse(Decimal(0)).at(Price(Decimal(0), "the local model"))
    purse.reserve(100)
    assert purse.spent == 0


@given(st.lists(st.tuples(st.integers(1, 2000), st.floats(0, 1.5)), max_size=30))
def test_a_server_that_counts_more_passes_the_cap_by_one_query_at_most(queries: list[tuple[int, float]]) -> None:
    purse = Purse(Decimal("0.002")).at(PRICE)
    for tokens, drift in queries:
        try:
            purse.reserve(tokens)
        except StoppedError:
            continue
        purse.settle(tokens, int(tokens * drift))
    assert purse.spent <= Decimal("0.002") * Decimal("1.5")
