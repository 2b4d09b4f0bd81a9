"""Ctrl-z and fg in a real shell: the shell has its prompt, the app goes on, and its screen is true again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pytest


def on_terminal(
    command: list[str], folder: Path, *, controlling: bool, **more: str
) -> tuple[subprocess.Popen[bytes], int]:
    """A process on a terminal of its own, and the terminal's other end; `controlling` when it gets its signals."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    root = Path(__file__).parents[2]
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "PYTHONPATH": f"{root / 'core'}:{root / 'tui'}",
        "BATCH_MANAGER_HOME": str(folder / "home"),
        **more,
    }
    process = subprocess.Popen(
        command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env=environment,
        start_new_session=True,
        preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if controlling else None,
    )
    os.close(slave)
    return process, master


class Shell:
    """bash with job control in a pseudo terminal."""

    def __init__(self, folder: Path, **more: str) -> None:
        bash = [str(shutil.which("bash")), "--norc", "-i"]
        self.process, self._master = on_terminal(bash, folder, controlling=True, PS1="ready> ", **more)
        self._seen = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                self._seen += os.read(self._master, 65536)
            except OSError:
                return

    def type(self, text: str, then: str) -> None:
        """Type, and wait for what is drawn after it."""
        start = len(self._seen)
        os.write(self._master, text.encode())
        end = time.monotonic() + 60
        while then.encode() not in self._seen[start:]:
            assert time.monotonic() < end, self._seen[-2000:]
            time.sleep(0.05)

    def close(self) -> None:
        """Nothing is left behind: whoever is in the terminal is told that it is gone."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_ctrl_z_leaves_the_app_going_and_fg_brings_it_back(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    try:
        shell.type(f"'{sys.executable}' -m batch_manager --demo\n", "accounting_periods")
        shell.type("\x1a", "Stopped")
        shell.type("echo $((40 + 2))\n", "42")
        shell.type("fg\n", "accounting_periods")
        shell.type("q", "ready> ")
        shell.type("echo code $?\n", "code 0")
    finally:
        shell.close()


def answered(home: Path) -> int:
    """Requests of the run that were answered and written down."""
    with contextlib.closing(sqlite3.connect(f"file:{home}/store.sqlite3?mode=ro", uri=True)) as store:
        return int(store.execute("SELECT COUNT(*) FROM request WHERE state = 'answered'").fetchone()[0])


def goes_on(home: Path, more: int = 4) -> None:
    """Wait until that many more are."""
    start, end = answered(home), time.monotonic() + 60
    while answered(home) < start + more:
        assert time.monotonic() < end, "the run stands still"
        time.sleep(0.05)


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_a_run_makes_progress_while_the_shell_has_the_terminal(tmp_path: Path) -> None:
    shell = Shell(tmp_path, EMBEDDING_BATCH_SIZE="1", EMBEDDING_CONCURRENCY="1")
    try:
        shell.type(f"'{sys.executable}' -m batch_manager --demo --rehearse\n", "accounting_periods")
        shell.type("s", "Before spending")
        home = next(tmp_path.glob("home/**/store.sqlite3")).parent
        while not answered(home):
            shell.type("y", "")
            time.sleep(1)  # a y that follows another key too soon is none
        os.kill(shell.process.pid, signal.SIGSTOP)  # a shell on a busy machine takes its time to take the terminal
        shell.type("\x1a", "")
        goes_on(home)
        os.kill(shell.process.pid, signal.SIGCONT)
        shell.type("", "Stopped")
        shell.type("echo $((40 + 2))\n", "42")
        goes_on(home)
        shell.type("bg\n", "&")
        goes_on(home)
        shell.type("fg\n", "accounting_periods")
        goes_on(home)
        shell.type("q", "A run is under way")
        shell.type("p", "ready> ")
        shell.type("echo code $?\n", "code ")
    finally:
        os.kill(shell.process.pid, signal.SIGCONT)
        shell.close()


def test_a_terminal_that_is_gone_without_a_signal_ends_the_app(tmp_path: Path) -> None:
    """A session without a controlling terminal gets no SIGHUP; the app must not stay behind, reading nothing."""
    app = [sys.executable, "-m", "batch_manager", "--demo"]
    process, master = on_terminal(app, tmp_path, controlling=False)
    try:
        seen = b""
        while b"accounting_periods" not in seen:
            seen += os.read(master, 65536)
        os.close(master)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()
