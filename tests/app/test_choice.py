"""Marks and filters choose, the price follows, and a long list is never read whole."""

from __future__ import annotations

import gc
import warnings
from array import array
from collections.abc import Callable
from typing import Any

import pytest

from batch_manager.documents import Document, render
from batch_manager.store.items import ItemFilter, ItemRow
from batch_manager_tui.widgets.columns import ColumnHeads
from batch_manager_tui.widgets.pages import KEPT, PAGE, Part, RowPages

from .conftest import table

HOSTILE = [
    "evil\x1b[2J\x1b[31mred",
    "line\nbreak",
    "[bold red]markup[/bold red]",
    "abc\u202egnp.exe",
    "zero\u200bwidth",
    "osc\x1b]52;c;aGk=\x07",
    "表の名前が長い" * 9,
    "x" * 300,
    "'; DROP TABLE item; --",
    "[/]",
    "\x9b31m",
]


async def test_the_price_follows_the_marks(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(9))) as driver:
        desk = driver.app.main.desk
        everything = desk.quote.tokens
        assert desk.heading == "all 9 pending"
        await driver.press("space", "space")
        assert desk.heading == "2 marked of 9 pending"
        assert 0 < desk.quote.tokens < everything
        assert "2 marked of 9 pending" in driver.screen_text()
        await driver.press("a")
        assert desk.quote.tokens == everything
        await driver.press("a")
        assert not desk.selection.marks
        assert "with OpenAI's" in driver.screen_text()  # what the local model saves


async def test_the_price_follows_the_filter(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(30))) as driver:
        desk = driver.app.main.desk
        await driver.press("slash", *"_02")
        assert desk.heading == "10 in the filter of 30 pending"
        await driver.press("escape")
        assert desk.heading == "all 30 pending"
        await driver.press("t", "t")
        assert desk.heading == "None in the filter of 30 pending"
        assert "No item fits the filter" in driver.screen_text()
        await driver.press("t", "f", "f")
        assert desk.selection.wanted.status == "indexed"


async def test_ranges_and_inversion(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(10))) as driver:
        marks = driver.app.main.desk.selection.marks
        await driver.press("j", "v", "j", "j", "v")
        assert len(marks) == 3
        await driver.press("asterisk")
        assert len(driver.app.main.desk.selection.marks) == 7


async def test_the_mouse_does_it_too(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(10))) as driver:
        await driver.pilot.click("#items", offset=(20, 4))
        await driver.settle()
        assert driver.app.main.items.cursor == 4
        await driver.pilot.click("#items", offset=(1, 2))
        await driver.settle()
        assert len(driver.app.main.desk.selection.marks) == 1
        await driver.pilot.click("#items", offset=(20, 3), times=2)
        await driver.settle()
        assert driver.front == "DetailsScreen"


async def test_a_click_on_a_column_puts_the_list_in_its_order(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(10))) as driver:
        wanted = lambda: driver.app.main.desk.selection.wanted  # noqa: E731
        heads = driver.app.main.query_one(ColumnHeads)
        line = driver.screen_text().splitlines()[heads.region.y]
        for head, order in (("name", "name"), ("tokens", "tokens"), ("tokens", "added"), ("status", "status")):
            await driver.pilot.click(offset=(line.index(head) + 1, heads.region.y))
            await driver.settle()
            assert wanted().sort == order
        await driver.pilot.click(offset=(line.index("kind") + 1, heads.region.y))
        await driver.settle()
        assert wanted().kind == "table"


async def test_details_show_exactly_what_is_sent(local: Callable[..., Any], drives: Callable[..., Any]) -> None:
    document = Document("table", "orders", "All orders", "Words with [markup] and \x1b[31mcolour.\nSecond line.")
    workspace = local([document])
    async with drives(workspace) as driver:
        await driver.press("enter")
        assert driver.app.screen.query_one("#exact-text").source == render(document).text
        seen = driver.screen_text()
        assert "[markup]" in seen
        assert "\\x1b[31mcolour." in seen
        assert "Second line." in seen
        assert render(document).hash[:8] in seen


async def test_hostile_names_are_harmless_everywhere(local: Callable[..., Any], drives: Callable[..., Any]) -> None:
    workspace = local([table(number, name) for number, name in enumerate(HOSTILE)])
    async with drives(workspace, (200, 50)) as driver:

        async def check() -> None:
            for line in driver.screen_text().split("\n"):
                assert line.isprintable()
            assert {len(strip) for strip in []} == set()
            strips = driver.app.screen._compositor.render_strips()
            assert {strip.cell_length for strip in strips} == {200}

        await check()
        for _ in HOSTILE:
            await driver.press("enter")
            await check()
            await driver.press("escape", "j")
        await driver.press("a", "s")
        await driver.asked()
        await check()
        await driver.press("n", "slash", *"[/]", "enter")
        await check()
        assert driver.app.main.desk.heading == "11 marked, 10 of them hidden by the filter"


