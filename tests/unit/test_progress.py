"""Progress: true totals, bounded lists, a rate over the last seconds and an honest range for the end."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.embedding.pacing import SAFETY
from batch_manager.engine.budget import Budget
from batch_manager.engine.progress import SHOWN_BATCHES, Progress
from batch_manager.events import BatchState, LimitsView
from batch_manager.packing import Limits
from batch_manager.pricing import Price
from batch_manager.quote import Scope, Space, Work, make_quote


def progress(items: int = 1000, tokens: int = 100, cap: Decimal | None = None) -> Progress:
    work = Work(
        items={"table": items, "relationship": 0},
        tokens={"table": items * tokens, "relationship": 0},
        texts=items,
        bytes=items * tokens * 4,
        requests=-(-items // 100),
        digest=f"{items:064x}",
        reused=0,
        duplicates=0,
        unsendable=(),
        unsendable_count=0,
    )
    space = Space("openai", "server", "text-embedding-3-small", 1536)
    quote = make_quote(Scope(), work, space, "host", Price(Decimal("0.02"), "list"), Limits(), cap)
    return Progress(1, quote, Budget(None), started=100.0, state="running", items=items)


def go(run: Progress, start: float, seconds: float, rate: float) -> float:
    """Let the run answer and index that many items a second; returns the time after."""
    steps = int(seconds * 4)
    answered = float(run.answered)
    for step in range(1, steps + 1):
        answered += rate / 4
        run.answered = run.indexed = min(run.items, int(answered))
        run.tokens_answered = run.answered * 100
        run.requests_answered = run.answered
        run.sample(start + step / 4)
    return start + steps / 4


def test_every_view_is_newer_and_whole() -> None:
    run = progress(cap=Decimal("0.5"))
    run.billed_pico, run.estimated_pico = 3_000_000, 2_000_000
    run.budget.held = 1_000_000
    first, second = run.view(101.0), run.view(102.5)
    assert second.sequence > first.sequence
    assert (second.items, second.tokens, second.batches_total) == (1000, 100_000, 10)
    assert (second.billed, second.estimated) == (Decimal("0.000003"), Decimal("0.000002"))
    assert second.reserved == Decimal("0.000001")
    assert second.cap == Decimal("0.5")
    assert second.quoted == Decimal("0.002")
    assert second.seconds == pytest.approx(2.5)


def test_nothing_is_said_before_it_is_known() -> None:
    run = progress()
    assert run.view(100.1).rate is None
    assert run.view(100.1).eta is None
    go(run, 100.0, 0.75, 100)
    assert run.view(100.75).eta is None


def test_a_steady_run_knows_its_end() -> None:
    run = progress()
    now = go(run, 100.0, 5, 50)
    view = run.view(now)
    assert view.rate == pytest.approx(50, rel=0.05)
    assert view.eta is not None
    soonest, latest = view.eta
    assert soonest <= 15 * 1.05
    assert latest >= 15 * 0.95
    assert latest - soonest < 3


def test_few_answers_make_a_wide_range() -> None:
    run = progress()
    now = go(run, 100.0, 5, 50)
    run.requests_answered = 4
    soonest, latest = run.view(now).eta or (0, 0)
    assert soonest == pytest.approx(10, rel=0.05) and latest == pytest.approx(22.5, rel=0.05)


def test_the_end_is_not_promised_sooner_than_the_account_allows() -> None:
    run = progress()  # 1,000 items of 100 tokens
    now = go(run, 100.0, 5, 50)
    run.limits = LimitsView(tokens_per_minute=15_000, tokens_left=0)
    view = run.view(now)
    assert view.eta is not None
    assert view.eta[0] == pytest.approx(75_000 / 15_000 * 60 / SAFETY, rel=0.05)
    run.limits = LimitsView(requests_per_minute=1, requests_left=0)
    assert (run.view(now).eta or (0,))[0] == pytest.approx(10 * 60 / SAFETY, rel=0.05), "ten requests are left"
    run.limits = LimitsView(tokens_per_minute=1_000_000, tokens_left=900_000)
    assert (run.view(now).eta or (99,))[0] < 16, "a limit that holds nothing back changes nothing"


def test_a_run_that_slows_gives_a_range() -> None:
    run = progress(items=10_000)
    now = go(run, 100.0, 10, 200)
    now = go(run, now, 25, 20)
    eta = run.view(now).eta
    assert eta is not None
    soonest, latest = eta
    left = run.items - run.indexed
    assert latest == pytest.approx(left / 20, rel=0.1), "as it goes now"
    assert soonest < latest / 2, "as it went on the whole"


def test_the_slower_stage_counts() -> None:
    run = progress()
    for step in range(1, 41):
        run.answered = min(1000, step * 25)
        run.tokens_answered = run.answered * 100
        run.indexed = step * 5
        run.requests_answered = 10_000
        run.sample(100 + step / 4)
    view = run.view(110.0)
    assert view.eta is not None
    assert view.eta[0] == pytest.approx(800 / 20, rel=0.1)


def test_a_pause_is_no_slowness() -> None:
    run = progress()
    now = go(run, 100.0, 5, 50)
    run.state = "paused"
    run.pause(now)
    run.pause(now + 1)  # twice is once
    batch = run.batch(1, 10, 100)
    batch.started = now - 2
    assert run.view(now + 50).eta is None
    assert run.view(now + 50).seconds == run.view(now).seconds  # no clock runs meanwhile
    assert run.view(now + 50).batches[0].seconds == pytest.approx(2)
    now += 600
    assert run.view(now).seconds < 600
    run.resume(now)
    run.state = "running"
    now = go(run, now, 5, 50)
    view = run.view(now)
    assert view.rate == pytest.approx(50, rel=0.1)
    assert view.eta is not None
    assert view.eta[1] < 15
    assert run.paused == pytest.approx(600)
    assert view.seconds == pytest.approx(now - 100 - 600)


@given(
    st.lists(st.tuples(st.floats(0.01, 30), st.integers(0, 50), st.integers(0, 50)), max_size=80),
)
def test_a_range_is_always_a_range(steps: list[tuple[float, int, int]]) -> None:
    run, now = progress(), 100.0
    for seconds, answered, indexed in steps:
        now += seconds
        run.answered = min(run.items, run.answered + answered)
        run.indexed = min(run.answered, run.indexed + indexed)
        run.tokens_answered = run.answered * 100
        run.sample(now)
        view = run.view(now)
        assert view.rate is None or view.rate > 0
        if view.eta is not None:
            assert 0 < view.eta[0] <= view.eta[1]
    assert len(run._samples) <= 100


def test_a_run_of_no_progress_promises_nothing() -> None:
    run = progress()
    for step in range(40):
        run.sample(100 + step / 4)
    view = run.view(110.0)
    assert (view.rate, view.eta) == (None, None)


def test_an_ended_run_stands_still() -> None:
    run = progress()
    run.ended, run.state = 130.0, "done"
    assert run.view(500.0).seconds == 30.0
    assert run.view(500.0).eta is None


def test_a_batchs_life() -> None:
    run = progress()
    batch = run.batch(1, items=100, tokens=10_000)
    assert run.view(101).batches[0].seconds == 0
    batch.state, batch.started, batch.tries = "sending", 101.0, 1
    assert run.view(103).batches[0].seconds == 2
    batch.state, batch.answered = "answered", 100
    run.delivered(1, 60, 104.0)
    assert run.view(104).batches[0].state == "answered"
    run.delivered(1, 40, 105.0)
    view = run.view(200).batches[0]
    assert (view.state, view.indexed, view.seconds) == ("indexed", 100, 4)
    run.delivered(99, 1, 105.0)  # one that has made room already


@pytest.mark.parametrize("at_work", [0, 1, 64, SHOWN_BATCHES - 1, SHOWN_BATCHES, SHOWN_BATCHES + 50])
def test_the_list_of_batches_is_bounded(at_work: int) -> None:
    run = progress()
    total = SHOWN_BATCHES * 2
    for number in range(1, total + 1):
        state: BatchState = "sending" if number <= at_work else "indexed"
        run.batch(number, 10, 100).state = state
    shown = run.view(101).batches
    assert len(shown) == SHOWN_BATCHES
    numbers = [batch.number for batch in shown]
    assert numbers == sorted(numbers)
    assert sum(batch.state == "sending" for batch in shown) == min(at_work, SHOWN_BATCHES)
    if at_work < SHOWN_BATCHES:
        assert numbers[-1] == total, "the latest are shown"


def test_old_batches_make_room_but_those_at_work_stay() -> None:
    run = progress()
    first = run.batch(1, 10, 100)
    first.state = "backing off"
    for number in range(2, 5_000):
        run.batch(number, 10, 100).state = "indexed"
    assert len(run.batches) <= 2 * SHOWN_BATCHES
    assert 1 in run.batches
    assert 1 in [batch.number for batch in run.view(101).batches]


def test_a_batch_whose_item_failed_elsewhere_is_over_when_the_run_is() -> None:
    run = progress()
    whole, part, waiting, cut = (run.batch(number, 2, 10) for number in range(1, 5))
    for batch in (whole, part, waiting):
        batch.state, batch.answered = "answered", 2
    run.delivered(1, 2, 0.0)
    run.delivered(2, 1, 0.0)
    part.settle(delivered=True)
    waiting.settle(delivered=False)
    cut.settle(delivered=True)
    assert [one.state for one in (whole, part, waiting, cut)] == ["indexed", "indexed", "answered", "stopped"]
