"""The check: store and index compared beside the keys, what is left to do, repair for $0, and a stop on the way."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import chromadb

from batch_manager.documents import Document
from batch_manager.quote import Scope


def indexed(local: Any, documents: Any) -> Any:
    """A home whose items are indexed; closed, so that Chroma's folder is nobody's."""
    workspace = local(documents)
    workspace.engine.start(workspace.engine.quote(Scope()))
    workspace.engine.wait(60)
    workspace.close()
    return workspace.settings


async def checked(driver: Any) -> str:
    """Wait for the answer; the screen as one line of words."""
    await driver.until(lambda: driver.app.screen._watch is None)
    await driver.settle()
    return " ".join(driver.screen_text().replace("│", " ").split())


async def test_what_is_left_is_told_and_an_index_that_is_true(local: Any, drives: Any, tables: Any) -> None:
    indexed(local, tables(3))
    async with drives(local([*tables(3), Document("table", "new", "Another")]), (80, 24)) as driver:
        await driver.press("V")
        words = await checked(driver)
        assert "Store and index agree." in words
        assert "indexed 3" in words and "pending 1 $0 to index" in words and "untrue 0" in words
        await driver.press("r")
        assert "nothing to repair" in driver.notice
        await driver.press("x")
        assert "nothing to stop" in driver.notice
        await driver.press("l")
        assert "Store and index agree." in await checked(driver)
        await driver.press("escape")
        assert driver.front == "MainScreen"


async def test_without_a_price_what_is_pending_is_counted_all_the_same(opens: Any, drives: Any, tables: Any) -> None:
    workspace = opens(tables(3), OPENAI_EMBEDDING_MODEL="odd-model", OPENAI_API_KEY="sk-any-key-at-all")
    async with drives(workspace, (80, 24)) as driver:
        await driver.press("V")
        words = await checked(driver)
        assert "pending 3" in words and "All is indexed" not in words


async def test_what_is_untrue_is_named_and_mended_for_nothing(local: Any, drives: Any, tables: Any) -> None:
    settings = indexed(local, tables(5))
    with closing(chromadb.PersistentClient(str(settings.vectors_directory))) as client:
        rows = client.get_collection("tables", embedding_function=None)
        rows.delete(ids=["table_001", "table_002"])
        rows.update(ids=["table_003"], metadatas=[{"hash": "0" * 64}])
    async with drives(local(tables(5)), (60, 18)) as driver:
        await driver.press("V")
        words = await checked(driver)
        assert "3 untrue" in words
        assert "missing 2" in words and "outdated 1" in words
        assert "r mends what costs nothing" in " ".join(driver.screen_text().split()) or "r repair" in words
        await driver.press("r")
        assert "3 of 3 mended for $0" in await checked(driver)
        await driver.press("r")
        assert "nothing to repair" in driver.notice
        await driver.press("enter")
        assert "All is indexed, and the index is true to the store." in await checked(driver)


async def test_a_check_is_stopped_by_its_key_and_by_leaving(local: Any, drives: Any, tables: Any) -> None:
    indexed(local, tables(3))
    async with drives(local(tables(3))) as driver:
        await driver.pilot.press("V")  # Chroma's process has to start first, which takes longer than the next key
        await driver.until(lambda: driver.front == "CheckScreen")
        assert "x  stops" in driver.screen_text()
        await driver.pilot.press("x")
        assert "Stopped before the end" in await checked(driver)
        await driver.press("l", "escape")
        assert driver.front == "MainScreen"
        await driver.press("V")
        assert "Store and index agree." in await checked(driver)


async def test_nothing_is_compared_where_nothing_was_ever_indexed(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(2))
    async with drives(workspace) as driver:
        await driver.press("V")
        assert "pending 2" in await checked(driver)
        assert not workspace.settings.vectors_directory.exists()
