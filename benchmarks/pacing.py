"""How much of an account's rate limit a run uses, and how many 429s it meets, over HTTP against the rehearsal server.

    python benchmarks/pacing.py                     # 60k and 1M tokens a minute, concurrency 1, 8 and 32
    python benchmarks/pacing.py --rate 60000 --concurrency 8 --seconds 120

Measured is the steady state: from the moment at which the burst that the server grants at the start is used up. Used
is what the server has let through, by its own ledger.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch_manager.documents import Document
from batch_manager.engine import Engine
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore

RATES = {60_000: (40.0, 20), 1_000_000: (20.0, 50)}
"""Tokens a minute: seconds of steady state that are measured, and documents a request."""

CONCURRENCIES = (1, 8, 32)
BURST = 10.0
"""Seconds' worth of the limit that the server grants at the start."""

SETTLING = 8.0
"""Seconds from the first request until the burst is used up, and what is measured begins."""

LATENCY_MS = 150.0
GOAL_USED, GOAL_REFUSED = 0.90, 0.01


@dataclass(frozen=True, slots=True)
class Pace:
    """What a run made of its limit: the part of the allowed rate that it used, its requests and refusals."""

    used: float
    requests: int
    refused: int

    @property
    def refused_share(self) -> float:
        """429s among the requests."""
        return self.refused / self.requests if self.requests else 0.0


def documents(tokens: int, seed: int = 3) -> list[Document]:
    """Documents of mixed lengths, together of at least that many tokens."""
    chance = random.Random(seed)
    words = "orders customers payments ledgers prices stock suppliers returns invoices shipments".split()
    found: list[Document] = []
    while tokens > 0:
        length = chance.randint(20, 180)
        text = " ".join(chance.choices(words, k=length))
        found.append(Document("table", f"table_{len(found)}", documentation=f"{text}, case {len(found)}."))
        tokens -= length
    return found


def measure(
    home: Path,
    rate: int,
    concurrency: int,
    seconds: float,
    *,
    batch: int,
    headers: bool = True,
    burst: float = BURST,
    settling: float = SETTLING,
) -> Pace:
    """Run against a server of that limit until the burst is used up, and that many seconds more.

    Args:
        home: An empty folder.
        rate: Tokens a minute.
        concurrency: Requests in flight at most.
        seconds: Steady state to measure.
        batch: Documents a request.
        headers: Whether the server tells its limits; otherwise the setting does.
        burst: Seconds' worth of the limit that the server grants at once.
        settling: Seconds from the first request until the burst is used up.
    """
    options = RehearsalOptions(
        tokens_per_minute=rate,
        requests_per_minute=None,
        burst_seconds=burst,
        latency_ms=LATENCY_MS,
        latency_jitter_ms=LATENCY_MS / 3,
        rate_headers=headers,
        keep_hashes=False,
    )
    with RehearsalServer.start(options) as server:
        flags: dict[str, Any] = {
            "BATCH_MANAGER_HOME": str(home),
            "OPENAI_API_KEY": "any",
            "OPENAI_BASE_URL": server.base_url,
            "EMBEDDING_BATCH_SIZE": batch,
            "EMBEDDING_CONCURRENCY": concurrency,
        }
        if not headers:
            flags["EMBEDDING_TOKENS_PER_MINUTE"] = rate
        settings = load_settings(flags, environment={}, folder=home)
        store = DocumentationStore(settings)
        store.items.bring(
            IterableSource(documents(int(rate / 60 * (seconds + settling + 2 * burst) * 1.6)), "words", "the benchmark")
        )
        engine = Engine(settings, store, on_trouble="stop")
        try:
            engine.start(engine.quote(Scope()))
            while not server.totals()["requests"] and engine.view().active:
                time.sleep(0.05)
            time.sleep(settling + seconds)
            ledger = server.ledger()
            assert engine.view().active, engine.view()
        finally:
            engine.close()
            store.close()
        return pace_of(ledger, rate, settling, burst)


def pace_of(ledger: Sequence[dict[str, Any]], rate: int, settling: float, burst: float) -> Pace:
    """The pace of a run by the server's ledger, once the burst is used up; on a busy machine that takes longer."""
    begin, left = ledger[0]["monotonic"] + settling, rate / 60 * burst
    for entry in ledger:
        left -= entry["tokens"] if entry["billed"] else 0
        if left <= 0:
            begin = max(begin, entry["monotonic"])
            break
    steady = [entry for entry in ledger if entry["monotonic"] >= begin]
    through = [entry for entry in steady if entry["billed"]]
    # Between the first and the last: what the first has used was saved before. Too short a run has used nothing.
    span = through[-1]["monotonic"] - through[0]["monotonic"] if through else 0.0
    used = sum(entry["tokens"] for entry in through[1:]) / (rate / 60 * span) if span else 0.0
    return Pace(used, len(steady), sum(entry["status"] == 429 for entry in steady))


def main() -> int:
    """Print the table; the exit code is 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, help="tokens a minute (default: 60000 and 1000000)")
    parser.add_argument("--concurrency", type=int, help="requests in flight (default: 1, 8 and 32)")
    parser.add_argument("--seconds", type=float, help="steady state to measure (default: 40 and 20)")
    given = parser.parse_args()
    rates = {given.rate: (30.0, 20 if given.rate < 200_000 else 50)} if given.rate else RATES
    missed = False
    print(f"{'tokens/min':>12} {'in flight':>10} {'used':>7} {'requests':>9} {'429s':>6}")
    for rate, (seconds, batch) in rates.items():
        for concurrency in [given.concurrency] if given.concurrency else CONCURRENCIES:
            with tempfile.TemporaryDirectory() as folder:
                pace = measure(Path(folder), rate, concurrency, given.seconds or seconds, batch=batch)
            missed |= pace.used < GOAL_USED or pace.refused_share >= GOAL_REFUSED
            print(f"{rate:>12,} {concurrency:>10} {pace.used:>7.1%} {pace.requests:>9} {pace.refused_share:>6.1%}")
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
