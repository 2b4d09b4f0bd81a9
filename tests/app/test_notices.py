"""Notices and headings: the next step is always in sight, and one rule says how many items a price is of."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from batch_manager.documents import Document
from batch_manager_tui.display import cell_len, shown
from batch_manager_tui.widgets.key_line import KeyLine, notice_lines

STEP = "Set the price with EMBEDDING_PRICE_PER_MILLION."
LONG = f"No price is known for the model of this server, whose name is {'long ' * 30}indeed. {STEP}"


def test_a_long_notice_keeps_its_next_step() -> None:
    assert notice_lines("Short.", 58) == ["Short."]
    first, second = notice_lines(LONG, 58)
    assert first.endswith("…")
    assert second == STEP


@given(st.text(max_size=400), st.integers(1, 200))
def test_a_notice_takes_two_lines_at_most(words: str, width: int) -> None:
    lines = notice_lines(shown(words), width)
    assert 1 <= len(lines) <= 2
    assert all(cell_len(line) <= max(8, width) for line in lines)


async def test_a_notice_takes_its_room_and_gives_it_back(local: Any, drives: Any, tables: Any) -> None:
    async with drives(local(tables(3)), (60, 18)) as driver:
        line = driver.app.screen.query_one(KeyLine)
        driver.app.say(LONG, "error")
        await driver.settle()
        assert STEP in driver.screen_text().splitlines()[-1]
        assert "No price is known" in driver.screen_text().splitlines()[-2]
        await driver.pilot.resize_terminal(300, 30)
        await driver.settle()
        assert line.size.height == 1
        await driver.pilot.resize_terminal(60, 18)
        await driver.press("down")
        assert line.size.height == 1
        assert "quit" in driver.screen_text().splitlines()[-1]


async def test_headings_count_what_can_be_sent(local: Any, drives: Any, tables: Any) -> None:
    workspace = local([*tables(3), Document("table", "void"), Document("table", "table_empty")])
    async with drives(workspace) as driver:
        text = driver.screen_text()
        assert "3 of 5 pending" in text
        assert "2 can't be sent" in text
        await driver.press("s")
        await driver.asked()
        assert "Index what is pending: 3 items" in driver.screen_text()
        await driver.press("n", "a")
        assert "3 of 5 marked" in driver.screen_text()
        await driver.press("a", "slash", *"table_", "enter")
        assert "3 in the filter of 5 pending" in driver.screen_text()


async def test_start_says_why_when_nothing_fits_the_filter(local: Any, drives: Any, tables: Any) -> None:
    async with drives(local(tables(3))) as driver:
        await driver.press("slash", *"zz", "enter")
        assert "start" not in [label for _, _, label in driver.app.main.footer()]
        await driver.press("s")
        assert driver.notice == "s start: No item fits the filter: esc clears it."
        await driver.press("escape")
        assert "start" in [label for _, _, label in driver.app.main.footer()]
