"""The quality of search on the sample, offline: better than plain vectors, and above a floor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import search_quality as quality

from batch_manager import sample


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, quality.Score]]:
    return quality.measure(Path(tmp_path_factory.mktemp("home")))


def test_there_are_fifty_different_questions_on_tables_of_the_sample() -> None:
    asked = quality.questions(quality.SETS["questions"])
    lines = [json.loads(line) for line in sample.documentation_lines()]
    tables = {line["name"] for line in lines if line.get("kind") == "table"}
    assert len({one.query for one in asked}) == 50
    assert {table for one in asked for table in one.tables} <= tables


@pytest.mark.parametrize("asked", list(quality.SETS))
def test_search_finds_at_least_what_plain_vectors_find(scores: dict[str, dict[str, quality.Score]], asked: str) -> None:
    plain, fused = scores[asked]["plain vectors"], scores[asked]["search"]
    assert fused.recall >= plain.recall
    assert fused.mrr >= plain.mrr


# The floors are what was measured, less two questions of the set.
@pytest.mark.parametrize(("asked", "recall", "mrr"), [("questions", 0.77, 0.62), ("names", 0.81, 0.78)])
def test_search_stays_above_its_floor(
    scores: dict[str, dict[str, quality.Score]], asked: str, recall: float, mrr: float
) -> None:
    assert scores[asked]["search"].recall >= recall
    assert scores[asked]["search"].mrr >= mrr
