"""The bill's screen: runs, sums with bars, files."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batch_manager.store.bill import Bill, BilledRun, Pace, Spent
from batch_manager_tui.display import cell_len
from batch_manager_tui.widgets.bill_lines import (
    day_plot,
    pace_lines,
    run_heads,
    run_line,
    spend_lines,
    total_line,
)
from batch_manager_tui.widgets.plots import columns


async def ran(driver: Any) -> None:
    """One run on the local model, to its end."""
    await driver.press("s")
    await driver.asked()
    await driver.press("y")
    await driver.run_to_the_end()


async def test_runs_and_sums_and_files(local: Any, drives: Any, tables: Any, tmp_path: Path) -> None:
    async with drives(local(tables(3))) as driver:
        await driver.press("B")
        assert "No run yet." in driver.screen_text()
        await driver.press("c")
        assert "nothing to write" in driver.notice
        await driver.press("escape")
        await ran(driver)
        await driver.press("B")
        seen = driver.screen_text()
        assert "✓ done" in seen
        assert "1 run" in seen
        assert "on this machine, which bills nothing" in " ".join(seen.replace("│", " ").split())
        assert "1 run, 3 items agreed" in seen
        await driver.press("c")
        driver.app.screen.query_one("#place").value = str(tmp_path / "bill.csv")
        await driver.press("enter")
        await driver.until(lambda: driver.front == "BillScreen")
        rows = list(csv.DictReader((tmp_path / "bill.csv").read_text().splitlines()))
        assert [row["outcome"] for row in rows] == ["done"]
        assert "1 run written to ~/bill.csv." in driver.notice
        assert "3 texts answered within" in "".join(
            text for line in driver.app.screen.query_one("#run").lines for text, _ in line
        )
        await driver.press("v")
        assert "Days (UTC)" in driver.screen_text()
        await driver.press("v", "J")
        driver.app.screen.query_one("#place").value = str(tmp_path / "models.json")
        await driver.press("enter")
        await driver.until(lambda: driver.front == "BillScreen")
        assert [row["requests"] for row in json.loads((tmp_path / "models.json").read_text())] == [1]
        await driver.press("escape")
        assert driver.front == "MainScreen"


def test_columns_keep_their_scale_and_width() -> None:
    lines = columns([0, 1, 2, 0, 4], 40, 3, lambda value: f"${value:g}", "first", "last")
    drawn = ["".join(text for text, _ in line) for line in lines]
    assert drawn[0].startswith("$4 ") and drawn[2].startswith("$0 ")
    assert "first" in drawn[3] and drawn[3].rstrip().endswith("last")
    assert all(cell_len(line) <= 40 for line in drawn)
    assert columns([0, 0], 40, 3, str, "", "") == [] == columns([1], 10, 3, str, "", "")
    many = columns(list(range(500)), 60, 4, str, "a", "b")
    assert all(sum(cell_len(text) for text, _ in line) <= 60 for line in many)


def test_a_day_without_spend_is_a_gap() -> None:
    spent = Spent(billed=Decimal("0.5"))
    bill = Bill((), (("2026-11-01", spent), ("2026-11-04", spent)), (), Spent(billed=Decimal(1)))
    plot = ["".join(text for text, _ in line) for line in day_plot(bill, 60, 2)]
    assert plot[0].count("█") == plot[1].count("█") > 1
    assert "█ " in plot[0] and "2026-11-01" in plot[2] and "2026-11-04" in plot[2]


def a_bill(days: int) -> Bill:
    """A bill with that many days, each a run of its own."""
    spents = [Spent(Decimal(n) / 10**6, Decimal(n % 2), 100 * n, n, 1) for n in range(1, days + 1)]
    runs = tuple(
        BilledRun(
            n, "stopped", "no\x1b credit", "2026-11-01T00:00:00+00:00", None, "m" * 60, "h", Decimal("0.02"), None, 3,
            Decimal(n), n, spent,
        )
        for n, spent in enumerate(spents, 1)
    )  # fmt: skip
    by_day = tuple((str(date(2026, 1, 1) + timedelta(days=n)), spent) for n, spent in enumerate(spents))
    return Bill(runs, by_day, (("m\x1b" * 40, sum(spents, Spent())),), sum(spents, Spent()))


@pytest.mark.parametrize("width", [30, 54, 76, 116, 156])
def test_lines_fit_and_columns_stand_under_their_heads(width: int) -> None:
    bill = a_bill(90)
    sizes = {
        sum(cell_len(text) for text, _ in line)
        for line in [run_heads(width), total_line(bill, width), *(run_line(run, width) for run in bill.runs)]
    }
    assert len(sizes) == 1
    for line in spend_lines(bill, width):
        words = "".join(text for text, _ in line)
        assert words.isprintable() or not words
        if "━" in words:
            assert cell_len(words) <= width
    assert "30 earlier days" in "".join(text for line in spend_lines(bill, width) for text, _ in line)


def test_a_little_money_is_still_to_be_seen() -> None:
    much, little = Spent(Decimal(1000)), Spent(Decimal("0.000001"))
    lines = spend_lines(Bill((), (("2026-11-01", much), ("2026-11-02", little)), (), much + little), 60)
    small = next(line for line in lines if line and line[0][0].startswith("2026-11-02"))
    assert small[1] == ("━", "accent")


def test_held_money_is_told_apart_from_what_is_billed() -> None:
    spent = Spent(Decimal("0.30"), Decimal("0.10"), 20, 2)
    bill = Bill((), (("2026-11-01", spent),), (("small", spent),), spent)
    lines = ["".join(text for text, _ in line) for line in spend_lines(bill, 60)]
    at = next(number for number, line in enumerate(lines) if line.startswith("small"))
    assert lines[at].endswith(" $0.30") and lines[at + 1].endswith(" +$0.10 held")
    assert "$0.40" not in " ".join(lines)


def test_where_nothing_is_billed_no_plot_is_all_zeros() -> None:
    spent = Spent(requests=2)
    runs = tuple(replace(run, price=Decimal(0), spent=spent, model="local") for run in a_bill(2).runs)
    bill = Bill(runs, (("2026-11-01", spent), ("2026-11-02", spent)), (("local", spent + spent),), spent + spent)
    words = " ".join("".join(text for text, _ in line) for line in spend_lines(bill, 60))
    assert "2 runs, 6 items agreed" in words and "─" not in words
    paid = tuple(replace(run, price=Decimal("0.02")) for run in runs)
    assert "No request of these runs" in "".join(
        text for line in spend_lines(replace(bill, runs=paid), 80) for text, _ in line
    )


def test_a_pace_is_drawn_where_there_is_something_to_compare() -> None:
    few = " ".join(text for line in pace_lines(Pace(0.5, (0, 0, 147)), 60) for text, _ in line)
    assert few.strip() == "147 texts answered within 1.5 s"
    slow = [text for line in pace_lines(Pace(10.0, (3, 2, 4, 1)), 60) for text, _ in line]
    assert any(text.strip() == "0.3" for text in slow)


async def test_people_are_told_where_anybody_gave_a_name(opens: Any, drives: Any, tables: Any, tmp_path: Path) -> None:
    workspace = opens(tables(3), EMBEDDING_PROVIDER="local", BATCH_MANAGER_USER="Ann [b]Lee")
    assert workspace.settings.user == "Ann [b]Lee"
    async with drives(workspace) as driver:
        await driver.press("s")
        await driver.asked()
        assert "Ann" in driver.screen_text()
        await driver.press("y")
        await driver.run_to_the_end()
        await driver.press("B")
        assert "by        Ann [b]Lee" in driver.screen_text()
        await driver.press("v", "v", "v")
        assert "People" in driver.screen_text()
        await driver.press("c")
        driver.app.screen.query_one("#place").value = str(tmp_path / "people.csv")
        await driver.press("enter")
        await driver.until(lambda: driver.front == "BillScreen")
        rows = list(csv.DictReader((tmp_path / "people.csv").read_text().splitlines()))
        assert [row["requests"] for row in rows] == ["1"]
        await driver.press("v")
        assert "Runs" in driver.screen_text()
