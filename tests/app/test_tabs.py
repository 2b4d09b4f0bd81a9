"""Where only one pane has room, the screens behind the first one show one at a time, with the titles of all."""

from __future__ import annotations

from typing import Any

import pytest

from batch_manager.quote import Scope
from batch_manager_tui.display import cell_len
from batch_manager_tui.widgets.tab_titles import STARTS, tab_at, tab_titles
from failing import fail

PANES = {
    "F": ("#causes", "#failed-items", "#cause"),
    "B": ("#runs", "#spend", "#run"),
    "enter": ("#exact-text", "#facts", "#near"),
}


def failing(opens: Any, tables: Any) -> Any:
    """A workspace with something on each of these screens."""
    workspace = opens(tables(4), EMBEDDING_PROVIDER="local")
    fail(workspace, ["table_003"], "invalid_request_error", "no", lasting=True)
    workspace.engine.start(workspace.engine.quote(Scope()))
    assert workspace.engine.wait(60).indexed == 3
    return workspace


@pytest.mark.parametrize("opener", list(PANES))
async def test_one_pane_at_a_time_has_the_room(opens: Any, drives: Any, tables: Any, opener: str) -> None:
    async with drives(failing(opens, tables), (60, 18)) as driver:
        await driver.press(opener)
        screen = driver.app.screen
        await driver.until(lambda: len(screen._panes()) == 3)
        for pane in PANES[opener]:
            seen = [one for one in PANES[opener] if screen.frame(one).size.area]
            assert seen == [pane]
            assert screen.query_one(pane) is screen.focused
            assert screen.frame(pane).size.height >= 10
            top = driver.screen_text().splitlines()[1]
            assert all(name in top for name in screen.TABS)
            assert "tab next pane" in driver.screen_text().splitlines()[-1]
            await driver.press("tab")
        await driver.pilot.resize_terminal(120, 40)
        await driver.settle()
        assert all(screen.frame(one).size.area for one in PANES[opener])
        await driver.press("escape")
        assert driver.front == "MainScreen"


async def test_a_click_on_a_title_shows_its_pane(opens: Any, drives: Any, tables: Any) -> None:
    async with drives(failing(opens, tables), (60, 18)) as driver:
        await driver.press("B")
        top = driver.screen_text().splitlines()[1]
        await driver.pilot.click(offset=(top.index("Spend") + 1, 1))
        await driver.settle()
        assert driver.app.screen.focused.id == "spend"
        assert "billed" in driver.screen_text() or "this machine" in driver.screen_text()


async def test_the_failure_desk_is_left_at_once_and_says_what_a_retry_does(
    opens: Any, drives: Any, tables: Any
) -> None:
    async with drives(failing(opens, tables), (60, 18)) as driver:
        await driver.press("F")
        assert "cures" in driver.screen_text() and "■ won't" in driver.screen_text()
        await driver.press("enter", "escape")
        assert driver.front == "MainScreen"
        await driver.press("B")
        assert driver.front == "BillScreen"


def test_titles_are_found_where_they_stand() -> None:
    names = ("Causes", "原因", "This cause")
    title = tab_titles(names, 1).plain
    for place, name in enumerate(names):
        cell = STARTS + cell_len(title[: title.index(name)])
        assert tab_at(names, cell) == place
        assert tab_at(names, cell + cell_len(name) - 1) == place
        assert tab_at(names, cell + cell_len(name)) is None
