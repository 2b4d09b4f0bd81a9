"""Memory: the peak of a whole run beside that of a process that only writes the same rows into Chroma.

Usage: python benchmarks/memory.py [--documents 100000] [--json]

Memory is that of the processes and their children; pages that several share count once. What Chroma itself needs for
its rows is the writer's peak less what it has before the first row.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent))

import corpus
from processes import measured, memory

from batch_manager.rehearsal import RehearsalOptions, RehearsalServer, expected_vector

ROWS = 1_000
MODEL = "text-embedding-3-small"


def write(documents: str, directory: str) -> None:
    """The child that only writes: the same texts, vectors and metadata, in the same steps, one thousand at a time."""
    import chromadb
    import numpy as np

    from batch_manager.vectors import BUILD

    collection = chromadb.PersistentClient(directory).create_collection(
        "tables",
        embedding_function=None,
        metadata={"hnsw:space": "cosine", **{f"hnsw:{name}": value for name, value in BUILD.items()}},
    )
    before, written = memory(psutil.Process()), 0
    with Path(documents).open(encoding="utf-8") as file:
        while lines := [json.loads(line) for _, line in zip(range(ROWS), file, strict=False)]:
            texts = [f"{line['name']}\n{line['documentation']}" for line in lines]
            collection.add(
                ids=[line["name"] for line in lines],
                documents=texts,
                embeddings=np.stack([expected_vector(text, MODEL) for text in texts]),
                metadatas=[
                    {"name": line["name"], "kind": "table", "model": MODEL, "dimensions": 1536, "hash": "0" * 64}
                    for line in lines
                ],
            )
            written += len(lines)
    print(json.dumps({"rows": written, "before": before / 1e6}))


def main() -> None:
    """Run both, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        write(*arguments.write)
        return
    environment = {**os.environ, "LOG_LEVEL": "ERROR"}
    with tempfile.TemporaryDirectory() as folder:
        documents = str(corpus.write(Path(folder) / "documents.jsonl", arguments.documents))
        raw = measured([sys.executable, __file__, "--write", documents, str(Path(folder) / "raw")], environment)
        with RehearsalServer.start(RehearsalOptions(**corpus.UNLIMITED)) as server:
            program = str(Path(__file__).parent / "one_run.py")
            # The intake counts tokens, which a run does not: it is a process of its own.
            home = str(Path(folder) / "home")
            command = [sys.executable, program, documents, server.base_url, home]
            measured([*command, "--import-only"], environment)
            own = measured([*command, "--no-import"], environment)
    chroma = raw.peak_mb - raw.output["before"]
    more = own.peak_mb - raw.peak_mb
    if arguments.json:
        print(json.dumps({"name": "memory", "ratios": {"writer's peak over the run's": raw.peak_mb / own.peak_mb}}))
        return
    print("| rows | Chroma's own, MB | writer alone, peak MB | whole run, peak MB | more, MB |\n|---|---|---|---|---|")
    print(f"| {arguments.documents:,} | {chroma:.0f} | {raw.peak_mb:.0f} | {own.peak_mb:.0f} | {more:.0f} |")


if __name__ == "__main__":
    main()
