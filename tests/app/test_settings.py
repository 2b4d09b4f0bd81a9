"""The settings' screen: problems first, origins, no secret."""

from __future__ import annotations

from typing import Any

from batch_manager.quote import Space
from failing import fail

KEY = "sk-proj-something-secret"


async def test_problems_come_first_and_origins_are_told(opens: Any, drives: Any, tables: Any) -> None:
    workspace = opens(tables(3), DATABASE_URL="postgresql://ann:hunter2@db/shop", EMBEDDING_CONCURRENCY="4")
    fail(workspace, ["table_000"], "x", "y")
    workspace.store.generations.claim(Space("openai", "https://other/v1", "other\x1b-model", 7), 0)
    workspace.store._db.execute_sql("UPDATE run SET state = 'interrupted'")
    workspace.store._db.execute_sql("UPDATE run_text SET state = 'planned'")
    async with drives(workspace, (160, 45)) as driver:
        await driver.press("comma")
        screen = driver.app.screen
        assert [one.code for one in screen.problems] == ["no_api_key", "other_model", "unfinished_run"]
        seen = driver.screen_text()
        assert seen.index("No OPENAI_API_KEY is set") < seen.index("EMBEDDING_CONCURRENCY")
        assert "other\\x1b-model" in seen
        assert "postgresql://…@db/shop" in seen
        assert "hunter2" not in seen
        before = (workspace.store.path.read_bytes(), workspace.settings)
        await driver.press(*["j"] * 7)
        assert "EMBEDDING_CONCURRENCY" in driver.screen_text()
        assert "--concurrency" in driver.screen_text()
        await driver.press("tab", "tab", "tab", "G", "g", "comma")
        assert driver.front == "MainScreen"
        assert (workspace.store.path.read_bytes(), workspace.settings) == before


async def test_no_problem_is_said_too_and_no_key_is_shown(opens: Any, drives: Any, tables: Any) -> None:
    async with drives(opens(tables(1), OPENAI_API_KEY=KEY)) as driver:
        await driver.press("comma")
        assert "Nothing stands in the way of a run." in driver.screen_text()
        assert "set, hidden" in driver.screen_text()
        assert KEY not in driver.screen_text()
        assert "sk-" not in driver.screen_text()


async def test_a_model_without_a_price_is_a_problem(opens: Any, drives: Any, tables: Any) -> None:
    workspace = opens(tables(1), OPENAI_API_KEY=KEY, OPENAI_EMBEDDING_MODEL="my-own")
    async with drives(workspace, (80, 24)) as driver:
        await driver.press("comma")
        assert [one.code for one in driver.app.screen.problems] == ["unknown_price"]
        assert "EMBEDDING_PRICE_PER_MILLION to its price" in driver.screen_text()


async def test_the_smallest_terminal_has_rows_of_the_list(opens: Any, drives: Any, tables: Any) -> None:
    async with drives(opens(tables(1)), (60, 18)) as driver:
        await driver.press("comma")
        assert driver.app.screen.query_one("#setting-list").size.height >= 2
        assert driver.app.screen.settings[0].name[:18] in driver.screen_text()
