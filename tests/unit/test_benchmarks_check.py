"""The guard of the benchmarks: what counts as fallen."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def check() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "check.py"
    spec = importlib.util.spec_from_file_location("benchmarks_check", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_ratio_has_fallen_by_more_than_fifteen_hundredths_alone(check: ModuleType) -> None:
    recorded = {"fast": 1.0, "small": 0.5}
    assert check.short({"fast": 0.851, "small": 0.5}, recorded) == []
    assert len(check.short({"fast": 0.849, "small": 0.5}, recorded)) == 1
    assert len(check.short({"small": 0.5}, recorded)) == 1  # one that is no longer told has fallen too


def test_the_best_of_the_runs_counts(check: ModuleType) -> None:
    assert check.better({}, {"fast": 0.5}) == {"fast": 0.5}
    assert check.better({"fast": 0.9, "small": 0.1}, {"fast": 0.5, "small": 0.2}) == {"fast": 0.9, "small": 0.2}


def test_every_benchmark_that_is_called_is_there(check: ModuleType) -> None:
    for program, *_ in check.CALLS.values():
        assert (check.HERE / program).is_file()
