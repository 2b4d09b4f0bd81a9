"""The screens behind the main one: every command of theirs does something; and the mouse reaches everything."""

from __future__ import annotations

from typing import Any

import pytest

from batch_manager.quote import Scope
from batch_manager_tui.places import PLACES, Place, own_commands
from batch_manager_tui.widgets.key_line import KeyLine
from failing import fail

OPENS = {
    "details": "enter",
    "failures": "F",
    "bill": "B",
    "half_price": "h",
    "settings": "comma",
    "sources": "c",
    "search": "S",
    "check": "V",
    "help": "question_mark",
}


def effect(driver: Any) -> tuple[object, ...]:
    """Everything that a user can tell."""
    screen = driver.app.screen
    focused = getattr(screen.focused, "id", None)
    return ([type(one).__name__ for one in driver.app.screen_stack], driver.notice, focused, driver.screen_text())


@pytest.mark.parametrize("place", PLACES)
async def test_every_command_of_a_screen_does_something(
    place: Place, opens: Any, local: Any, drives: Any, tables: Any
) -> None:
    opens(tables(40)).close()
    workspace = local() if place == "search" else opens(rehearse=True)
    if place == "search":
        workspace.engine.start(workspace.engine.quote(Scope()))
        workspace.engine.wait(60)
    else:
        fail(workspace, ["table_000", "table_001"], "rate_limit_exceeded", "Slow down.")
    async with drives(workspace, (80, 24)) as driver:
        for command in own_commands(place):
            if command.id.endswith(".page"):
                continue  # what is short has no second page
            while driver.front != "MainScreen":
                await driver.press("escape")
            await driver.press(OPENS[place])
            if command.id == "details.before":
                await driver.press("n")
            before = effect(driver)
            await driver.press(command.keys[0])
            assert effect(driver) != before, command.id
            if command.id == "failures.skip":
                await driver.press("u")
        while driver.front != "MainScreen":
            await driver.press("escape")
        if place != "details":  # what opened it closes it
            await driver.press(OPENS[place])
            assert driver.front != "MainScreen"
            await driver.press(*(["tab"] if place == "search" else []), OPENS[place])  # a box takes letters
            assert driver.front == "MainScreen"


async def click_key(driver: Any, label: str) -> None:
    """Click on a label of the key line in front."""
    line = driver.app.screen.query_one(KeyLine)
    line.clear()
    await driver.settle()
    command = next(one for one, _, words in line._keys if words == label)
    start = next(begin for begin, _, name in line._places if name == command)
    await driver.pilot.click(line, offset=(start + 1, 0))
    await driver.settle()


async def test_the_mouse_reaches_everything(local: Any, drives: Any, tables: Any) -> None:
    async with drives(local(tables(80)), (80, 24)) as driver:
        items = driver.app.main.items
        await driver.pilot.click(items, offset=(12, 3))
        assert items.cursor == 3
        await driver.pilot.click(items, offset=(1, 2))
        assert len(driver.app.main.desk.selection.marks) == 1
        await driver.press("u")
        assert not driver.app.main.desk.selection.marks
        await driver.pilot._post_mouse_events([__import__("textual.events", fromlist=["x"]).MouseScrollDown], items)
        await driver.settle()
        assert items.scroll_offset.y > 0
        await click_key(driver, "details")
        assert driver.front == "DetailsScreen"
        await click_key(driver, "next item")
        await click_key(driver, "back")
        assert driver.front == "MainScreen"
        await click_key(driver, "start")
        await driver.asked()
        await driver.pilot.click("Choices", offset=(18, 0))
        await driver.until(lambda: driver.front == "MainScreen")
        await driver.pilot.resize_terminal(60, 18)
        await driver.settle()
        await driver.pilot.click(offset=(14, 1))
        assert driver.app.main.pane == "cost"
        await driver.pilot.click(offset=(24, 1))
        assert driver.app.main.pane == "batches"
        await driver.pilot.click(offset=(4, 1))
        assert driver.app.main.pane == "items"
