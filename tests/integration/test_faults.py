"""Every row of the table of faults, met for real: over HTTP, in SQLite's files, in Chroma's folder and process."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from batch_manager.embedding import backoff
from batch_manager.embedding.classify import MONEY_CODES
from batch_manager.engine import books, control
from batch_manager.errors import VectorStoreError
from batch_manager.events import Notice
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from batch_manager.store import database
from chroma_server import ChromaServer
from jobs import Job, billed, job, options

SIZE = 8
"""Numbers a vector of the bare server, which is asked for `dimensions`."""


@pytest.fixture(scope="module")
def running() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options()) as server:
        yield server


@pytest.fixture
def server(running: RehearsalServer) -> RehearsalServer:
    running.set_options(faults=[], latency_ms=0)
    running.clear()
    return running


@pytest.fixture(scope="module")
def shared(running: RehearsalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """One home for the faults of the wire, which leave nothing behind: Chroma starts once."""
    home = tmp_path_factory.mktemp("home")
    with job(home, running, EMBEDDING_BATCH_SIZE=5, EMBEDDING_CONCURRENCY=2, EMBEDDING_MAX_RETRIES=2) as opened:
        yield opened


@pytest.fixture
def wire(shared: Job, server: RehearsalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """The shared job with twenty new tables: four requests of five."""
    monkeypatch.setattr(backoff, "BASE", 0.05)  # nobody orders these waits, and real ones would make a slow suite
    shared.bring(20, start=shared.store.items.counts().total())
    yield shared
    server.set_options(faults=[], latency_ms=0)
    for which in ("pending", "failed"):  # a test that broke must not break those after it
        if not shared.engine.quote(Scope(which)).nothing_to_do:  # type: ignore[arg-type]
            shared.run(Scope(which))  # type: ignore[arg-type]


def spent_before(opened: Job) -> Decimal:
    return opened.store.ledger.spent()


# What the server refuses for now


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "rate_limit", "retry_after": 0.05},
        {"fault": "overloaded"},
        *({"fault": "status", "status": status} for status in (500, 502, 504, 408, 409)),
    ],
    ids=lambda rule: str(rule.get("status") or rule["fault"]),
)
def test_a_refusal_that_passes_is_tried_again(wire: Job, server: RehearsalServer, rule: dict[str, Any]) -> None:
    server.set_faults([{**rule, "at": [2]}])
    view = wire.run()
    assert (view.state, view.indexed, view.failed) == ("done", 20, 0)
    totals = server.totals()
    assert totals["requests"] == 5
    # A gateway that gave up may have passed the request on: its cost counts as spent until known otherwise.
    held = 0 if rule.get("status") not in (502, 504) else view.reserved
    assert view.billed == billed(server)
    assert view.reserved == held
    assert bool(held) == (rule.get("status") in (502, 504))


class Bare(ThreadingHTTPServer):
    """A server of a few lines, for headers and bodies that no rehearsal would send: the first answers are scripted."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[tuple[int, dict[str, Any], bytes]] = []
        self.times: list[float] = []
        self.base_url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self) -> Bare:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bare

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.times.append(time.monotonic())
        status, headers, body = self.server.script.pop(0) if self.server.script else (200, {}, b"")
        if status == 200 and not body:
            data = [{"index": index, "embedding": [1.0] * SIZE} for index, _ in enumerate(asked["input"])]
            body = json.dumps({"data": data, "usage": {"total_tokens": len(asked["input"]) * 14}}).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(body)), **headers}.items():
            self.send_header(name, value() if callable(value) else value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not on the test's screen."""


def _http_date(seconds: float) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))


@pytest.mark.parametrize("how", ["seconds", "milliseconds", "date"])
def test_retry_after_is_honoured(tmp_path: Path, how: str) -> None:
    error = json.dumps({"error": {"message": "Slow down.", "code": "slow_down"}}).encode()
    with (
        Bare() as server,
        job(
            tmp_path,
            server.base_url,
            OPENAI_EMBEDDING_DIMENSIONS=SIZE,
            EMBEDDING_BATCH_SIZE=2,
            EMBEDDING_CONCURRENCY=4,
            EMBEDDING_PRICE_PER_MILLION="0.02",
        ) as opened,
    ):
        opened.bring(10)
        opened.engine.warm()
        time.sleep(0.5)
        headers: dict[str, dict[str, Any]] = {
            "seconds": {"retry-after": "1"},
            "milliseconds": {"retry-after-ms": "900"},
            "date": {"retry-after": lambda: _http_date(2)},
        }
        server.script.append((429, headers[how], error))
        view = opened.run()
    assert (view.state, view.indexed) == ("done", 10)
    first, *rest = server.times
    # A date has whole seconds, so one that is two away is at least one away.
    assert 0.89 <= min(rest) - first <= 4
    assert len(rest) == 5  # nobody else was sent into the wall meanwhile


