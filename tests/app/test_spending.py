"""Only a deliberate y spends, and it spends what was shown."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from time import monotonic
from typing import Any

import pytest
from textual import events
from textual.widgets import Input

from batch_manager.engine.agreement import agree
from batch_manager.pricing import show_usd
from batch_manager.quote import Scope
from batch_manager.sources.collection import IterableSource
from batch_manager_tui.screens import confirm_spend
from batch_manager_tui.widgets.question_lines import read_cap

from .conftest import table


def sent(workspace: Any) -> bool:
    """Whether any run was ever agreed."""
    return bool(workspace.store.ledger.runs()) or workspace.engine.view().run_id != 0


@pytest.mark.parametrize("starter", ["s", "R"])
async def test_no_other_key_spends(
    starter: str, local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    workspace = local(tables(3))
    async with drives(workspace) as driver:
        for key in ("enter", "escape", "n", "space", "Y", "ctrl+y", "q", "s", "tab", "1"):
            await driver.press(starter)
            await driver.asked()
            await driver.press(key)
            await driver.pilot.pause(0.3)
            assert not sent(workspace), key
            assert driver.app.is_running, key
            if driver.front == "ConfirmSpend":
                await driver.press("escape")
            await driver.until(lambda: driver.front == "MainScreen")


async def test_a_paste_does_not_spend(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Keys that come all at once may be this far apart here, on a machine that has other things to do.
    monkeypatch.setattr(confirm_spend, "QUIET_AFTER", 1.5)
    workspace = local(tables(3))
    async with drives(workspace) as driver:
        await driver.press("s")
        await driver.asked()
        driver.app.post_message(events.Paste("y"))
        driver.app.screen.post_message(events.Paste("y\n"))
        await driver.pilot.pause(0.5)
        assert driver.front == "ConfirmSpend"
        # A terminal without bracketed paste sends the text as keys, all at once.
        await driver.pilot.press(*"yes")
        await driver.pilot.pause(2)
        await driver.pilot.press("y", "enter")
        await driver.pilot.pause(2)
        assert not sent(workspace)


async def test_a_y_that_was_pressed_too_early_does_not_spend(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As long as it takes to press the key here, however busy the machine is.
    monkeypatch.setattr(confirm_spend, "QUIET_BEFORE", 60.0)
    workspace = local(tables(3))
    async with drives(workspace) as driver:
        await driver.pilot.press("s")
        await driver.until(lambda: driver.front == "ConfirmSpend")
        await driver.pilot.press("y")
        await driver.pilot.pause(0.5)
        assert driver.front == "ConfirmSpend"
        assert not sent(workspace)


async def test_a_held_y_does_not_spend(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than a busy machine ever takes from one of these keys to the next, and shorter than all of them take.
    monkeypatch.setattr(confirm_spend, "QUIET_BEFORE", 3.0)
    workspace = local(tables(3))
    async with drives(workspace) as driver:
        await driver.pilot.press("s", "y")
        await driver.until(lambda: driver.front == "ConfirmSpend")
        held = monotonic()
        while monotonic() < held + 4.0:  # a keyboard repeats some 30 times a second
            await driver.pilot.press("y")
            await driver.pilot.pause(0.03)
        await driver.pilot.press("escape")
        await driver.pilot.pause(0.4)
        assert not sent(workspace)


async def test_y_in_the_box_of_the_cap_is_a_letter(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    workspace = local(tables(3))
    async with drives(workspace) as driver:
        await driver.press("s")
        await driver.asked()
        await driver.press("c")
        await driver.pilot.press("y")
        await driver.pilot.pause(0.6)
        assert driver.app.screen.query_one("#cap-box", Input).value == "y"
        await driver.press("enter")
        assert "amount in USD" in driver.screen_text()
        assert not sent(workspace)


async def test_y_spends_what_is_marked_and_nothing_else(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    workspace = local(tables(5))
    async with drives(workspace) as driver:
        await driver.press("space", "space", "s")
        await driver.asked()
        assert "2 items" in driver.screen_text()
        assert "this machine" in driver.screen_text()
        await driver.pilot.press("y")
        await driver.run_to_the_end()
        assert workspace.store.items.counts().total("indexed") == 2
        assert workspace.store.items.counts().total("pending") == 3
        assert "Done: 2 indexed." in driver.notice


async def test_a_changed_quote_is_asked_again(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    workspace = local(tables(3))
    async with drives(workspace) as driver:
        await driver.press("s")
        await driver.asked()
        workspace.store.items.bring(IterableSource([table(99)], "words", "meanwhile"))
        await driver.pilot.press("y")
        await driver.until(lambda: "changed since" in driver.screen_text() and "4 items" in driver.screen_text())
        assert not sent(workspace)
        await driver.press("n")
        assert "Nothing was sent." in driver.notice


async def test_the_cap_goes_with_the_yes(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    workspace = local(tables(2))
    workspace.cap = Decimal("0.25")
    async with drives(workspace) as driver:
        assert "$0.25" in driver.screen_text()
        await driver.press("s")
        await driver.asked()
        await driver.press("c", *["backspace"] * 6, *"0.5", "enter")
        assert "$0.50" in driver.screen_text()
        await driver.pilot.pause(0.5)
        await driver.pilot.press("y")
        await driver.run_to_the_end()
        assert workspace.store.ledger.runs()[0].cap == Decimal("0.5")


async def test_a_cap_below_the_first_request_says_which_size_would_fit(opens: Any, drives: Any) -> None:
    workspace = opens(demo=True, rehearse=True)
    async with drives(workspace, (60, 18)) as driver:
        await driver.press("s")
        await driver.asked()
        await driver.press("c", *"0.00002", "enter")
        seen = " ".join(driver.screen_text().replace("│", " ").split())
        fits = driver.app.screen.quote.first_that_fit
        assert f"too low for a request; EMBEDDING_BATCH_SIZE={fits} fits" in seen
        assert "n no" in seen  # the answers are still in sight
        await driver.press("c", "ctrl+u", "0", "enter")
        assert "too low for any text" in " ".join(driver.screen_text().replace("│", " ").split())


async def test_an_interrupted_run_goes_on_under_its_own_cap(
    opens: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    workspace = opens(tables(3), OPENAI_API_KEY="sk-test", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    quote = workspace.engine.quote(Scope(), Decimal("0.000002"))
    run = agree(workspace.store, quote, lambda: quote)
    model, price = quote.space.model, quote.price.per_million
    workspace.store.ledger.reserve(run.run_id, 1, 1, model, 1, 50, price, 1_000_000)
    workspace.store.ledger.recover()  # as after a kill
    async with drives(workspace) as driver:
        assert "$0.000002, $0.000001 of it used" in driver.cost_words()
        await driver.press("s")
        await driver.asked()
        text = driver.screen_text()
        assert "$0.000002, $0.000001 of it used by run 1, which" in text
        assert f"spend {show_usd(quote.cost)} " not in text and "spend $0.000001 at most" in text
        assert driver.app.screen.quote.cap == quote.cap
        await driver.press("c", *["backspace"] * 9, "enter")  # and it can be taken off
        assert "used by run" not in driver.screen_text() and f"spend {show_usd(quote.cost)} " in driver.screen_text()


async def test_without_a_key_nothing_is_asked(
    opens: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(opens(tables(2))) as driver:
        await driver.press("s")
        await driver.until(lambda: "OPENAI_API_KEY" in driver.notice)
        assert driver.front == "MainScreen"


def test_what_a_cap_may_be() -> None:
    assert read_cap("") is None
    assert read_cap(" $1.50 ") == Decimal("1.50")
    for wrong in ("y", "-1", "nan", "inf", "1,5"):
        with pytest.raises(ValueError, match="amount in USD"):
            read_cap(wrong)


async def test_what_a_budget_has_left_is_told_before_the_yes(
    opens: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    money = {"EMBEDDING_MAX_COST_PER_DAY": "0.0000001", "EMBEDDING_MAX_COST_PER_MONTH": "5"}
    workspace = opens(tables(20), OPENAI_API_KEY="sk-none", OPENAI_BASE_URL="http://127.0.0.1:9/v1", **money)
    async with drives(workspace) as driver:
        assert "today     $0.0000001 of" in driver.screen_text()
        assert "month     $5.00 of $5.00 left" in driver.screen_text()
        await driver.press("s")
        await driver.asked()
        assert "left      $0.0000001 today, $5.00 this month; the rest" in driver.screen_text()
        await driver.press("escape")
        assert not sent(workspace)


async def test_a_budget_that_is_used_up_is_a_problem(
    opens: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    workspace = opens(tables(2), OPENAI_API_KEY="sk-none", EMBEDDING_MAX_COST_PER_DAY="0.0001")
    workspace.store.ledger.reserve(1, 1, 1, "m", 1, 1, Decimal(1), 100_000_000)
    workspace.store.ledger.refuse(1, "x", "y", held=True, seconds=0)
    async with drives(workspace) as driver:
        await driver.press("comma")
        assert [one.code for one in driver.app.screen.problems] == ["budget_reached", "held_money"]
        assert "The day's budget of $0.0001 is used up." in driver.screen_text()


async def test_the_answers_are_in_sight_on_a_small_terminal_with_all_there_is_to_say(
    opens: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    more = {"EMBEDDING_MAX_COST_PER_DAY": "0.0000001", "EMBEDDING_MAX_COST_PER_MONTH": "5", "BATCH_MANAGER_USER": "Ann"}
    async with drives(opens(tables(20), OPENAI_API_KEY="sk-none", **more), (60, 18)) as driver:
        await driver.press("s")
        await driver.asked()
        seen = driver.screen_text()
        assert "20 items, as Ann" in seen and "this month" in seen and " y  spend" in seen and "half price" in seen
