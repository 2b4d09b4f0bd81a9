"""The program ends between any two steps of submission and collecting: nothing is submitted twice, nothing forgotten.

A step is whatever outlasts the program: a call to the server, or a write to the store. The proof ends the program
just before each of them in turn, which is just after the one before (what the program had in memory is gone, its
threads included), opens the home again and collects until everything is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from batch_manager.cli.lane_words import nothing_words
from batch_manager.embedding.batch_api import BatchApi
from batch_manager.half_price import waiting_words
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from batch_manager.store.jobs import Jobs
from batch_manager.store.ledger import Ledger
from jobs import options
from lanes import Memory, batch_bill, lane

ITEMS = 3
CALLS = ("upload", "find_file", "create", "find_batch", "look", "delete_file")
WRITES = ("open", "change", "close_run")


class Killed(BaseException):
    """The program is no more."""


class Steps:
    """Counts the steps, and ends the program at one of them."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0
        self.where = ""

    def pass_by(self, where: str) -> None:
        """Go on, or end here; once."""
        self.count += 1
        if self.count == self.at:
            self.where = where
            raise Killed(where)


@contextlib.contextmanager
def watched(steps: Steps) -> Iterator[None]:
    """Every step of the lane passes by."""
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            _wrap_call(patch, name, steps)
        for name in WRITES:
            _wrap_write(patch, Jobs, name, steps)
        _wrap_write(patch, Ledger, "open_run", steps)
        yield


def _wrap_call(patch: pytest.MonkeyPatch, name: str, steps: Steps) -> None:
    original = getattr(BatchApi, name)

    async def call(self: BatchApi, *values: Any) -> Any:
        steps.pass_by(name)
        return await original(self, *values)

    patch.setattr(BatchApi, name, call)


def _wrap_write(patch: pytest.MonkeyPatch, owner: type, name: str, steps: Steps) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def write(self: Any, *values: Any, **named: Any) -> Any:
        steps.pass_by(name)
        return original(self, *values, **named)

    patch.setattr(owner, name, write)


def life(home: Path, server: RehearsalServer, memory: Memory, steps: Steps) -> None:
    """Hand over what is pending, then collect until all is back; the program may end on the way."""
    with lane(home, server, vectors=memory, requests=2) as opened, watched(steps):
        if not opened.half.quote(Scope()).nothing_to_do:
            opened.hand_over()
        for _ in range(10):
            server.advance(100)
            found = opened.half.collect()
            if not found.under_way:
                return
            if all(one.unseen for one in found.under_way):
                # It ended before it asked for a batch, and can't know that: somebody looks at the server, and says so.
                opened.half.give_up([one.id for one in found.under_way])
                opened.hand_over()
        raise AssertionError(opened.half.jobs())


class First(Steps):
    """Ends the program at the first step of a name."""

    def __init__(self, name: str) -> None:
        super().__init__(0)
        self.name = name

    def pass_by(self, where: str) -> None:
        """Go on, or end here."""
        if where == self.name:
            raise Killed(where)


@pytest.fixture(scope="module")
def server() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options(batch_seconds=50)) as running:
        yield running


def prove(home: Path, empty: Path, server: RehearsalServer, at: int) -> Steps:
    """End the program at that step; then look at what came of it."""
    server.clear()
    server.clear_batches()
    shutil.copytree(empty, home)
    memory, steps = Memory(), Steps(at)
    with contextlib.suppress(Killed, asyncio.CancelledError):
        life(home, server, memory, steps)
    if at:
        life(home, server, memory, Steps(0))
    with lane(home, server, vectors=memory) as opened:
        where = steps.where
        assert opened.count("indexed") == ITEMS == len(memory.rows["table"]), where
        sent = [digest for entry in server.ledger() for digest in entry["hashes"]]
        assert len(sent) == len(set(sent)) == ITEMS, where
        held = opened.store.ledger.held()
        assert opened.store.ledger.spent() == batch_bill(server) + held, where
        assert (held > 0) == (where == "create") and opened.store.jobs.held() == 0, where
        assert opened.store.jobs.handed_runs() == [] and opened.store.jobs.with_files(1) == [], where
        assert opened.half.quote(Scope()).nothing_to_do, where
    return steps


@pytest.mark.timeout(300)
def test_ended_at_every_step(tmp_path: Path, server: RehearsalServer) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with lane(empty, server, vectors=Memory()) as opened:
        opened.bring(ITEMS)
    whole = prove(tmp_path / "whole", empty, server, 0).count
    reached = [prove(tmp_path / str(at), empty, server, at).where for at in range(1, whole + 1)]
    assert {"open_run", "open", "upload", "create", "look", "change", "delete_file", "close_run"} <= set(reached)


def test_what_was_agreed_to_and_not_handed_over_is_told_and_goes_on(tmp_path: Path, server: RehearsalServer) -> None:
    server.clear()
    server.clear_batches()
    with lane(tmp_path, server, vectors=Memory()) as opened, watched(First("open")):
        opened.bring(ITEMS)
        with pytest.raises((Killed, asyncio.CancelledError)):
            opened.hand_over()
    with lane(tmp_path, server, vectors=Memory()) as opened:
        waiting = opened.half.waiting()
        assert (waiting.items, waiting.batches) == (ITEMS, 0) and opened.half.jobs() == ()
        assert opened.half.quote(Scope()).nothing_to_do
        told = nothing_words("Nothing to hand over", Scope(), waiting)
        assert "3 items are agreed to at half the price, and not handed over yet: --collect goes on with it" in told
        assert len(opened.half.collect().under_way) == 1
        assert "in a half-price batch since" in waiting_words(opened.half.waiting())
