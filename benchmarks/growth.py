"""Growth: the program's own cost for each document, at a thousand, ten thousand and a hundred thousand of them.

Usage: python benchmarks/growth.py [--sizes 1000 10000 100000] [--rounds 1] [--json]

Own cost is CPU time of the program's process, from the yes to the last mark, without the server's and Chroma's, which
are other processes: vectors go to a stand-in that takes and forgets them. The ratio is the smallest size's cost over
the largest one's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import corpus

from batch_manager.documents import Kind
from batch_manager.engine import Engine
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import load_settings
from batch_manager.sources.jsonl import JsonlSource
from batch_manager.store import DocumentationStore
from batch_manager.vectors import VectorRow, Written
from batch_manager.vectors.process import ChromaProcess


class Forgetful(ChromaProcess):
    """Takes rows at once, and forgets them; all else is Chroma that has nothing."""

    async def write(self, kind: Kind, rows: Sequence[VectorRow], stale_ids: Sequence[str] = ()) -> Written:
        """Nothing is written."""
        await asyncio.sleep(0)
        return Written(len(rows), 0)


def run(documents: str, base_url: str, home: str) -> None:
    """The child: intake, then a run that is timed."""
    settings = load_settings({"BATCH_MANAGER_HOME": home, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "benchmark"})
    with DocumentationStore(settings) as store:
        store.items.bring(JsonlSource(documents))
        engine = Engine(settings, store, on_trouble="stop", vectors=Forgetful(directory=Path(home) / "none", url=None))
        engine._edge.embedder()  # its import is nothing that grows
        quote = engine.quote(Scope())
        cpu = time.process_time()
        engine.start(quote)
        view = engine.wait()
        cpu = time.process_time() - cpu
        engine.close()
        if view.state != "done":
            raise SystemExit(f"{view.state}: {view.reason}")
        print(json.dumps({"cpu": cpu, "indexed": view.indexed}))


def main() -> None:
    """Run every size, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(*arguments.run)
        return
    costs: dict[int, float] = {}
    with RehearsalServer.start(RehearsalOptions(**corpus.UNLIMITED)) as server:
        for size in arguments.sizes:
            costs[size] = statistics.median(_one(size, server.base_url) for _ in range(arguments.rounds))
    least, most = costs[min(costs)], costs[max(costs)]
    if arguments.json:
        print(json.dumps({"name": "growth", "ratios": {f"{min(costs)} over {max(costs)}": least / most}}))
        return
    print("| documents | own cost of a document, ms of CPU | against the smallest |\n|---|---|---|")
    for size, cost in costs.items():
        print(f"| {size:,} | {cost * 1000:.3f} | {cost / least:.2f} |")


def _one(size: int, base_url: str) -> float:
    """CPU seconds a document."""
    with tempfile.TemporaryDirectory() as folder:
        documents = corpus.write(Path(folder) / "documents.jsonl", size)
        command = [sys.executable, __file__, "--run", str(documents), base_url, str(Path(folder) / "home")]
        done = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    if done["indexed"] != size:
        raise SystemExit(f"{done['indexed']} of {size} were indexed")
    return float(done["cpu"]) / size


if __name__ == "__main__":
    main()
