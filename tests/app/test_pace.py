"""The rate's sparkline and the gauges of the account's limits."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from batch_manager.events import LimitsView, RunView
from batch_manager_tui.display import cell_len
from batch_manager_tui.widgets.bars import PAID, SPARKS, bar, rate_line
from batch_manager_tui.widgets.batch_bars import SAMPLES, BatchBars, total_lines
from batch_manager_tui.widgets.cost_lines import money_lines

RUNNING = RunView(run_id=1, state="running", items=200, indexed=80, limits=LimitsView(300_000, 287_000, 300, 12))


@pytest.mark.parametrize("width", [24, 40, 80, 160])
def test_the_line_fits_and_ends_with_now(width: int) -> None:
    line = rate_line([float(n) for n in range(SAMPLES)], width)
    assert sum(cell_len(text) for text, _ in line) <= max(width, 30)
    assert line[1][0].endswith(SPARKS[-1])
    assert line[2][0] == f" {SAMPLES - 1:.1f} docs/s at most"


def test_no_rate_is_drawn_as_none() -> None:
    assert rate_line([0.0, 0.0], 40)[1][0].strip() == ""
    assert rate_line([0.0, 4.0, 1.0], 40)[1][0] == " █▃"


async def test_a_sample_a_second_is_kept_and_a_new_run_begins_anew(local: Any, drives: Any, tables: Any) -> None:
    async with drives(local(tables(3))) as driver:
        main = driver.app.main
        main.readings.hear_no_more()
        bars = main.query_one(BatchBars)
        for tick in range(400):
            main.readings.view_changed(replace(RUNNING, sequence=tick, seconds=tick / 4, rate=5.0 + tick % 3))
        assert len(bars._rates) == SAMPLES
        await driver.pilot.pause(0.1)
        assert "docs/s at most" in driver.screen_text()
        main.readings.view_changed(replace(RUNNING, run_id=2, seconds=0.1, rate=1.0))
        assert len(bars._rates) == 1


@pytest.mark.parametrize("width", [26, 34, 42, 80])
def test_gauges_say_what_is_left(width: int) -> None:
    lines = {line[0][0].strip(): line for line in money_lines(RUNNING, width)}
    for name in ("tokens", "requests"):
        assert sum(cell_len(text) for text, _ in lines[name]) <= width
    if width >= 42:
        assert lines["tokens"][1][1] == "accent"
        assert lines["requests"][1] == ("━", "warning")  # nearly used up
        assert "12 of 300 left" in lines["requests"][3][0]


@pytest.mark.parametrize("few", [False, True])
def test_a_paused_run_names_the_key_that_goes_on_with_it(few: bool) -> None:
    paused = replace(RUNNING, state="paused", reason="127.0.0.1 can't be reached.", next_step="Check it, then go on.")
    lines = ["".join(text for text, _ in line) for line in total_lines(paused, 60, few, ("ctrl+g", "x"))]
    assert any(line.startswith("ctrl+g goes on") for line in lines), lines
    assert any("127.0.0.1 can't be reached." in line for line in lines)
    assert not any("goes on" in text for line in total_lines(RUNNING, 60, few) for text, _ in line)


def test_what_is_paid_for_looks_less_full_than_what_is_indexed() -> None:
    drawn = "".join(text for text, _ in bar(10, 3, 0, 9, 10))
    assert drawn.count("━") == 3 and drawn.count(PAID) == 6


def test_what_is_held_after_a_run_is_in_flight_no_longer() -> None:
    def said(**changes: Any) -> str:
        lines = money_lines(replace(RUNNING, reserved=Decimal("0.5"), **changes), 40)
        return "".join(text for line in lines for text, _ in line if "$0.5" in text)

    assert "in flight" in said()
    assert "maybe billed" in said(state="done")
