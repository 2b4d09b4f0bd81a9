"""Another model in the app: the panel and the question say what becomes of the index, the header which one serves."""

from __future__ import annotations

from typing import Any

from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from jobs import options


async def test_a_change_is_told_before_the_yes_and_done_after_it(opens: Any, drives: Any, tables: Any) -> None:
    with RehearsalServer.start(options()) as server:
        at = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.base_url}
        old = opens(tables(3), EMBEDDING_PROVIDER="local")
        old.engine.start(old.engine.quote(Scope()))
        assert old.engine.wait(60).indexed == 3
        old.close()
        new = opens(tables(3), **at, OPENAI_EMBEDDING_DIMENSIONS="8")
        async with drives(new, (160, 45)) as driver:
            seen = driver.screen_text()
            assert "Another index: 3 items" in seen
            assert "index: wordllama-l2-supercat-256 (256 dimensions)" in seen.splitlines()[0]
            await driver.press("s")
            await driver.asked()
            seen = " ".join(driver.screen_text().replace("│", " ").split())
            assert "3 items under text-embedding-3-small (8 dimensions), $0.0" in seen
            assert "256 dimensions) serves until" in seen
            await driver.press("y")
            await driver.until(lambda: driver.app.main.desk.view.run_id)
            await driver.run_to_the_end()
            await driver.until(lambda: not driver.app.main.desk.serves)
            assert "index:" not in driver.screen_text().splitlines()[0]
            assert [one.state for one in new.store.generations.all()] == ["kept", "serving"]
        new.close()
        back = opens(tables(3), EMBEDDING_PROVIDER="local")
        async with drives(back, (160, 45)) as driver:
            assert "back to wordllama" in " ".join(driver.screen_text().replace("│", " ").split())
            await driver.press("s")  # nothing is pending, and still there is something to be done
            await driver.asked()
            assert "go, for $0" in driver.screen_text()
            await driver.pilot.press("y")
            await driver.run_to_the_end()
            assert "nothing was sent; the index is changed" in driver.screen_text()
            assert "0 of 0" not in driver.screen_text()
