"""Paying never waits for Chroma: how fast answers are safe in the journal, beside a pipeline without any Chroma.

Usage: python benchmarks/journal.py [--documents 5000] [--rounds 3] [--latency 150] [--json]

The raw pipeline only collects its answers in memory; the program reserves, journals, marks and feeds Chroma meanwhile.
The ratio is the rate of its answers, from the yes to the last one that was kept, over the raw pipeline's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import corpus
from processes import measured

from batch_manager.rehearsal import RehearsalOptions, RehearsalServer

HERE = Path(__file__).parent


def main() -> None:
    """Run the pairs, and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=150.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    environment = {**os.environ, "LOG_LEVEL": "ERROR"}
    pairs = []
    with tempfile.TemporaryDirectory() as folder, RehearsalServer.start(_options(arguments.latency)) as server:
        documents = str(corpus.write(Path(folder) / "documents.jsonl", arguments.documents))
        for number in range(arguments.rounds):
            common = [documents, server.base_url, str(Path(folder) / str(number))]
            raw = measured([sys.executable, str(HERE / "raw_pipeline.py"), *common, "--no-chroma"], environment)
            own = measured([sys.executable, str(HERE / "one_run.py"), *common], environment)
            pairs.append((raw.output["paid"], own.output["paid"], own.output["seconds"]))
    ratio = statistics.median(raw / own for raw, own, _ in pairs)
    if arguments.json:
        print(json.dumps({"name": "journal", "ratios": {"answers kept, against no Chroma at all": ratio}}))
        return
    print("| no Chroma at all, answers/s | journaled, answers/s | ratio | all in Chroma after |\n|---|---|---|---|")
    raw, own, whole = (statistics.median(one) for one in zip(*pairs, strict=True))
    print(f"| {arguments.documents / raw:.0f} | {arguments.documents / own:.0f} | {ratio:.2f} | {whole:.1f} s |")


def _options(latency: float) -> RehearsalOptions:
    return RehearsalOptions(latency_ms=latency, **corpus.UNLIMITED)


if __name__ == "__main__":
    main()
