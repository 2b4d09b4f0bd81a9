"""Garbage is looked for when nobody types."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from batch_manager_tui import collector
from batch_manager_tui.collector import AWAKE, ENOUGH, Collector


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """The collector is the process's own: it is given back as it was."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Ring:
    """Something that only the collector finds."""

    def __init__(self, gone: list[str]) -> None:
        self.self = self
        self.gone = gone

    def __del__(self) -> None:
        self.gone.append("gone")


def test_a_process_of_many_apps_keeps_its_own() -> None:
    one, before, frozen = Collector(), gc.get_threshold(), gc.get_freeze_count()
    one.settle("home")
    one.rest()
    assert gc.get_threshold() == before and gc.get_freeze_count() <= frozen


def test_what_is_loaded_is_set_aside_once_for_each_thing() -> None:
    one = Collector()
    one.begin()
    one.settle("home")
    frozen = gc.get_freeze_count()
    assert frozen > 0 and gc.get_threshold() == AWAKE
    kept = [[number] for number in range(100)]  # noqa: F841 - alive, so that it could be frozen
    one.settle("home")
    assert gc.get_freeze_count() <= frozen
    one.settle("run")
    assert gc.get_freeze_count() > frozen


def test_everything_is_looked_through_only_after_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(collector.time, "monotonic", lambda: now[0])
    one, gone = Collector(), []
    one.begin()
    one.settle("home")
    ring = Ring(gone)
    for _ in range(ENOUGH):
        gc.collect(1)
    del ring
    one.stir()
    now[0] += collector.REST / 2
    one.rest()
    assert gone == []
    now[0] += collector.REST
    one.rest()
    assert gone == ["gone"]
    frozen = gc.get_freeze_count()
    one.rest()  # nothing has become older since
    assert gc.get_freeze_count() <= frozen
