"""End to end: the program beside pipelines that promise nothing, against the rehearsal server, in one run.

Usage: python benchmarks/index.py [--documents 5000] [--rounds 3] [--latency 0 150] [--json]

All are whole processes with their children; rounds are paired (A B A B …). Times are of the indexing alone (the yes to
the last mark; the loop's first request to its last row) and of the whole process; memory is the peak of a process and
its children, without counting twice what they share. The ratio is against the raw pipeline.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import corpus
from processes import Measured, measured

from batch_manager.rehearsal import RehearsalOptions, RehearsalServer

RAW = "raw pipeline"
PROGRAMS: dict[str, tuple[str, ...]] = {
    RAW: ("raw_pipeline.py",),
    "bare loop": ("bare_loop.py",),
    "batch-manager, Chroma's defaults": ("one_run.py", "--chroma-defaults"),
    "batch-manager": ("one_run.py",),
    "batch-manager, app open": ("one_run.py", "--app"),
}
"""Each pipeline's program, and its flags."""


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, nargs="+", default=[0.0, 150.0])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not arguments.json:
        print("| latency | pipeline | docs/s | requests | peak MB | ratio, indexing alone | ratio, whole process |")
        print("|---|---|---|---|---|---|---|")
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        documents = corpus.write(Path(folder) / "documents.jsonl", arguments.documents)
        for latency in arguments.latency:
            with RehearsalServer.start(RehearsalOptions(latency_ms=latency, **corpus.UNLIMITED)) as server:
                rounds = [
                    {
                        name: one(name, documents, server, Path(folder) / f"{at}-{latency}-{number}")
                        for at, name in enumerate(PROGRAMS)
                    }
                    for number in range(arguments.rounds)
                ]
                requests = server.totals()["requests"] // arguments.rounds // len(PROGRAMS)
            ratios |= report(latency, rounds, requests, arguments.documents, quiet=arguments.json)
    if arguments.json:
        print(json.dumps({"name": "index", "ratios": ratios}))


def one(name: str, documents: Path, server: RehearsalServer, place: Path) -> Measured:
    """One round of one pipeline, checked."""
    program, *flags = PROGRAMS[name]
    command = [sys.executable, str(Path(__file__).parent / program), str(documents), server.base_url, str(place)]
    run = measured([*command, *flags], {**os.environ, "LOG_LEVEL": "ERROR"})
    wanted = sum(1 for _ in documents.open(encoding="utf-8"))
    if run.output["rows"] != wanted:
        raise SystemExit(f"{name} left {run.output['rows']} rows of {wanted}")
    shutil.rmtree(place, ignore_errors=True)
    return run


def report(
    latency: float, rounds: list[dict[str, Measured]], requests: int, documents: int, *, quiet: bool
) -> dict[str, float]:
    """Print a row for each pipeline: medians, and the median of the ratios of each pair."""
    ratios = {}
    for name in PROGRAMS:
        alone = statistics.median(
            float(str(r[RAW].output["seconds"])) / float(str(r[name].output["seconds"])) for r in rounds
        )
        whole = statistics.median(r[RAW].seconds / r[name].seconds for r in rounds)
        rate = statistics.median(documents / float(str(r[name].output["seconds"])) for r in rounds)
        peak = statistics.median(r[name].peak_mb for r in rounds)
        ratios[f"{name}, {latency:.0f} ms"] = alone
        if not quiet:
            print(f"| {latency:.0f} ms | {name} | {rate:.0f} | {requests} | {peak:.0f} | {alone:.2f} | {whole:.2f} |")
    return ratios


if __name__ == "__main__":
    main()
