"""Random keys, clicks and sizes: nothing breaks, and nothing is spent without a yes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import random_keys


@pytest.mark.parametrize("yes", [False, True], ids=["never a y", "with y"])
async def test_random_keys_break_nothing_and_spend_nothing_without_a_yes(
    yes: bool,
    local: Callable[..., Any],
    drives: Callable[..., Any],
    tables: Callable[[int], Any],
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # what a walk exports goes there
    workspace = local(tables(60))
    async with drives(workspace) as driver:
        seen = await random_keys.walk(driver.app, driver.pilot, seed=5, steps=120, yes=yes)
        assert driver.app.is_running
        assert seen.steps == 120
        assert len(seen.screens) > 3
        assert seen.runs <= seen.yes
        if not yes:
            assert seen.runs == 0
