"""HNSW build settings: what each costs while an index is built, and what it finds.

Usage: python benchmarks/build_settings.py [--documents 4000] [--rounds 2] [--more] [--kind NAME] [--json]

Three kinds of vectors, since an index of noise is harder than one of meaning: noise of 1,536 numbers as the rehearsal
server answers, vectors of 256 numbers that the local model makes of real prose (the docstrings of Python's standard
library, and with `--more` of all packages that are installed), and the same in 1,536 numbers by a fixed random
projection. Each build is a process of its own; rounds take the settings in turn. Cost is the process's CPU time, which
other programs on the machine disturb less than the clock; recall@10 is against exact neighbours. How many candidates a
search looks at (search_ef, Chroma's default is 100) costs nothing while an index is built, so what a cheaper graph
loses can be won back there; a search's time is told as well.
"""

from __future__ import annotations

import argparse
import ast
import json
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROWS = 1_000
QUERIES = 300
NEIGHBOURS = 10
DEFAULT = "Chroma's defaults (100, 16)"
# The number alone is ef_construction.
SETTINGS: dict[str, dict[str, int]] = {
    DEFAULT: {},
    "50": {"hnsw:construction_ef": 50},
    "40, search_ef 500": {"hnsw:construction_ef": 40, "hnsw:search_ef": 500},
    "30, search_ef 500": {"hnsw:construction_ef": 30, "hnsw:search_ef": 500},
    "40, 12 neighbours, search_ef 400": {"hnsw:construction_ef": 40, "hnsw:M": 12, "hnsw:search_ef": 400},
    "50, 8 neighbours, search_ef 200": {"hnsw:construction_ef": 50, "hnsw:M": 8, "hnsw:search_ef": 200},
    "sync_threshold 4,000": {"hnsw:sync_threshold": 4_000},
}
Vectors = npt.NDArray[np.float32]


def noise(count: int, more: bool = False) -> Vectors:
    """Vectors without any meaning."""
    return _unit(np.random.default_rng(1).standard_normal((count, 1536), dtype=np.float32))


def local(count: int, more: bool = False) -> Vectors:
    """What the local model makes of real prose; different vectors alone."""
    from batch_manager.embedding.local_model import embed, load

    texts = sorted(set(_docstrings(more)))
    found = np.unique(embed(load(), texts), axis=0)
    return _unit(np.random.default_rng(2).permutation(found)[:count])


def wide(count: int, more: bool = False) -> Vectors:
    """The same, as wide as OpenAI's: a random projection keeps the angles nearly as they are."""
    narrow = local(count, more)
    return _unit(narrow @ np.random.default_rng(3).standard_normal((narrow.shape[1], 1536), dtype=np.float32))


KINDS = {"noise, 1,536": noise, "local model, 256": local, "local model, widened to 1,536": wide}


def _docstrings(more: bool) -> list[str]:
    found: list[str] = []
    places = sysconfig.get_paths()
    paths = [
        path
        for path in sorted(Path(places["stdlib"]).rglob("*.py"))
        if not {"site-packages", "test", "tests"} & set(path.parts)
    ]
    for path in [*paths, *(sorted(Path(places["purelib"]).rglob("*.py")) if more else [])]:
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue  # some files of the library are wrong on purpose
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                words = ast.get_docstring(node) or ""
                if len(words) > 60:
                    found.append(words)
    return found


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype="<f4")


def build(file: str, metadata: str) -> None:
    """The child: build one index, then ask it."""
    import chromadb

    vectors = np.load(file)
    rows, queries = vectors[:-QUERIES], vectors[-QUERIES:]
    with tempfile.TemporaryDirectory() as folder:
        collection = chromadb.PersistentClient(folder).create_collection(
            "tables", embedding_function=None, metadata={"hnsw:space": "cosine", **json.loads(metadata)}
        )
        cpu, clock = time.process_time(), time.perf_counter()
        for at in range(0, len(rows), ROWS):
            some = rows[at : at + ROWS]
            collection.add(ids=[str(at + number) for number in range(len(some))], embeddings=some)
        cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
        # The first search loads the index.
        collection.query(query_embeddings=queries[:1], n_results=NEIGHBOURS, include=[])
        began = time.perf_counter()
        found = collection.query(query_embeddings=queries, n_results=NEIGHBOURS, include=[])["ids"]
        asked = (time.perf_counter() - began) / QUERIES
    exact = np.argpartition(-(queries @ rows.T), NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    right = sum(len({int(one) for one in ids} & set(row.tolist())) for ids, row in zip(found, exact, strict=True))
    print(json.dumps({"cpu": cpu, "clock": clock, "recall": right / (QUERIES * NEIGHBOURS), "asked": asked}))


def main() -> None:
    """Build all in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--more", action="store_true", help="prose of all packages that are installed")
    parser.add_argument("--kind", choices=KINDS, help="these vectors alone")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--build", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.build:
        build(*arguments.build)
        return
    ratios: dict[str, float] = {}
    if not arguments.json:
        print("| vectors | setting | CPU seconds | speed | recall@10 | a search, ms |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for kind, make in KINDS.items():
            if arguments.kind not in (None, kind):
                continue
            file = Path(folder) / "vectors.npy"
            np.save(file, make(arguments.documents + QUERIES, arguments.more))
            rounds = [
                {name: _built(file, setting) for name, setting in SETTINGS.items()} for _ in range(arguments.rounds)
            ]
            for name in SETTINGS:
                gain = statistics.median(one[DEFAULT]["cpu"] / one[name]["cpu"] for one in rounds)
                recall = statistics.mean(one[name]["recall"] for one in rounds)
                seconds = statistics.median(one[name]["cpu"] for one in rounds)
                asked = 1000 * statistics.median(one[name]["asked"] for one in rounds)
                ratios |= {f"{kind}: {name}: speed": gain, f"{kind}: {name}: recall": recall}
                if not arguments.json:
                    print(f"| {kind} | {name} | {seconds:.1f} | {gain:.2f} | {recall:.4f} | {asked:.2f} |", flush=True)
    if arguments.json:
        print(json.dumps({"name": "build_settings", "ratios": ratios}))


def _built(file: Path, setting: dict[str, int]) -> dict[str, Any]:
    command = [sys.executable, __file__, "--build", str(file), json.dumps(setting)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
