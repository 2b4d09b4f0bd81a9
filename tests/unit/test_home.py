"""The home: made for its owner alone, one writer, and never deleted unless it is the program's own."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from batch_manager.errors import HomeBusy, InputError, UsageError
from batch_manager.home import MARKER, HomeLock, make_home, put_aside, reset_home

HOLD = """
import sys
from pathlib import Path
from batch_manager.home import HomeLock
lock = HomeLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.readline()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def hold(home: Path) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ.copy()
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    return child


def end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.communicate()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_only_the_owner_may_look(tmp_path: Path) -> None:
    home = make_home(tmp_path / "a" / "home", own=True)
    assert mode(home) == 0o700
    assert mode(home / MARKER) == 0o600
    with HomeLock(home):
        assert mode(home / "lock.json") == 0o600


def test_making_it_again_changes_nothing(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    (home / "kept").write_text("x")
    make_home(home)
    assert sorted(path.name for path in home.iterdir()) == ["kept"]


@pytest.mark.parametrize("below", ["", "home", "a/b/home"])
def test_a_home_under_a_file_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="not a folder") as caught:
        make_home(tmp_path / "file" / below if below else tmp_path / "file")
    assert "--home" in caught.value.next_step


def test_a_home_with_an_impossible_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be written"):
        make_home(tmp_path / ("x" * 300))


def test_a_second_writer_is_told_who_holds_it(tmp_path: Path) -> None:
    child = hold(tmp_path)
    try:
        with pytest.raises(HomeBusy) as caught:
            HomeLock(tmp_path).acquire()
        assert str(child.pid) in caught.value.message
        assert "since 20" in caught.value.message
        holder = HomeLock(tmp_path).holder()
        assert holder is not None
        assert holder.pid == child.pid
    finally:
        end(child)


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    end(hold(tmp_path))
    assert (tmp_path / "lock.json").exists(), "the note stays behind"
    with HomeLock(tmp_path):
        assert json.loads((tmp_path / "lock.json").read_text())["pid"] == os.getpid()
    assert not (tmp_path / "lock.json").exists()


def test_release_twice_and_take_again(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    for _ in range(2):
        lock.acquire()
        lock.release()
        lock.release()


@pytest.mark.parametrize("note", ["", "{", "[]", '{"pid": "x", "since": 1}', "null"])
def test_a_broken_note_is_no_holder(tmp_path: Path, note: str) -> None:
    (tmp_path / "lock.json").write_text(note)
    assert HomeLock(tmp_path).holder() is None


def test_the_note_is_not_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    home = make_home(tmp_path / "home")
    (home / "lock.json").symlink_to(outside)
    with HomeLock(home):
        assert HomeLock(home).holder() is not None
    assert outside.read_text() == "mine"


def test_a_lock_that_fails_leaves_none_behind(tmp_path: Path) -> None:
    (tmp_path / "lock.json").mkdir()
    lock = HomeLock(tmp_path)
    with pytest.raises(UsageError, match="can't be locked"):
        lock.acquire()
    (tmp_path / "lock.json").rmdir()
    with HomeLock(tmp_path):
        pass


def test_reset_empties_only_what_is_the_programs_own(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", own=True)
    (home / "store.sqlite3").write_text("x")
    (home / "vectors" / "deep").mkdir(parents=True)
    reset_home(home)
    assert not (home / "store.sqlite3").exists()
    assert not (home / "vectors").exists()
    assert (home / MARKER).exists()
    reset_home(home)
    reset_home(tmp_path / "not there")


def test_reset_refuses_a_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError):
        reset_home(tmp_path)
    own = make_home(tmp_path / "own", own=True)
    (tmp_path / "link").symlink_to(own)
    with pytest.raises(InputError):
        reset_home(tmp_path / "link")
    assert (tmp_path / "thesis.txt").exists()


def test_reset_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    home = make_home(tmp_path / "home", own=True)
    (home / "vectors").symlink_to(outside)
    reset_home(home)
    assert (outside / "kept").exists()
    assert not (home / "vectors").exists()


def test_reset_waits_for_nobody(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", own=True)
    (home / "store.sqlite3").write_text("x")
    child = hold(home)
    try:
        with pytest.raises(HomeBusy):
            reset_home(home)
        assert (home / "store.sqlite3").exists()
    finally:
        end(child)


def test_put_aside(tmp_path: Path) -> None:
    assert put_aside(tmp_path / "vectors") is None
    for number in range(2):  # twice within a second as well
        (tmp_path / "vectors").mkdir()
        (tmp_path / "vectors" / f"{number}").write_text("x")
        aside = put_aside(tmp_path / "vectors")
        assert aside is not None
        assert (aside / f"{number}").exists()
        assert not (tmp_path / "vectors").exists()
