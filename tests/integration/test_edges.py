"""Edges that a review found: each went wrong once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from batch_manager.documents import Document
from batch_manager.errors import BatchManagerError, HomeBusy, UsageError
from batch_manager.home import WriterLocks, make_home, reset_home
from batch_manager.indexer import SQLIndexerAgent, SQLVectorStore
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from batch_manager.sources.collection import IterableSource
from jobs import job, options, settings_for

pytestmark = pytest.mark.usefixtures("each_store_if_asked")


@pytest.fixture(scope="module")
def server() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options()) as running:
        yield running


@pytest.fixture(autouse=True)
def calm(server: RehearsalServer) -> None:
    server.set_faults([])
    server.set_options(latency_ms=0)
    server.clear()


def test_a_folder_with_somebodys_files_is_never_marked_as_the_programs_own(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    home.mkdir()
    (home / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="didn't put there"):
        make_home(home, own=True)
    with pytest.raises(BatchManagerError):
        reset_home(home)
    assert (home / "thesis.txt").read_text() == "years of work"
    assert (make_home(tmp_path / "new", own=True) / ".batch-manager-home").is_file()
    make_home(tmp_path / "new", own=True)  # and again


def test_two_homes_with_one_store_have_one_writer(tmp_path: Path) -> None:
    store = tmp_path / "shared" / "store.sqlite3"
    for name in ("one", "two", "shared"):
        (tmp_path / name).mkdir()
    with WriterLocks(tmp_path / "one", store):
        with pytest.raises(HomeBusy, match="shared"), WriterLocks(tmp_path / "two", store):
            pass
        with WriterLocks(tmp_path / "two", tmp_path / "two" / "store.sqlite3"):
            pass  # what it had taken before it failed is free again


def test_one_table_by_the_python_api_does_not_give_up_an_index_of_another_model(
    tmp_path: Path, server: RehearsalServer
) -> None:
    with job(tmp_path, server, EMBEDDING_PROVIDER="local") as opened:
        opened.bring(20)
        assert opened.run().indexed == 20
    agent = SQLIndexerAgent(SQLVectorStore(settings_for(tmp_path, server.base_url)))
    with pytest.raises(UsageError, match="index was built with"):
        agent.index_table_documentation({"name": "one", "documentation": "One more."})
    with job(tmp_path, server, EMBEDDING_PROVIDER="local") as opened:
        assert opened.engine.index.counts()["table"] == 20
    assert server.totals()["requests"] == 0


def test_a_pause_while_a_run_starts_is_a_pause(tmp_path: Path, server: RehearsalServer) -> None:
    with job(tmp_path, server, on_trouble="pause") as opened:
        opened.bring(10)
        opened.start()
        opened.engine.pause()
        opened.until(lambda view: view.state == "paused")
        time.sleep(0.5)
        assert opened.engine.view().state == "paused"
        assert server.totals()["requests"] == 0
        opened.engine.resume()
        assert opened.ended().indexed == 10


def test_a_document_of_many_parts_fails_once(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_faults([{"fault": "poison", "contains": "paragraph"}])
    with job(tmp_path, server, EMBEDDING_BATCH_SIZE=1) as opened:
        words = "\n\n".join(f"A paragraph on case {number} and what it holds." for number in range(2_500))
        opened.store.items.bring(IterableSource([Document("table", "long", documentation=words)], "words", "a test"))
        opened.bring(1)
        view = opened.run()
        assert (view.items, view.indexed, view.failed) == (2, 1, 1)
        assert len(opened.engine.results().failures) == 1


def test_closing_ends_a_search_that_is_under_way(tmp_path: Path, server: RehearsalServer) -> None:
    with job(tmp_path, server) as opened:
        opened.bring(5)
        opened.run()
        server.set_faults([{"fault": "stall", "seconds": 30, "rate": 1.0}])
        outcome: list[object] = []

        def ask() -> None:
            try:
                outcome.append(opened.engine.index.search("what the business knows"))
            except BatchManagerError as error:
                outcome.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(1.0)
        opened.engine.close()
        asking.join(10)
        assert not asking.is_alive()
        assert isinstance(outcome[0], UsageError)
        with pytest.raises(UsageError, match="closed"):
            opened.engine.start(opened.engine.quote(Scope("all")))
    server.set_faults([])


def test_a_query_that_is_refused_for_a_moment_is_asked_again(tmp_path: Path, server: RehearsalServer) -> None:
    with job(tmp_path, server) as opened:
        opened.bring(5)
        opened.run()
        server.clear()
        server.set_faults([{"fault": "rate_limit", "at": [1], "retry_after": 0.1}])
        assert len(opened.engine.index.search("what the business knows")) == 5
        assert server.totals()["requests"] == 2


def test_documents_go_to_no_other_host_than_the_one_that_was_shown(tmp_path: Path) -> None:
    seen: list[str] = []

    class Lure(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            seen.append(f"{self.path} {len(body)}")
            self.send_response(307)
            self.send_header("location", f"http://127.0.0.1:{self.server.server_address[1]}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    lure = ThreadingHTTPServer(("127.0.0.1", 0), Lure)
    threading.Thread(target=lure.serve_forever, daemon=True).start()
    try:
        with job(tmp_path, f"http://127.0.0.1:{lure.server_address[1]}/v1") as opened:
            opened.bring(3)
            view = opened.run()
            assert (view.state, view.failed) == ("stopped", 0)
    finally:
        lure.shutdown()
        lure.server_close()
    assert all(path.startswith("/v1/embeddings") for path in seen)
    assert len(seen) == 1
