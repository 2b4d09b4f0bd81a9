"""Growth: the program's own cost for each document, at a thousand, ten thousand and a hundred thousand of them.

Usage: python benchmarks/growth.py [--sizes 1000 10000 100000] [--rounds 1] [--json]

Own cost is CPU time of the program's process, from the yes to the last mark, without the server's and Chroma's, which
are other processes: vectors go to a stand-in that takes and forgets them. A process's first run opens its connections
and loads what a first request needs; its second, over as many other documents, is the steady state. The ratios are the
smallest size's cost over the largest one's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import corpus
from processes import printed

from batch_manager.documents import Kind
from batch_manager.engine import Engine
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import load_settings
from batch_manager.sources.jsonl import JsonlSource
from batch_manager.store import DocumentationStore
from batch_manager.vectors import VectorRow, Written
from batch_manager.vectors.process import ChromaProcess

RUNS = ("first run", "steady state")


class Forgetful(ChromaProcess):
    """Takes rows at once, and forgets all of them but their number; all else is Chroma that has nothing."""

    taken = 0

    async def write(self, kind: Kind, rows: Sequence[VectorRow], stale_ids: Sequence[str] = ()) -> Written:
        """Nothing is written."""
        await asyncio.sleep(0)
        self.taken += len(rows)
        return Written(len(rows), 0)

    async def counts(self) -> dict[Kind, int]:
        """As if all of it were there, or the next run would deliver it again."""
        return {"table": self.taken}


def run(first: str, second: str, base_url: str, home: str) -> None:
    """The child: two runs, each after an intake of its own, that are timed."""
    settings = load_settings({"BATCH_MANAGER_HOME": home, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "benchmark"})
    with DocumentationStore(settings) as store:
        engine = Engine(settings, store, on_trouble="stop", vectors=Forgetful(directory=Path(home) / "none", url=None))
        engine.warm().result()  # as the app and the flags do while the quote is read
        costs = [timed(engine, store, documents) for documents in (first, second)]
        engine.close()
    print(json.dumps(costs))


def timed(engine: Engine, store: DocumentationStore, documents: str) -> tuple[float, int]:
    """CPU seconds of a run over these documents, and how many there were."""
    store.items.bring(JsonlSource(documents))
    quote = engine.quote(Scope())
    cpu = time.process_time()
    engine.start(quote)
    view = engine.wait()
    cpu = time.process_time() - cpu
    if view.state != "done":
        raise SystemExit(f"{view.state}: {view.reason}")
    return cpu, view.indexed


def main() -> None:
    """Run every size, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(*arguments.run)
        return
    costs: dict[int, tuple[float, float]] = {}
    with RehearsalServer.start(RehearsalOptions(**corpus.UNLIMITED)) as server:
        for size in arguments.sizes:
            rounds = [_one(size, server.base_url) for _ in range(arguments.rounds)]
            costs[size] = statistics.median(one[0] for one in rounds), statistics.median(one[1] for one in rounds)
    least, most = costs[min(costs)], costs[max(costs)]
    if arguments.json:
        named = {f"{min(costs)} over {max(costs)}, {name}": least[at] / most[at] for at, name in enumerate(RUNS)}
        print(json.dumps({"name": "growth", "ratios": named}))
        return
    print("| documents | " + " | ".join(f"{name}, ms of CPU a document | against the smallest" for name in RUNS) + " |")
    print("|---|---|---|---|---|")
    for size, pair in costs.items():
        cells = [f"{cost * 1000:.3f} | {cost / smallest:.2f}" for cost, smallest in zip(pair, least, strict=True)]
        print(f"| {size:,} | {' | '.join(cells)} |")


def _one(size: int, base_url: str) -> tuple[float, float]:
    """CPU seconds a document, of the first run of a process and of its second."""
    with tempfile.TemporaryDirectory() as folder:
        files = [corpus.write(Path(folder) / f"{seed}.jsonl", size, seed) for seed in (7, 8)]
        command = [sys.executable, __file__, "--run", *map(str, files), base_url, str(Path(folder) / "home")]
        runs = printed(command, os.environ)
    if any(indexed != size for _, indexed in runs):
        raise SystemExit(f"{runs} instead of {size} each")
    first, second = (float(cpu) / size for cpu, _ in runs)
    return first, second


if __name__ == "__main__":
    main()
