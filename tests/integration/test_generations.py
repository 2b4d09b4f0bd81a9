"""Another model or size: built beside the index that serves, swapped in at once, gone back from, dropped."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest

from batch_manager.engine import Engine
from batch_manager.errors import DeclinedError, SettingError, UsageError
from batch_manager.index_change import change_words
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer, expected_vector
from batch_manager.store import DocumentationStore
from chroma_server import ChromaServer
from jobs import job, options, settings_for

pytestmark = pytest.mark.usefixtures("each_store_if_asked")

DATA = Path(__file__).parents[1] / "data" / "stores"
SMALL = {"OPENAI_EMBEDDING_DIMENSIONS": "8"}
"""The index that serves at first: of vectors so small that Chroma's work is none."""
LARGE = {"OPENAI_EMBEDDING_MODEL": "text-embedding-3-large", "OPENAI_EMBEDDING_DIMENSIONS": "12"}
SUFFIXES = ("text-embedding-3-small-8", "text-embedding-3-large-12")


@pytest.fixture(scope="module")
def running() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options()) as server:
        yield server


@pytest.fixture
def server(running: RehearsalServer) -> RehearsalServer:
    running.set_faults([])
    running.clear()
    return running


def in_chroma(home: Path) -> dict[str, tuple[int, int | None]]:
    """Collection → (rows, numbers a vector), as another program sees it."""
    with closing(chromadb.PersistentClient(str(home / "vectors"))) as client:
        return {one.name: (one.count(), one.get_model().dimension) for one in client.list_collections()}


def test_a_change_of_model_is_quoted_built_beside_and_swapped_in(tmp_path: Path, server: RehearsalServer) -> None:
    with job(tmp_path, server, **SMALL) as old:
        old.bring(12)
        assert old.run().indexed == 12
    with job(tmp_path, server, **LARGE) as new:
        quote = new.engine.quote(Scope())
        assert (quote.items, quote.texts, quote.shortened) == (12, 12, 0) and quote.cost > 0
        change = quote.change
        assert change is not None and (change.step, change.items, change.failed) == ("begins", 12, 0)
        assert 12 * 1_000 < change.disk < 12 * 10_000 and change.free is not None and not change.short_of_room
        said = change_words(quote, change)
        assert (
            said[0].startswith("12 items under text-embedding-3-large (12 dimensions), $0.0")
            and "MB of disk" in said[0]
        )
        assert said[1].startswith("the index of text-embedding-3-small (8 dimensions) serves until the last item is in")

        # Half of it: the cap ends the run, and the old index is the one that is asked, with its own model.
        view = new.run(cap=quote.cost / 2, scope=Scope())
        assert view.code == "cap_reached" or view.indexed < 12
        server.clear()
        hits = new.engine.index.search("what the business knows, case 7 of many")
        assert len(hits) == 10 and server.ledger()[-1]["model"] == "text-embedding-3-small"
        assert {one.code for one in new.engine.problems()} >= {"index_building"}
        rest = new.engine.quote(Scope())
        assert rest.change is not None and rest.change.step == "goes on"

        view = new.run()
        assert view.state == "done" and new.store.items.counts().total("indexed") == 12
        assert [one.state for one in new.store.generations.all()] == ["kept", "serving"]
        assert new.engine.quote(Scope()).nothing_to_do
        assert not {one.code for one in new.engine.problems()} & {"index_building", "other_model"}
        server.clear()
        assert len(new.engine.index.search("what the business knows")) == 10
        assert server.ledger()[-1]["model"] == "text-embedding-3-large"
        assert new.engine.index.verify().found == 0
    assert in_chroma(tmp_path) == {
        "tables": (12, 12),
        "relationships": (0, None),
        f"tables--{SUFFIXES[0]}": (12, 8),
    }


