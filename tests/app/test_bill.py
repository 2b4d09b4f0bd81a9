"""The bill's screen: runs, sums with bars, files."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batch_manager.store.bill import Bill, BilledRun, Spent
from batch_manager_tui.display import cell_len
from batch_manager_tui.widgets.bill_lines import run_heads, run_line, spend_lines, total_line


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
        assert "By day (UTC)" in seen
        assert "the bars are of tokens" in seen
        await driver.press("c")
        driver.app.screen.query_one("#place").value = str(tmp_path / "bill.csv")
        await driver.press("enter")
        await driver.until(lambda: driver.front == "BillScreen")
        rows = list(csv.DictReader((tmp_path / "bill.csv").read_text().splitlines()))
        assert [row["outcome"] for row in rows] == ["done"]
        await driver.press("escape")
        assert driver.front == "MainScreen"


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
    by_day = tuple((f"2026-{n:03d}", spent) for n, spent in enumerate(spents))
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