def test_after_its_tries_a_batch_is_split_and_the_one_fails(wire: Job, server: RehearsalServer) -> None:
    number = wire.store.items.counts().total() - 20
    server.set_faults([{"fault": "status", "status": 500, "contains": f"case {number} of"}])
    said = wire.engine.subscribe()
    view = wire.run()
    assert (view.state, view.indexed, view.failed) == ("done", 19, 1)
    halved = [one.message for one in said.drain() if isinstance(one, Notice) and "in halves" in one.message]
    assert len(halved) == len({one.split()[1] for one in halved}) > 0  # once a batch
    (failed,) = wire.store.items.failures()
    assert failed.name == f"table_{number}"
    assert failed.code == "http_500" or failed.code == "server_error"
    assert failed.message
    alone = [entry for entry in server.ledger() if entry["inputs"] == 1 and entry["status"] == 500]
    assert len(alone) == 3  # the first try and two more


# What no try can cure


@pytest.mark.parametrize(
    "rule",
    [
        *({"fault": "money", "code": code} for code in sorted(MONEY_CODES)),
        {"fault": "status", "status": 401, "code": "invalid_api_key", "message": "Incorrect API key provided."},
        {"fault": "status", "status": 403, "code": "unsupported_country", "message": "Country not supported."},
        {"fault": "status", "status": 404, "code": "model_not_found", "message": "The model does not exist."},
    ],
    ids=lambda rule: str(rule["code"]),
)
def test_what_no_try_can_cure_stops_all_and_fails_nothing(
    wire: Job, server: RehearsalServer, rule: dict[str, Any]
) -> None:
    server.set_options(latency_ms=20)
    server.set_faults([{**rule, "at": list(range(2, 50))}])
    view = wire.run()
    assert (view.state, view.code, view.failed) == ("stopped", rule["code"], 0)
    assert view.reason and view.next_step
    assert server.totals()["requests"] <= 1 + 2  # the good one, the refused one, and one beside it
    assert wire.count("failed") == 0
    assert wire.count("pending") == 20 - view.indexed
    assert wire.engine.unfinished() is not None

    server.set_faults([])
    again = wire.run()
    assert (again.state, again.run_id, wire.count("pending")) == ("done", view.run_id, 0)
    assert again.billed + view.billed >= billed(server)


# Connections


def test_a_reset_connection_is_tried_again(wire: Job, server: RehearsalServer) -> None:
    server.set_faults([{"fault": "reset", "at": [1]}, {"fault": "reset_after", "at": [3]}])
    before = spent_before(wire)
    view = wire.run()
    assert (view.state, view.indexed, view.failed) == ("done", 20, 0)
    assert server.totals()["requests"] == 6
    # Nobody can tell which of the two was billed, so both count.
    assert wire.store.ledger.spent() - before >= billed(server)


