"""The engine over real HTTP, real SQLite and real Chroma: what was agreed is sent, paid once, and kept."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch_manager.documents import Document
from batch_manager.engine import Engine
from batch_manager.engine.quoting import limits_of
from batch_manager.errors import QuoteChanged, SettingError
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer, expected_vector
from batch_manager.settings import Settings, load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore
from batch_manager.vectors import process

pytestmark = pytest.mark.usefixtures("each_store_if_asked")

MODEL = "text-embedding-3-small"
OPTIONS: dict[str, Any] = {"requests_per_minute": None, "tokens_per_minute": None, "rate_headers": False}


@pytest.fixture(scope="module")
def running() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(RehearsalOptions(seed=7, **OPTIONS)) as server:
        yield server


@pytest.fixture
def server(running: RehearsalServer) -> RehearsalServer:
    running.set_faults([])
    running.set_options(latency_ms=0, max_inputs=2048, refuse_lists=False)
    running.clear()
    return running


Opened = tuple[Engine, DocumentationStore]


@pytest.fixture
def opened(tmp_path: Path, server: RehearsalServer) -> Iterator[Callable[..., Opened]]:
    """Opens engines over the home in tmp_path; all are closed at the end."""
    engines: list[Opened] = []

    def open_one(*, on_trouble: str = "stop", documents: int = 0, **flags: object) -> Opened:
        settings = settings_for(tmp_path, server, **flags)
        store = DocumentationStore(settings)
        if documents:
            bring(store, *(table(number) for number in range(documents)))
        engine = Engine(settings, store, on_trouble=on_trouble)  # type: ignore[arg-type]
        engines.append((engine, store))
        return engine, store

    yield open_one
    for engine, store in engines:
        engine.close()
        store.close()


def settings_for(home: Path, server: RehearsalServer, **flags: object) -> Settings:
    given = {"BATCH_MANAGER_HOME": str(home), "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.base_url}
    return load_settings({**given, **flags}, environment={}, folder=home)


def table(number: int, words: str = "Holds what the business knows") -> Document:
    return Document("table", f"table_{number}", documentation=f"{words}, case {number} of many.")


def bring(store: DocumentationStore, *documents: Document) -> None:
    store.items.bring(IterableSource(documents, "words", "a test"))


def run(engine: Engine, scope: Scope | None = None, cap: Decimal | None = None, seconds: float = 60) -> Any:
    engine.start(engine.quote(scope or Scope(), cap))
    view = engine.wait(seconds)
    assert not view.active, view
    return view


def test_what_was_quoted_is_billed_to_the_token_and_stands_in_chroma(
    opened: Callable[..., Opened], server: RehearsalServer, tmp_path: Path
) -> None:
    engine, store = opened(documents=150)
    quote = engine.quote(Scope())
    assert (quote.items, quote.requests) == (150, 2)
    view = run(engine)
    totals = server.totals()
    assert (view.state, view.indexed, view.failed) == ("done", 150, 0)
    assert quote.tokens == totals["billed_tokens"] == store.ledger.billed_tokens()
    assert view.billed == quote.cost == store.ledger.spent()
    assert totals["requests"] == 2
    assert store.items.counts().of("table", "indexed") == 150
    engine.close()

    import chromadb

    rows = (
        chromadb.PersistentClient(str(tmp_path / "vectors"))
        .get_collection("tables")
        .get(ids=["table_7"], include=["embeddings", "documents", "metadatas"])
    )
    text = "table_7\nHolds what the business knows, case 7 of many."
    assert rows["documents"] == [text]
    expected = expected_vector(text, MODEL, 1536, 7)
    # Chroma normalises once more in cosine space, which may turn a number's last bit.
    np.testing.assert_allclose(np.asarray(rows["embeddings"][0], dtype="<f4"), expected, rtol=1e-6, atol=1e-7)
    (kept,) = [row.vector for row in store.answers.of_item(store.items.find("table", "table_7") or 0)]
    assert kept == expected.tobytes()
    metadata = rows["metadatas"][0]
    assert (metadata["name"], metadata["kind"], metadata["model"], metadata["dimensions"]) == (
        "table_7",
        "table",
        MODEL,
        1536,
    )


def test_a_poison_item_fails_alone_and_is_found_in_few_requests(
    opened: Callable[..., Opened], server: RehearsalServer
) -> None:
    engine, store = opened(documents=100)
    server.set_faults([{"fault": "poison", "contains": "case 63 of"}])
    view = run(engine)
    assert (view.state, view.indexed, view.failed) == ("done", 99, 1)
    (failed,) = store.items.failures()
    assert failed.name == "table_63"
    assert failed.message
    assert server.totals()["requests"] <= 16  # 2·log2(100) + 2
    (failure,) = engine.results().failures
    assert failure.name == "table_63"
    assert failure.next_step

    server.set_faults([])
    view = run(engine, Scope("failed"))
    assert (view.items, view.indexed) == (1, 1)
    assert store.items.counts().total("indexed") == 100


@pytest.mark.parametrize("code", ["insufficient_quota", "project_spend_limit_exceeded"])
def test_a_money_error_stops_everything_and_marks_nothing_failed(
    opened: Callable[..., Opened], server: RehearsalServer, code: str
) -> None:
    engine, store = opened(documents=300, EMBEDDING_BATCH_SIZE=10, EMBEDDING_CONCURRENCY=4)
    server.set_options(latency_ms=30)
    server.set_faults([{"fault": "money", "code": code, "at": list(range(5, 100))}])
    view = run(engine)
    assert (view.state, view.code, view.failed) == ("stopped", code, 0)
    assert view.next_step
    assert server.totals()["requests"] <= 4 + 4  # the good ones, and what was in flight beside the refused one
    indexed = store.items.counts().total("indexed")
    assert store.items.counts().total("pending") == 300 - indexed

    server.set_faults([])
    first = store.ledger.runs(1)[0].id
    view = run(engine)
    assert (view.state, view.run_id) == ("done", first)
    assert store.items.counts().total("indexed") == 300
    assert server.totals()["billed_tokens"] == store.ledger.billed_tokens()


def test_billed_never_passes_the_cap(opened: Callable[..., Opened], server: RehearsalServer, tmp_path: Path) -> None:
    chance = random.Random(5)
    for round_number in range(6):
        home = tmp_path / str(round_number)
        engine, store = opened(
            documents=120, BATCH_MANAGER_HOME=str(home), EMBEDDING_BATCH_SIZE=5, EMBEDDING_CONCURRENCY=8
        )
        server.clear()
        server.set_faults(
            [
                {"fault": "reset_after", "rate": 0.1},
                {"fault": "rate_limit", "rate": 0.1, "retry_after": 0.01},
                {"fault": "nan", "rate": 0.1},
            ]
        )
        quote = engine.quote(Scope())
        cap = quote.cost * Decimal(chance.uniform(0.1, 1.1)).quantize(Decimal("0.0001"))
        view = run(engine, cap=cap)
        billed = Decimal(server.totals()["billed_tokens"]) * Decimal("0.02") / 1_000_000
        assert billed <= cap
        assert store.ledger.spent() <= cap
        if view.state == "stopped":
            assert view.code == "cap_reached"
            assert "left" in view.reason
        else:
            assert view.state == "done"


def test_a_cap_waits_for_what_is_in_flight_before_it_stops(
    opened: Callable[..., Opened], server: RehearsalServer
) -> None:
    engine, store = opened(documents=40, EMBEDDING_BATCH_SIZE=10, EMBEDDING_CONCURRENCY=4)
    server.set_options(latency_ms=100)
    server.set_faults([{"fault": "overloaded", "at": [1, 2, 3]}])  # what they held comes back
    quote = engine.quote(Scope())
    view = run(engine, cap=quote.cost)
    assert (view.state, view.indexed, view.billed) == ("done", 40, quote.cost)
    assert store.ledger.spent() == quote.cost


def test_identical_texts_are_sent_once_and_serve_every_item(
    opened: Callable[..., Opened], server: RehearsalServer
) -> None:
    engine, store = opened()
    same = [
        Document("relationship", f"fk_{n}", documentation="", tables=("a", "b"), business_purpose="") for n in range(3)
    ]
    bring(
        store,
        *same,
        Document("table", "x", documentation="words"),
        Document("relationship", "x", documentation="words"),
    )
    quote = engine.quote(Scope())
    assert (quote.items, quote.texts, quote.duplicates) == (5, 4, 1)
    view = run(engine)
    assert view.indexed == 5
    assert server.totals()["inputs"] == 4


def test_what_was_paid_for_costs_nothing_again(
    opened: Callable[..., Opened], server: RehearsalServer, tmp_path: Path
) -> None:
    engine, store = opened(documents=40)
    run(engine)
    paid = server.totals()["billed_tokens"]

    again = engine.quote(Scope("all"))
    assert (again.items, again.tokens, again.cost, again.requests, again.reused) == (40, 0, 0, 0, 40)
    assert run(engine, Scope("all")).indexed == 40

    bring(store, Document("table", "renamed", documentation="x"), table(1, "Changed"))
    bring(store, table(1))  # changed, and changed back
    assert engine.quote(Scope(ids=(store.items.find("table", "table_1") or 0,))).tokens == 0

    engine.close()
    shutil.rmtree(tmp_path / "vectors")
    engine, store = opened()
    view = run(engine, Scope(ids=(store.items.find("table", "table_1") or 0,)))
    assert view.state == "done"
    assert engine.index.counts()["table"] == 40
    assert server.totals()["billed_tokens"] == paid


def test_a_cancelled_run_keeps_what_was_paid_and_goes_on_under_the_same_quote(
    opened: Callable[..., Opened], server: RehearsalServer
) -> None:
    engine, store = opened(documents=200, EMBEDDING_BATCH_SIZE=5, EMBEDDING_CONCURRENCY=2)
    server.set_options(latency_ms=50)
    engine.start(engine.quote(Scope()))
    while engine.view().answered < 20:
        time.sleep(0.01)
    engine.cancel()
    view = engine.wait(30)
    assert (view.state, view.failed) == ("interrupted", 0)
    assert 20 <= view.answered < 200
    assert engine.unfinished() is not None
    server.set_options(latency_ms=0)
    again = run(engine)
    assert (again.state, again.run_id) == ("done", view.run_id)
    # What was indexed before is no part of what is left.
    assert again.items == again.indexed == 200 - view.indexed
    assert server.totals()["billed_tokens"] == store.ledger.billed_tokens()
    assert server.totals()["inputs"] == 200
    assert engine.unfinished() is None


def test_pause_sends_nothing_and_resume_goes_on(opened: Callable[..., Opened], server: RehearsalServer) -> None:
    engine, _ = opened(documents=100, EMBEDDING_BATCH_SIZE=5, EMBEDDING_CONCURRENCY=2, on_trouble="pause")
    server.set_options(latency_ms=40)
    engine.start(engine.quote(Scope()))
    while engine.view().answered < 10:
        time.sleep(0.01)
    engine.pause()
    while engine.view().state != "paused":
        time.sleep(0.01)
    time.sleep(0.3)  # what was in flight comes in
    sent = server.totals()["requests"]
    time.sleep(0.4)
    assert server.totals()["requests"] == sent < 20
    assert engine.view().state == "paused"
    engine.resume()
    assert engine.wait(30).state == "done"


def test_a_quote_that_no_longer_holds_is_refused(opened: Callable[..., Opened], server: RehearsalServer) -> None:
    engine, store = opened(documents=10)
    quote = engine.quote(Scope())
    bring(store, table(99))
    with pytest.raises(QuoteChanged):
        engine.start(quote)
    assert server.totals()["requests"] == 0
    assert store.ledger.runs() == []


def test_a_long_document_travels_in_parts_and_is_found_once(
    opened: Callable[..., Opened], server: RehearsalServer
) -> None:
    engine, store = opened()
    words = "\n\n".join(f"Paragraph {n} on orders and what they hold for whom." for n in range(2_000))
    bring(store, Document("table", "long#one", documentation=words), table(1))
    quote = engine.quote(Scope())
    assert (quote.items, quote.texts) == (2, 5)
    view = run(engine)
    assert view.indexed == 2
    assert engine.index.counts()["table"] == 5
    hits = engine.index.search("orders", "table", 10)
    assert sorted(hit.name for hit in hits) == ["long#one", "table_1"]

    bring(store, Document("table", "long#one", documentation="Short now."))
    run(engine)
    assert engine.index.counts()["table"] == 2


def test_usage_that_is_missing_is_counted_by_estimate_and_marked(
    opened: Callable[..., Opened], server: RehearsalServer
) -> None:
    engine, store = opened(documents=10)
    server.set_faults([{"fault": "no_usage", "rate": 1.0}])
    view = run(engine)
    assert view.indexed == 10
    assert view.billed == view.quoted == store.ledger.spent()
    assert store.ledger.estimated_requests() == 1


def test_a_bill_that_drifts_stops_the_run_where_nobody_can_be_asked(
    opened: Callable[..., Opened], server: RehearsalServer
) -> None:
    engine, store = opened(documents=60, EMBEDDING_BATCH_SIZE=2, EMBEDDING_CONCURRENCY=1)
    server.set_faults([{"fault": "absurd_usage", "factor": 1.1, "rate": 1.0}])
    view = run(engine)
    assert (view.state, view.code) == ("stopped", "bill_drift")
    assert view.billed > view.estimated
    assert store.items.counts().total("failed") == 0
    # Starting again is the yes to that much more; and what is held for a request takes it in, so that a cap holds.
    quote = engine.quote(Scope())
    cap = quote.cost * Decimal("1.05")
    view = run(engine, cap=cap)
    assert (view.state, view.code) == ("stopped", "cap_reached")
    assert view.billed <= cap
    assert run(engine).state == "done"


def test_a_server_that_is_away_pauses_the_run_until_it_is_back(tmp_path: Path, opened: Callable[..., Opened]) -> None:
    with RehearsalServer.start(RehearsalOptions(**OPTIONS)) as gone:
        port = int(gone.base_url.split(":")[2].split("/")[0])
    engine, _ = opened(
        documents=10, on_trouble="pause", OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1", EMBEDDING_MAX_RETRIES=1
    )
    engine.start(engine.quote(Scope()))
    deadline = time.monotonic() + 20
    while engine.view().state != "paused" and time.monotonic() < deadline:
        time.sleep(0.02)
    view = engine.view()
    assert (view.state, view.code, view.failed) == ("paused", "unreachable", 0)
    waiting = [batch.state for batch in view.batches if batch.waits_for == "the server"]
    assert waiting and set(waiting) == {"waiting"}
    with RehearsalServer.start(RehearsalOptions(port=port, **OPTIONS)):
        engine.resume()
        view = engine.wait(30)
    assert (view.state, view.indexed) == ("done", 10)


def test_smaller_limits_of_a_server_are_learned_and_remembered(
    opened: Callable[..., Opened], server: RehearsalServer
) -> None:
    engine, _store = opened(documents=120, EMBEDDING_BATCH_SIZE=40, EMBEDDING_CONCURRENCY=1)
    server.set_options(max_inputs=16)
    view = run(engine)
    assert (view.state, view.indexed) == ("done", 120)
    assert limits_of(engine.settings, engine.store).inputs <= 16
    refused = server.totals()["by_status"]["400"]
    assert refused <= 4


def test_a_listener_that_never_reads_slows_nothing(opened: Callable[..., Opened]) -> None:
    engine, _ = opened(documents=400, EMBEDDING_BATCH_SIZE=1, EMBEDDING_CONCURRENCY=8)
    lazy = engine.subscribe()
    pictures = []

    def look() -> None:
        while not pictures or pictures[-1].state in ("idle", "starting", "running"):
            pictures.append(engine.view())
            time.sleep(0.01)

    watcher = threading.Thread(target=look)
    watcher.start()
    view = run(engine)
    watcher.join(10)
    assert view.indexed == 400
    assert len(lazy.drain()) <= 4096
    sequences = [picture.sequence for picture in pictures if picture.run_id]
    assert sequences == sorted(sequences)
    assert all(0 <= one.indexed <= one.answered <= one.items for one in pictures)
    assert len(view.batches) <= 240


def test_chroma_s_process_ends_by_itself_at_the_close_and_is_not_killed(
    opened: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    spawn = process.spawn

    async def noted() -> Any:
        started.append(await spawn())
        return started[-1]

    monkeypatch.setattr(process, "spawn", noted)
    engine, _ = opened(documents=3)
    run(engine)
    engine.close()
    assert [one.process.returncode for one in started] == [0]  # a kill would be -9


def test_without_a_key_nothing_starts(opened: Callable[..., Opened], server: RehearsalServer) -> None:
    engine, _ = opened(documents=5, OPENAI_API_KEY="")
    assert engine.quote(Scope()).items == 5
    with pytest.raises(SettingError, match="OPENAI_API_KEY"):
        engine.start(engine.quote(Scope()))
    assert server.totals()["requests"] == 0


def test_verify_finds_and_repair_mends_for_nothing(
    opened: Callable[..., Opened], server: RehearsalServer, tmp_path: Path
) -> None:
    engine, _ = opened(documents=20)
    run(engine)
    assert engine.index.verify().untrue == 0
    engine.close()
    import chromadb

    client = chromadb.PersistentClient(str(tmp_path / "vectors"))
    collection = client.get_collection("tables")
    collection.delete(ids=["table_3", "table_4"])
    collection.add(ids=["stranger"], embeddings=[[0.1] * 1536], documents=["?"], metadatas=[{"name": "stranger"}])
    collection.update(ids=["table_5"], metadatas=[{"hash": "something else"}])
    del collection, client
    paid = server.totals()["billed_tokens"]

    engine, _ = opened()
    report = engine.index.verify()
    assert (report.missing, report.orphaned, report.outdated, report.repaired) == (2, 1, 1, 0)
    report = engine.index.verify(repair=True)
    assert report.untrue == 0
    assert engine.index.verify().untrue == 0
    assert engine.index.counts()["table"] == 20
    assert server.totals()["billed_tokens"] == paid
