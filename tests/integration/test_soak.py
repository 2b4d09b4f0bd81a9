"""Many faults at once, and money as a property: whatever happens, the books agree with the server's own.

The usual suite runs small versions. The whole proofs:

    python -m pytest -m soak tests/integration/test_soak.py
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batch_manager.embedding import backoff
from batch_manager.pricing import show_usd
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from jobs import PRICE, billed, job, options

RETRY_AFTER = 0.05
SEED = int(os.environ.get("SOAK_SEED", "11"))


@pytest.fixture(scope="module")
def running() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options(seed=SEED)) as server:
        yield server


@pytest.fixture
def server(running: RehearsalServer) -> RehearsalServer:
    running.set_options(faults=[], latency_ms=0, latency_jitter_ms=0)
    running.clear()
    return running


def poisoned(count: int) -> list[int]:
    """One document in 500."""
    return list(range(77, count, 500))


def weather(count: int) -> list[dict[str, Any]]:
    """Of the requests 20% meet a 429, 5% a 5xx, 2% a reset and 1% a broken answer; 0.2% of the items are poison."""
    return [
        {"fault": "rate_limit", "rate": 0.2, "retry_after": RETRY_AFTER},
        {"fault": "status", "status": 500, "rate": 0.03},
        {"fault": "overloaded", "rate": 0.02},
        {"fault": "reset", "rate": 0.01},
        {"fault": "reset_after", "rate": 0.01},
        *({"fault": name, "rate": 0.0025} for name in ("nan", "short", "not_json", "broken_base64")),
        *({"fault": "poison", "contains": f"case {number} of"} for number in poisoned(count)),
    ]


def _soak(home: Path, server: RehearsalServer, count: int, batch: int) -> float:
    """Run it; returns the seconds that it took."""
    bad = {f"table_{number}" for number in poisoned(count)}
    with job(home, server, EMBEDDING_BATCH_SIZE=batch, EMBEDDING_MAX_RETRIES=6) as opened:
        opened.bring(count)
        quote = opened.engine.quote(Scope())
        server.set_faults(weather(count))
        began = time.monotonic()
        view = opened.run(seconds=1_200)
        seconds = time.monotonic() - began
        ledger = server.ledger()
        assert (view.state, view.indexed, view.failed) == ("done", count - len(bad), len(bad))
        assert {row.name for row in opened.store.items.failures()} == bad
        assert opened.engine.index.verify().untrue == 0

        # One pass, and the answers that the client never got or could not use.
        poison_tokens = sum(row.tokens for row in opened.store.items.rows(opened.store.items.ids()) if row.name in bad)
        lost = sum(entry["billed_tokens"] for entry in ledger if entry["outcome"] != "ok")
        assert sum(entry["billed_tokens"] for entry in ledger) == quote.tokens - poison_tokens + lost
        # The same by our own books: what was answered is billed, what may have been billed is held.
        books = opened.store.ledger
        assert books.billed_tokens() == quote.tokens - poison_tokens
        assert books.spent() == view.billed + books.held()
        held_for = {"reset", "reset_after", "nan", "short", "not_json", "broken_base64"}
        assert books.held() == sum(entry["tokens"] for entry in ledger if entry["outcome"] in held_for) * PRICE
        assert sum(run.requests for run in books.runs()) == len(ledger)
    return seconds


def test_a_small_soak(tmp_path: Path, server: RehearsalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "BASE", 0.1)
    _soak(tmp_path, server, 600, batch=8)
    met = server.totals()["by_outcome"]
    assert met["rate_limit"] > 5 and met["poison"] > 5


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_a_soak_of_10_000_items(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(latency_ms=80, latency_jitter_ms=40)
    with job(tmp_path / "calm", server, EMBEDDING_BATCH_SIZE=20) as opened:
        opened.bring(10_000)
        began = time.monotonic()
        assert opened.run(seconds=1_200).indexed == 10_000
        calm = time.monotonic() - began
    server.clear()
    stormy = _soak(tmp_path / "stormy", server, 10_000, batch=20)
    ordered = _ordered_waits(server)
    print(f"calm {calm:.1f} s, stormy {stormy:.1f} s, of which ordered to wait {ordered:.1f} s")
    assert stormy - ordered <= 2 * calm


def _ordered_waits(server: RehearsalServer) -> float:
    """Seconds in which the server had told the client to wait."""
    ends = 0.0
    total = 0.0
    for entry in server.ledger():
        if entry["outcome"] == "rate_limit":
            begins = max(entry["monotonic"], ends)
            ends = max(ends, entry["monotonic"] + RETRY_AFTER)
            total += max(0.0, ends - begins)
    return total


# The cap


def _a_run_under_a_cap(home: Path, server: RehearsalServer, chance: random.Random) -> None:
    server.set_options(latency_ms=chance.choice([0, 5, 30]))
    server.clear()
    server.set_faults(
        [
            {"fault": "reset_after", "rate": chance.choice([0, 0.1, 0.4])},
            {"fault": "rate_limit", "rate": chance.choice([0, 0.2]), "retry_after": 0.01},
            {"fault": "nan", "rate": chance.choice([0, 0.2])},
            {"fault": "status", "status": 502, "rate": chance.choice([0, 0.1])},
        ]
    )
    flags = {
        "EMBEDDING_BATCH_SIZE": chance.choice([1, 3, 10]),
        "EMBEDDING_CONCURRENCY": chance.choice([1, 4, 16]),
        "EMBEDDING_MAX_RETRIES": chance.choice([0, 1, 4]),
    }
    spent = Decimal(0)
    cap: Decimal | None = None
    for _ in range(chance.choice([1, 2, 3])):
        with job(home, server, **flags) as opened:
            opened.store.ledger.recover()
            opened.bring(60)
            quote = opened.engine.quote(Scope())
            if cap is None:
                cap = (quote.cost * Decimal(chance.uniform(0.05, 1.5))).quantize(Decimal("0.00000001"))
            if quote.nothing_to_do:
                return
            opened.start(cap=cap)
            if chance.random() < 0.4:
                time.sleep(chance.uniform(0, 0.4))
                opened.engine.cancel()
            view = opened.ended()
            run = next(run for run in opened.store.ledger.runs() if run.id == view.run_id)
            if view.code == "cap_reached":
                _reason_is_true(view.reason, opened)
            assert run.spent <= cap
            # A run that goes on keeps its cap; one with a yes of its own has one of its own.
            caps = cap * len(opened.store.ledger.runs())
            spent = opened.store.ledger.spent()
            assert billed(server) <= spent <= caps
            if len(opened.store.ledger.runs()) == 1:
                assert billed(server) <= cap


def _reason_is_true(reason: str, opened: Any) -> None:
    left = opened.engine.quote(Scope())
    assert f"{left.texts:,} texts are left, which would cost {show_usd(left.cost)}" in reason


def test_billed_never_passes_the_cap_whatever_happens(
    tmp_path: Path, server: RehearsalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "BASE", 0.02)
    chance = random.Random(SEED)
    for number in range(4):
        _a_run_under_a_cap(tmp_path / str(number), server, chance)


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_billed_never_passes_the_cap_in_a_hundred_jobs(
    tmp_path: Path, server: RehearsalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "BASE", 0.02)
    chance = random.Random(SEED + 1)
    for number in range(100):
        _a_run_under_a_cap(tmp_path / str(number), server, chance)
