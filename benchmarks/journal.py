"""Paying never waits for Chroma: how fast answers are safe in the journal, beside a pipeline without any Chroma.

Usage: python benchmarks/journal.py [--documents 5000] [--rounds 3] [--latency 150] [--json]

The raw pipeline only collects its answers in memory; the program reserves, journals, marks and feeds Chroma meanwhile.
The ratio is the rate of its answers over the raw pipeline's: from the yes to the last one that was kept, and in steady
state, without the beginning and the end. In the beginning the program sends one request alone, whose answer tells what
the account allows.
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
from processes import printed

from batch_manager.rehearsal import RehearsalOptions, RehearsalServer

HERE = Path(__file__).parent

STEADY = (0.2, 0.9)
"""Between these parts of the answers all places are taken, in either pipeline."""


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
            raw = printed([sys.executable, str(HERE / "raw_pipeline.py"), *common, "--no-chroma"], environment)
            pairs.append((raw, printed([sys.executable, str(HERE / "one_run.py"), *common], environment)))
    ratios = {}
    if not arguments.json:
        print("| over | no Chroma at all, answers/s | journaled, answers/s | ratio |\n|---|---|---|---|")
    for name, rate in (("all of it", whole_rate), ("steady state", steady_rate)):
        ratios[name] = statistics.median(rate(own) / rate(raw) for raw, own in pairs)
        plain, kept = (statistics.median(rate(pair[at]) for pair in pairs) for at in (0, 1))
        if not arguments.json:
            print(f"| {name} | {plain:.0f} | {kept:.0f} | {ratios[name]:.2f} |")
    if arguments.json:
        named = {f"answers kept, against no Chroma at all, {name}": ratio for name, ratio in ratios.items()}
        print(json.dumps({"name": "journal", "ratios": named}))


def whole_rate(output: dict[str, Any]) -> float:
    """Answers a second, from the yes to the last."""
    answers = output["answers"]
    return float(sum(count for _, count in answers) / answers[-1][0])


def steady_rate(output: dict[str, Any]) -> float:
    """Answers a second between the moments in which a fifth and nine tenths of them were there."""
    answers = output["answers"]
    total = sum(count for _, count in answers)
    passed: list[tuple[float, int]] = []
    there = 0
    for seconds, count in answers:
        there += count
        if total * STEADY[0] <= there <= total * STEADY[1]:
            passed.append((seconds, there))
    if len(passed) < 2 or passed[-1][0] <= passed[0][0]:
        return whole_rate(output)
    (began, before), (ended, after) = passed[0], passed[-1]
    return (after - before) / (ended - began)


def _options(latency: float) -> RehearsalOptions:
    return RehearsalOptions(latency_ms=latency, **corpus.UNLIMITED)


if __name__ == "__main__":
    main()
