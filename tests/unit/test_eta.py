"""A jump of the time that is left comes with its reason; a drift doesn't."""

from __future__ import annotations

import pytest

from batch_manager.engine.eta import LOOK, STAYS, EtaWatch, Stage, Waiting, jumped, why
from batch_manager.events import BatchState


def test_a_jump_is_told_for_a_while_and_a_drift_never() -> None:
    watch, limited = EtaWatch(), [Waiting("waiting", "the rate limit, 8 s")]
    assert watch.reason((20, 24), "sending", [], 0.0) == ""
    assert watch.reason((17, 22), "sending", limited, LOOK) == ""
    assert watch.reason((60, 70), "sending", limited, LOOK + 1) == ""
    told = watch.reason((60, 70), "sending", limited, 2 * LOOK)
    assert told == "longer: the rate limit holds 1 batch back"
    assert watch.reason((57, 67), "sending", [], 3 * LOOK) == told
    assert watch.reason((45, 52), "sending", [], 2 * LOOK + STAYS) == ""
    assert watch.reason(None, "sending", [], 99.0) == ""


def test_after_a_pause_nothing_is_compared() -> None:
    watch = EtaWatch()
    watch.reason((20, 24), "sending", [], 0.0)
    watch.forget()
    assert watch.reason((200, 240), "sending", [], LOOK) == ""


@pytest.mark.parametrize(
    ("expected", "found", "is_one"), [(10, 14, False), (10, 16, True), (100, 110, False), (40, 20, True), (2, 6, False)]
)
def test_what_a_jump_is(expected: float, found: float, is_one: bool) -> None:
    assert jumped(expected, found) is is_one


@pytest.mark.parametrize(
    ("slowest", "state", "said"),
    [
        ("index", "sending", "Chroma"),
        ("sending", "backing off", "1 batch tries again"),
        ("sending", "splitting", "smaller"),
        ("sending", "sending", "more slowly"),
    ],
)
def test_the_reason_is_what_goes_on(slowest: Stage, state: BatchState, said: str) -> None:
    assert said in why(True, slowest, [Waiting(state, "")])
    assert "faster" in why(False, slowest, [Waiting(state, "")])
