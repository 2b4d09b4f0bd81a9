"""A query leaves the machine only when somebody pressed enter, with its price and its server in sight."""

from __future__ import annotations

from typing import Any

import pytest

from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from batch_manager_tui.screens.search import TYPING_PAUSE
from batch_manager_tui.widgets.hits import Hits
from jobs import KEY, options


@pytest.mark.parametrize("now", ["local", "openai"])
async def test_typing_sends_nothing_where_the_index_is_of_a_server(
    opens: Any, drives: Any, tables: Any, now: str
) -> None:
    with RehearsalServer.start(options()) as server:
        environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
        indexed = opens(tables(3), **environment)
        indexed.engine.start(indexed.engine.quote(Scope()))
        assert indexed.engine.wait(60).indexed == 3
        indexed.close()
        server.clear()
        async with drives(opens(**environment, EMBEDDING_PROVIDER=now)) as driver:
            await driver.press("S", *"words")
            await driver.pilot.pause(TYPING_PAUSE + 0.3)
            await driver.settle()
            assert server.totals()["requests"] == 0, driver.notice
            assert ("at 127.0.0.1" in driver.screen_text()) == (now == "local")
            await driver.press("enter")
            await driver.until(lambda: server.totals()["requests"] == 1)


async def test_typing_searches_by_itself_where_it_stays_on_this_machine(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(3))
    workspace.engine.start(workspace.engine.quote(Scope()))
    assert workspace.engine.wait(60).indexed == 3
    async with drives(workspace) as driver:
        await driver.press("S", *"words")
        await driver.until(lambda: driver.app.screen.query_one("#hits", Hits).current is not None)


async def test_a_click_on_a_key_is_done_once(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(3))
    workspace.engine.start(workspace.engine.quote(Scope()))
    assert workspace.engine.wait(60).indexed == 3
    async with drives(workspace, size=(120, 40)) as driver:
        await driver.press("S", *"words")
        await driver.until(lambda: driver.app.screen.query_one("#hits", Hits).current is not None)
        last = driver.screen_text().splitlines()[-1]
        await driver.pilot.click(offset=(last.index(" kind") + 2, 39))
        await driver.settle()
        assert driver.app.screen.query_one("#hits", Hits).border_subtitle == "tables only"