def test_going_back_costs_nothing_and_what_changed_since_is_paid_for_alone(
    tmp_path: Path, server: RehearsalServer
) -> None:
    with job(tmp_path, server, **SMALL) as old:
        old.bring(6)
        old.run()
    with job(tmp_path, server, **LARGE) as new:
        new.run()
    server.clear()
    with job(tmp_path, server, **SMALL) as old:
        quote = old.engine.quote(Scope())
        assert (quote.items, quote.cost, quote.nothing_to_do) == (0, 0, False)
        assert quote.change is not None and quote.change.step == "back"
        view = old.run()
        assert (view.state, view.billed) == ("done", 0)
        assert server.totals()["requests"] == 0
        assert [one.state for one in old.store.generations.all()] == ["serving", "kept"]
        old.bring(1, words="something new")
        old.run()
    with job(tmp_path, server, **LARGE) as new:
        quote = new.engine.quote(Scope())
        assert (quote.items, quote.texts) == (1, 1)
        server.clear()
        new.run()
        assert server.totals()["inputs"] == 1
        assert new.engine.index.verify().found == 0
        (hit, *_) = new.engine.index.search("something new", limit=1)
        assert "something new" in hit.document
    assert in_chroma(tmp_path)["tables"] == (6, 12)


def test_a_change_that_is_given_up_in_the_middle_resumes_later(tmp_path: Path, server: RehearsalServer) -> None:
    with job(tmp_path, server, **SMALL) as old:
        old.bring(8)
        old.run()
    with job(tmp_path, server, EMBEDDING_BATCH_SIZE="4", EMBEDDING_CONCURRENCY="1", **LARGE) as new:
        server.clear()
        server.set_faults([{"fault": "money", "at": list(range(2, 40))}])
        assert new.run().state == "stopped"
        assert new.store.items.counts().total("indexed") == 4
    server.set_faults([])
    server.clear()
    with job(tmp_path, server, **SMALL) as old:
        quote = old.engine.quote(Scope())
        assert quote.items == 0 and quote.change is not None and quote.change.returns
        assert old.run().billed == 0
        assert old.engine.quote(Scope()).nothing_to_do
        assert [one.state for one in old.store.generations.all()] == ["serving", "kept"]
        assert old.store.items.counts().total("indexed") == 8
        assert old.engine.index.verify().found == 0
        assert server.totals()["requests"] == 0
    with job(tmp_path, server, **LARGE) as new:
        assert new.engine.quote(Scope()).texts == 4
        new.run()
        assert server.totals()["inputs"] == 4
    assert in_chroma(tmp_path)["tables"] == (8, 12)


def test_an_item_that_may_do_better_keeps_the_old_index_serving_and_a_lasting_one_does_not(
    tmp_path: Path, server: RehearsalServer
) -> None:
    with job(tmp_path, server, **SMALL) as old:
        old.bring(4)
        old.run()
    server.set_faults([{"fault": "status", "status": 500, "rate": 1.0, "contains": "case 2 of"}])
    with job(tmp_path, server, EMBEDDING_MAX_RETRIES="0", EMBEDDING_BATCH_SIZE="1", **LARGE) as new:
        new.run()
        assert new.store.items.counts().total("failed") == 1
        assert new.store.generations.serving().model == "text-embedding-3-small"  # type: ignore[union-attr]
        quote = new.engine.quote(Scope())
        assert quote.nothing_to_do and quote.change is not None and quote.change.failed == 1
        server.set_faults([])
        assert new.run(Scope("failed")).indexed == 1
        assert new.store.generations.serving().model == "text-embedding-3-large"  # type: ignore[union-attr]
    server.set_faults([{"fault": "poison", "contains": "case 3 of"}])
    with job(tmp_path, server, OPENAI_EMBEDDING_DIMENSIONS="20") as third:
        third.run()
        assert third.store.items.counts().total("failed") == 1
        assert third.store.generations.serving().dimensions == 20  # type: ignore[union-attr]


def test_what_is_gone_leaves_the_index_that_serves_while_another_is_built(
    tmp_path: Path, server: RehearsalServer
) -> None:
    with job(tmp_path, server, **SMALL) as old:
        old.bring(4)
        old.run()
    server.set_faults([{"fault": "money"}])
    with job(tmp_path, server, **LARGE) as new:
        new.run()
        new.store._db.execute_sql("UPDATE item SET stage = 'gone' WHERE name = 'table_1'")
        assert new.engine.index.sweep() == 1
        server.set_faults([])
        assert "table_1" not in {hit.name for hit in new.engine.index.search("case 1 of many")}
        assert new.engine.index.counts()["table"] == 3
        assert new.engine.index.verify().found == 0


