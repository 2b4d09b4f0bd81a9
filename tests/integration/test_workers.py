"""Several workers, as processes of their own, on a real PostgreSQL, a real Chroma server and a real HTTP server.

The suite runs a short version. The whole proof (100 kills):

    WORKER_KILLS=100 WORKER_ITEMS=6000 python -m pytest -p no:xdist tests/integration/test_workers.py -k killed
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from batch_manager.engine.shared.jobs import STALE, workers_alive
from batch_manager.events import RunView
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import load_settings
from batch_manager.store import DocumentationStore
from batch_manager.store.migrations import MIGRATIONS
from batch_manager.store.postgres_schema import VERSION
from batch_manager.workspace import Workspace
from chroma_server import ChromaServer
from command import PAYING_KEY, Command, Done, ends, tables
from network import Network
from scanning import IN_URL, PASSWORD
from servers import postgres_server
from stores import Databases, StoreServer

BATCH, CONCURRENCY = 10, 2
KILLS = int(os.environ.get("WORKER_KILLS", "3"))
ITEMS = int(os.environ.get("WORKER_ITEMS", "400"))

pytestmark = pytest.mark.timeout(400 + 6 * KILLS)  # a worker that was killed is given up within a minute


@pytest.fixture(scope="module")
def billing() -> Iterator[RehearsalServer]:
    unlimited: dict[str, Any] = {"requests_per_minute": None, "tokens_per_minute": None, "rate_headers": False}
    with RehearsalServer.start(RehearsalOptions(seed=7, key=PAYING_KEY, **unlimited)) as running:
        yield running


class Team:
    """A shared store, its server, and workers on it."""

    def __init__(self, home: Path, url: str, chroma: str, server: RehearsalServer) -> None:
        self.server = server
        self.url = url
        self.command = Command(
            home,
            {
                "DOCUMENTATION_STORE_URL": url,
                "CHROMA_URL": chroma,
                "OPENAI_API_KEY": PAYING_KEY,
                "OPENAI_BASE_URL": server.base_url,
                "EMBEDDING_BATCH_SIZE": str(BATCH),
                "EMBEDDING_CONCURRENCY": str(CONCURRENCY),
                "OPENAI_EMBEDDING_DIMENSIONS": "16",
            },
        )
        self.workers: list[subprocess.Popen[bytes]] = []

    def bring(self, count: int) -> None:
        assert self.command("--import", "-", text=tables(count)).code == 0

    def worker(self, name: str, *flags: str, **environment: str) -> subprocess.Popen[bytes]:
        started = self.command.but(WORKER_NAME=name, **environment).start("--worker", *flags)
        self.workers.append(started)
        return started

    @contextlib.contextmanager
    def opened(self, **more: str) -> Iterator[Workspace]:
        """Whoever plans and watches, in this process."""
        given = {**self.command.environment, "BATCH_MANAGER_HOME": str(self.command.home), "EMBEDDING_QUEUE": "workers"}
        settings = load_settings({**given, **more}, environment={}, folder=self.command.folder)
        with Workspace.open(settings, on_trouble="stop") as workspace:
            yield workspace

    def store(self) -> DocumentationStore:
        given = {**self.command.environment, "BATCH_MANAGER_HOME": str(self.command.home)}
        return DocumentationStore.look(load_settings(given, environment={}, folder=self.command.folder))

    def sent(self) -> list[str]:
        """The hash of each text that was answered, as often as it was."""
        return [digest for call in self.server.ledger() if call["status"] == 200 for digest in call["hashes"]]

    def billed(self) -> Decimal:
        """USD of all that the server has charged for."""
        return Decimal(self.server.totals()["billed_tokens"]) * Decimal("0.02") / 1_000_000

    def end(self) -> None:
        for one in self.workers:
            if one.poll() is None:
                one.kill()
            one.communicate()


@pytest.fixture
def team(tmp_path: Path, store_server: StoreServer, chroma: str, billing: RehearsalServer) -> Iterator[Team]:
    billing.set_options(faults=[], latency_ms=100.0, tokens_per_minute=None, rate_headers=False)
    billing.clear()
    import chromadb

    client = chromadb.HttpClient(host="127.0.0.1", port=int(chroma.rpartition(":")[2]))
    for one in client.list_collections():
        client.delete_collection(one.name)
    with store_server.databases() as databases:
        made = Team(tmp_path / "home", databases.make("template0"), chroma, billing)
        try:
            yield made
        finally:
            made.end()


def until(workspace: Workspace, reached: Any, seconds: float = 90) -> RunView:
    """The first picture of which that is true."""
    deadline = time.monotonic() + seconds
    while not reached(view := workspace.engine.view()):
        assert time.monotonic() < deadline, view
        time.sleep(0.05)
    return view


def well(done: Done) -> Done:
    """It ended as it should, and told no secret."""
    assert done.code == 0, done
    assert PASSWORD not in done.err and IN_URL not in done.err and PAYING_KEY not in done.err
    return done


def test_two_workers_do_what_was_agreed_once_and_all_of_it(team: Team) -> None:
    team.server.set_faults([{"fault": "poison", "contains": "Fact 17 "}, {"fault": "overloaded", "rate": 0.05}])
    team.bring(160)
    one, two = team.worker("ann"), team.worker("bob")
    done = team.command("--batch-index", "--yes", "--json", "--workers")
    assert done.code == 1, done.err
    assert [failure["name"] for failure in done.json["failures"]] == ["t17"]
    assert "by ann" in done.err and "by bob" in done.err, "who watches sees who does what"
    sent = team.sent()
    assert len(sent) == len(set(sent)) == 159
    assert done.json["usage"]["billed_tokens"] == team.server.totals()["billed_tokens"]
    status = team.command("--status", "--json").json
    assert (status["tables"]["indexed"], status["tables"]["failed"], status["vectors"]["tables"]) == (159, 1, 159)

    team.server.set_faults([])
    assert team.command("--retry-failed", "--yes", "--workers").code == 0
    assert team.command("--check").code == 0
    team.server.clear()
    assert team.command("--rebuild-indexes", "--yes", "--workers").code == 0
    assert team.server.totals()["requests"] == 0, "what was paid for is kept"
    for worker in (one, two):
        words = well(ends(worker, signal.SIGTERM)).err
        assert "has ended" in words


def test_killed_workers_lose_nothing_and_pay_once_but_for_what_was_in_flight(team: Team) -> None:
    chance = random.Random(5)
    team.bring(ITEMS)
    going = [team.worker(f"w{number}") for number in range(3)]
    planner = team.command.start("--batch-index", "--yes", "--json", "--workers")
    kills = 0
    while kills < KILLS and planner.poll() is None:
        time.sleep(chance.uniform(0.5, 3.0))
        victim = going.pop(0)
        if not team.sent():  # it hasn't begun yet
            going.append(victim)
            continue
        victim.kill()
        kills += 1
        going.append(team.worker(f"w{kills + 2}"))
    done = ends(planner, timeout=260)
    assert done.code == 0, done.err
    assert kills == KILLS
    sent = team.sent()
    print(f"{kills} kills, {len(sent) - ITEMS} of {ITEMS} texts sent again")
    assert len(set(sent)) == ITEMS
    assert len(sent) - ITEMS <= kills * BATCH * CONCURRENCY
    status = team.command("--status", "--json").json
    assert (status["tables"]["indexed"], status["vectors"]["tables"]) == (ITEMS, ITEMS)
    with team.store() as store:
        assert store.ledger.billed_tokens() <= team.server.totals()["billed_tokens"]


def test_pause_resume_and_cancel_reach_every_worker_and_the_rest_goes_on_as_the_same_run(team: Team) -> None:
    team.server.set_options(latency_ms=300.0)
    team.bring(300)
    team.worker("ann")
    team.worker("bob")
    with team.opened() as workspace:
        engine = workspace.engine
        engine.start(engine.quote(Scope()))
        workspace.let_others_plan()
        until(workspace, lambda view: view.answered >= 3 * BATCH)
        engine.pause()
        until(workspace, lambda view: view.state == "paused")
        time.sleep(1.5)  # what was in flight comes in
        before = team.server.totals()["requests"]
        time.sleep(2.0)
        assert team.server.totals()["requests"] == before, "nobody sends"
        team.server.set_options(latency_ms=1000.0)  # so that the end comes in the middle on any machine
        engine.resume()
        until(workspace, lambda view: view.state == "running" and view.answered >= before * BATCH + 2 * BATCH)
        engine.cancel()
        view = engine.wait(60)
        assert view.state == "interrupted" and "kept" in view.reason
        assert view.answered < 300
        before = team.server.totals()["requests"]
        time.sleep(1.5)
        assert team.server.totals()["requests"] == before
    team.server.set_options(latency_ms=300.0)
    with team.opened() as workspace:
        engine = workspace.engine
        quote = workspace.quote(Scope())
        assert quote.rest is not None and quote.rest.run_id == view.run_id
        engine.start(quote)
        assert engine.wait(120).state == "done"
        assert workspace.store.items.counts().total("indexed") == 300
    sent = team.sent()
    assert len(sent) == len(set(sent)) == 300


AHEAD = """
import datetime, time
ahead, clock, real = 300, time.time, datetime.datetime

