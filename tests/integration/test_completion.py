"""Shell completion, in the shells themselves."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from batch_manager.cli.completion import read_options, script
from command import Command

CASES = [
    ("batch-manager --ver", {"--verify", "--version"}),
    ("batch-manager --provider ", {"openai", "local"}),
    ("batch-manager --provider=lo", {"local"}),
    ("batch-manager --completion ", {"bash", "zsh", "fish"}),
    ("batch-manager --search x --ty", {"--type"}),
    ("batch-manager --search x --type r", {"relationship"}),
    ("batch-manager --status --y", set()),  # it asks nothing
    ("batch-manager --status --batch-", set()),  # a second action
    ("batch-manager --batch-index --batch-s", {"--batch-size"}),
    ("batch-manager --individual-index --batch-s", set()),
    ("batch-manager --import doc", {"docs.jsonl"}),
    ("batch-manager --max-cost ", set()),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with the scripts, and a file to find."""
    for shell in ("bash", "zsh", "fish"):
        (tmp_path / shell).write_text(script(shell))
    work = tmp_path / "work"
    work.mkdir()
    (work / "docs.jsonl").touch()
    return work


def needs(shell: str) -> str:
    """The shell's path; skips where it isn't installed."""
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    return path


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=folder, env=environment(folder))
    assert done.stderr == "", done.stderr
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the developer's own shell; and no program called batch-manager, since TAB must not need one."""
    return {"HOME": str(folder), "PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8"}


def test_the_command_prints_the_scripts_and_looks_at_no_home(tmp_path: Path) -> None:
    command = Command(tmp_path / "home")
    for shell in ("bash", "zsh", "fish"):
        done = command("--completion", shell)
        assert (done.code, done.out, done.err) == (0, script(shell), "")
    assert not command.home.exists()
    done = command("--completion", "tcsh")
    assert done.code == 2 and "'bash', 'zsh', 'fish'" in done.error
    assert command("--completion", "bash", "--json").code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_flag_is_in_each_script(shell: str) -> None:
    for one in read_options():
        flag = f"-l {one.flag[2:]}" if shell == "fish" else one.flag
        assert flag in script(shell)


@pytest.mark.parametrize(("typed", "offered"), CASES, ids=[typed for typed, _ in CASES])
def test_bash_offers_what_fits(folder: Path, typed: str, offered: set[str]) -> None:
    # As readline hands it over: "=" is a word of its own.
    words = typed.replace("=", " = ").split(" ")
    if "=" in words and not words[-1]:
        words.pop()
    listed = " ".join(f"'{word}'" for word in words)
    code = (
        f". ../bash; complete -p batch-manager > /dev/null || exit; COMP_WORDS=({listed}); COMP_CWORD={len(words) - 1};"
        ' _batch_manager; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    out = run([needs("bash"), "--norc", "-uc", code], folder)
    assert set(out.split()) == offered


@pytest.mark.parametrize(("typed", "offered"), CASES, ids=[typed for typed, _ in CASES])
def test_fish_offers_what_fits(folder: Path, typed: str, offered: set[str]) -> None:
    out = run([needs("fish"), "--no-config", "-c", f"source ../fish; complete -C '{typed}'"], folder)
    # fish offers a value that follows "=" with the flag before it.
    found = {line.split("\t")[0].rpartition("=")[2] for line in out.splitlines()}
    assert found == offered


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("batch-manager --est", "--estimate-costs"),
        ("batch-manager --search x --type=rel", "--type=relationship"),
        ("batch-manager --import do", "docs.jsonl"),
    ],
)
def test_tab_in_a_real_terminal(folder: Path, shell: str, typed: str, completed: str) -> None:
    begin = {
        "bash": (["--norc", "--noprofile"], "PS1='> '; . ../bash"),
        "zsh": (["-f"], "PS1='> '; autoload -Uz compinit && compinit -u -d ../dump; . ../zsh"),
    }
    options, first = begin[shell]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [needs(shell), *options, "-i"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environment(folder),
        start_new_session=True,
    )
    os.close(theirs)
    try:
        os.write(ours, f"{first}; echo re''ady\n".encode())
        read_until(ours, "ready")
        os.write(ours, f"{typed}\t".encode())
        assert completed in read_until(ours, completed)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, words: str, seconds: float = 30.0) -> str:
    """What the terminal shows until these words are there."""
    seen, end = "", time.monotonic() + seconds
    while words not in seen and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 65_536).decode(errors="replace")
    return seen
