"""How much of one account's rate limit several workers use together, and how many 429s they meet.

    python benchmarks/workers.py                    # 1, 2, 4 and 8 workers under 1M tokens a minute
    python benchmarks/workers.py --workers 4 --rate 300000 --seconds 60
    python benchmarks/workers.py --tiny

Real processes: PostgreSQL, a Chroma server, the rehearsal server over HTTP, and `batch-manager --worker` as often as is
asked for. Measured as in `pacing.py`: the steady state, once the burst that the server grants at the start is used up,
by the server's own ledger. Exits 1 when less than 90% of the allowed tokens were used, or more than 1% of the requests
were refused for the rate; with `--tiny` nothing is judged.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent))

from pacing import GOAL_REFUSED, GOAL_USED, Pace, documents, pace_of

from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.workspace import Workspace
from chroma_server import ChromaServer
from servers import running_postgres

WORKERS = (1, 2, 4, 8)
BURST, SETTLING = 5.0, 8.0
LATENCY_MS = 150.0


def measure(home: Path, url: str, chroma: str, workers: int, rate: int, seconds: float, batch: int) -> Pace:
    """Let that many workers do a run under that limit; what they made of it.

    Args:
        home: An empty folder.
        url: A PostgreSQL database with nothing in it.
        chroma: A Chroma server.
        workers: How many.
        rate: Tokens a minute.
        seconds: Steady state to measure.
        batch: Documents a request.
    """
    options = RehearsalOptions(
        tokens_per_minute=rate,
        requests_per_minute=None,
        burst_seconds=BURST,
        latency_ms=LATENCY_MS,
        latency_jitter_ms=LATENCY_MS / 3,
        keep_hashes=False,
    )
    with RehearsalServer.start(options) as server:
        environment = {
            "BATCH_MANAGER_HOME": str(home),
            "DOCUMENTATION_STORE_URL": url,
            "CHROMA_URL": chroma,
            "OPENAI_API_KEY": "any",
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_EMBEDDING_DIMENSIONS": "64",  # what limits here is to be the rate, not a Chroma on the same cores
            "EMBEDDING_BATCH_SIZE": str(batch),
            "EMBEDDING_CONCURRENCY": "4",
            "EMBEDDING_QUEUE": "workers",
        }
        going: list[subprocess.Popen[bytes]] = []
        with Workspace.open(load_settings(environment, environment={}, folder=home), on_trouble="stop") as workspace:
            tokens = int(rate / 60 * (seconds + SETTLING + 2 * BURST) * 1.6)
            workspace.store.items.bring(IterableSource(documents(tokens), "words", "the benchmark"))
            try:
                for number in range(workers):
                    more = {**os.environ, **environment, "WORKER_NAME": f"worker {number + 1}"}
                    going.append(
                        subprocess.Popen(
                            [sys.executable, "-m", "batch_manager", "--worker"],
                            env=more,
                            stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL,
                        )
                    )
                time.sleep(2 + 0.5 * workers)  # until all of them listen: their starts take the same two cores
                workspace.engine.start(workspace.engine.quote(Scope()))
                while not server.totals()["requests"]:
                    time.sleep(0.05)
                time.sleep(SETTLING + seconds)
                ledger = server.ledger()
                assert workspace.engine.view().active, workspace.engine.view()
                workspace.engine.cancel()
                workspace.engine.wait(30)
            finally:
                for one in going:
                    one.send_signal(signal.SIGTERM)
                for one in going:
                    try:
                        one.wait(20)
                    except subprocess.TimeoutExpired:
                        one.kill()
                        one.wait()
        return pace_of(ledger, rate, SETTLING, BURST)


def main() -> int:
    """Print the table; the exit code is 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, help="how many (default: 1, 2, 4 and 8)")
    parser.add_argument("--rate", type=int, default=1_000_000, help="tokens a minute")
    parser.add_argument("--seconds", type=float, default=30.0, help="steady state to measure")
    parser.add_argument("--batch", type=int, default=50, help="documents a request")
    parser.add_argument("--tiny", action="store_true", help="two workers for a second; nothing is judged")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    numbers = (2,) if given.tiny else (given.workers,) if given.workers else WORKERS
    rate, seconds = (300_000, 1.0) if given.tiny else (given.rate, given.seconds)
    found: dict[int, Pace] = {}
    with running_postgres() as url, tempfile.TemporaryDirectory() as folder:
        import psycopg

        chroma = ChromaServer(Path(folder))
        chroma.start()
        try:
            for number in numbers:
                with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE w{number} TEMPLATE template0".encode())
                with tempfile.TemporaryDirectory() as home:
                    server = f"http://127.0.0.1:{chroma.port}"
                    pace = measure(Path(home), f"{url}/w{number}", server, number, rate, seconds, given.batch)
                found[number] = pace
                if not given.json:
                    words = f"{pace.used:>6.1%} used, {pace.requests:>5} requests, {pace.refused_share:.1%} refused"
                    print(f"{number:>3} workers at {rate:,} tokens a minute: {words}", flush=True)
        finally:
            chroma.stop()
    missed = any(one.used < GOAL_USED or one.refused_share >= GOAL_REFUSED for one in found.values())
    if given.json:
        ratios: dict[str, Any] = {f"used by {number}": pace.used for number, pace in found.items()}
        print(json.dumps({"name": "workers", "ratios": ratios}))
    return int(missed and not given.tiny)


if __name__ == "__main__":
    raise SystemExit(main())