class Ahead(real):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(seconds=ahead)

time.time = lambda: clock() + ahead
datetime.datetime = Ahead
"""
"""Python's own `sitecustomize` of a host whose clock is five minutes ahead."""


def test_hosts_whose_clocks_differ_share_the_rate_and_refuse_nothing(team: Team, tmp_path: Path) -> None:
    team.server.set_options(tokens_per_minute=12_000, burst_seconds=5.0, rate_headers=True)
    team.bring(160)
    (tmp_path / "sitecustomize.py").write_text(AHEAD)
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    team.worker("ann")
    team.worker("ahead", PYTHONPATH=paths)
    with team.store() as store:
        end = time.monotonic() + 60
        while workers_alive(store.database) < 2:
            assert time.monotonic() < end
            time.sleep(0.1)
    done = team.command("--batch-index", "--yes", "--workers")
    assert done.code == 0, done.err
    assert "by ann" in done.err and "by ahead" in done.err
    assert "429" not in team.server.totals()["by_status"]
    assert len(team.sent()) == len(set(team.sent())) == 160
    with team.store() as store:
        # The clock of that host is really another: its batches were taken "later" than any of the others'.
        taken = store.database.execute_sql("SELECT worker, min(taken_at) FROM batch GROUP BY worker").fetchall()
        assert max(taken, key=lambda row: str(row[1]))[0] == "ahead"