@pytest.mark.parametrize("late", [False, True], ids=["silence", "late answer"])
def test_a_silent_server_is_left_and_tried_again(
    wire: Job, server: RehearsalServer, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    monkeypatch.setattr(backoff, "FIRST_TIMEOUT", 0.6)
    server.set_faults([{"fault": "stall", "seconds": 3, "billed": late, "at": [1]}])
    before = spent_before(wire)
    began = time.monotonic()
    view = wire.run()
    assert time.monotonic() - began < 3
    assert (view.state, view.indexed, view.failed) == ("done", 20, 0)
    assert wire.store.ledger.spent() - before >= billed(server)


def test_the_timeout_grows_with_each_try() -> None:
    waits = [backoff.timeout(tried) for tried in range(1, 8)]
    assert waits == sorted(waits)
    assert waits[0] < waits[1] < waits[2]
    assert waits[-1] <= backoff.LONGEST_TIMEOUT


@pytest.mark.parametrize("where", ["refused", "unknown name", "no TLS there"])
def test_a_server_out_of_reach_ends_the_run_with_the_reason(
    tmp_path: Path, server: RehearsalServer, where: str
) -> None:
    port = server.base_url.split(":")[2].split("/")[0]
    url = {
        "refused": "http://127.0.0.1:9/v1",
        "unknown name": "http://nowhere.invalid/v1",
        "no TLS there": f"https://127.0.0.1:{port}/v1",
    }[where]
    with job(tmp_path, url, EMBEDDING_MAX_RETRIES=1, EMBEDDING_PRICE_PER_MILLION="0.02") as opened:
        opened.bring(5)
        view = opened.run()
        assert (view.state, view.code, view.failed, opened.count("pending")) == ("stopped", "unreachable", 0, 5)
        assert url.split("/")[2].split(":")[0] in view.reason
        assert view.next_step
        assert opened.store.ledger.spent() == 0


# Answers that can't be used


@pytest.mark.parametrize(
    "rule",
    [
        *({"fault": name} for name in ("short", "doubled", "wrong_size", "nan", "not_json", "broken_base64")),
        {"fault": "html"},
        {"fault": "html", "status": 200},
    ],
    ids=lambda rule: rule["fault"] + str(rule.get("status", "")),
)
def test_of_a_broken_answer_nothing_is_kept(wire: Job, server: RehearsalServer, rule: dict[str, Any]) -> None:
    server.set_faults([{**rule, "at": [2]}])
    before = spent_before(wire)
    view = wire.run()
    assert (view.state, view.indexed, view.failed) == ("done", 20, 0)
    assert server.totals()["requests"] == 5
    delivered = [entry for entry in server.ledger() if entry["outcome"] == "ok"]
    assert view.billed == sum(entry["tokens"] for entry in delivered) * Decimal("0.02") / 1_000_000
    assert wire.store.ledger.spent() - before >= billed(server)
    assert wire.engine.index.verify().untrue == 0


def test_an_answer_out_of_order_is_put_in_order(wire: Job, server: RehearsalServer) -> None:
    server.set_faults([{"fault": "shuffled"}])
    view = wire.run()
    assert (view.state, view.indexed) == ("done", 20)
    assert server.totals()["requests"] == 4
    number = wire.store.items.counts().total() - 7
    hits = wire.engine.index.search(f"table_{number}\nHolds what the business knows, case {number} of many.", limit=1)
    assert hits[0].name == f"table_{number}"


def test_a_document_that_always_breaks_the_answer_fails_alone(wire: Job, server: RehearsalServer) -> None:
    number = wire.store.items.counts().total() - 13
    server.set_faults([{"fault": "nan", "contains": f"case {number} of"}])
    view = wire.run()
    assert (view.state, view.indexed, view.failed) == ("done", 19, 1)
    (failed,) = wire.store.items.failures()
    assert (failed.name, failed.code) == (f"table_{number}", "broken_vector")


@pytest.mark.parametrize(
    "rule",
    [{"fault": "no_usage"}, *({"fault": "absurd_usage", "factor": factor} for factor in (0, -1, 1000))],
    ids=lambda rule: rule["fault"] + str(rule.get("factor", "")),
)
def test_usage_that_cant_be_true_is_counted_by_estimate(
    wire: Job, server: RehearsalServer, rule: dict[str, Any]
) -> None:
    server.set_faults([rule])
    marked = wire.store.ledger.estimated_requests()
    view = wire.run()
    assert (view.state, view.indexed) == ("done", 20)
    assert view.billed == view.quoted
    assert wire.store.ledger.estimated_requests() == marked + 4


# Chroma


def test_chroma_killed_in_mid_run_is_started_again(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(latency_ms=100)
    with job(tmp_path, server, EMBEDDING_BATCH_SIZE=5, EMBEDDING_CONCURRENCY=1) as opened:
        opened.bring(150)
        opened.start()
        for indexed in (1, 40):
            opened.until(lambda view, at_least=indexed: view.indexed >= at_least)  # type: ignore[misc]
            pid = _chroma_pid()
            os.kill(pid, signal.SIGKILL)
        view = opened.ended()
        assert (view.state, view.indexed, view.failed) == ("done", 150, 0)
        assert opened.engine.index.verify().untrue == 0
        assert server.totals()["inputs"] == 150


def _chroma_pid() -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(child.pid) == child.pid:  # it alone has a session of its own
                    return child.pid
        time.sleep(0.01)
    raise AssertionError("no Chroma process")


def _damage(folder: Path, how: str) -> None:
    database = folder / "chroma.sqlite3"
    if how == "database garbled":
        content = bytearray(database.read_bytes())
        content[100 : len(content) // 2] = os.urandom(len(content) // 2 - 100)
        database.write_bytes(content)
    elif how == "database cut":
        os.truncate(database, database.stat().st_size // 3)
    elif how == "database no database":
        database.write_text("This is not a database, but it is long enough to be taken for one. " * 100)
    else:
        for file in folder.rglob("*.bin"):
            file.write_bytes(os.urandom(file.stat().st_size))


@pytest.mark.parametrize(
    "how",
    [
        "database garbled",
        "vectors garbled",
        pytest.param("database cut", marks=pytest.mark.soak),
        pytest.param("database no database", marks=pytest.mark.soak),
    ],
)
def test_a_damaged_folder_is_found_at_start_and_rebuilt_for_nothing(
    tmp_path: Path, server: RehearsalServer, how: str
) -> None:
    # Chroma writes its vector files at every 1,000 rows.
    count = 1_100 if how == "vectors garbled" else 30
    with job(tmp_path, server, EMBEDDING_BATCH_SIZE=1_000) as opened:
        opened.bring(count)
        assert opened.run().state == "done"
    _damage(tmp_path / "vectors", how)
    server.clear()
    with job(tmp_path, server) as opened:
        opened.bring(5, start=count)
        view = opened.run()
        assert (view.state, view.code, view.failed) == ("stopped", "vectors_damaged", 0)
        assert "rebuild" in view.next_step.lower()
        assert server.totals()["requests"] == 0
        assert opened.engine.quote(Scope("all")).reused == count

        view = opened.run(Scope("all"))
        assert (view.state, view.indexed) == ("done", count + 5)
        assert server.totals()["inputs"] == 5  # the new ones alone
        assert opened.engine.index.verify().untrue == 0
        assert list(tmp_path.glob("vectors.damaged-*"))


def test_a_damaged_folder_is_told_before_the_yes_and_repaired_for_nothing(
    tmp_path: Path, server: RehearsalServer
) -> None:
    with job(tmp_path, server) as opened:
        opened.bring(30)
        assert opened.run().state == "done"
    _damage(tmp_path / "vectors", "database garbled")
    server.clear()
    with job(tmp_path, server) as opened:
        heard = opened.engine.subscribe()
        opened.engine.warm()
        assert heard.wait(30)
        (notice,) = heard.drain()
        assert isinstance(notice, Notice) and notice.level == "error" and "--repair" in notice.message
        with pytest.raises(VectorStoreError, match="damaged"):
            opened.engine.index.verify()
        report = opened.engine.index.verify(repair=True)
        assert report.untrue == 0
        assert opened.engine.index.counts()["table"] == 30
        assert opened.store.items.counts().total("indexed") == 30
        assert list(tmp_path.glob("vectors.damaged-*"))
    assert server.totals()["requests"] == 0


def test_a_deleted_folder_is_put_back_for_nothing(tmp_path: Path, server: RehearsalServer) -> None:
    with job(tmp_path, server) as opened:
        opened.bring(20)
        opened.run()
    shutil.rmtree(tmp_path / "vectors")
    server.clear()
    with job(tmp_path, server) as opened:
        view = opened.run(Scope("all"))
        assert (view.state, view.indexed, view.billed) == ("done", 20, 0)
        assert opened.engine.index.counts()["table"] == 20
        assert server.totals()["requests"] == 0


def test_a_folder_with_another_dimension_is_told_before_anything_is_paid(
    tmp_path: Path, server: RehearsalServer
) -> None:
    import chromadb

    client = chromadb.PersistentClient(str(tmp_path / "vectors"))
    collection = client.create_collection("tables", metadata={"hnsw:space": "cosine"}, embedding_function=None)
    collection.add(ids=["old"], embeddings=[[0.1, 0.2, 0.3]], documents=["old"], metadatas=[{"name": "old"}])
    del collection, client
    with job(tmp_path, server) as opened:
        opened.bring(5)
        view = opened.run()
        assert (view.state, view.code, view.failed) == ("stopped", "vectors_other_shape", 0)
        assert view.next_step
        assert server.totals()["requests"] == 0
        view = opened.run(Scope("all"))
        assert (view.state, view.indexed) == ("done", 5)


def test_a_chroma_server_that_goes_away_pauses_the_run_and_loses_nothing(
    tmp_path: Path, server: RehearsalServer
) -> None:
    chroma = ChromaServer(tmp_path / "server")
    chroma.start()
    try:
        server.set_options(latency_ms=120)  # rows gather for up to a second: the run must last longer
        url = f"http://127.0.0.1:{chroma.port}"
        with job(
            tmp_path, server, on_trouble="pause", CHROMA_URL=url, EMBEDDING_BATCH_SIZE=5, EMBEDDING_CONCURRENCY=1
        ) as opened:
            opened.bring(120)
            opened.start()
            opened.until(lambda view: view.indexed >= 10)
            chroma.stop()
            view = opened.until(lambda view: view.state == "paused", seconds=60)
            assert view.code.startswith("vectors_")
            assert view.reason and view.next_step
            time.sleep(0.3)
            sent = server.totals()["requests"]
            time.sleep(0.3)
            assert server.totals()["requests"] == sent
            chroma.start()
            opened.engine.resume()
            view = opened.ended()
            assert (view.state, view.indexed, view.failed) == ("done", 120, 0)
            assert server.totals()["inputs"] == 120
            assert opened.engine.index.verify().untrue == 0
    finally:
        chroma.stop()


# The store


def test_a_store_that_another_program_locks_loses_no_answer(
    tmp_path: Path, server: RehearsalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.5)
    monkeypatch.setattr(control, "PERSIST_WAIT", 0.3)
    server.set_options(latency_ms=100)
    with job(tmp_path, server, EMBEDDING_BATCH_SIZE=5, EMBEDDING_CONCURRENCY=4) as opened:
        opened.bring(60)
        opened.start()
        opened.until(lambda view: view.answered >= 5)
        with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(1.5)  # longer than SQLite waits for a lock
            other.execute("ROLLBACK")
        view = opened.ended()
        assert (view.state, view.indexed, view.failed) == ("done", 60, 0)
        assert server.totals()["inputs"] == 60
        assert view.billed == billed(server) == opened.store.ledger.spent()


def test_nothing_is_sent_where_answers_could_not_be_kept(
    tmp_path: Path, server: RehearsalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with job(tmp_path, server) as opened:
        opened.bring(5)
        monkeypatch.setattr(books, "free_bytes", lambda _: 1_000)
        view = opened.run()
        assert (view.state, view.code, view.failed) == ("stopped", "store_full", 0)
        assert server.totals()["requests"] == 0
        monkeypatch.undo()
        assert opened.run().indexed == 5


@contextlib.contextmanager
def no_file_may_grow(beyond: int) -> Iterator[None]:
    """For this process, every disk is full where a file has that many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_answers_that_arrive_at_a_full_disk_are_kept_once_there_is_room(
    tmp_path: Path, server: RehearsalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "PERSIST_WAIT", 0.2)
    server.set_options(latency_ms=400)
    with job(tmp_path, server, on_trouble="pause", EMBEDDING_BATCH_SIZE=10, EMBEDDING_CONCURRENCY=4) as opened:
        opened.bring(80)
        opened.start()
        while server.totals()["requests"] < 4:
            time.sleep(0.01)
        with no_file_may_grow((tmp_path / "store.sqlite3-wal").stat().st_size):
            view = opened.until(lambda view: view.state == "paused")
            assert view.code == "store_full"
        opened.engine.resume()
        view = opened.ended()
        assert (view.state, view.indexed, view.failed) == ("done", 80, 0)
        assert server.totals()["inputs"] == 80
        assert view.billed == billed(server) == opened.store.ledger.spent()


@pytest.mark.soak
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_disk_that_fills_up_for_real(
    tmp_path: Path, server: RehearsalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        monkeypatch.setattr(books, "LEAST_FREE", 0)
        server.set_options(latency_ms=300)
        with job(
            disk,
            server,
            on_trouble="pause",
            CHROMA_PERSIST_DIRECTORY=str(tmp_path / "vectors"),
            EMBEDDING_BATCH_SIZE=10,
            EMBEDDING_CONCURRENCY=4,
        ) as opened:
            opened.bring(80)
            opened.start()
            while server.totals()["requests"] < 4:
                time.sleep(0.01)
            filler = disk / "filler"
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            view = opened.until(lambda view: view.state == "paused")
            assert view.code == "store_full"
            filler.unlink()
            opened.engine.resume()
            view = opened.ended()
            assert (view.state, view.indexed, view.failed) == ("done", 80, 0)
            assert server.totals()["inputs"] == 80
            assert view.billed == billed(server) == opened.store.ledger.spent()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("how", ["read-only", "damaged", "newer"])
def test_a_store_that_cant_be_used_is_told_at_once(tmp_path: Path, server: RehearsalServer, how: str) -> None:
    from batch_manager.errors import StoreError

    with job(tmp_path, server) as opened:
        opened.bring(5)
    store = tmp_path / "store.sqlite3"
    if how == "damaged":
        store.write_bytes(b"no database at all " * 1_000)
    elif how == "newer":
        with contextlib.closing(sqlite3.connect(store)) as connection:
            connection.execute("PRAGMA user_version = 99")
    elif os.geteuid() == 0:
        pytest.skip("for root nothing is read-only")
    else:
        store.chmod(0o400)
    with pytest.raises(StoreError) as caught, job(tmp_path, server):
        pass
    assert caught.value.next_step
    assert server.totals()["requests"] == 0
