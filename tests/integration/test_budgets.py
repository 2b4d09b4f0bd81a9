"""Budgets by the day and the month: over all runs of a store, whoever sends, and on to the next day."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batch_manager.documents import Document
from batch_manager.engine import Engine
from batch_manager.errors import StoppedError
from batch_manager.pricing import from_pico
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import Settings, load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore
from command import PAYING_KEY, Command, tables


@pytest.fixture(scope="module")
def shared() -> Iterator[RehearsalServer]:
    options = RehearsalOptions(seed=7, rate_headers=False, requests_per_minute=None, tokens_per_minute=None)
    with RehearsalServer.start(options) as server:
        yield server


@pytest.fixture
def server(shared: RehearsalServer) -> RehearsalServer:
    """The shared server as newly started."""
    shared.set_faults([])
    shared.set_options(latency_ms=0, batch_seconds=0)
    shared.clear()
    return shared


def settings_of(home: Path, server: RehearsalServer | None = None, **more: object) -> Settings:
    given = {
        "BATCH_MANAGER_HOME": str(home),
        "OPENAI_API_KEY": PAYING_KEY,
        "OPENAI_BASE_URL": server.base_url if server else "http://127.0.0.1:9/v1",
        "OPENAI_EMBEDDING_DIMENSIONS": "16",
        "EMBEDDING_BATCH_SIZE": "5",
        "EMBEDDING_CONCURRENCY": "3",
    }
    return load_settings({**given, **{name: str(value) for name, value in more.items()}}, {}, home.parent)


def reserve(store: DocumentationStore, cost: int) -> int:
    return store.ledger.reserve(1, 1, 1, "m", 5, 100, Decimal("0.02"), cost)


def days_ago(store: DocumentationStore, days: int) -> None:
    """As if all that was sent had been sent so many days before."""
    from datetime import UTC, datetime, timedelta

    at = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    store._db.execute_sql("UPDATE request SET sent_at = ?", (at,))


@pytest.mark.usefixtures("each_store")
class TestTheLedger:
    def test_nothing_passes_a_days_budget_and_the_next_day_begins_anew(self, tmp_path: Path) -> None:
        settings = settings_of(
            tmp_path, EMBEDDING_MAX_COST_PER_DAY="0.000001", EMBEDDING_MAX_COST_PER_MONTH="0.0000015"
        )
        with DocumentationStore(settings) as store:
            first = reserve(store, 600_000)
            with pytest.raises(StoppedError, match="day's budget"):
                reserve(store, 400_001)
            store.ledger.refuse(first, "x", "y", held=True, seconds=0)
            with pytest.raises(StoppedError):
                reserve(store, 400_001)  # held for an answer that may have been billed
            second = reserve(store, 400_000)
            store.ledger.refuse(second, "x", "y", held=False, seconds=0)
            with store.transaction():
                store.ledger.settle(first, 100, 200_000, "server", 1.0)
            assert [one.used for one in store.budgets.allowances()] == [from_pico(200_000)] * 2
            reserve(store, 800_000)
            reserve(store, 0)  # what costs nothing always leaves
            days_ago(store, 1)
            used = [one.used for one in store.budgets.allowances()]
            assert used[0] == 0
            days_ago(store, 40)
            assert [one.used for one in store.budgets.allowances()] == [0, 0]
            reserve(store, 1_000_000)
            with pytest.raises(StoppedError, match="budget") as caught:
                reserve(store, 600_000)
            assert caught.value.code == "budget_reached"

    def test_many_at_once_do_not_pass_it(self, tmp_path: Path) -> None:
        settings = settings_of(tmp_path, EMBEDDING_MAX_COST_PER_DAY="0.00001")
        DocumentationStore(settings).close()

        def spend(_: int) -> int:
            kept = 0
            with DocumentationStore(settings) as store:
                for _ in range(10):
                    try:
                        reserve(store, 300_000)
                        kept += 1
                    except StoppedError:
                        pass
            return kept

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(spend, range(8))) == 33
        with DocumentationStore.look(settings) as store:
            assert store.ledger.spent() == from_pico(33 * 300_000)

    def test_without_a_budget_nothing_is_held_back(self, tmp_path: Path) -> None:
        with DocumentationStore(settings_of(tmp_path)) as store:
            reserve(store, 10**15)
            assert store.budgets.allowances() == ()


def bring(store: DocumentationStore, count: int) -> None:
    found = [Document("table", f"t{n}", documentation=f"Fact {n} about the business.") for n in range(count)]
    store.items.bring(IterableSource(found, "words", "a test"))


def wait_for(engine: Engine, state: str) -> None:
    end = time.monotonic() + 60
    while engine.view().state != state:
        assert time.monotonic() < end, engine.view()
        time.sleep(0.02)


def test_with_somebody_there_the_run_pauses_and_goes_on_when_there_is_room(
    tmp_path: Path, server: RehearsalServer
) -> None:
    settings = settings_of(tmp_path / "home", server, EMBEDDING_MAX_COST_PER_DAY="0.000004")
    with DocumentationStore(settings) as store:
        bring(store, 40)
        engine = Engine(settings, store, on_trouble="pause")
        try:
            quote = engine.quote(Scope())
            assert quote.beyond_allowance is not None and quote.cost > Decimal("0.000004")
            engine.start(quote)
            wait_for(engine, "paused")
            view = engine.view()
            assert view.code == "budget_reached" and "day's budget" in view.reason
            assert "EMBEDDING_MAX_COST_PER_DAY" in view.next_step
            engine.wait(1)
            spent = store.ledger.spent()
            assert 0 < spent <= Decimal("0.000004")
            engine.resume()  # on the same day: it pauses again, and nothing more is sent
            wait_for(engine, "paused")
            assert store.ledger.spent() == spent
            while engine.view().state != "done":
                days_ago(store, 1)
                engine.resume()
                engine.wait(0.3)
            assert store.items.counts().total("indexed") == 40
            assert server.totals()["requests"] == 8 and len(store.ledger.runs()) == 1
        finally:
            engine.close()


def test_by_flags_it_stops_and_goes_on_another_day_under_the_same_yes(tmp_path: Path, server: RehearsalServer) -> None:
    given = {
        "OPENAI_API_KEY": PAYING_KEY,
        "OPENAI_BASE_URL": server.base_url,
        "OPENAI_EMBEDDING_DIMENSIONS": "16",
        "EMBEDDING_BATCH_SIZE": "5",
        "EMBEDDING_MAX_COST_PER_DAY": "0.000005",
        "EMBEDDING_MAX_COST_PER_MONTH": "1",
    }
    command = Command(tmp_path / "home", given)
    assert command("--import", "-", text=tables(30)).code == 0
    estimate = command("--estimate-costs", "--json").json
    day, month = estimate["budgets"]
    assert (day["per"], day["limit_usd"], day["left_usd"]) == ("day", 0.000005, 0.000005)
    assert month["left_usd"] == 1 and day["again_at"] > "2026"
    words = command("--estimate-costs").out
    assert "$0.000005 of $0.000005 left today; $1.00 of $1.00 left this month (UTC)" in words
    assert "the rest waits until" in words
    done = command("--batch-index", "--yes", "--json")
    assert done.code == 4 and "day's budget of $0.000005 is reached" in done.error
    assert "left today" in done.err and "the rest waits until" in done.err
    indexed = sum(done.json["table_processing_results"].values())
    assert 0 < indexed < 30 and done.json["usage"]["cost_usd"] <= 0.000005
    status = command("--status", "--json").json
    assert status["budgets"][0]["used_usd"] == status["spent_usd"] and status["unfinished_run"]["id"] == 1
    assert "budget $1.00 a month" in command("--status").out
    server.clear()
    done = command("--batch-index", "--yes", "--json")
    assert done.code == 4 and server.totals()["requests"] <= 1
    with DocumentationStore(settings_of(tmp_path / "home")) as store:
        days_ago(store, 40)
    done = command.but(EMBEDDING_MAX_COST_PER_DAY="0.1")("--batch-index", "--yes", "--json")
    assert done.code == 0, done.err
    with DocumentationStore.look(settings_of(tmp_path / "home")) as store:
        assert len(store.ledger.runs()) == 1, "the rest went on as the same run"


def test_batches_at_half_the_price_wait_for_room(tmp_path: Path, server: RehearsalServer) -> None:
    limit = "0.0000025"
    given = {
        "OPENAI_API_KEY": PAYING_KEY,
        "OPENAI_BASE_URL": server.base_url,
        "OPENAI_EMBEDDING_DIMENSIONS": "16",
        "EMBEDDING_MAX_COST_PER_DAY": limit,
    }
    command = Command(tmp_path / "home", given)
    assert command("--import", "-", text=tables(30)).code == 0
    done = command("--batch-index", "--lane", "batch", "--yes", "--json")
    assert done.code == 5, done.err
    assert "day's budget" in done.err
    waits = [one for one in done.json["batches"] if not one["over"]]
    assert waits and all("budget" in json.dumps(one) for one in waits[:1])
    for _ in range(20):
        with DocumentationStore(settings_of(tmp_path / "home")) as store:
            assert sum(one.used for one in Budgets_of(store, limit)) <= Decimal(limit)
            days_ago(store, 2)
        done = command("--collect", "--json")
        if done.code == 0:
            break
        assert done.code == 5, done.err
    assert done.code == 0
    assert command("--status", "--json").json["tables"]["indexed"] == 30


def Budgets_of(store: DocumentationStore, limit: str) -> Any:
    from batch_manager.allowance import Ceiling
    from batch_manager.store.budgets import Budgets

    return Budgets(store._db, [Ceiling("day", Decimal(limit))]).allowances()


@pytest.mark.parametrize("value", ["-1", "much", "nan", "1e99", "0.0000000000001"])
def test_a_wrong_amount_is_refused(tmp_path: Path, value: str) -> None:
    done = Command(tmp_path / "home", {"EMBEDDING_MAX_COST_PER_DAY": value})("--status")
    assert done.code == 2 and "EMBEDDING_MAX_COST_PER_DAY" in done.error and "USD" in done.error