def test_the_cap_stops_all_of_them(team: Team) -> None:
    team.bring(200)
    with team.opened() as workspace:
        engine = workspace.engine
        quote = engine.quote(Scope())
        cap = quote.cost / 2
        workspace.cap = cap.quantize(Decimal("0.000000001"))
        team.worker("ann")
        team.worker("bob")
        engine.start(workspace.quote(Scope()))
        view = engine.wait(120)
        assert (view.state, view.code) == ("stopped", "cap_reached"), view
        assert workspace.cap is not None and view.billed <= workspace.cap
        assert Decimal(0) < team.billed() <= workspace.cap


def test_a_quota_that_is_used_up_stops_all_of_them_and_it_goes_on_later(team: Team) -> None:
    team.server.set_faults([{"fault": "money", "at": list(range(6, 60))}])
    team.bring(200)
    team.worker("ann")
    team.worker("bob")
    done = team.command("--batch-index", "--yes", "--workers")
    assert done.code == 4, done.err
    assert "quota" in done.err
    team.server.set_faults([])
    assert team.command("--batch-index", "--yes", "--workers").code == 0
    sent = team.sent()
    assert len(sent) == len(set(sent)) == 200


def test_the_days_budget_stops_all_of_them_and_they_go_on_under_the_same_yes(team: Team) -> None:
    team.bring(200)
    day = Decimal("0.00003")
    poor = [team.worker(name, EMBEDDING_MAX_COST_PER_DAY=str(day)) for name in ("ann", "bob")]
    done = team.command("--batch-index", "--yes", "--json", "--workers")
    assert done.code == 4, done.err
    assert "The day's budget of $0.00003 is reached" in done.err
    assert "EMBEDDING_MAX_COST_PER_DAY" in done.err and "start the workers again" in done.err
    assert {failure["code"] for failure in done.json["failures"]} == {"budget_reached"}
    kept = set(team.sent())
    assert 0 < len(kept) < 200
    assert team.billed() <= day
    with team.store() as store:
        assert store.ledger.spent() <= day
        run = store.ledger.unfinished()
        assert run is not None and "budget" in run.reason
    for worker in poor:
        worker.send_signal(signal.SIGTERM)
    for worker in poor:
        well(ends(worker))

    for name in ("cid", "dan"):
        team.worker(name, EMBEDDING_MAX_COST_PER_DAY="1")
    done = team.command("--batch-index", "--yes", "--workers")
    assert done.code == 0, done.err
    sent = team.sent()
    assert len(sent) == len(set(sent)) == 200
    with team.store() as store:
        assert [(one.id, one.state) for one in store.ledger.runs()] == [(run.id, "done")], "the same run"
        assert store.items.counts().total("indexed") == 200


