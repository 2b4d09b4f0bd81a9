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


@dataclass
class Measured:
    """One finished process."""

    output: dict[str, object]
    peak_mb: float


def measured(command: list[str], environment: dict[str, str]) -> Measured:
    """Run a command, watching the memory of it and its children."""
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
    over.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{errors}")
    return Measured(json.loads(output), peak / 1e6)


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, nargs="+", default=[0.0, 150.0])
    arguments = parser.parse_args()
    here = Path(__file__).parent
    print("| latency | pipeline | docs/s | requests | peak MB | docs/s against the bare loop (median of pairs) |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        documents = corpus.write(Path(folder) / "documents.jsonl", arguments.documents)
        for latency in arguments.latency:
            rates: dict[str, list[float]] = {"bare loop": [], "batch-manager": []}
            peaks: dict[str, list[float]] = {"bare loop": [], "batch-manager": []}
            requests: dict[str, int] = {}
            options = RehearsalOptions(
                latency_ms=latency,
                requests_per_minute=None,
                tokens_per_minute=None,
                rate_headers=False,
                keep_hashes=False,
            )
            with RehearsalServer.start(options) as server:
                for number in range(arguments.rounds):
                    for name, command, environment in (
                        ("bare loop", [str(here / "bare_loop.py"), str(documents), server.base_url], {}),
                        ("batch-manager", [str(here / "one_run.py"), str(documents), server.base_url], {}),
                    ):
                        server.clear()
                        place = Path(folder) / f"{name}-{latency}-{number}"
                        run = measured(
                            [sys.executable, *command, str(place)], {**os.environ, **environment, "LOG_LEVEL": "ERROR"}
                        )
                        if run.output["rows"] != arguments.documents:
                            raise SystemExit(f"{name} left {run.output['rows']} rows of {arguments.documents}")
                        rates[name].append(arguments.documents / float(str(run.output["seconds"])))
                        peaks[name].append(run.peak_mb)
                        requests[name] = server.totals()["requests"]
            ratio = statistics.median(a / b for a, b in zip(rates["batch-manager"], rates["bare loop"], strict=True))
            for name in rates:
                shown = f"{ratio:.2f}" if name == "batch-manager" else "1.00"
                print(
                    f"| {latency:.0f} ms | {name} | {statistics.median(rates[name]):.0f} | {requests[name]}"
                    f" | {statistics.median(peaks[name]):.0f} | {shown} |"
                )


if __name__ == "__main__":
    main()
