"""The Python API as it is documented, against the rehearsal server and against the local model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch_manager import BatchIndexingManager, DocumentationStore, SQLIndexerAgent, SQLVectorStore
from batch_manager.documents import Document
from batch_manager.errors import SettingError, UsageError
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.sources.collection import IterableSource

ROOT = Path(__file__).resolve().parents[2]

USERS = {
    "name": "users",
    "business_purpose": "Registered people",
    "schema": {"columns": [{"name": "id", "type": "INTEGER", "primary_key": True}]},
    "documentation": "One row for each person who signs in; user authentication reads it.",
    "type": "table",
}
ORDERS = {**USERS, "name": "orders", "business_purpose": "What was bought", "documentation": "One row an order."}
USERS_ORDERS = {
    "id": "users_orders_fk",
    "type": "one-to-many",
    "documentation": "Each order belongs to a user.",
    "tables": ["orders", "users"],
}


@pytest.fixture(params=["openai", "local"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A home of its own, with the provider of the test in force through the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCH_MANAGER_HOME", str(tmp_path))
    monkeypatch.setenv("EMBEDDING_PROVIDER", request.param)
    for name in ("OPENAI_EMBEDDING_MODEL", "OPENAI_EMBEDDING_DIMENSIONS", "EMBEDDING_BATCH_SIZE", "CHROMA_URL"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "local":
        yield "local"
        return
    with RehearsalServer.start(RehearsalOptions(faults=[{"fault": "poison", "contains": "POISON"}])) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        yield "openai"


def filled() -> DocumentationStore:
    store = DocumentationStore()
    documents: list[Any] = [
        {**USERS, "kind": "table"},
        {**ORDERS, "kind": "table"},
        {**USERS_ORDERS, "kind": "relationship", "name": "users_orders_fk"},
        {"kind": "table", "name": "nothing_said"},
    ]
    store.items.bring(IterableSource(documents, "words", "a test"))
    return store


def test_the_documented_calls_run_as_written(home: str) -> None:
    with filled():
        pass
    table_data = dict(USERS, name="sessions")
    vector_store = SQLVectorStore()
    indexer_agent = SQLIndexerAgent(vector_store)
    batch_manager = BatchIndexingManager(indexer_agent)
    doc_store = DocumentationStore()

    stats = batch_manager.get_processing_stats(doc_store)
    assert set(stats) == {
        "pending_tables",
        "pending_relationships",
        "total_pending",
        "estimated_table_cost",
        "estimated_relationship_cost",
        "total_estimated_cost",
        "batch_size",
        "estimated_batches",
    }
    assert (stats["pending_tables"], stats["pending_relationships"], stats["total_pending"]) == (3, 1, 4)
    assert (stats["batch_size"], stats["estimated_batches"]) == (100, 1)
    assert (stats["total_estimated_cost"] > 0) == (home == "openai")
    assert doc_store.get_pending_tables() == ["users", "orders", "nothing_said"]
    (pending,) = doc_store.get_pending_relationships()
    assert (pending["name"], pending["constrained_table"], pending["referred_table"]) == (
        "users_orders_fk",
        "orders",
        "users",
    )
    assert pending["id"]

    table_results = batch_manager.batch_process_pending_tables(doc_store)
    assert table_results == {"users": True, "orders": True, "nothing_said": False}
    rel_results = batch_manager.batch_process_pending_relationships(doc_store)
    assert rel_results == {"users_orders_fk": True}
    assert doc_store.get_pending_tables() == []

    cost = batch_manager.estimate_embedding_costs(["Table documentation text", "Relationship documentation text"])
    assert (cost["total_texts"], cost["estimated_tokens"]) == (2, 6)
    batch_manager.batch_size = 25
    assert batch_manager.get_processing_stats(doc_store)["batch_size"] == 25

    assert indexer_agent.index_table_documentation(table_data) is True
    assert indexer_agent.batch_index_tables([dict(USERS, name="people")]) == {"people": True}
    assert indexer_agent.batch_index_relationships([USERS_ORDERS]) == {"users_orders_fk": True}
    hits = indexer_agent.search_documentation("user authentication", "table")
    assert {hit["name"] for hit in hits} == {"users", "orders", "sessions", "people"}
    assert all(hit["kind"] == "table" and 0 <= hit["score"] <= 1 and hit["document"] for hit in hits)
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert vector_store.counts() == {"table": 4, "relationship": 1}
    doc_store.close()


@pytest.mark.parametrize("home", ["openai"], indirect=True)
def test_an_item_that_fails_is_false_and_never_missing(home: str) -> None:
    agent = SQLIndexerAgent(SQLVectorStore())
    outcome = agent.batch_index_tables([USERS, dict(USERS, name="bad", documentation="POISON")])
    assert outcome == {"users": True, "bad": False}


@pytest.mark.parametrize("home", ["openai"], indirect=True)
def test_a_batch_size_holds_from_the_next_call_on(home: str) -> None:
    store = filled()
    manager = BatchIndexingManager(SQLIndexerAgent(SQLVectorStore()))
    manager.batch_size = 1
    assert manager.get_processing_stats(store)["estimated_batches"] == 3
    manager.batch_size = 0
    with pytest.raises(SettingError, match="batch_size is 0"):
        manager.get_processing_stats(store)
    store.close()


@pytest.mark.parametrize("home", ["openai"], indirect=True)
def test_costs_are_exact(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = BatchIndexingManager(SQLIndexerAgent(SQLVectorStore()))
    text = " hello" * 250
    assert manager.estimate_embedding_costs([text] * 50) == {
        "total_texts": 50,
        "estimated_tokens": 12_500,
        "estimated_cost_usd": 0.00025,
        "cost_per_text": 0.000005,
    }
    assert manager.estimate_embedding_costs([]) == {
        "total_texts": 0,
        "estimated_tokens": 0,
        "estimated_cost_usd": 0.0,
        "cost_per_text": 0.0,
    }


@pytest.mark.parametrize("home", ["local"], indirect=True)
@pytest.mark.parametrize(("tables", "relationships", "requests"), [(150, 75, 3), (0, 0, 0), (60, 40, 1), (100, 1, 2)])
def test_tables_and_relationships_share_requests(home: str, tables: int, relationships: int, requests: int) -> None:
    store = DocumentationStore()
    documents = [Document("table", f"t{n}", documentation="Of usual length. " * 20) for n in range(tables)]
    documents += [Document("relationship", f"r{n}", documentation="Joins. " * 20) for n in range(relationships)]
    store.items.bring(IterableSource(documents, "words", "a test"))
    stats = BatchIndexingManager(SQLIndexerAgent(SQLVectorStore())).get_processing_stats(store)
    assert stats["estimated_batches"] == requests
    store.close()


@pytest.mark.parametrize("home", ["local"], indirect=True)
def test_what_makes_no_sense_is_said_in_one_line(home: str) -> None:
    agent = SQLIndexerAgent(SQLVectorStore())
    with pytest.raises(UsageError, match="no type 'view'"):
        agent.search_documentation("x", "view")
    with pytest.raises(UsageError, match="query is empty"):
        agent.search_documentation("  ")
    with pytest.raises(UsageError, match="name is missing"):
        agent.index_table_documentation({"documentation": "x"})


def test_the_examples_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCH_MANAGER_HOME", str(tmp_path))
    monkeypatch.setenv("EMBEDDING_PROVIDER", "local")
    monkeypatch.delenv("OPENAI_EMBEDDING_MODEL", raising=False)
    with filled():
        pass
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