def test_a_worker_with_other_settings_refuses_and_nothing_is_lost(team: Team) -> None:
    team.bring(40)
    planner = team.command.start("--batch-index", "--yes", "--workers")
    with contextlib.closing(planner.stderr):  # type: ignore[type-var]
        other = team.worker("other", OPENAI_EMBEDDING_MODEL="text-embedding-3-large")
        while planner.poll() is None:
            with team.store() as store:
                if not store.absent and store.batches.runs():
                    break
            time.sleep(0.1)
        refused = ends(other)
        assert refused.code == 2
        assert "text-embedding-3-small" in refused.error and "text-embedding-3-large" in refused.error
        dear = ends(team.worker("dear", EMBEDDING_PRICE_PER_MILLION="0.5"))
        assert dear.code == 2 and "price 0.02, here 0.5" in dear.error
        assert not team.sent()
        team.worker("right")
        assert planner.wait(90) == 0
    assert len(team.sent()) == 40


def test_a_worker_of_another_version_refuses(team: Team, store_server: StoreServer) -> None:
    team.bring(5)
    database = team.url.rpartition("/")[2]
    newer = f"UPDATE meta SET value = '{len(MIGRATIONS) + 1}' WHERE key = '{VERSION}'"
    store_server.execute(newer, database)
    done = ends(team.worker("old"))
    assert done.code == 2 and "newer version" in done.error
    store_server.execute(f"UPDATE meta SET value = '{len(MIGRATIONS) - 1}' WHERE key = '{VERSION}'", database)
    done = ends(team.worker("new"))
    assert done.code == 2 and "older version" in done.error, "it changes no schema under the others"


def test_a_store_that_goes_away_and_comes_back_is_gone_on_with(team: Team, store_server: StoreServer) -> None:
    team.server.set_options(latency_ms=200.0)
    team.bring(300)
    database = team.url.rpartition("/")[2]
    team.worker("ann")
    team.worker("bob")
    planner = team.command.start("--batch-index", "--yes", "--json", "--workers")
    while len(team.sent()) < 50:
        assert planner.poll() is None
        time.sleep(0.05)
    store_server.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    try:
        store_server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
        time.sleep(3)
    finally:
        store_server.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    done = ends(planner, timeout=260)
    assert done.code == 0, done.err
    sent = team.sent()
    assert len(set(sent)) == 300
    assert len(sent) - 300 <= 2 * CONCURRENCY * BATCH


