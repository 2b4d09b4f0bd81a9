"""Notices and headings: the next step is always in sight, and one rule says how many items a price is of."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from batch_manager.documents import Document
from batch_manager_tui.advice import own_advice
from batch_manager_tui.display import cell_len, shown
from batch_manager_tui.widgets.key_line import KeyLine, notice_lines
from batch_manager_tui.widgets.text_pane import TextPane

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


async def test_a_key_beside_a_notice_can_be_clicked(local: Any, drives: Any, tables: Any) -> None:
    async with drives(local(tables(3)), (120, 40)) as driver:
        driver.app.say("Something was done.")
        await driver.settle()
        last = driver.screen_text().splitlines()[-1]
        assert last.startswith(" Something was done.") and " s start " in last
        await driver.pilot.click(offset=(last.index(" s start ") + 3, 39))
        await driver.asked()


def test_the_app_names_its_keys_and_settings_where_the_engine_names_flags() -> None:
    keys = {"check": "V", "check.repair": "r", "rebuild": "R"}.__getitem__
    assert (
        own_advice("batch-manager --home /a --verify --repair puts it back.", keys) == "V, then r there, puts it back."
    )
    assert own_advice("--batch-size 18 (EMBEDDING_BATCH_SIZE) makes requests that fit.", keys) == (
        "EMBEDDING_BATCH_SIZE=18 makes requests that fit."
    )
    assert own_advice("Set a key, or use --provider local.", keys) == "Set a key, or use EMBEDDING_PROVIDER=local."
    assert own_advice("Finish it for $0: run --verify --repair.", keys) == "Finish it for $0: V, then r there."
    assert own_advice("Rebuild it (R in the app, --rebuild-indexes, --verify --repair): it is put aside.", keys) == (
        "Rebuild it (R; or V, then r there): it is put aside."
    )
    assert own_advice("Nothing to change -- here.", keys) == "Nothing to change -- here."


async def test_a_start_without_a_key_says_so(opens: Any, drives: Any, tables: Any) -> None:
    for more, said in (([], True), (tables(2), True), (tables(2), False)):
        workspace = opens(more, **({} if said else {"OPENAI_API_KEY": "k"}))
        async with drives(workspace) as driver:
            assert ("No OPENAI_API_KEY is set" in driver.screen_text()) == said
            assert (",    says how to set it" in driver.screen_text()) == said
        workspace.close()


async def test_the_rows_of_a_range_are_told_apart_without_colour(local: Any, drives: Any, tables: Any) -> None:
    async with drives(local(tables(6))) as driver:
        await driver.press("j", "v", "j", "j")
        rows = [line for line in driver.screen_text().splitlines() if "table_00" in line]
        assert ["┃" in row.split("○")[0] for row in rows[:6]] == [False, True, True, True, False, False]
        await driver.press("escape")
        assert "┃" not in driver.screen_text()


async def test_another_part_of_a_long_text_begins_behind_a_mark(local: Any, drives: Any) -> None:
    words = " ".join(f"wörd{number}" for number in range(9_000))
    workspace = local([Document("table", "long", "Long", words)])
    async with drives(workspace) as driver:
        await driver.press("enter")
        pane = driver.app.screen.query_one(TextPane)
        detail = workspace.store.items.detail(workspace.store.items.ids()[0])
        assert pane.source == detail.text and len(detail.parts) > 1  # what is sent is untouched
        assert len(pane._marks) == len(detail.breaks) == len(detail.parts) - 1
        mark = min(pane._marks)
        assert f"part 2 of {len(detail.parts)}" in pane._lines[mark]
        before = "".join("".join(pane._lines[:mark]).split())
        assert before == "".join(detail.text[: detail.breaks[0]].split())


async def test_a_list_that_cannot_be_read_leaves_nobody_waiting_for_its_price(
    local: Any, drives: Any, tables: Any
) -> None:
    workspace = local(tables(3))
    workspace.store.database.execute_sql("ALTER TABLE item RENAME TO gone")
    async with drives(workspace) as driver:
        assert driver.app.main.desk.error is not None
        assert "no such table" in driver.cost_words() and "counting" not in driver.screen_text()
        assert "The items can't be read." in driver.screen_text() and "Nothing here yet" not in driver.screen_text()
        await driver.press("s")
        assert driver.front == "MainScreen" and "no such table" in driver.notice, "it isn't said that there are none"
        workspace.store.database.execute_sql("ALTER TABLE gone RENAME TO item")
        await driver.until(lambda: driver.app.main.desk.quote is not None)
        assert "no such table" not in driver.cost_words()
