"""The two processes of the app on a terminal: whichever is killed, what is said of it is true."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import termios
import time
from contextlib import closing
from pathlib import Path

import pytest

from batch_manager.rehearsal import RehearsalServer
from command import PAYING_KEY, Command, Terminal, tables

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc")


def app_of(terminal: Terminal) -> int:
    """The process that the app is in: the child of the one that the shell would know."""
    pid = terminal.process.pid
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def test_an_app_that_was_killed_gives_the_terminal_back_and_says_so(command: Command) -> None:
    with command.at_terminal("--provider", "local", stdout=True) as terminal:
        terminal.wait_for("users_orders_fk")
        assert termios.tcgetattr(terminal.descriptor) != terminal.modes
        os.kill(app_of(terminal), signal.SIGKILL)
        done = terminal.end()
        assert done.code == 128 + signal.SIGKILL
        assert "The app's process was killed (SIGKILL); what was paid for is kept." in done.err
        assert "\x1b[?1049l" in done.err and termios.tcgetattr(terminal.descriptor) == terminal.modes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda one: one.name)
def test_a_run_whose_app_was_ended_from_outside_does_not_say_that_you_stopped_it(
    command: Command, server: RehearsalServer, number: signal.Signals
) -> None:
    command("--import", "-", text=tables(60))
    server.set_options(latency_ms=400.0)
    with command.but(OPENAI_API_KEY=PAYING_KEY, EMBEDDING_BATCH_SIZE="3").at_terminal(stdout=True) as terminal:
        terminal.wait_for("users_orders_fk")
        app = app_of(terminal)
        terminal.type(b"s")
        terminal.wait_for("Before spending")
        time.sleep(0.7)  # a y that comes at once isn't taken for a yes
        terminal.type(b"y")
        while server.totals()["requests"] < 3:
            time.sleep(0.05)
        os.kill(terminal.process.pid, number)
        terminal.end()
    until = time.monotonic() + 60
    while Path(f"/proc/{app}").exists() and time.monotonic() < until:
        time.sleep(0.1)
    with closing(sqlite3.connect(command.home / "store.sqlite3")) as store:
        ((state, reason),) = store.execute("SELECT state, reason FROM run").fetchall()
    assert state == "interrupted" and reason.startswith("Stopped ") and "by you" not in reason
    assert ("SIGTERM" in reason) == (number is signal.SIGTERM)