def test_postgresql_that_crashes_and_starts_again_is_gone_on_with_and_the_money_is_right(team: Team) -> None:
    team.server.set_options(latency_ms=300.0)
    with postgres_server() as server:
        team.command = team.command.but(DOCUMENTATION_STORE_URL=Databases(StoreServer(server.url)).make("template0"))
        team.bring(400)
        price = team.command("--estimate-costs", "--json").json["total_estimated_cost"]
        cap = (Decimal(str(price)) * Decimal("1.2")).quantize(Decimal("0.00000001"))
        workers = [team.worker(name) for name in ("ann", "bob")]
        planner = team.command.start("--batch-index", "--yes", "--json", "--workers", "--max-cost", f"{cap:f}")
        while len(team.sent()) < 60:
            assert planner.poll() is None
            time.sleep(0.05)
        # Some batches wait for their next try when it goes away, others for their answer.
        team.server.set_faults([{"fault": "status", "status": 500, "rate": 0.5, "retry_after": 2.0}])
        while team.server.totals()["by_status"].get("500", 0) < 2:
            assert planner.poll() is None
            time.sleep(0.02)
        time.sleep(0.5)
        server.stop()
        team.server.set_faults([])
        time.sleep(2.5)
        before = len(set(team.sent()))
        server.start()
        assert before < 400, "it was in the middle"
        done = ends(planner, timeout=120)
        assert done.code == 0, done.err
        sent = team.sent()
        assert len(set(sent)) == 400
        assert len(sent) - 400 <= len(workers) * CONCURRENCY * BATCH
        status = team.command("--status", "--json").json
        assert (status["tables"]["indexed"], status["vectors"]["tables"]) == (400, 400)
        with team.store() as store:
            assert team.billed() <= store.ledger.spent() <= cap
            runs = store.database.execute_sql(
                "SELECT state, used_pico - (SELECT sum(cost_pico) FROM request WHERE run_id = run.id) FROM run"
            )
            assert runs.fetchall() == [("done", 0)], "what the run's row counts is what its requests cost"
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            well(ends(worker))


def test_a_network_that_is_cut_costs_at_most_what_was_in_flight_and_each_of_that_is_told(team: Team) -> None:
    # All send to one address, which is a part of what was agreed, so both workers are behind the one line.
    team.server.set_options(latency_ms=1000.0)
    port = urlsplit(team.server.base_url).port
    assert port is not None
    network = Network(port)
    try:
        team.command = team.command.but(
            OPENAI_BASE_URL=f"http://127.0.0.1:{network.port}/v1", EMBEDDING_MAX_RETRIES="1"
        )
        team.bring(120)
        workers = [team.worker(name) for name in ("ann", "bob")]
        planner = team.command.start("--batch-index", "--yes", "--json", "--workers")
        while not (team.server.totals()["requests"] > 4 and any(not call["finished"] for call in team.server.ledger())):
            assert planner.poll() is None
            time.sleep(0.02)
        network.cut()
        team.server.set_options(latency_ms=100.0)
        time.sleep(2)
        before = team.server.totals()["requests"]
        network.mend()
        done = ends(planner, timeout=100)
        assert done.code == 0, done.err
        assert team.server.totals()["requests"] > before, "it was in the middle"
        sent = team.sent()
        assert len(set(sent)) == 120
        assert len(sent) - 120 <= len(workers) * CONCURRENCY * BATCH
        with team.store() as store:
            unknown = store.database.execute_sql(
                "SELECT code, cost_pico > 0 FROM request WHERE state = 'unknown'"
            ).fetchall()
            print(f"{len(unknown)} unknown, {len(sent) - 120} texts sent again")
            assert 0 < len(unknown) <= len(workers) * CONCURRENCY
            assert set(unknown) == {("connection_lost", True)}
            assert store.ledger.held() > 0
            assert team.billed() <= store.ledger.spent()
            assert store.items.counts().total("indexed") == 120
        assert "held: answers that never came" in team.command("--status").out
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            assert "can't be reached" in well(ends(worker)).err
    finally:
        network.close()


