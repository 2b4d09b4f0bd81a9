"""A place among the requests in flight is another's only when its answer is durable: a kill can't cost more of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from batch_manager.documents import Document
from batch_manager.engine import Engine
from batch_manager.errors import StoreError
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore
from batch_manager.store.answers import Answers

pytestmark = pytest.mark.timeout(60)

IN_FLIGHT, REQUESTS = 2, 7


class SlowDisk:
    """Keeps answers, but from the third on only when it may; until then it keeps waiting, or says that it is full."""

    def __init__(self, keep: Any) -> None:
        self.full = False
        self.may, self.stuck, self._keep, self._kept = threading.Event(), threading.Event(), keep, 0

    def __call__(self, *args: Any) -> int:
        self._kept += 1
        if self._kept > IN_FLIGHT:
            self.stuck.set()
            if self.full and not self.may.is_set():
                raise StoreError("The disk is full.", code="store_full")
            assert self.may.wait(30)
        return int(self._keep(*args))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SlowDisk:
    slow = SlowDisk(Answers.keep)
    monkeypatch.setattr(Answers, "keep", lambda *args: slow(*args))
    return slow


@pytest.fixture
def server() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(RehearsalOptions(seed=3, latency_ms=20)) as running:
        yield running


@pytest.fixture
def engine(tmp_path: Path, server: RehearsalServer) -> Iterator[Engine]:
    settings = load_settings(
        {
            "BATCH_MANAGER_HOME": str(tmp_path),
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": server.base_url,
            "EMBEDDING_CONCURRENCY": str(IN_FLIGHT),
            "EMBEDDING_BATCH_SIZE": "1",
        },
        environment={},
    )
    with DocumentationStore(settings) as store:
        documents = [Document("table", f"table_{n}", documentation=f"Case {n} of many.") for n in range(REQUESTS)]
        store.items.bring(IterableSource(documents, "words", "a test"))
        running = Engine(settings, store, on_trouble="stop")
        yield running
        running.close()


def calls(server: RehearsalServer) -> int:
    return int(server.totals()["requests"])


def states(engine: Engine) -> list[tuple[str, str | None]]:
    return list(engine.store.database.execute_sql("SELECT state, code FROM request ORDER BY id").fetchall())


def started(engine: Engine, disk: SlowDisk) -> None:
    engine.start(engine.quote(Scope()))
    assert disk.stuck.wait(30)
    time.sleep(0.4)  # more would leave now, if more could


def sent_before(ask: Callable[[], None], state: str, engine: Engine, server: RehearsalServer, disk: SlowDisk) -> int:
    """Ask for another state while the disk is slow, and let the disk go on then; how many requests were sent."""
    started(engine, disk)
    sent = calls(server)
    ask()
    while engine.view().state != state:
        time.sleep(0.01)
    disk.may.set()
    return sent


@pytest.mark.parametrize("full", [False, True], ids=["slow", "full"])
def test_no_more_leave_than_may_be_lost(engine: Engine, server: RehearsalServer, disk: SlowDisk, full: bool) -> None:
    disk.full = full
    started(engine, disk)
    assert calls(server) <= 2 * IN_FLIGHT, "those that are kept, and those that would be lost"
    written = [state for state, _ in states(engine)].count("sent")
    assert written <= IN_FLIGHT or full, "written down together with what makes room for it"
    disk.may.set()
    view = engine.wait(30)
    assert (view.state, view.indexed, view.requests) == ("done", REQUESTS, REQUESTS)
    assert calls(server) == REQUESTS
    assert states(engine) == [("answered", None)] * REQUESTS


def test_what_waits_for_a_place_when_the_run_ends_costs_nothing(
    engine: Engine, server: RehearsalServer, disk: SlowDisk
) -> None:
    sent = sent_before(engine.cancel, "stopping", engine, server, disk)
    view = engine.wait(30)
    assert view.state == "interrupted"
    assert calls(server) == sent
    assert view.requests == sent, "what never left is no request"
    assert view.reserved == 0
    rest = states(engine)[sent:]
    assert rest
    assert set(rest) == {("refused", "not_sent")}
    assert states(engine)[:sent] == [("answered", None)] * sent


def test_what_waits_for_a_place_stands_still_in_a_pause(
    engine: Engine, server: RehearsalServer, disk: SlowDisk
) -> None:
    sent = sent_before(engine.pause, "paused", engine, server, disk)
    time.sleep(0.4)
    assert calls(server) == sent
    assert engine.view().reserved == 0, "what waits holds no money"
    assert "sent" not in [state for state, _ in states(engine)]
    engine.resume()
    view = engine.wait(30)
    assert (view.state, view.indexed, view.requests) == ("done", REQUESTS, REQUESTS)
    assert calls(server) == REQUESTS