async def test_empty_documents_say_why_they_cannot_be_sent(
    local: Callable[..., Any], drives: Callable[..., Any]
) -> None:
    workspace = local([table(1), Document("table", "nothing_to_say")])
    async with drives(workspace) as driver:
        await driver.press("j")
        seen = driver.screen_text()
        assert "can't be sent: empty_document" in seen
        assert "1 can't be sent (no charge)" in seen
        assert "Write documentation for it" in seen


async def test_a_list_of_100_000_is_read_in_pages(local: Callable[..., Any], drives: Callable[..., Any]) -> None:
    workspace = local()
    workspace.store._db.execute_sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
        " INSERT INTO item (kind, name, text_hash, layout, tokens, problem, changed_at)"
        " SELECT 'table', 'table_' || i, '', 1, 5, 'empty_document', '2026' FROM n"
    )
    workspace.store._db.execute_sql('INSERT INTO brought (item_id, words) SELECT id, \'{"name": "x"}\' FROM item')
    async with drives(workspace) as driver:
        items = driver.app.main.items
        assert items.line_count() == 100_000
        assert items.pages.reads <= 2
        before = items.pages.reads
        await driver.press(*["j"] * 100)
        assert items.pages.reads - before <= 1
        await driver.press("G")
        assert items.current_row.name == "table_100000"
        await driver.press("pageup", "pageup", "g")
        assert items.cursor == 0
        assert items.pages.reads - before <= 6
        await driver.press("a")
        assert len(driver.app.main.desk.selection.marks) == 100_000


def test_only_so_many_pages_are_kept() -> None:
    def read(ids: Any) -> list[ItemRow]:
        return [ItemRow(one, "table", f"t{one}", "pending", 1, 1, None, None, None, "") for one in ids]

    pages = RowPages(read)
    pages.show(array("q", range(1, 100_001)))
    for index in range(0, 100_000, PAGE):
        row = pages.row(index)
        assert row is not None
        assert row.id == index + 1
    assert len(pages._pages) == KEPT
    assert pages.reads == 100_000 // PAGE


