"""The first paint: there at once, with nothing heavy imported, and nothing that is typed at it is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from batch_manager.settings import load_settings
from batch_manager.workspace import Workspace
from batch_manager_tui import opening
from batch_manager_tui.app import BatchManagerApp
from batch_manager_tui.screens.curtain import Curtain
from batch_manager_tui.screens.help import HelpScreen
from batch_manager_tui.screens.main import MainScreen


async def test_keys_typed_before_the_screens_are_loaded_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings({"BATCH_MANAGER_HOME": str(tmp_path / "home")}, {}, tmp_path)
    gate = threading.Event()
    load = opening.load_screens

    def load_late() -> type[MainScreen]:
        gate.wait(10)
        return load()

    monkeypatch.setattr(opening, "load_screens", load_late)
    app = BatchManagerApp(lambda: Workspace.open(settings, demo=True))
    async with app.run_test(size=(120, 40)) as pilot:
        assert isinstance(app.screen, Curtain)
        await pilot.press("question_mark")
        assert app.screen.typed == ["question_mark"]
        gate.set()
        for _ in range(300):
            if isinstance(app.screen, HelpScreen):
                break
            await pilot.pause(0.02)
        assert isinstance(app.screen, HelpScreen)
    await asyncio.to_thread(app.close_rooms)


async def test_q_leaves_before_the_screens_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()

    def load_late() -> type[MainScreen]:
        gate.wait(10)
        return MainScreen

    monkeypatch.setattr(opening, "load_screens", load_late)

    def never() -> Workspace:
        raise AssertionError("the home is not opened for somebody who has left")

    app = BatchManagerApp(never)
    async with app.run_test(size=(60, 18)) as pilot:
        assert isinstance(app.screen, Curtain)
        await pilot.press("q")
    gate.set()
    await asyncio.to_thread(app.close_rooms)
    assert app.failure is None
    assert app.return_code == 0


def test_the_first_paint_imports_nothing_heavy() -> None:
    code = "import sys, batch_manager_tui.app; print(*sys.modules)"
    modules = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "batch_manager_tui.screens.curtain" in modules
    for heavy in ("openai", "chromadb", "sqlalchemy", "numpy", "peewee", "tiktoken", "batch_manager.store"):
        assert heavy not in modules
    assert "batch_manager_tui.screens.main" not in modules
