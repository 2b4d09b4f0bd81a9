"""What a list shows and in what order; and that no query of a list reads the items whole."""

from __future__ import annotations

import json
import sqlite3
from itertools import product
from pathlib import Path

import pytest

from batch_manager.documents import Document, to_payload
from batch_manager.settings import Settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore
from batch_manager.store.dialect import SQLITE
from batch_manager.store.listing import STATUSES, ItemFilter, _before, _statement, statements
from batch_manager.store.migrations import MIGRATIONS

pytestmark = pytest.mark.usefixtures("each_store")

STAGES = ("pending", "answered", "indexed", "failed", "skipped", "gone")
NAMES = ("Orders", "orders_2", "cust_ord", "x%y", "a_b", "Zebra", "empty")


@pytest.fixture
def store(tmp_path: Path) -> DocumentationStore:
    opened = DocumentationStore(Settings(home=tmp_path))
    documents = [
        Document(kind, f"{name}.{number}", documentation="" if name == "empty" else "word " * (number * 7 % 5 + 1))
        for number, (name, kind) in enumerate(product(NAMES, ("table", "relationship") * 3))
    ]
    opened.items.bring(IterableSource(documents, "words", "a test"))
    for number, stage in enumerate(STAGES):
        opened._db.execute_sql("UPDATE item SET stage = ? WHERE id % 6 = ?", (stage, number))
    return opened


def told(store: DocumentationStore, wanted: ItemFilter) -> list[int]:
    """The same list, by going through all items in Python."""
    rows = store._db.execute_sql("SELECT id, kind, name, stage, tokens, problem FROM item").fetchall()
    found = []
    for item_id, kind, name, stage, tokens, problem in rows:
        status = "pending" if stage == "answered" else stage
        if stage == "gone" or wanted.status not in (None, status) or wanted.kind not in (None, kind):
            continue
        if wanted.text.lower() not in name.lower() or (wanted.problem and not problem):
            continue
        key = {"added": 0, "name": name.lower(), "tokens": -tokens, "status": status}[wanted.sort]
        found.append((key, item_id))
    return [item_id for _, item_id in sorted(found)]


@pytest.mark.parametrize("sort", ["added", "name", "tokens", "status"])
def test_filters_and_orders(store: DocumentationStore, sort: str) -> None:
    for status, kind, text, problem in product(
        (None, *STATUSES), (None, "table", "relationship"), ("", "ord", "%", "_", "nowhere"), (None, "any")
    ):
        wanted = ItemFilter(status, kind, text, sort, problem)  # type: ignore[arg-type]
        expected = told(store, wanted)
        assert list(store.items.ids(wanted)) == expected, wanted
        assert list(store.items.first_ids(wanted, 3)) == expected[:3], wanted
        if sort == "status":
            continue
        assert list(store.items.first_ids(wanted, 3, start=2)) == expected[2:5], wanted
        places = {one: store.items.place(wanted, one) for one in store.items.ids()}
        assert [places[one] for one in expected] == list(range(len(expected))), wanted
        if not text and not problem:
            assert all(places[one] is None for one in places.keys() - expected), wanted


def test_counts_are_those_of_the_lists(store: DocumentationStore) -> None:
    counts = store.items.counts()
    for status, kind in product(STATUSES, ("table", "relationship")):
        assert counts.of(kind, status) == len(store.items.ids(ItemFilter(status, kind)))  # type: ignore[arg-type]
    assert counts.total() == len(store.items.ids())


@pytest.mark.of_files
@pytest.mark.parametrize("sort", ["added", "name", "tokens", "status"])
def test_no_list_walks_through_the_items_themselves(store: DocumentationStore, sort: str) -> None:
    for status, kind, text in product((None, "pending"), (None, "table"), ("", "ord")):
        wanted = ItemFilter(status, kind, text, sort)  # type: ignore[arg-type]
        parts = (
            [] if sort == "status" else [_statement(wanted, SQLITE, True, one, 5) for one in _before(wanted, SQLITE)]
        )
        for sql, values in [*statements(wanted), *parts]:
            plan = [row[3] for row in store._db.execute_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
            assert not [line for line in plan if line.startswith("SCAN item") and "INDEX" not in line], (wanted, plan)


@pytest.mark.of_files
def test_what_sources_brought_moves_beside_the_item(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    before = next(
        number for number, one in enumerate(MIGRATIONS) if any("CREATE TABLE brought" in line for line in one)
    )
    document = Document("table", "t", documentation="Words.")
    with sqlite3.connect(settings.store_path) as old:
        for statement in (line for migration in MIGRATIONS[:before] for line in migration):
            old.execute(statement)
        old.execute(
            "INSERT INTO item (kind, name, words, layout, changed_at) VALUES ('table', 't', ?, 1, '2026')",
            (json.dumps(to_payload(document)),),
        )
        old.execute(f"PRAGMA user_version = {before}")
    with DocumentationStore(settings) as new:
        assert list(new.items.documents()) == [document]
        assert new.items.bring(IterableSource([document], "words", "a test")).unchanged == 1