@pytest.mark.soak
def test_a_worker_that_was_only_frozen_ends_nothing_that_is_another_s(team: Team) -> None:
    team.server.set_options(latency_ms=1000.0)
    team.bring(80)
    frozen = team.worker("frozen")
    planner = team.command.start("--batch-index", "--yes", "--json", "--workers")
    while not team.server.totals()["requests"]:
        assert planner.poll() is None
        time.sleep(0.05)
    frozen.send_signal(signal.SIGSTOP)
    team.server.set_options(latency_ms=100.0)
    team.worker("heir")
    while len(set(team.sent())) < 80:
        assert planner.poll() is None
        time.sleep(0.2)
    frozen.send_signal(signal.SIGCONT)
    assert ends(planner, timeout=120).code == 0
    assert len(team.sent()) - 80 <= CONCURRENCY * BATCH
    well(ends(frozen, signal.SIGTERM))
    with team.store() as store:
        billed = team.server.totals()["billed_tokens"]
        assert store.ledger.billed_tokens() <= billed
        assert store.items.counts().total("indexed") == 80


@pytest.mark.soak
def test_workers_that_nobody_heard_while_postgresql_was_away_are_not_given_up(team: Team) -> None:
    team.server.set_options(latency_ms=500.0)
    with postgres_server() as server:
        team.command = team.command.but(DOCUMENTATION_STORE_URL=Databases(StoreServer(server.url)).make("template0"))
        team.bring(400)
        workers = [team.worker(name) for name in ("ann", "bob", "cid")]
        planner = team.command.start("--batch-index", "--yes", "--json", "--workers")
        while len(team.sent()) < 60:
            assert planner.poll() is None
            time.sleep(0.05)
        server.stop()
        time.sleep(STALE + 5)
        before = len(team.sent())
        server.start()
        assert before < 400, "it was in the middle"
        assert ends(planner, timeout=200).code == 0
        sent = team.sent()
        assert len(set(sent)) == 400
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            assert "that are gone" not in well(ends(worker)).err
        print(f"{len(sent) - 400} texts sent again")
        assert len(sent) - 400 <= len(workers) * CONCURRENCY * BATCH


@pytest.mark.soak
def test_a_chroma_server_that_restarts_is_gone_on_with(team: Team, tmp_path: Path) -> None:
    folder = tmp_path / "own-chroma"
    folder.mkdir()
    vectors = ChromaServer(folder)
    vectors.start()
    try:
        team.command = team.command.but(CHROMA_URL=f"http://127.0.0.1:{vectors.port}")
        team.bring(400)
        team.worker("ann")
        planner = team.command.start("--batch-index", "--yes", "--json", "--workers")
        while len(team.sent()) < 100:
            assert planner.poll() is None
            time.sleep(0.05)
        vectors.stop()
        time.sleep(3)
        vectors.start()
        done = ends(planner, timeout=120)
        assert done.code == 0, done.err
        assert len(team.sent()) == len(set(team.sent())) == 400
        assert team.command("--status", "--json").json["vectors"]["tables"] == 400
    finally:
        vectors.stop()


def test_who_stops_watching_stops_nobody_and_can_watch_again(team: Team) -> None:
    team.bring(120)
    with team.opened() as workspace:
        workspace.engine.start(workspace.engine.quote(Scope()))
    with team.store() as store:
        assert [run.state for run in store.batches.runs()] == ["shared"]
    assert "by workers: 0 of 12 batches; 0 workers there" in team.command("--status").out
    team.worker("ann")
    done = team.command("--batch-index", "--yes", "--json")
    assert done.code == 0, done.err
    assert "watches" in done.err
    assert len(team.sent()) == 120
    assert team.command("--status", "--json").json["tables"]["indexed"] == 120


def test_a_file_cannot_be_shared(tmp_path: Path) -> None:
    command = Command(tmp_path / "home", {"OPENAI_API_KEY": PAYING_KEY})
    assert command("--import", "-", text=tables(2)).code == 0
    for flags in (("--worker",), ("--batch-index", "--yes", "--workers")):
        done = command(*flags)
        assert done.code == 2 and "DOCUMENTATION_STORE_URL" in done.error
