"""Paying never waits for Chroma: how fast answers are safe in the journal, beside a pipeline without any Chroma.

Usage: python benchmarks/journal.py [--documents 5000] [--rounds 3] [--latency 150] [--json]

The raw pipeline only collects its answers in memory; the program reserves, journals, marks and feeds Chroma meanwhile.
The ratio is the rate of its answers over the raw pipeline's: from the yes to the last one that was kept, and in steady
state, from the first answers on; until those, which tell the account's limits, the program sends one request alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

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
            pairs.append((raw.output, own.output))
    count = arguments.documents
    ratios = {}
    if not arguments.json:
        print("| over | no Chroma at all, answers/s | journaled, answers/s | ratio |\n|---|---|---|---|")
    for name, rate in (("all of it", whole_rate), ("steady state", steady_rate)):
        ratios[name] = statistics.median(rate(own, count) / rate(raw, count) for raw, own in pairs)
        plain, kept = (statistics.median(rate(pair[at], count) for pair in pairs) for at in (0, 1))
        if not arguments.json:
            print(f"| {name} | {plain:.0f} | {kept:.0f} | {ratios[name]:.2f} |")
    if arguments.json:
        named = {f"answers kept, against no Chroma at all, {name}": ratio for name, ratio in ratios.items()}
        print(json.dumps({"name": "journal", "ratios": named}))


def whole_rate(output: dict[str, Any], count: int) -> float:
    """Answers a second, from the yes to the last."""
    return count / float(output["paid"])


def steady_rate(output: dict[str, Any], count: int) -> float:
    """Answers a second, from the first on, where there were more than the first."""
    left, seconds = count - int(output["first"]), float(output["paid"]) - float(output["began"])
    return left / seconds if left > 0 and seconds > 0 else count / float(output["paid"])


def _options(latency: float) -> RehearsalOptions:
    return RehearsalOptions(latency_ms=latency, **corpus.UNLIMITED)


if __name__ == "__main__":
    main()
