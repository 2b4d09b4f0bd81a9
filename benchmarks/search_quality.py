"""Quality of search on the bundled sample, offline: the local model, beside plain vectors.

Usage: python benchmarks/search_quality.py [--misses] [--json]

`search_questions.jsonl` holds 50 questions as somebody would ask who hasn't seen a table's name, each with the tables
that answer it; `search_names.jsonl` names as somebody half remembers them. Both were written before any score was
seen. "Plain vectors" asks Chroma for the rows nearest to the question and nothing else, as any reader of the
collection would; "reciprocal ranks" joins the nearest, the words and the names by their places alone.

Recall@5: the share of a question's tables among the first five; MRR: the mean of 1/place of the first one that
answers. Nothing is sent, nothing is paid.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from batch_manager.embedding import make_embedder
from batch_manager.engine.search import STOP_WORDS, name_match
from batch_manager.quote import Scope
from batch_manager.settings import load_settings
from batch_manager.store.places import Within
from batch_manager.store.words import words_of
from batch_manager.workspace import Workspace

FIRST = 5
DEPTH = 20
"""Places that are looked at for the first right answer; beyond them it counts as not found."""

HERE = Path(__file__).parent
SETS = {"questions": HERE / "search_questions.jsonl", "names": HERE / "search_names.jsonl"}

Finder = Callable[[str], list[str]]


@dataclass(frozen=True)
class Question:
    """A question and the tables that answer it."""

    query: str
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """How well a way of searching did: both numbers 0..1; `missed` are the questions with nothing in the first five."""

    recall: float
    mrr: float
    missed: tuple[str, ...]


def questions(path: Path) -> list[Question]:
    """Read a set."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Question(line["query"], tuple(line["tables"])) for line in lines]


def score(asked: Sequence[Question], find: Finder) -> Score:
    """Ask everything, and grade the answers."""
    recalls, ranks, missed = [], [], []
    for question in asked:
        found = find(question.query)
        hits = [table for table in question.tables if table in found[:FIRST]]
        recalls.append(len(hits) / len(question.tables))
        places = [found.index(table) + 1 for table in question.tables if table in found]
        ranks.append(1 / min(places) if places else 0.0)
        if not hits:
            missed.append(question.query)
    return Score(sum(recalls) / len(asked), sum(ranks) / len(asked), tuple(missed))


def reciprocal(*rankings: Sequence[str], constant: int = 60) -> list[str]:
    """Rankings joined by reciprocal ranks (Cormack, Clarke and Büttcher 2009, whose constant this is)."""
    totals: dict[str, float] = {}
    for ranking in rankings:
        for place, name in enumerate(ranking, start=1):
            totals[name] = totals.get(name, 0.0) + 1 / (constant + place)
    return sorted(totals, key=lambda name: -totals[name])


def measure(folder: Path) -> dict[str, dict[str, Score]]:
    """Index the sample in a folder of its own and ask; set → way of searching → score."""
    import chromadb

    settings = load_settings({"BATCH_MANAGER_HOME": str(folder)}, environment={}, folder=folder)
    with Workspace.open(settings, demo=True) as workspace:
        engine = workspace.engine
        engine.start(engine.quote(Scope()))
        engine.wait()
        embedder = make_embedder(workspace.settings)
        client = chromadb.PersistentClient(str(workspace.settings.vectors_directory))
        collection = client.get_collection("tables", embedding_function=None)

        def plain(query: str) -> list[str]:
            import numpy as np

            answer = asyncio.run(embedder.embed([query], tried=1, expected_tokens=0))
            vector = np.frombuffer(answer.vectors[0], dtype="<f4")
            found = collection.query(query_embeddings=[vector], n_results=2 * DEPTH, include=["metadatas"])
            names = [str(one["name"]) for one in (found["metadatas"] or [[]])[0]]
            return list(dict.fromkeys(names))[:DEPTH]

        def fused(query: str) -> list[str]:
            return [hit.name for hit in engine.index.search(query, "table", DEPTH)]

        def by_ranks(query: str) -> list[str]:
            terms = [word for word in words_of(query) if word not in STOP_WORDS]
            nearest = plain(query)
            said = [hit.name for hit in workspace.store.words.find(terms, Within(("table",)), DEPTH)]
            matches = {name: name_match(terms, words_of(name)) for name in dict.fromkeys([*nearest, *said])}
            named = sorted((name for name in matches if matches[name]), key=lambda name: -matches[name])
            return reciprocal(nearest, said, named)

        ways: dict[str, Finder] = {"plain vectors": plain, "reciprocal ranks": by_ranks, "search": fused}
        return {name: {way: score(questions(path), find) for way, find in ways.items()} for name, path in SETS.items()}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--misses", action="store_true", help="print the questions without an answer in the first five")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scores = measure(Path(folder))
    if arguments.json:
        rows = {
            name: {way: {"recall_at_5": one.recall, "mrr": one.mrr} for way, one in ways.items()}
            for name, ways in scores.items()
        }
        json.dump(rows, sys.stdout)
        print()
        return
    print("| asked | way | recall@5 | MRR |")
    print("|---|---|---|---|")
    for name, ways in scores.items():
        for way, one in ways.items():
            print(f"| {len(questions(SETS[name]))} {name} | {way} | {one.recall:.2f} | {one.mrr:.2f} |")
    if arguments.misses:
        for name, ways in scores.items():
            for way, one in ways.items():
                print(f"\n{name}, {way}: nothing in the first five for")
                print("\n".join(f"  {query}" for query in one.missed) or "  none")


if __name__ == "__main__":
    main()
