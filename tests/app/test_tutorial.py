"""The tutorial's walk through the app, key by key, as it is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

TUTORIAL = (Path(__file__).resolve().parents[2] / "docs" / "tutorial.md").read_text()
QUESTION = "which customers pay late"


async def test_the_walk_of_the_tutorial(opens: Callable[..., Any], drives: Callable[..., Any]) -> None:
    part = TUTORIAL.partition("## In the app")[2].partition("## ")[0]
    told = re.findall(r"`([^`]+)`", part)
    assert told == [*"j k enter esc space / pay enter a esc s y f S".split(), QUESTION, *"esc q ?".split()]
    workspace = opens(demo=True)
    async with drives(workspace) as driver:
        desk = driver.app.main.desk
        await driver.press("j", "k", "enter")
        assert driver.front == "DetailsScreen"
        await driver.press("escape", "space")
        assert len(desk.selection.marks) == 1
        await driver.press("slash", *"pay", "enter", "a")
        assert len(desk.selection.marks) > 3
        for _ in range(4):
            await driver.press("escape")
        assert not desk.selection.marks
        await driver.press("s")
        await driver.asked()
        await driver.press("y")
        await driver.run_to_the_end()
        counts = workspace.store.items.counts()
        assert (counts.total("indexed"), counts.total("failed"), counts.total("pending")) == (147, 3, 0)
        while desk.selection.wanted.status != "failed":
            await driver.press("f")
        assert "legacy_price_import" in driver.screen_text()
        await driver.press("S", *QUESTION.replace(" ", "_"))
        await driver.until(lambda: driver.front == "SearchScreen")
        await driver.press("escape", "question_mark")
        assert driver.front == "HelpScreen"
        await driver.press("escape", "q")
        await driver.until(lambda: not driver.app.is_running or driver.app._exit)
