"""The app, opened by the command on a real (pseudo) terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from command import Command


@pytest.mark.parametrize("mode", ["--demo", "--home=elsewhere"])
def test_the_app_opens_and_q_leaves_it(tmp_path: Path, mode: str) -> None:
    command = Command(tmp_path / "home")
    with command.at_terminal(mode, "--max-cost", "1", stdout=True) as terminal:
        terminal.wait_for("\x1b[?1049h")  # the alternate screen
        terminal.wait_for("tems")
        terminal.type(b"q")
        done = terminal.end()
    assert done.code == 0
    assert done.err.rstrip().endswith("\x1b[?25h") or "\x1b[?1049l" in done.err  # and the terminal is whole again
    assert "Traceback" not in done.err


def test_a_wrong_setting_is_said_before_the_screen(tmp_path: Path) -> None:
    command = Command(tmp_path / "home", {"EMBEDDING_BATCH_SIZE": "0"})
    with command.at_terminal("--demo", stdout=True) as terminal:
        done = terminal.end()
    assert done.code == 2 and "EMBEDDING_BATCH_SIZE" in done.error and "\x1b[?1049h" not in done.err
