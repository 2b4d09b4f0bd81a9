"""End to end: the program beside a bare loop over openai and Chroma, against the rehearsal server, in one run.

Usage: python benchmarks/index.py [--documents 5000] [--rounds 3] [--latency 0 150]

Both are whole processes with their children; rounds are paired (A B A B …). Times are of the indexing alone
(the yes to the last mark; the loop's first request to its last row), memory is the peak of a process and its children.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent))

import corpus

from batch_manager.rehearsal import RehearsalOptions, RehearsalServer

BARE = "bare loop"
PROGRAMS = {BARE: "bare_loop.py", "raw pipeline": "raw_pipeline.py", "batch-manager": "one_run.py"}


@dataclass
class Measured:
    """One finished process."""

    output: dict[str, object]
    seconds: float
    peak_mb: float


def measured(command: list[str], environment: dict[str, str]) -> Measured:
    """Run a command, watching the memory of it and its children."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        parent = psutil.Process(process.pid)
        while not over.is_set():
            try:
                family = [parent, *parent.children(recursive=True)]
                peak = max(peak, sum(one.memory_info().rss for one in family))
            except psutil.NoSuchProcess:
                pass  # ended between two looks
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, errors = process.communicate()
    seconds = time.perf_counter() - started
    over.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{errors}")
    return Measured(json.loads(output), seconds, peak / 1e6)


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, nargs="+", default=[0.0, 150.0])
    arguments = parser.parse_args()
    print("| latency | pipeline | docs/s | requests | peak MB | ratio, indexing alone | ratio, whole process |")
    print("|---|---|---|---|---|---|---|")
    options = {"requests_per_minute": None, "tokens_per_minute": None, "rate_headers": False, "keep_hashes": False}
    with tempfile.TemporaryDirectory() as folder:
        documents = corpus.write(Path(folder) / "documents.jsonl", arguments.documents)
        for latency in arguments.latency:
            with RehearsalServer.start(RehearsalOptions(latency_ms=latency, **options)) as server:
                rounds = [
                    {
                        name: one(name, documents, server, Path(folder) / f"{name}-{latency}-{number}")
                        for name in PROGRAMS
                    }
                    for number in range(arguments.rounds)
                ]
                requests = server.totals()["requests"] // arguments.rounds // len(PROGRAMS)
            report(latency, rounds, requests, arguments.documents)


def one(name: str, documents: Path, server: RehearsalServer, place: Path) -> Measured:
    """One round of one pipeline, checked."""
    command = [sys.executable, str(Path(__file__).parent / PROGRAMS[name]), str(documents), server.base_url, str(place)]
    run = measured(command, {**os.environ, "LOG_LEVEL": "ERROR"})
    wanted = sum(1 for _ in documents.open(encoding="utf-8"))
    if run.output["rows"] != wanted:
        raise SystemExit(f"{name} left {run.output['rows']} rows of {wanted}")
    return run


def report(latency: float, rounds: list[dict[str, Measured]], requests: int, documents: int) -> None:
    """Print a row for each pipeline: medians, and the median of the ratios of each pair."""
    for name in PROGRAMS:
        alone = statistics.median(
            float(str(r[BARE].output["seconds"])) / float(str(r[name].output["seconds"])) for r in rounds
        )
        whole = statistics.median(r[BARE].seconds / r[name].seconds for r in rounds)
        rate = statistics.median(documents / float(str(r[name].output["seconds"])) for r in rounds)
        peak = statistics.median(r[name].peak_mb for r in rounds)
        print(f"| {latency:.0f} ms | {name} | {rate:.0f} | {requests} | {peak:.0f} | {alone:.2f} | {whole:.2f} |")


if __name__ == "__main__":
    main()
