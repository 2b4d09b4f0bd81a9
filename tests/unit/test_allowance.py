"""Budgets of a day and a month: when they begin anew, what is left, and what is said of them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.allowance import Allowance, Ceiling, beyond_words, reached, too_small, used_up


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_every_day_is_in_one_period_that_ends(today: date) -> None:
    day, month = Ceiling("day", Decimal(1)), Ceiling("month", Decimal(1))
    assert day.since(today) == today and (day.again(today) - today).days == 1
    assert month.since(today).day == month.again(today).day == 1
    assert month.since(today) <= today < month.again(today)
    assert month.since(month.again(today)) == month.again(today)
    assert 28 <= (month.again(today) - month.since(today)).days <= 31


DAY = Allowance("day", Decimal(1), Decimal("0.6"), date(2026, 11, 29))
MONTH = Allowance("month", Decimal(10), Decimal("9.8"), date(2026, 12, 1))


@pytest.mark.parametrize(
    ("cost", "which"), [("0.1", None), ("0.2", None), ("0.3", MONTH), ("0.4", MONTH), ("0.5", MONTH)]
)
def test_the_budget_that_has_room_last_counts(cost: str, which: Allowance | None) -> None:
    assert too_small((DAY, MONTH), Decimal(cost)) == which
    assert too_small((DAY,), Decimal(cost)) == (DAY if Decimal(cost) > DAY.left else None)


def test_what_is_said() -> None:
    assert DAY.words == "$0.40 of $1.00 left today" and MONTH.words == "$0.20 of $10.00 left this month"
    assert Allowance("day", Decimal(1), Decimal(3), DAY.again).left == 0
    assert "waits until 2026-11-29, 00:00 UTC" in beyond_words(DAY)
    told = reached(DAY, Decimal("0.5"))
    assert told.exit_code == 4 and "$0.60 of it" in told.message and "may cost $0.50" in told.message
    assert "2026-11-29, 00:00 UTC" in told.next_step and "EMBEDDING_MAX_COST_PER_DAY" in told.next_step
    assert "a whole day" in reached(DAY, Decimal(2)).next_step
    assert "EMBEDDING_MAX_COST_PER_MONTH" in used_up(MONTH).next_step
