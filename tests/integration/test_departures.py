"""What is gone from its database leaves the index for $0, and comes back for $0."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from batch_manager.documents import Document
from batch_manager.engine import Engine
from batch_manager.errors import DeclinedError
from batch_manager.quote import Scope
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.sources.database import DatabaseSource
from batch_manager.store import DocumentationStore
from batch_manager.store.items import ItemFilter

pytestmark = pytest.mark.usefixtures("each_store")


def database(path: Path, *names: str) -> DatabaseSource:
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    for name in names:
        connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {name}_words TEXT)")
    connection.close()
    return DatabaseSource(f"sqlite:///{path}")


def test_a_dropped_table_leaves_and_comes_back_for_nothing(tmp_path: Path) -> None:
    settings = load_settings(
        {"BATCH_MANAGER_HOME": str(tmp_path), "EMBEDDING_PROVIDER": "local"}, environment={}, folder=tmp_path
    )
    path = tmp_path / "shop.db"
    with DocumentationStore(settings) as store:
        engine = Engine(settings, store, on_trouble="stop")
        try:
            assert store.items.bring(database(path, "a", "b", "c", "d"), whole=True).new == 4
            words = [Document("table", "d", documentation="What d holds."), Document("table", "e", documentation="E.")]
            store.items.bring(IterableSource(words, "words", "a test"))
            engine.start(engine.quote(Scope()))
            assert engine.wait(60).indexed == 5

            smaller = database(path, "a", "b", "c")
            brought = store.items.bring(smaller, whole=True)
            assert (brought.new, brought.changed, brought.unchanged, brought.gone) == (0, 0, 3, 1)
            assert store.items.counts().total() == 4
            assert len(store.items.ids(ItemFilter())) == 4
            assert [document.name for document in store.items.documents()] == ["a", "b", "c", "e"]
            assert engine.index.sweep() == 1
            assert engine.index.sweep() == 0
            assert engine.index.counts()["table"] == 4
            assert engine.index.verify().untrue == 0
            assert engine.quote(Scope("all")).items == 4
            # Words that are imported for it meanwhile are kept, and don't bring it back.
            store.items.bring(IterableSource([Document("table", "d", documentation="Other words.")], "words", "a test"))
            assert store.items.counts().total() == 4
            store.items.bring(
                IterableSource([Document("table", "d", documentation="What d holds.")], "words", "a test")
            )

            brought = store.items.bring(database(path, "a", "b", "c", "d"), whole=True)
            assert (brought.new, brought.unchanged, brought.gone) == (1, 3, 0)
            quote = engine.quote(Scope())
            assert (quote.items, quote.tokens, quote.reused) == (1, 0, 1)
            engine.start(quote)
            assert engine.wait(60).indexed == 1
            assert engine.index.counts()["table"] == 5
        finally:
            engine.close()


def test_a_scan_that_loses_most_is_asked_about(tmp_path: Path) -> None:
    settings = load_settings({"BATCH_MANAGER_HOME": str(tmp_path)}, environment={}, folder=tmp_path)
    path = tmp_path / "shop.db"
    with DocumentationStore(settings) as store:
        store.items.bring(database(path, "a", "b", "c", "d", "e"), whole=True)
        nearly_empty = database(path, "a")
        with pytest.raises(DeclinedError, match="no longer finds 4 of 5"):
            store.items.bring(nearly_empty, whole=True)
        assert store.items.counts().total("pending") == 5
        assert store.items.bring(nearly_empty).gone == 0  # a part of the truth takes nothing away
        assert store.items.bring(nearly_empty, whole=True, agree_gone=True).gone == 4
        assert store.items.counts().total("pending") == 1
