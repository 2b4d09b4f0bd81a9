"""Re-index: a rebuild of what has not changed, beside the first index of the same documents.

Usage: python benchmarks/reindex.py [--documents 10000] [--rounds 1] [--json]

The ratio is the first index's time over the rebuild's: 10 or more, since rows that Chroma has already are left alone.
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


def main() -> None:
    """Run the rounds, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    outputs = []
    program = str(Path(__file__).parent / "one_run.py")
    with tempfile.TemporaryDirectory() as folder, RehearsalServer.start(RehearsalOptions(**corpus.UNLIMITED)) as server:
        documents = str(corpus.write(Path(folder) / "documents.jsonl", arguments.documents))
        for number in range(arguments.rounds):
            home = str(Path(folder) / str(number))
            command = [sys.executable, program, documents, server.base_url, home, "--again"]
            outputs.append(measured(command, {**os.environ, "LOG_LEVEL": "ERROR"}).output)
    ratio = statistics.median(one["seconds"] / one["again"] for one in outputs)
    if arguments.json:
        print(json.dumps({"name": "reindex", "ratios": {"first index over a rebuild": ratio}}))
        return
    first, again = (statistics.median(one[key] for one in outputs) for key in ("seconds", "again"))
    print("| documents | first index | rebuild, unchanged | rebuild / first |\n|---|---|---|---|")
    print(f"| {arguments.documents:,} | {first:.1f} s | {again:.2f} s | {1 / ratio:.3f} |")


if __name__ == "__main__":
    main()
