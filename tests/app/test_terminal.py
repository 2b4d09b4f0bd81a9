"""The real app in a real (pseudo) terminal: it gives the terminal back, whatever ends it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from pathlib import Path
from batch_manager.errors import BatchManagerError
from batch_manager.settings import load_settings
from batch_manager.workspace import Workspace
from batch_manager_tui import run
settings = load_settings({"BATCH_MANAGER_HOME": sys.argv[1], "LOG_LEVEL": "CRITICAL"}, {"OPENAI_API_KEY": "sk-secret"})
if len(sys.argv) > 2:
    from batch_manager_tui.screens.deeds import Deeds
    def sort(self):
        secret = "sk-secret"
        raise RuntimeError("on purpose")
    Deeds.sort = sort
try:
    code = run(lambda: Workspace.open(settings, demo=True))
except BatchManagerError as error:
    print("ENDED", error)
    code = 2
print("CODE", code)
sys.exit(code)
"""

LEAVE = b"\x1b[?1049l"
SHOW_CURSOR = b"\x1b[?25h"


class Terminal:
    """A program in a pseudo terminal of 100 by 30."""

    def __init__(self, *arguments: str) -> None:
        master, slave = pty.openpty()
        import fcntl
        import struct
        import termios

        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        self._master = master
        self.seen = b""
        root = Path(__file__).parents[2]
        environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": f"{root / 'core'}:{root / 'tui'}"}
        self.child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            self.seen += data

    def keys(self, text: str) -> None:
        """Type."""
        os.write(self._master, text.encode())

    def until(self, words: str, seconds: float = 20) -> None:
        """Wait for something to be drawn."""
        end = time.monotonic() + seconds
        while words.encode() not in self.seen:
            assert time.monotonic() < end, self.seen[-2000:]
            time.sleep(0.05)

    def ended(self) -> int:
        """Wait for the end; the terminal is as it was before."""
        import termios

        code = self.child.wait(20)
        time.sleep(0.3)
        assert termios.tcgetattr(self._slave) == self.before
        assert LEAVE in self.seen
        assert SHOW_CURSOR in self.seen[self.seen.rindex(LEAVE) - 200 :]
        return code

    def close(self) -> None:
        """Nothing is left behind."""
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        for descriptor in (self._slave, self._master):
            os.close(descriptor)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_one(*arguments: str) -> Terminal:
        opened.append(Terminal(str(tmp_path / "home"), *arguments))
        opened[-1].until("accounting_periods")
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def test_q_gives_the_terminal_back(terminal: Callable[..., Terminal]) -> None:
    app = terminal()
    app.keys("q")
    assert app.ended() == 0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_gives_the_terminal_back(name: str, terminal: Callable[..., Terminal]) -> None:
    app = terminal()
    os.kill(app.child.pid, getattr(signal, name))
    assert app.ended() == 130


def test_a_crash_gives_the_terminal_back_and_shows_no_values(terminal: Callable[..., Terminal]) -> None:
    app = terminal("break")
    app.keys("o")
    app.until("ENDED A fault of this program: RuntimeError.")
    assert app.ended() == 2
    assert b"sk-secret" not in app.seen
    assert b"Traceback" not in app.seen


def test_bracketed_paste_of_a_y_spends_nothing(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    app = terminal()
    app.keys("s")
    app.until("Before spending")
    time.sleep(0.7)
    app.keys("\x1b[200~y\x1b[201~")
    time.sleep(0.5)
    app.keys("yyyyy")
    time.sleep(0.5)
    app.keys("n")
    app.until("Nothing was sent.")
    app.keys("q")
    assert app.ended() == 0
