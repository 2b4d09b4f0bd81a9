"""The home: for its owner alone, with one writer, and nothing outside it is ever touched."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_manager.errors import HomeBusy
from batch_manager.home import MARKER, HomeLock
from batch_manager.rehearsal import RehearsalServer
from command import THREE, Command, jsonl, tables
from jobs import options


@pytest.fixture(scope="module")
def server() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options()) as running:
        yield running


@pytest.fixture
def command(tmp_path: Path, server: RehearsalServer) -> Command:
    server.set_options(faults=[], latency_ms=0)
    server.clear()
    return Command(tmp_path / "home", {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.base_url})


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        assert "indexed" in Command(tmp_path / "home")("--demo", "--batch-index", "--yes").out
    finally:
        os.umask(before)
    seen = [tmp_path / "home", *(tmp_path / "home").rglob("*")]
    assert len(seen) > 8
    wrong = {
        str(one.relative_to(tmp_path)): oct(mode)
        for one in seen
        if (mode := stat.S_IMODE(one.lstat().st_mode)) != (0o700 if one.is_dir() else 0o600)
    }
    assert not wrong


@pytest.mark.parametrize("name", ["lock", "lock.json", "batch-manager.log", "store.sqlite3"])
def test_a_planted_link_writes_nothing_outside(command: Command, tmp_path: Path, name: str) -> None:
    """Somebody who could write in the home once leaves links to files of its owner."""
    target = tmp_path / "precious"
    target.write_text("precious")
    command.home.mkdir(mode=0o700)
    (command.home / name).symlink_to(target)
    command("--import", "-", text=jsonl(*THREE))
    assert target.read_text() == "precious"


def test_a_name_that_is_a_path_writes_nothing_outside(command: Command, tmp_path: Path) -> None:
    names = ("../../../escaped", "/tmp/escaped", "..\\escaped", "a/../../escaped")
    command("--import", "-", text=jsonl(*({"kind": "table", "name": one, "documentation": "x y"} for one in names)))
    assert command("--batch-index", "--yes").code == 0
    allowed = {command.home, command.folder}
    outside = [one for one in tmp_path.iterdir() if one not in allowed]
    assert not outside
    assert not list(tmp_path.rglob("*escaped*"))


def test_reset_deletes_no_folder_that_it_didnt_make(command: Command) -> None:
    demo = command.home / "demo"
    demo.mkdir(parents=True)
    (demo / "thesis.txt").write_text("years of work")
    done = command("--demo", "--batch-index", "--yes", "--reset")
    assert done.code == 2
    assert "isn't deleted" in done.error
    assert (demo / "thesis.txt").read_text() == "years of work"

    elsewhere = command.home / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / MARKER).touch()
    (elsewhere / "thesis.txt").write_text("years of work")
    (demo / "thesis.txt").unlink()
    demo.rmdir()
    demo.symlink_to(elsewhere)
    assert command("--demo", "--batch-index", "--yes", "--reset").code == 2
    assert (elsewhere / "thesis.txt").read_text() == "years of work"


def test_reset_follows_no_link_inside(command: Command, tmp_path: Path) -> None:
    assert command("--demo", "--estimate-costs").code == 0
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "thesis.txt").write_text("years of work")
    (command.home / "demo" / "link").symlink_to(outside)
    assert command("--demo", "--estimate-costs", "--reset").code == 0
    assert (outside / "thesis.txt").read_text() == "years of work"
    assert not (command.home / "demo" / "link").exists()


def test_a_second_process_is_told_who_writes_and_can_still_look(command: Command, server: RehearsalServer) -> None:
    command("--import", "-", text=jsonl(*THREE))
    assert command("--batch-index", "--yes").code == 0
    command("--import", "-", text=tables(20))
    sent = server.totals()["requests"]
    server.set_faults([{"fault": "stall", "seconds": 60, "at": [sent + 1]}])
    writer = command.start("--batch-index", "--yes", "--batch-size", "2", "--concurrency", "1")
    try:
        deadline = time.monotonic() + 30
        while server.totals()["requests"] == sent:
            assert time.monotonic() < deadline and writer.poll() is None
            time.sleep(0.02)
        second = command("--batch-index", "--yes")
        assert second.code == 2
        told = re.search(r"process (\d+), since (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", second.error)
        assert told and int(told[1]) == writer.pid
        assert command("--import", "-", text=jsonl(*THREE)).code == 2

        assert command("--status", "--json").json["tables"]["pending"] == 20
        assert command("--estimate-costs", "--json").json["pending_tables"] == 20
        assert command("--search", "people", "--json").json["results"]
        assert command("--verify").code == 0
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.communicate(timeout=30)

    # The lock of a process that was killed is free by itself, whatever its note says.
    assert json.loads((command.home / "lock.json").read_text())["pid"] == writer.pid
    assert command("--batch-index", "--yes").code == 0
    assert command("--status", "--json").json["tables"]["pending"] == 0


def test_one_writer_within_a_process_as_well(tmp_path: Path) -> None:
    with HomeLock(tmp_path), pytest.raises(HomeBusy, match=str(os.getpid())):
        HomeLock(tmp_path).acquire()
    with HomeLock(tmp_path):
        pass