def test_only_all_items_turn_to_another_model(tmp_path: Path, server: RehearsalServer) -> None:
    with job(tmp_path, server, **SMALL) as old:
        old.bring(3)
        old.run()
    server.clear()
    with job(tmp_path, server, **LARGE) as new:
        for scope in (Scope("failed"), Scope(kinds=("table",)), Scope("all", ids=(1,))):
            with pytest.raises(UsageError, match="index was built with text-embedding-3-small"):
                new.engine.check(scope)
        new.engine.check(Scope())
        new.engine.check(Scope("all"))
        assert [one.state for one in new.store.generations.all()] == ["serving"]
    assert server.totals()["requests"] == 0


def test_the_way_back_from_another_size_names_the_setting_of_the_size(tmp_path: Path, server: RehearsalServer) -> None:
    with job(tmp_path, server, **SMALL) as old:
        old.bring(3)
        old.run()
    with job(tmp_path, server) as other:
        (told,) = [one for one in other.engine.problems() if one.code == "other_model"]
    assert "not with text-embedding-3-small (1,536 dimensions)" in told.message
    assert told.next_step.startswith("To stay with it, set OPENAI_EMBEDDING_DIMENSIONS=8; or index all")
    assert "--model" not in told.next_step


def test_the_old_index_is_asked_with_the_key_and_at_the_server_that_it_was_made_with(
    tmp_path: Path, server: RehearsalServer
) -> None:
    with job(tmp_path, server, **SMALL) as old:
        old.bring(3)
        old.run()
    local = settings_for(tmp_path, server.base_url, EMBEDDING_PROVIDER="local")
    without_key = settings_for(tmp_path, server.base_url, EMBEDDING_PROVIDER="local", OPENAI_API_KEY="")
    elsewhere = settings_for(tmp_path, "http://127.0.0.1:9/v1", EMBEDDING_PROVIDER="local")
    with DocumentationStore(local) as store:
        with closing(Engine(local, store)) as engine:
            server.clear()
            with pytest.raises(DeclinedError, match="nothing was sent"):
                engine.index.search("case 1 of many")
            assert server.totals()["requests"] == 0
            assert len(engine.index.search("case 1 of many", agreed=True)) == 3
            assert server.ledger()[-1]["model"] == "text-embedding-3-small"
            assert engine.index.search_price("case 2 of many") > 0
        with closing(Engine(without_key, store)) as engine, pytest.raises(SettingError, match="OPENAI_API_KEY"):
            engine.index.search("x")
        with closing(Engine(elsewhere, store)) as engine, pytest.raises(UsageError, match="was made at http"):
            engine.index.search("x")
    with job(tmp_path, server, EMBEDDING_PROVIDER="local") as other:
        assert other.run().billed == 0
        server.clear()
        assert len(other.engine.index.search("case 1 of many")) == 3
        assert server.totals()["requests"] == 0


def test_shorter_vectors_are_cut_from_what_was_paid_for(tmp_path: Path, server: RehearsalServer) -> None:
    with job(tmp_path, server) as whole:
        whole.bring(5)
        whole.run()
    server.clear()
    with job(tmp_path, server, OPENAI_EMBEDDING_DIMENSIONS="256") as short:
        quote = short.engine.quote(Scope())
        assert (quote.items, quote.texts, quote.cost, quote.shortened) == (5, 0, 0, 5)
        view = short.run()
        assert (view.state, view.indexed, view.billed) == ("done", 5, 0)
        assert server.totals()["requests"] == 0
        text = "table_3\nHolds what the business knows, case 3 of many."
        kept = [one for one in short.store.answers.of_item(4) if one.dimensions == 256]
        # What the server answers to `dimensions: 256`; not the last bit, since it doesn't cut what it has sent.
        np.testing.assert_allclose(
            np.frombuffer(kept[0].vector, "<f4"), expected_vector(text, "text-embedding-3-small", 256, 7), atol=1e-6
        )
    assert in_chroma(tmp_path)["tables"] == (5, 256)


