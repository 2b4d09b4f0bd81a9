"""An import beside the least that it could be: JSON, tokenizer, SQLite; in one run.

Usage: python benchmarks/importing.py [--documents 100000] [--rounds 3] [--tiny] [--json]

Rounds are paired (A B A B …), each a store of its own with the program's own pragmas. The least reads a line, counts
its text and inserts it, 500 a transaction; it compares nothing, renders nothing, and finds nothing again. Exits with 1
when the import's speed is below 0.6 of it.
"""

from __future__ import annotations

import argparse
import gc
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import corpus  # noqa: E402

from batch_manager.cli import COLLECTOR  # noqa: E402
from batch_manager.settings import Settings  # noqa: E402
from batch_manager.sources.jsonl import JsonlSource  # noqa: E402
from batch_manager.store import DocumentationStore  # noqa: E402
from batch_manager.store.database import PRAGMAS  # noqa: E402
from batch_manager.tokens import encoding  # noqa: E402

LEAST = 0.6


def least(documents: Path, place: Path) -> float:
    """Seconds of JSON, tokenizer and insert."""
    count = encoding().encode_ordinary
    began = time.perf_counter()
    store = sqlite3.connect(place, isolation_level=None)
    for name, value in PRAGMAS.items():
        store.execute(f"PRAGMA {name} = {value}")
    store.execute("CREATE TABLE document (kind TEXT, name TEXT, body TEXT, tokens INTEGER, PRIMARY KEY (kind, name))")
    with documents.open(encoding="utf-8") as lines:
        while chunk := list(islice(lines, 500)):
            store.execute("BEGIN IMMEDIATE")
            for line in chunk:
                one = json.loads(line)
                body = f"{one['name']}\n{one['documentation']}"
                row = (one["kind"], one["name"], body, len(count(body)))
                store.execute("INSERT INTO document VALUES (?, ?, ?, ?)", row)
            store.execute("COMMIT")
    store.close()
    return time.perf_counter() - began


def ours(documents: Path, home: Path) -> float:
    """Seconds of the program's import."""
    home.mkdir()
    with DocumentationStore(Settings(home=home)) as store:
        began = time.perf_counter()
        store.items.bring(JsonlSource(documents))
        return time.perf_counter() - began


def main() -> int:
    """Run the rounds and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="300 documents, one round; nothing is judged")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    count, rounds = (300, 1) if given.tiny else (given.documents, given.rounds)
    gc.set_threshold(*COLLECTOR)  # as the command does
    encoding()
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        documents = corpus.write(Path(folder) / "documents.jsonl", count)
        for number in range(rounds):
            pairs.append(
                (least(documents, Path(folder) / f"least-{number}"), ours(documents, Path(folder) / f"{number}"))
            )
    ratio = statistics.median(bare / own for bare, own in pairs)
    if given.json:
        print(json.dumps({"name": "importing", "ratios": {"import over JSON, tokenizer, SQLite": ratio}}))
    else:
        bare, own = (statistics.median(one[side] for one in pairs) for side in (0, 1))
        print(f"{count:,} documents, {rounds} rounds: {count / bare:,.0f} a second bare, {count / own:,.0f} imported;")
        print(f"the import's speed is {ratio:.2f} of it (at least {LEAST})")
    return int(ratio < LEAST and not given.tiny and not given.json)


if __name__ == "__main__":
    raise SystemExit(main())
