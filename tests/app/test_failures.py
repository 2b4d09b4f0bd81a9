"""The failure desk: causes, prices of trying again, and remedies that touch nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch_manager.documents import Document
from batch_manager.errors import StoreError
from batch_manager.pricing import show_usd
from failing import fail

RATE, POISON = "rate_limit_exceeded", "invalid_request_error"


def failing(opens: Callable[..., Any], tables: Callable[..., Any]) -> Any:
    """Two causes that a server gave, and one that was found before."""
    workspace = opens([*tables(8), Document("table", "nothing")], OPENAI_API_KEY="k")
    fail(workspace, [f"table_00{number}" for number in range(4)], RATE, "slow \x1b[31mdown")
    fail(workspace, ["table_005", "nothing"], POISON, "an input was rejected", lasting=True)
    return workspace


async def opened(driver: Any) -> Any:
    """The desk, with its prices."""
    await driver.press("F")
    desk = driver.app.screen
    await driver.until(lambda: len(desk.prices.of_causes) == len(desk.groups) > 0)
    await driver.settle()
    return desk


async def test_causes_say_how_many_why_and_what_it_costs(opens: Any, drives: Any, tables: Any) -> None:
    async with drives(failing(opens, tables)) as driver:
        desk = await opened(driver)
        assert [group.code for group in desk.groups] == [RATE, "empty_document", POISON]
        seen = driver.screen_text()
        assert "67%" in seen
        assert "slow \\x1b[31mdown" in seen
        assert show_usd(desk.prices.of_causes[RATE].quote.cost) in seen
        assert next(key for _, key, _ in desk.footer()) == "r"
        await driver.press("j")
        assert "Retrying can't cure this" in driver.screen_text()
        assert "r" not in [key for _, key, _ in desk.footer()]
        await driver.press("r")
        assert driver.front == "FailuresScreen"
        assert "nothing to send" in driver.notice
        await driver.press("j")
        assert "Retrying won't cure this" in driver.screen_text()
        assert next(key for _, key, _ in desk.footer()) == "enter"


async def test_retry_asks_for_the_marked_alone(opens: Any, drives: Any, tables: Any) -> None:
    workspace = failing(opens, tables)
    async with drives(workspace) as driver:
        desk = await opened(driver)
        await driver.press("r")
        await driver.asked()
        assert driver.app.screen.quote.items == 4
        await driver.press("n", "space", "space")
        assert len(desk.items.marks) == 1
        await driver.press("r")
        await driver.asked()
        assert driver.app.screen.quote.items == 1
        await driver.press("n")
        assert workspace.store.items.counts().total("failed") == 6


async def test_skip_and_undo(opens: Any, drives: Any, tables: Any) -> None:
    workspace = failing(opens, tables)
    async with drives(workspace) as driver:
        await opened(driver)
        await driver.press("u")
        assert "no skip to undo" in driver.notice
        await driver.press("minus")
        assert workspace.store.items.counts().total("skipped") == 4
        assert "u undoes it" in driver.notice
        await driver.press("u")
        assert workspace.store.items.counts().total("failed") == 6
        await driver.press("escape")
        assert driver.front == "MainScreen"


async def test_undo_goes_back_skip_by_skip(opens: Any, drives: Any, tables: Any) -> None:
    workspace = failing(opens, tables)
    counts = workspace.store.items.counts
    async with drives(workspace) as driver:
        desk = await opened(driver)
        await driver.press("minus", "minus", "minus")
        await driver.until(lambda: [counts().total("failed"), counts().total("skipped")] == [0, 6])
        await driver.press("u")
        await driver.until(lambda: [group.code for group in desk.groups] == [POISON])
        await driver.until(lambda: driver.notice == "Undone: 1 item is back as before; u undoes the skip before.")
        await driver.press("u")
        await driver.until(lambda: [group.code for group in desk.groups] == ["empty_document", POISON])
        await driver.press("escape", "u")  # the screen before knows of it as well
        await driver.until(lambda: "Undone: 4 items are back as before." in driver.notice)
        assert counts().total("failed") == 6
        await driver.press("u")
        assert "no mark or skip" in driver.notice


async def test_an_undo_that_fails_or_is_hurried_is_not_lost(
    opens: Any, drives: Any, tables: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = failing(opens, tables)
    counts = workspace.store.items.counts
    async with drives(workspace) as driver:
        await opened(driver)
        await driver.press("minus", "minus", "minus")
        await driver.until(lambda: counts().total("skipped") == 6)
        with monkeypatch.context() as broken:

            def refuse(ids: object) -> int:
                raise StoreError("The store is busy.", next_step="Again.")

            broken.setattr(workspace.store.items, "unskip", refuse)
            await driver.press("u")
            assert "The store is busy" in driver.notice and counts().total("skipped") == 6
        driver.app.simulate_key("u")
        driver.app.simulate_key("u")
        driver.app.simulate_key("u")
        await driver.until(lambda: counts().total("skipped") == 0)


async def test_what_is_taken_in_again_is_what_it_was(opens: Any, drives: Any, tables: Any) -> None:
    workspace = failing(opens, tables)
    async with drives(workspace) as driver:
        await driver.press("minus")
        assert workspace.store.items.counts().total("skipped") == 1
        await driver.press("minus")
        assert "1 item taken in again" in driver.notice
        assert workspace.store.items.counts().total("failed") == 6
        assert "slow" in driver.screen_text()


async def test_the_list_goes_to_a_file(opens: Any, drives: Any, tables: Any, tmp_path: Path) -> None:
    async with drives(failing(opens, tables)) as driver:
        await opened(driver)
        await driver.press("w")
        assert driver.front == "SaveFile"
        driver.app.screen.query_one("#place").value = str(tmp_path / "list.jsonl")
        await driver.press("enter")
        await driver.until(lambda: driver.front == "FailuresScreen")
        rows = [json.loads(line) for line in (tmp_path / "list.jsonl").read_text().splitlines()]
        assert [row["name"] for row in rows] == [f"table_00{number}" for number in range(4)]
        assert "4 failed items written to ~/list.jsonl." in driver.notice
        await driver.press("w")
        driver.app.screen.query_one("#place").value = str(tmp_path / "list.jsonl")
        await driver.press("enter")
        assert "Enter again writes over it" in driver.screen_text()
        driver.app.screen.query_one("#place").value = ""
        await driver.press("enter")
        assert "No file was named" in driver.screen_text()
        await driver.press("escape")
        assert driver.front == "FailuresScreen"


async def test_an_item_is_opened_with_its_history(opens: Any, drives: Any, tables: Any) -> None:
    async with drives(failing(opens, tables), (120, 50)) as driver:
        await opened(driver)
        await driver.press("enter", "enter")
        assert driver.front == "DetailsScreen"
        assert "its tries" in driver.screen_text()
        assert "run 1, 1 request" in driver.screen_text()
        await driver.press("n", "n", "n")
        assert "table_003" in driver.screen_text()
        await driver.press("n")
        assert "no other item" in driver.notice
        await driver.press("escape")
        assert driver.front == "FailuresScreen"
        assert driver.app.screen.query_one("#failed-items").has_focus


async def test_without_failures_the_key_says_so(local: Any, drives: Any, tables: Any) -> None:
    async with drives(local(tables(2))) as driver:
        await driver.press("F")
        assert driver.front == "MainScreen"
        assert "Nothing has failed." in driver.notice