def test_dropping_gives_the_room_back_and_a_new_build_costs_nothing(tmp_path: Path, server: RehearsalServer) -> None:
    with job(tmp_path, server, **SMALL) as old:
        old.bring(4)
        old.run()
    with job(tmp_path, server, **LARGE) as new:
        new.run()
    folders = len([one for one in (tmp_path / "vectors").iterdir() if one.is_dir()])
    with job(tmp_path, server, **LARGE) as new:
        assert new.engine.index.drop_kept() == 1
        assert new.engine.index.drop_kept() == 0
        assert [one.state for one in new.store.generations.all()] == ["serving"]
        assert new.engine.index.verify().found == 0
    # So few rows have no files of their own yet; with more of them there is one folder less (tried by hand).
    assert len([one for one in (tmp_path / "vectors").iterdir() if one.is_dir()]) < folders or folders == 0
    assert set(in_chroma(tmp_path)) == {"tables", "relationships"}
    server.clear()
    with job(tmp_path, server, **SMALL) as old:
        quote = old.engine.quote(Scope())
        assert (quote.items, quote.cost, quote.reused) == (4, 0, 4)
        assert old.run().indexed == 4
    assert server.totals()["requests"] == 0 and in_chroma(tmp_path)["tables"] == (4, 8)


@pytest.mark.of_files
def test_a_store_of_before_has_its_index_and_goes_on(tmp_path: Path, server: RehearsalServer) -> None:
    """The store was made by the code before there was more than one index: three tables indexed, one pending."""
    with gzip.open(DATA / "before-generations.sqlite3.gz") as file:
        (tmp_path / "store.sqlite3").write_bytes(file.read())
    with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as before:
        assert before.execute("SELECT value FROM meta WHERE key = 'index_space'").fetchone()[0].endswith("\n8")
        before.execute("UPDATE space SET server = ?", (server.base_url,))
        before.commit()
    with job(tmp_path, server, **SMALL) as old:
        (one,) = old.store.generations.all()
        assert (one.model, one.dimensions, one.state) == ("text-embedding-3-small", 8, "serving")
        assert (one.provider, one.server) == ("openai", server.base_url)
        assert old.engine.index.verify(repair=True).repaired == 3  # its Chroma is not here
        assert old.engine.quote(Scope()).texts == 1
    with job(tmp_path, server, **LARGE) as new:
        assert new.engine.quote(Scope()).items == 4
        assert new.run().indexed == 4
    assert in_chroma(tmp_path)["tables"] == (4, 12)
    shutil.rmtree(tmp_path / "vectors")
    with job(tmp_path, server, **LARGE) as new:
        assert new.engine.index.verify(repair=True).repaired == 4


def test_it_works_on_a_chroma_server_too(tmp_path: Path, server: RehearsalServer) -> None:
    chroma = ChromaServer(tmp_path / "chroma")
    chroma.start()
    try:
        there: dict[str, Any] = {"CHROMA_URL": f"http://127.0.0.1:{chroma.port}"}
        with job(tmp_path, server, **there, **SMALL) as old:
            old.bring(3)
            old.run()
        with job(tmp_path, server, **there, **LARGE) as new:
            quote = new.engine.quote(Scope())
            assert quote.change is not None and quote.change.free is None
            assert new.run().indexed == 3
            assert len(new.engine.index.search("case 1 of many")) == 3
            assert new.engine.index.verify().found == 0
        server.clear()
        with job(tmp_path, server, **there, **SMALL) as old:
            old.run()
            assert server.totals()["requests"] == 0 and old.engine.index.verify().found == 0
            assert old.engine.index.drop_kept() == 1
            client = chromadb.HttpClient(host="127.0.0.1", port=chroma.port)
            assert sorted(one.name for one in client.list_collections()) == ["relationships", "tables"]
    finally:
        chroma.stop()
