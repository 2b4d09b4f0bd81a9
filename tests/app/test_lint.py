"""The linter: a key goes through what would make wasted embeddings, with counts and the saving."""

from __future__ import annotations

from typing import Any

from batch_manager.documents import Document
from batch_manager.pricing import show_usd


async def settled(driver: Any) -> None:
    """Press the key, and wait for the notice."""
    await driver.press("l")
    await driver.until(lambda: not any(w.group == "lint" and not w.is_finished for w in driver.app.workers))
    await driver.settle()


async def test_findings_filter_and_a_key_leaves_them_out(opens: Any, drives: Any, tables: Any) -> None:
    documents = [*tables(4), Document("table", "nothing"), Document("table", "orders", "Orders")]
    workspace = opens(documents, OPENAI_API_KEY="k")
    async with drives(workspace) as driver:
        desk = driver.app.main.desk
        whole = desk.quote.cost
        await settled(driver)
        assert desk.selection.wanted.problem == "empty_document"
        assert "nothing but the name: 1 item; saves nothing" in driver.notice
        await settled(driver)
        assert "the name said again" in driver.screen_text()
        assert "1 of 6" in driver.screen_text()
        saving = desk.quote.cost
        assert f"- leaves them out and saves {show_usd(saving)}" in driver.notice
        await driver.press("a", "minus")
        await driver.press("escape", "escape")
        assert desk.quote.cost == whole - saving
        await settled(driver)
        await settled(driver)
        assert desk.selection.wanted.problem is None
        assert "all items again" in driver.notice


async def test_without_findings_it_says_so(local: Any, drives: Any, tables: Any) -> None:
    async with drives(local(tables(2))) as driver:
        await settled(driver)
        assert "No findings" in driver.notice
        assert driver.app.main.desk.selection.wanted.problem is None
