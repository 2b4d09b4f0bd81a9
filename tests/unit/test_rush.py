"""A rush: told by how fast answers come, over in a lull."""

from __future__ import annotations

from batch_manager.engine.rush import LULL, PACE, STRETCH, Rush


def fed(rush: Rush, items: int, every: float, times: int, start: float = 0.0) -> float:
    """That many items every so many seconds; the time of the last."""
    now = start
    for number in range(times):
        now = start + number * every
        rush.came(items, now)
    return now


def test_answers_faster_than_chroma_are_one() -> None:
    rush = Rush()
    now = fed(rush, 100, 100 / PACE / 2, 40)
    assert rush.goes_on(now)


def test_answers_that_chroma_keeps_up_with_are_none() -> None:
    rush = Rush()
    now = fed(rush, 100, 100 / PACE * 2, 40)
    assert not rush.goes_on(now)


def test_what_waited_before_the_first_answer_does_not_count() -> None:
    rush = Rush()
    rush.came(1_000_000, 0.0)
    rush.came(1, STRETCH)
    assert not rush.goes_on(STRETCH)


def test_a_lull_ends_it_and_the_answer_after_it_begins_anew() -> None:
    rush = Rush()
    now = fed(rush, 1_000, 0.1, 40)
    assert rush.goes_on(now + LULL)
    assert not rush.goes_on(now + LULL + 0.1)
    rush.came(1_000_000, now + 10 * LULL)
    assert not rush.goes_on(now + 10 * LULL)


def test_it_ends_when_the_pace_falls() -> None:
    rush = Rush()
    now = fed(rush, 1_000, 0.1, 40)
    now = fed(rush, 10, 0.1, 10, now + 0.1)
    assert not rush.goes_on(now)
