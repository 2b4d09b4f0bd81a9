"""The terminal's title during a run, and the bell at its end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from batch_manager.events import RunView
from batch_manager.home import make_home
from batch_manager_tui.terminal_title import GIVE_BACK, KEEP, TerminalTitle, title_of, title_sequence

RUNNING = RunView(run_id=1, state="running", items=200, indexed=80, failed=4)


def test_the_title_has_the_percent_and_is_given_back() -> None:
    written: list[str] = []
    title = TerminalTitle(written.append)
    title.show(RunView())
    assert not written
    title.show(RUNNING)
    title.show(replace(RUNNING, sequence=5))
    assert written == [KEEP + "\x1b]2;42% · batch manager\x07"]
    title.show(replace(RUNNING, state="paused"))
    assert "42% paused" in written[1]
    title.show(replace(RUNNING, state="done"))
    title.restore()
    assert written[2:] == [title_sequence("batch manager") + GIVE_BACK]


def test_a_title_is_harmless_and_short() -> None:
    sequence = title_sequence("evil\x07\x1b]52;c;aGk=\x9c" * 20)
    assert sequence.startswith("\x1b]2;")
    assert sequence.endswith("\x07")
    assert sequence[4:-1].isprintable()
    assert len(sequence) < 80
    assert title_of(RunView(state="starting")).startswith("100%")


async def test_the_bell_rings_only_when_it_is_asked_for(local: Any, drives: Any, tables: Any, monkeypatch: Any) -> None:
    async with drives(local(tables(3))) as driver:
        rung: list[int] = []
        monkeypatch.setattr(driver.app, "bell", lambda: rung.append(1))
        for asked in (False, True):
            if asked:
                await driver.press("b")
                assert "A bell rings" in driver.notice
            await driver.press("R")
            await driver.asked()
            await driver.press("y")
            await driver.until(lambda: "Done" in driver.notice, 60)
            assert len(rung) == asked


async def test_the_home_of_a_rehearsal_is_marked_however_it_is_opened(local: Any, drives: Any, tmp_path: Path) -> None:
    home = make_home(tmp_path / "rehearsal", own=True)
    async with drives(local(BATCH_MANAGER_HOME=str(home)), (80, 24)) as driver:
        assert "A REHEARSAL'S HOME" in driver.screen_text().splitlines()[0]
