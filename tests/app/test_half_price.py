"""The half-price lane in the app: h and y hand over; batches are seen, cancelled, moved and later taken in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from rich.cells import cell_len

from batch_manager.half_price import JobView
from batch_manager.pricing import show_usd
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager_tui.widgets.job_lines import job_line


@pytest.fixture(scope="module")
def shared() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(RehearsalOptions(seed=7)) as running:
        yield running


@pytest.fixture
def server(shared: RehearsalServer) -> RehearsalServer:
    """The shared server, whose batches take a thousand seconds of its clock."""
    shared.set_options(batch_seconds=1000)
    shared.clear()
    shared.clear_batches()
    return shared


@pytest.fixture
def paid(opens: Any, server: RehearsalServer) -> Callable[..., Any]:
    """Opens a home that sends to the server."""
    return lambda documents=(), key="sk-test": opens(documents, OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY=key)


async def hand_over(driver: Any) -> None:
    await driver.press("s")
    await driver.asked()
    await driver.press("h")
    await driver.pilot.pause(0.5)
    await driver.pilot.press("y")
    await driver.until(lambda: "handed over" in driver.notice)
    await driver.settle()


async def test_h_and_y_hand_over_and_a_later_start_takes_in(
    paid: Any, drives: Any, tables: Any, server: RehearsalServer
) -> None:
    workspace = paid(tables(5))
    async with drives(workspace) as driver:
        assert "within 24 h" in driver.screen_text()  # in the cost panel
        await driver.press("s")
        await driver.asked()
        assert "within 24 h: h" in driver.screen_text()
        await driver.press("h")
        text = driver.screen_text()
        assert " now" in text and "within 24 h" in text and "handed over" in text
        await driver.press("escape")
        assert server.totals()["requests"] == 0 and workspace.store.jobs.handed_runs() == []
        await hand_over(driver)
        assert len(workspace.half_price.jobs()) == 1 and workspace.store.items.counts().total("pending") == 5
        await driver.until(lambda: "At half the price" in driver.screen_text())  # a bar in the batches' pane
        await driver.until(lambda: driver.screen_text().count("at half price") >= 5)  # each item's note
        text = driver.screen_text()
        assert "all 5 pending are handed over" in text
        assert f"{show_usd(workspace.store.jobs.held())} of it held" in text
        await driver.press("enter")
        assert "in a half-price batch, not back yet" in driver.screen_text()
        await driver.press("escape")
        await driver.press("h")
        assert driver.front == "HalfPriceScreen" and "0/5" in driver.screen_text()
        server.advance(500)
        await driver.press("l")
        await driver.until(lambda: "in progress" in driver.screen_text())
        assert "held" in driver.screen_text() and "expires" in driver.screen_text()
        lines = driver.screen_text().splitlines()
        heads = next(number for number, line in enumerate(lines) if "batch" in line and "state" in line)
        assert "in progress" in lines[heads + 1]
    workspace.close()
    server.advance(500)
    later = paid()
    async with drives(later) as driver:
        await driver.until(lambda: later.store.items.counts().total("indexed") == 5)
        assert server.totals()["batch_tokens"] == server.totals()["billed_tokens"] > 0
        await driver.until(lambda: not later.half_price.jobs())
        await driver.press("B")
        assert "saved by the half-price lane" in driver.screen_text()


async def test_a_batch_is_moved_to_the_other_lane(paid: Any, drives: Any, tables: Any, server: RehearsalServer) -> None:
    workspace = paid(tables(4))
    async with drives(workspace) as driver:
        await hand_over(driver)
        await driver.press("h", "m")
        await driver.asked()
        assert "Index now what is left" in driver.screen_text()
        await driver.pilot.press("y")
        await driver.run_to_the_end()
        assert workspace.store.items.counts().total("indexed") == 4
        await driver.press("h", "l")
        await driver.until(lambda: not workspace.half_price.jobs())
        assert server.totals()["batch_tokens"] == 0  # it was cancelled before anything was done


async def test_a_batch_is_cancelled(paid: Any, drives: Any, tables: Any, server: RehearsalServer) -> None:
    workspace = paid(tables(3))
    async with drives(workspace) as driver:
        await hand_over(driver)
        await driver.press("s")
        assert "3 items are in a half-price batch since 20" in driver.notice and ": h looks." in driver.notice
        assert "3 items are in" in " ".join(driver.screen_text().split())  # beside the price as well
        await driver.press("h", "w")
        assert "nothing to give up" in driver.notice
        await driver.press("x")
        await driver.until(lambda: "Cancel this batch?" in driver.screen_text())
        assert "3 requests not done yet" in driver.screen_text()
        await driver.press("n")
        assert "Nothing was cancelled" in driver.notice and not workspace.store.jobs.under_way()[0].cancel_asked
        await driver.press("x", "y")
        await driver.until(lambda: "cancelling" in driver.screen_text() or not workspace.half_price.jobs())
        await driver.press("l")
        await driver.until(lambda: not workspace.half_price.jobs())
        assert workspace.engine.quote(driver.app.main.desk.selection.pending_scope()).items == 3


async def test_a_batch_that_this_key_cant_see_is_given_up(
    paid: Any, drives: Any, tables: Any, server: RehearsalServer
) -> None:
    workspace = paid(tables(3))
    half = workspace.half_price
    half.start(half.quote(Scope()))
    workspace.close()
    other = paid(key="sk-other")
    async with drives(other) as driver:
        await driver.press("h", "l")
        await driver.until(lambda: "another organisation" in " ".join(driver.screen_text().split()))
        await driver.press("w")
        await driver.until(lambda: "Give up this batch?" in driver.screen_text())
        text = " ".join(driver.screen_text().split())
        assert "3 items would be pending" in text and "$0.000" in text
        await driver.press("n")
        assert other.store.jobs.held() > 0
        await driver.press("w", "y")
        await driver.until(lambda: "pending again" in driver.notice)
        assert other.store.jobs.held() == 0 < other.store.ledger.held()
        assert other.engine.quote(Scope()).items == 3


async def test_where_there_is_no_such_lane(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(2))
    async with drives(workspace) as driver:
        await driver.press("s")
        await driver.asked()
        await driver.press("h")
        assert "nothing to halve" in driver.screen_text()
        await driver.press("escape", "h")
        assert "Nothing is under way" in driver.screen_text()


@pytest.mark.parametrize("state", ["validating", "maybe submitted"])
@pytest.mark.parametrize("width", [36, 40, 60])
def test_a_batch_in_a_narrow_pane_is_told_with_its_counts(state: str, width: int) -> None:
    times = ("2026-11-24T10:00:00+00:00", "2026-11-25T10:00:00+00:00", None, False, False, "", "", ())
    for total in (147, 25_000):
        job = JobView(1, 3, 1, "batch_1", state, total, 13, 0, 0, 3_100, Decimal("0.031"), Decimal(0), *times)
        line = "".join(text for text, _ in job_line(job, width))
        assert cell_len(line) == width
        assert f" 13/{total:,}" in line and "3.1 " in line and state in line


@pytest.mark.parametrize("size", [(60, 18), (80, 24)])
async def test_the_answers_say_what_a_yes_allows_now_and_cut_no_price(
    paid: Any, drives: Any, tables: Any, size: tuple[int, int]
) -> None:
    workspace = paid(tables(6))
    async with drives(workspace, size) as driver:
        await driver.press("s")
        await driver.asked()
        now = driver.app.screen.quote
        spends = f"y  spend {show_usd(now.cost)} "
        assert spends in driver.screen_text() and "h  half price" in driver.screen_text()
        await driver.press("c", *["backspace"] * 9, *"0.000001", "enter")
        assert "y  spend $0.000001 at most" in driver.screen_text() and "h  half price" in driver.screen_text()
        await driver.press("c", *["backspace"] * 9, *"5", "enter")
        assert spends in driver.screen_text() and "at most" not in driver.screen_text()
        await driver.press("h")
        assert f"y  spend {show_usd(driver.app.screen.quote.cost)} " in driver.screen_text()
        assert "h  now" in driver.screen_text() and "c  cap" in driver.screen_text()
        assert driver.app.screen.quote.cost < now.cost


async def test_what_an_earlier_run_said_is_gone_once_items_are_handed_over(
    paid: Any, drives: Any, tables: Any, server: RehearsalServer
) -> None:
    workspace = paid(tables(3))
    async with drives(workspace) as driver:
        await driver.press("s")
        await driver.asked()
        await driver.press("c", *"0.0000001", "enter")
        await driver.pilot.pause(0.5)
        await driver.pilot.press("y")
        await driver.run_to_the_end()
        assert "The cap of" in driver.screen_text() and "the last run" in driver.screen_text()
        await hand_over(driver)
        await driver.press("j")
        await driver.until(lambda: "At half the price" in driver.screen_text())
        assert "The cap of" not in driver.screen_text() and "the last run" not in driver.screen_text()


async def test_the_key_line_has_what_can_be_done_with_a_batch(paid: Any, drives: Any, tables: Any) -> None:
    workspace = paid(tables(3))
    async with drives(workspace) as driver:
        await driver.press("h")
        assert [label for _, _, label in driver.app.screen.footer()] == ["next pane", "help", "back"]
        assert " cancel" not in driver.screen_text().splitlines()[-1]
        await driver.press("escape")
        await hand_over(driver)
        await driver.press("h")
        labels = [label for _, _, label in driver.app.screen.footer()]
        assert labels[:3] == ["look now", "cancel", "index now"] and "give up" not in labels
        assert "x cancel" in driver.screen_text().splitlines()[-1]
