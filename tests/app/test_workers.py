"""A run of several workers in the app: real workers, a real PostgreSQL, a real Chroma server, driven by keys."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.workspace import Workspace
from command import PAYING_KEY, THREE, Command, jsonl
from stores import StoreServer

ITEMS, BATCH = 240, 10

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def server() -> Iterator[RehearsalServer]:
    unlimited: dict[str, Any] = {"requests_per_minute": None, "tokens_per_minute": None, "rate_headers": False}
    with RehearsalServer.start(RehearsalOptions(seed=7, key=PAYING_KEY, latency_ms=600.0, **unlimited)) as running:
        yield running


@pytest.fixture
def values(tmp_path: Path, store_server: StoreServer, chroma: str, server: RehearsalServer) -> Iterator[dict[str, str]]:
    """The environment of everybody in the team."""
    with store_server.databases() as databases:
        yield {
            "BATCH_MANAGER_HOME": str(tmp_path / "home"),
            "DOCUMENTATION_STORE_URL": databases.make("template0"),
            "CHROMA_URL": chroma,
            "OPENAI_API_KEY": PAYING_KEY,
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_EMBEDDING_DIMENSIONS": "16",
            "EMBEDDING_BATCH_SIZE": str(BATCH),
            "EMBEDDING_CONCURRENCY": "2",
            "EMBEDDING_QUEUE": "workers",
        }


@pytest.fixture
def worker(tmp_path: Path, values: dict[str, str]) -> Iterator[Callable[[str], None]]:
    """Starts workers."""
    command = Command(tmp_path / "home", {key: value for key, value in values.items() if key != "BATCH_MANAGER_HOME"})
    started: list[subprocess.Popen[bytes]] = []
    yield lambda name: started.append(command.but(WORKER_NAME=name).start("--worker"))
    for one in started:
        one.kill()
        one.communicate()


def sent(server: RehearsalServer) -> list[str]:
    """The hash of each text that was answered, as often as it was."""
    return [digest for call in server.ledger() if call["status"] == 200 for digest in call["hashes"]]


async def test_a_run_of_workers_by_keys(
    opens: Any, drives: Any, tables: Any, values: dict[str, str], worker: Any, server: RehearsalServer, tmp_path: Path
) -> None:
    workspace = opens(tables(ITEMS), **values)
    async with drives(workspace) as driver:
        await driver.press("s")
        await driver.asked()
        await driver.press("y")
        await driver.until(lambda: "No worker is there" in driver.screen_text())
        assert not sent(server)

        # Somebody else opens the app meanwhile, sees the same and may stop it; what they are told names who plans. It
        # opens before there is a worker, since on a busy machine that may take longer than the whole run.
        opening = partial(Workspace.open, load_settings(values, {}, tmp_path), look_when_busy=True)
        theirs = await asyncio.to_thread(opening)
        try:
            async with drives(theirs, (80, 24)) as other:
                await other.until(lambda: other.app.main.desk.view.state == "running")
                server.set_options(latency_ms=2000.0)
                worker("ann")
                worker("bob")
                engine = workspace.engine
                await driver.until(lambda: len(engine.view().workers) == 2, 60)
                await driver.until(lambda: "ann " in driver.screen_text() and "at work" in driver.screen_text())
                await other.press("p")
                await driver.until(lambda: engine.view().state == "paused")
                await driver.pilot.pause(2.5)  # what was in flight comes in
                before = len(sent(server))
                await driver.pilot.pause(1.5)
                assert len(sent(server)) == before < ITEMS, "nobody sends"
                await driver.press("p")
                await other.until(lambda: other.app.main.desk.view.state == "running")
                await other.press("x")
                await driver.until(lambda: engine.view().state == "interrupted", 60)
        finally:
            theirs.close()
        kept = len(sent(server))
        assert 0 < kept < ITEMS

        server.set_options(latency_ms=100.0)
        await driver.settle()
        await driver.press("s")
        await driver.asked()
        await driver.press("y")
        await driver.until(lambda: engine.view().state == "done", 120)
        await driver.settle()
        words = driver.screen_text()
        assert "240 of 240 indexed" in words and "ann " in words
    assert len(sent(server)) == len(set(sent(server))) == ITEMS


async def test_who_only_looks_sees_a_run_that_begins_later(
    opens: Any, drives: Any, tables: Any, values: dict[str, str], worker: Any, server: RehearsalServer, tmp_path: Path
) -> None:
    mine = opens(tables(ITEMS), **values)
    theirs = Workspace.open(load_settings(values, {}, tmp_path), look_when_busy=True)
    try:
        async with drives(theirs, (60, 18)) as other:
            assert theirs.busy is not None
            worker("ann")
            mine.engine.start(mine.quote(Scope()))
            await other.until(lambda: other.app.main.desk.view.state == "running")
            await other.until(lambda: other.app.main.desk.view.indexed == ITEMS, 90)
    finally:
        theirs.close()


async def test_two_people_plan_side_by_side(
    drives: Any,
    tables: Any,
    values: dict[str, str],
    worker: Any,
    server: RehearsalServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    homes = [{**values, "BATCH_MANAGER_HOME": str(tmp_path / name)} for name in ("one", "two", "job")]
    mine, theirs = (Workspace.open(load_settings(home, {}, tmp_path), lend=True) for home in homes[:2])
    job = Command(tmp_path / "job", {key: value for key, value in values.items() if key != "BATCH_MANAGER_HOME"})
    try:
        async with drives(mine) as one, drives(theirs) as two:
            assert mine.busy is theirs.busy is None
            await asyncio.to_thread(mine.alone(mine.store.items.bring), IterableSource(tables(80), "words", "a test"))
            await two.until(lambda: two.app.main.desk.counts.total("pending") == 80)
            await two.settle()
            worker("ann")
            await two.press("s")
            await two.asked()
            await two.press("y")
            await one.until(lambda: one.app.main.desk.view.state == "running")
            first = one.app.main.desk.view.run_id

            # A job brings more in meanwhile, and the other one starts what is new beside the run that goes on.
            done = await asyncio.to_thread(job, "--import", "-", text=jsonl(THREE[0]))
            assert done.code == 0, done.err
            await one.until(lambda: one.app.main.desk.counts.total("pending") > 0)
            await one.press("s")
            await one.asked()
            assert "1 item" in one.screen_text()
            await one.press("y")
            await one.until(lambda: one.app.main.desk.view.run_id > first)
            await one.until(lambda: mine.store.items.counts().total("indexed") == 81, 90)
            await one.until(lambda: not one.app.main.desk.view.active, 60)
            await two.until(lambda: not two.app.main.desk.view.active, 60)
    finally:
        mine.close()
        theirs.close()
    assert len(sent(server)) == len(set(sent(server))) == 81
