"""The linter: a key goes through what would make wasted embeddings, with counts and the saving."""

from __future__ import annotations

from typing import Any

from batch_manager.documents import Document
from batch_manager.pricing import show_usd
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from jobs import KEY, options


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


async def test_the_same_words_under_another_name_are_found_and_counted_beside_the_price(
    opens: Any, drives: Any, tables: Any
) -> None:
    copies = [Document("table", f"copy_{number}", "Copied", "word for word") for number in range(3)]
    workspace = opens([*tables(2), *copies], OPENAI_API_KEY="k")
    async with drives(workspace) as driver:
        desk = driver.app.main.desk
        await driver.until(lambda: desk.findings == "2 pending items have findings: l shows them.")
        assert "2 pending items have findings" in driver.screen_text()
        await settled(driver)
        assert desk.selection.wanted.problem == "same_words"
        assert "the same words under another name: 2 items; a marks them, - leaves them out" in driver.notice
        await driver.press("enter")
        await driver.until(lambda: "those of copy_0" in driver.screen_text())
        await driver.press("escape")
        await settled(driver)
        assert driver.notice == "Findings of 2 items seen; all items again."
        await driver.press("G", "minus")
        await driver.until(lambda: desk.findings == "1 pending item has a finding: l shows it.")


async def test_what_is_indexed_is_paid_for_already(opens: Any, drives: Any) -> None:
    with RehearsalServer.start(options()) as server:
        copies = [Document("table", f"copy_{number}", "Copied") for number in range(2)]
        workspace = opens(copies, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.base_url)
        workspace.engine.start(workspace.engine.quote(Scope()))
        assert workspace.engine.wait(60).indexed == 2
        async with drives(workspace) as driver:
            await settled(driver)
            assert "1 item; saves nothing: what is sent of it is paid for already." in driver.notice
            assert driver.app.main.desk.findings == ""


async def test_without_findings_it_says_so(local: Any, drives: Any, tables: Any) -> None:
    async with drives(local(tables(2))) as driver:
        await settled(driver)
        assert "No findings" in driver.notice
        assert driver.app.main.desk.selection.wanted.problem is None
