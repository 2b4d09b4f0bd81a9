"""The app, driven by keys, on real stores and engines in homes of their own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

# Textual reads both when it is imported; a developer's own taste must not change a picture.
os.environ.pop("TEXTUAL_THEME", None)
os.environ.pop("NO_COLOR", None)

import pytest
from textual.pilot import Pilot

from batch_manager.documents import Document
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.workspace import Workspace
from batch_manager_tui.app import BatchManagerApp
from batch_manager_tui.widgets.cost_panel import CostPanel
from batch_manager_tui.widgets.key_line import KeyLine

Opens = Callable[..., Workspace]


class Driver:
    """An app under test, and short words for what tests do with it."""

    def __init__(self, app: BatchManagerApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def until(self, met: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait for something to be so."""
        for _ in range(round(seconds / 0.02)):
            if met():
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"it did not come to that within {seconds} s; notice: {self.notice!r}")

    async def press(self, *keys: str) -> None:
        """Press keys, and let the app come to rest."""
        await self.pilot.press(*keys)
        await self.settle()

    async def settle(self) -> None:
        """Wait for what the keys asked for: debounced work, and the threads beside the app's."""
        await self.pilot.pause(0.1)
        for _ in range(200):
            groups = {worker.group for worker in self.app.workers if not worker.is_finished}
            undrawn = getattr(self.app.screen, "_after_picture", ())  # what waits for a picture has no worker yet
            if not undrawn and not groups & {"list", "quote", "preview", "detail", "price", "skip", "open", "search"}:
                break
            await self.pilot.pause(0.02)
        await self.pilot.pause()

    @property
    def notice(self) -> str:
        """The notice on the screen in front."""
        lines = [line.notice for screen in self.app.screen_stack for line in screen.query(KeyLine)]
        return next((line for line in reversed(lines) if line), "")

    @property
    def front(self) -> str:
        """The name of the screen in front."""
        return type(self.app.screen).__name__

    def screen_text(self) -> str:
        """What a person sees."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    def cost_words(self) -> str:
        """What the cost pane says, as one line of words, without the other panes between its lines."""
        lines = self.app.main.query_one(CostPanel).lines
        return " ".join(" ".join("".join(text for text, _ in line) for line in lines).split())

    async def asked(self) -> None:
        """Wait for the question, and until a y would count."""
        await self.until(lambda: self.front == "ConfirmSpend")
        await self.pilot.pause(0.5)

    async def run_to_the_end(self) -> None:
        """Wait until the run is over."""
        await self.until(lambda: self.app.main.desk.view.run_id and not self.app.main.desk.view.active, 60)
        await self.settle()


@pytest.fixture
def opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opens]:
    """Opens workspaces in `~/home`, where `~` is a folder of the test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    opened: list[Workspace] = []

    def open_one(
        documents: Iterable[Document] = (), *, demo: bool = False, rehearse: bool = False, **environment: str
    ) -> Workspace:
        values = {"BATCH_MANAGER_HOME": str(tmp_path / "home"), "LOG_LEVEL": "ERROR", **environment}
        workspace = Workspace.open(load_settings(values, {}, tmp_path), demo=demo, rehearse=rehearse)
        opened.append(workspace)
        workspace.store.items.bring(IterableSource(list(documents), "words", "the test"))
        return workspace

    yield open_one
    for workspace in opened:
        workspace.close()


@pytest.fixture
def local(opens: Opens) -> Callable[..., Workspace]:
    """The same with the local model, so that a run needs no server."""
    return lambda documents=(), **more: opens(documents, EMBEDDING_PROVIDER="local", **more)


@pytest.fixture
def drives() -> Callable[..., object]:
    """Opens the app on a workspace."""

    @asynccontextmanager
    async def drive(workspace: Workspace, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Driver]:
        app = BatchManagerApp(workspace)
        try:
            async with app.run_test(size=size) as pilot:
                driver = Driver(app, pilot)
                # While a run goes on that began elsewhere, nothing is priced.
                await driver.until(lambda: app.main.desk.quote or app.main.desk.error or app.main.desk.view.active)
                await driver.settle()
                yield driver
        finally:
            await asyncio.to_thread(app.close_rooms)

    return drive


def table(number: int, name: str | None = None) -> Document:
    """A small table with something to say."""
    return Document("table", name or f"table_{number:03d}", f"Purpose number {number}", "Words about it. " * 3)


@pytest.fixture
def tables() -> Callable[[int], list[Document]]:
    """That many tables."""
    return lambda many: [table(number) for number in range(many)]
