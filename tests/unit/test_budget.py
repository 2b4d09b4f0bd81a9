"""The budget: billed and held never go beyond the cap, whatever happens to the requests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from batch_manager.engine.budget import Budget


class Spending(RuleBasedStateMachine):
    requests: Bundle[int] = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.budget = Budget(cap=10_000)
        self.flying = 0

    @rule(target=requests, cost=st.integers(0, 3_000))
    def send(self, cost: int) -> int:
        if not self.budget.fits(cost):
            assert self.budget.billed + self.budget.held + cost > 10_000
            return 0
        self.budget.reserve(cost)
        self.flying += cost
        return cost

    @rule(request=consumes(requests), part=st.floats(0, 1))
    def bill(self, request: int, part: float) -> None:
        self.budget.settle(request, int(request * part))
        self.flying -= request

    @rule(request=consumes(requests))
    def refuse(self, request: int) -> None:
        self.budget.release(request)
        self.flying -= request

    @rule(request=consumes(requests))
    def lose(self, request: int) -> None:
        """Nobody knows: it stays held."""

    @invariant()
    def never_beyond_the_cap(self) -> None:
        assert self.budget.billed + self.budget.held <= 10_000
        assert self.budget.held == self.flying
        assert self.budget.billed >= 0


TestSpending = Spending.TestCase


@given(st.integers(0, 10**18))
def test_without_a_cap_everything_fits(cost: int) -> None:
    assert Budget(cap=None).fits(cost)


def test_a_cap_of_nothing_lets_only_what_is_free_leave() -> None:
    assert Budget(cap=0).fits(0)
    assert not Budget(cap=0).fits(1)
    assert Budget(cap=100, billed=60, held=39).fits(1)
    assert not Budget(cap=100, billed=60, held=39).fits(2)
