"""Only what can be sent is counted and offered; where nothing can be, the reason is said and nothing is asked."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from batch_manager.documents import Document
from batch_manager.engine.agreement import agree
from batch_manager.pricing import show_usd
from batch_manager.quote import Scope
from failing import fail

VOID = Document("table", "void")
RATE = "rate_limit_exceeded"


def labels(driver: Any) -> list[str]:
    """What the key line offers."""
    return [label for _, _, label in driver.app.main.footer()]


def plain(driver: Any) -> str:
    """The screen as one line of words, and those of the cost pane without the other panes between its lines."""
    return " ".join(f"{driver.screen_text()} {driver.cost_words()}".replace("│", " ").split())


async def test_start_of_what_cannot_be_sent_says_why(local: Any, drives: Any) -> None:
    async with drives(local([VOID, Document("table", "nil")])) as driver:
        assert "enter says why" in plain(driver)
        await driver.press("s")
        assert driver.front == "MainScreen"
        assert "None of the 2 can be sent: nothing but the name." in driver.notice
        assert "enter on an item says more, - leaves it out" in driver.notice
        await driver.press("minus", "minus", "space", "s")
        assert "It can't be sent: nothing but the name." in driver.notice


async def test_retry_is_offered_for_what_can_be_sent_alone(opens: Any, drives: Any, tables: Any) -> None:
    workspace = opens([*tables(1), VOID, Document("table", "nil")], OPENAI_API_KEY="k")
    fail(workspace, ["table_000", "void", "nil"], RATE, "slow down")
    async with drives(workspace) as driver:
        assert driver.app.main.desk.heading == "1 of 3 failed, to retry with r"
        assert "retry failed" in labels(driver)
        await driver.press("s")
        assert "r retries 1 of 3 failed" in driver.notice
        await driver.press("g", "minus")
        assert "retry failed" not in labels(driver)
        assert "F says why" in plain(driver)  # and not the key that opens an item
        assert "retries what failed" not in plain(driver)
        await driver.press("s")
        assert "Retrying can't cure what failed: F says why" in driver.notice
        await driver.press("r")
        assert "F says why" in driver.notice
        assert driver.front == "MainScreen"


async def test_a_retry_that_cures_nothing_is_not_offered(opens: Any, drives: Any, tables: Any) -> None:
    workspace = opens(tables(3), OPENAI_API_KEY="k")
    fail(workspace, ["table_000"], RATE, "slow down")
    fail(workspace, ["table_001", "table_002"], "invalid_request_error", "no", lasting=True)
    async with drives(workspace) as driver:
        assert driver.app.main.desk.heading == "1 of 3 failed, to retry with r"
        assert "Retrying won't cure 2 more: F says why." in plain(driver)
        await driver.press("s")
        assert "r retries 1 of 3 failed" in driver.notice
        await driver.press("r")
        await driver.asked()
        assert driver.app.screen.quote.items == 1
        assert "what retrying won't cure is left out: F says why" in plain(driver)
        await driver.press("n", "j", "space", "r")
        assert driver.notice.startswith("None of the chosen items failed in a way that a retry may cure: F")
        assert driver.app.main.desk.heading == "1 failed of 1 marked"
        await driver.press("escape", "g", "minus")
        assert driver.app.main.desk.heading == "2 failed"
        assert driver.app.main.desk.why == "Retrying won't cure any of it: F says why, and what helps."
        assert "Retrying won't cure any of it" in plain(driver)
        assert "retry failed" not in labels(driver)
        await driver.press("r")
        assert "Retrying can't cure what failed: F says why" in driver.notice
        await driver.press("F", "r")
        await driver.asked()  # whoever wants to, may
        assert driver.app.screen.quote.items == 2


async def test_a_remapped_key_is_the_one_that_says_why(opens: Any, drives: Any) -> None:
    workspace = opens([VOID], OPENAI_API_KEY="k")
    fail(workspace, ["void"], RATE, "unused")
    (workspace.settings.home / "keys.toml").write_text('failures = "ctrl+g"\n')
    async with drives(workspace) as driver:
        assert "^g says why, and what to do." in plain(driver)


async def test_marks_that_the_filter_hides_are_told_before_anything_is_done(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    workspace = local(tables(12))
    async with drives(workspace) as driver:
        await driver.press("slash", *"_01", "enter", "a", "escape", "g", "space", "space", "slash", *"_01", "enter")
        assert driver.app.main.desk.heading == "4 marked, 2 of them hidden by the filter"
        assert "4 marked, 2 of them hidden" in driver.screen_text()
        assert "2 of them hidden by the filter" in plain(driver)
        await driver.press("s")
        await driver.asked()
        assert "Index what is pending: 4 items" in driver.screen_text()
        assert "2 of the 4 marked are hidden by the filter" in plain(driver)
        await driver.press("n", "minus")
        assert driver.notice == "4 items left out, 2 of them hidden by the filter; u undoes it."
        await driver.press("u", "escape")
        assert "hidden" not in plain(driver)


async def test_retry_means_what_is_in_the_filter_as_start_does(opens: Any, drives: Any, tables: Any) -> None:
    workspace = opens(tables(12), OPENAI_API_KEY="k")
    fail(workspace, ["table_000", "table_010", "table_011"], RATE, "slow down")
    async with drives(workspace) as driver:
        await driver.press("slash", *"_01", "enter", "r")
        await driver.asked()
        assert driver.app.screen.quote.items == 2
        await driver.press("n", "f", "f", "f")
        assert driver.app.main.desk.heading == "2 failed in the filter, to retry with r"
        await driver.press("a", "slash", "0", "enter")
        heading = "2 failed of 2 marked, 1 of them hidden by the filter, to retry with r"
        assert driver.app.main.desk.heading == heading
        await driver.press("u", "escape", "r")
        await driver.asked()
        assert driver.app.screen.quote.items == 3


async def test_a_cap_of_one_question_is_not_the_next_ones(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(2))
    workspace.cap = Decimal("0.25")
    async with drives(workspace) as driver:
        await driver.press("space", "s")
        await driver.asked()
        await driver.press("c", *["backspace"] * 6, *"0.000001", "enter")
        await driver.pilot.pause(0.5)
        await driver.pilot.press("y")
        await driver.run_to_the_end()
        assert workspace.store.ledger.runs()[0].cap == Decimal("0.000001")
        await driver.press("escape", "s")
        await driver.asked()
        assert driver.app.screen.quote.cap == Decimal("0.25")


async def test_without_a_cap_nothing_is_used_of_it(opens: Any, drives: Any, tables: Any) -> None:
    workspace = opens(tables(3), OPENAI_API_KEY="sk-test", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    quote = workspace.engine.quote(Scope())
    run = agree(workspace.store, quote, lambda: quote)
    model, price = quote.space.model, quote.price.per_million
    workspace.store.ledger.reserve(run.run_id, 1, 1, model, 1, 50, price, 1_000_000)
    workspace.store.ledger.recover()  # as after a kill
    async with drives(workspace) as driver:
        assert f"none; run 1 goes on, {show_usd(Decimal('0.000001'))} so far" in plain(driver)
        await driver.press("s")
        await driver.asked()
        assert "none; $0.000001 used by run 1, which goes on" in plain(driver)


async def test_when_all_is_indexed_the_search_is_next(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(3))
    async with drives(workspace, (60, 18)) as driver:
        assert "search" not in driver.screen_text().splitlines()[-1]
        await driver.press("s")
        await driver.asked()
        await driver.pilot.press("y")
        await driver.run_to_the_end()
        await driver.press("j")
        assert driver.screen_text().splitlines()[-1].startswith(" S search")


async def test_a_list_of_what_is_pending_leaves_nothing_out_of_a_retry(opens: Any, drives: Any, tables: Any) -> None:
    workspace = opens(tables(4), OPENAI_API_KEY="k")
    fail(workspace, ["table_000", "table_001"], RATE, "slow down")
    async with drives(workspace) as driver:
        await driver.press("f")
        assert driver.app.main.desk.selection.wanted.status == "pending"
        scope = driver.app.main.desk.selection.failed_scope()
        assert workspace.quote(scope).items == 2
        await driver.press("f", "f", "slash", *"001", "enter")
        assert driver.app.main.desk.selection.wanted.status == "failed"
        assert workspace.quote(driver.app.main.desk.selection.failed_scope()).items == 1
