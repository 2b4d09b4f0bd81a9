"""Delivery into Chroma: two writes under way, each item once, and trouble told once."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from batch_manager.documents import Kind
from batch_manager.engine import Engine, delivery
from batch_manager.errors import VectorStoreError
from batch_manager.events import Notice
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from batch_manager.store import DocumentationStore
from batch_manager.vectors import VectorRow, Written
from batch_manager.vectors.process import ChromaProcess
from jobs import Job, options, settings_for

pytestmark = pytest.mark.usefixtures("each_store_if_asked")


class Watched(ChromaProcess):
    """The real thing, which keeps count, and says no as often as it is told to."""

    under_way = most = refusals = 0

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, url=None)
        self.ids: list[str] = []
        self.sizes: list[int] = []

    async def write(self, kind: Kind, rows: Sequence[VectorRow], stale_ids: Sequence[str] = ()) -> Written:
        if self.refusals:
            self.refusals -= 1
            raise VectorStoreError("Chroma's process ended unexpectedly.", next_step="-", code="vectors_crashed")
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.ids += [row.id for row in rows]
        self.sizes.append(len(rows))
        try:
            return await super().write(kind, rows, stale_ids)
        finally:
            self.under_way -= 1


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Job, Watched]]:
    """A job whose writes are of ten items."""
    monkeypatch.setattr(delivery, "ROWS", 10)
    with RehearsalServer.start(options()) as server:
        settings = settings_for(tmp_path, server.base_url, EMBEDDING_BATCH_SIZE="10")
        store = DocumentationStore(settings)
        vectors = Watched(settings.vectors_directory)
        job = Job(tmp_path, Engine(settings, store, on_trouble="stop", vectors=vectors), store)
        yield job, vectors
        job.close()


def test_the_next_write_is_under_way_while_chroma_works(watched: tuple[Job, Watched]) -> None:
    job, vectors = watched
    job.bring(95)
    view = job.run()
    assert (view.state, view.indexed, view.delivering) == ("done", 95, 0)
    assert sorted(vectors.ids) == sorted(f"table_{number}" for number in range(95))
    assert vectors.most == delivery.AHEAD
    # Rows are waited for, so that few writes are small: the last one, and one that waited long enough.
    assert sum(size < 10 for size in vectors.sizes) <= 2


def test_trouble_that_passes_is_told_once_and_costs_nothing(watched: tuple[Job, Watched]) -> None:
    job, vectors = watched
    vectors.refusals = 2
    heard = job.engine.subscribe()
    job.bring(40)
    assert job.run().indexed == 40
    told = [event for event in heard.drain() if isinstance(event, Notice) and "Trying again" in event.message]
    assert 1 <= len(told) <= 2
    assert sorted(vectors.ids) == sorted(f"table_{number}" for number in range(40))


def test_a_rebuild_writes_nothing_that_is_there(watched: tuple[Job, Watched]) -> None:
    job, _ = watched
    job.bring(30)
    job.run()
    results: list[Written] = []
    write = Watched.write

    async def kept(self: Watched, kind: Kind, rows: Sequence[VectorRow], stale_ids: Sequence[str] = ()) -> Written:
        results.append(await write(self, kind, rows, stale_ids))
        return results[-1]

    Watched.write = kept  # type: ignore[method-assign]
    try:
        assert job.run(Scope("all")).indexed == 30
    finally:
        Watched.write = write  # type: ignore[method-assign]
    assert (sum(one.written for one in results), sum(one.unchanged for one in results)) == (0, 30)


def test_a_run_that_is_cancelled_leaves_no_complaint_in_the_log(
    watched: tuple[Job, Watched], caplog: pytest.LogCaptureFixture
) -> None:
    job, _ = watched
    job.bring(400)
    job.start()
    job.until(lambda view: view.answered >= 20)
    job.engine.cancel()
    assert job.ended().state == "interrupted"
    gc.collect()  # asyncio tells of an error that nobody took when its task goes
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []
