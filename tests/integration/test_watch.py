"""A reading says what it is at, and ends when somebody asks, with everything as it was."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from batch_manager.errors import DeclinedError
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.sources.database import DatabaseSource
from batch_manager.sources.watch import Watch
from batch_manager.store import DocumentationStore


@pytest.fixture
def url(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY)")
    database.close()
    return f"sqlite:///{tmp_path / 'shop.db'}"


def test_a_scan_says_what_it_asks_for(url: str) -> None:
    told: list[str] = []
    assert list(DatabaseSource(url, watch=Watch(told.append)).read())
    assert told[0] == "columns of 1 tables …" and len(told) >= 3


def test_a_scan_that_is_stopped_changes_nothing(url: str, tmp_path: Path) -> None:
    settings = load_settings({"BATCH_MANAGER_HOME": str(tmp_path)}, environment={}, folder=tmp_path)
    with DocumentationStore(settings) as store:
        watch = Watch(lambda _: watch.stop())
        with pytest.raises(DeclinedError, match="nothing was changed") as caught:
            store.items.bring(DatabaseSource(url, watch=watch), watch, whole=True)
        assert caught.value.code == "cancelled" and store.items.counts().total() == 0

        later = Watch(lambda _: later.stop())
        documents = ({"name": f"t{number}", "documentation": "x"} for number in range(1_200))
        with pytest.raises(DeclinedError):
            store.items.bring(IterableSource(documents, "words", "a test"), later)
        assert store.items.counts().total() == 0
        assert store.items.bring(DatabaseSource(url), whole=True).new == 1


def test_a_question_that_a_database_is_at_is_interrupted() -> None:
    database = sqlite3.connect(":memory:", check_same_thread=False)
    watch = Watch()
    asked = threading.Event()

    def note() -> int:
        asked.set()  # from within the endless question, so it is under way
        return 0

    def stop() -> None:
        asked.wait(20)
        watch.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    with watch.interrupting(database.interrupt), pytest.raises(sqlite3.OperationalError, match="interrupted"):
        database.set_progress_handler(note, 1_000)
        database.execute("WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")
    thread.join()
    assert watch.stopped
    database.close()