async def test_what_the_store_lists_is_what_is_listed(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    workspace = local(tables(25))
    async with drives(workspace) as driver:
        await driver.press("o", "o")
        wanted = driver.app.main.desk.selection.wanted
        assert wanted == ItemFilter(sort="tokens")
        assert list(driver.app.main.items.pages.ids) == list(workspace.store.items.ids(wanted))


async def test_skipped_items_can_be_taken_in_again(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    workspace = local(tables(3))
    async with drives(workspace) as driver:
        await driver.press("minus")
        assert workspace.store.items.counts().total("skipped") == 1
        await driver.press("minus")
        assert workspace.store.items.counts().total("pending") == 3


async def test_marks_and_skips_are_undone_one_by_one(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(6))
    async with drives(workspace) as driver:
        selection, counts = driver.app.main.desk.selection, workspace.store.items.counts
        await driver.press("u")
        assert "no mark or skip" in driver.notice
        await driver.press("space", "a", "asterisk", "u")
        assert len(selection.marks) == 6
        await driver.press("u")
        assert len(selection.marks) == 1
        await driver.press("minus")
        assert counts().total("skipped") == 1
        await driver.press("minus")
        assert counts().total("skipped") == 0
        await driver.press("u")
        assert counts().total("skipped") == 1
        await driver.press("u", "u")
        assert counts().total("pending") == 6
        assert not selection.marks


async def test_the_cursor_stays_in_sight_whatever_the_list_becomes(local: Any, drives: Any, tables: Any) -> None:
    async with drives(local(tables(90)), (80, 24)) as driver:
        items = driver.app.main.items
        await driver.press("G", "slash", *"07", "enter")
        for keys in (("G",), ("escape",), ("f", "f"), ("f", "f", "f"), ("o",), ("l",)):
            await driver.press(*keys)
            top, height = int(items.scroll_offset.y), items.scrollable_content_region.height
            assert not items.line_count() or top <= items.cursor < top + height, (keys, top, items.cursor, height)


async def test_marking_all_waits_for_the_whole_list(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Any
) -> None:
    async with drives(local(tables(300))) as driver:
        selection = driver.app.main.desk.selection
        # Both keys before anything is read again: "all" must mean the new list, whole.
        await driver.press("slash", *"table_1")
        await driver.press("enter")
        assert len(selection.ids) == 100
        await driver.pilot.press("o", "o", "a")
        await driver.settle()
        assert selection.marks == set(selection.ids) and len(selection.marks) == 100


async def test_the_first_page_stands_while_the_others_are_read(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Any
) -> None:
    async with drives(local(tables(450))) as driver:
        main = driver.app.main
        items = main.items
        shown: list[int] = []
        whole = items.show
        items.show = lambda ids: (shown.append(len(items.pages.ids)), whole(ids))
        main.deeds.sort()
        await driver.until(lambda: shown)
        assert shown == [300]
        assert len(items.pages.ids) == len(main.desk.selection.ids) == 450


@pytest.mark.parametrize("step", [None, "up", "top", "bottom"])
async def test_what_is_around_the_cursor_stands_while_the_others_are_read(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Any, step: str | None
) -> None:
    async with drives(local(tables(950))) as driver:
        main = driver.app.main
        items = main.items
        await driver.press("G", *["pageup"] * 9)
        name, whole = items.current_row.name, items.show
        seen: list[tuple[str, str, bool]] = []

        def show(ids: array[int]) -> None:
            known = len(items.pages.ids) < 950 and 0 in items.pages.ids
            seen.append((items.current_row.name, driver.screen_text(), known))
            if step is not None:
                items.move(step)
            assert items.current_id, "the cursor is on nothing that isn't known"
            whole(ids)

        items.show = show
        main.deeds.sort()
        await driver.until(lambda: seen)
        ((before, picture, known),) = seen
        assert before == name
        assert name in picture
        assert known, "only a part was there"
        ids = list(main.desk.selection.ids)
        assert list(items.pages.ids) == ids
        expected = {None: name, "up": None, "top": items.pages.row(0).name, "bottom": items.pages.row(949).name}[step]
        assert expected is None or items.current_row.name == expected
        assert [items.pages.row(index).id for index in range(950)] == ids
        await driver.settle()
        assert items.current_row.name in driver.screen_text()


async def test_a_cursor_that_moved_on_meanwhile_stays_on_its_item(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Any
) -> None:
    async with drives(local(tables(950))) as driver:
        main = driver.app.main
        items, desk = main.items, main.desk
        await driver.press("G", *["pageup"] * 9)
        part = await desk.part(driver.app.back, items.current_id)
        assert part is not None
        assert part.start
        for place in (949, 0):
            items.go(place)
            name = items.current_row.name
            assert not items.show_part(part)
            assert items.current_row.name == name


async def test_work_that_is_replaced_before_it_began_leaves_nothing_behind(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(5))) as driver:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            for _ in range(3):
                driver.app.main.readings.reload()
            await driver.settle()
            gc.collect()
        assert [str(one.message) for one in heard] == []


async def test_names_have_the_room_of_notes_that_are_not_there(local: Any, drives: Any) -> None:
    names = [f"fk_orders_of_the_year_customers_{number:02d}" for number in range(40)]
    noted = [Document("table", f"noted_{number:02d}", "A purpose", "Words") for number in range(40)]
    joins = [Document("relationship", name, documentation="Joins them.", tables=("a", "b")) for name in names]
    workspace = local([*noted, *joins])
    async with drives(workspace) as driver:
        assert "A purpose" in driver.screen_text()
        assert "note" in driver.screen_text()
        await driver.press("t", "t")
        assert names[0] in driver.screen_text()
        assert "tokens  note" not in driver.screen_text()
        await driver.press("t", "g")
        assert "A purpose" in driver.screen_text()
        await driver.press("G")
        assert names[39] in driver.screen_text()
        await driver.press("minus", "G")
        assert names[39] in driver.screen_text()


async def test_on_a_small_terminal_a_name_has_the_room_of_a_cut_note(local: Any, drives: Any) -> None:
    workspace = local([Document("table", "customer_addresses_of_old", "Where they lived", "Words")])
    async with drives(workspace, (60, 18)) as driver:
        assert "customer_addresses_of_old" in driver.screen_text()
        await driver.pilot.resize_terminal(80, 24)
        await driver.settle()
        assert "Where they lived" in driver.screen_text()


async def test_a_range_ends_with_the_list_that_it_was_begun_in(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(12))
    async with drives(workspace) as driver:
        items = driver.app.main.items
        await driver.press(*"jjjjjj", "v", *"kkkkkk")
        assert len(items.ranged()) == 7
        # The first page of another list, whose end is still being read: the item under the cursor is in it.
        first = items.selection.ids[:3]
        items.show_part(Part(first, workspace.store.items.rows(first)))
        await driver.pilot.pause()
        assert items.range_from is None and len(items.ranged()) == 0
        await driver.pilot.press("v", "j", "v", "g")
        assert len(items.selection.marks) == 2
        items.show_part(Part(array("q"), ()))
        await driver.pilot.press("v", "v", "space")
        await driver.settle()
        assert len(items.selection.marks) == 2
