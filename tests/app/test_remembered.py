"""Between starts: order, filter, theme and bell are remembered; damage is as if nothing had been kept."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.store.items import ItemFilter
from batch_manager_tui.remembered import FILE_NAME, Remembered, dump, parse, read, write
from batch_manager_tui.widgets.filter_box import FilterBox
from batch_manager_tui.widgets.key_line import KeyLine

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


async def test_the_next_start_is_as_the_last_was_left(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(30))
    path = workspace.settings.home / FILE_NAME
    async with drives(workspace) as driver:
        assert not path.exists()
        await driver.press("o", "o", "f", "b", "ctrl+t", "slash", *"_02", "enter")
        left = driver.app.main.desk.selection.wanted
        assert left == ItemFilter(status="pending", text="_02", sort="tokens")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with drives(workspace) as driver:
        assert driver.app.main.desk.selection.wanted == left
        assert len(driver.app.main.desk.selection.ids) == 10
        assert driver.app.theme == "ledger-light"
        assert driver.app.bell_at_end
        assert driver.app.main.query_one(FilterBox).display
        assert driver.app.main.pane == "items"
        # In the list's title: a notice goes by itself, and the filter stays.
        assert "filter: pending /_02 - esc shows all" in driver.screen_text()
        driver.app.main.query_one(KeyLine).clear()
        await driver.press("j")
        assert "filter: pending /_02 - esc shows all" in driver.screen_text()
        await driver.press("escape")
        assert "filter:" not in driver.screen_text()
        assert len(driver.app.main.desk.selection.ids) == 30
    assert read(workspace.settings.home).wanted == ItemFilter(sort="tokens")


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe\x00", b"[1]", b'{"wanted": [], "theme": 3, "bell": "yes"}'])
async def test_a_damaged_file_is_no_file(local: Any, drives: Any, tables: Any, damage: bytes) -> None:
    workspace = local(tables(3))
    (workspace.settings.home / FILE_NAME).write_bytes(damage)
    async with drives(workspace) as driver:
        assert driver.app.main.desk.selection.wanted == ItemFilter()
        await driver.press("o")
    assert json.loads((workspace.settings.home / FILE_NAME).read_text())["wanted"]["sort"] == "name"


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 18)])
async def test_a_filter_of_the_last_start_is_told_at_every_size(
    local: Any, drives: Any, tables: Any, size: tuple[int, int]
) -> None:
    workspace = local(tables(3))
    write(workspace.settings.home, Remembered(ItemFilter(status="pending", text="_00")))
    async with drives(workspace, size) as driver:
        driver.app.main.query_one(KeyLine).clear()
        await driver.press("j")
        assert "pending /_00" in driver.screen_text().splitlines()[1]
        assert "filter:" in driver.screen_text()
        assert "esc shows all" in driver.screen_text()


async def test_a_file_that_cannot_be_written_stops_nobody(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(3))
    (workspace.settings.home / FILE_NAME).mkdir()
    async with drives(workspace) as driver:
        await driver.press("o", "f")
        assert driver.app.main.desk.selection.wanted.sort == "name"


@given(JSON)
def test_whatever_stands_in_the_file_is_read(kept: Any) -> None:
    assert isinstance(parse(json.dumps(kept)), Remembered)
    assert isinstance(parse(json.dumps({"wanted": kept, "theme": kept, "bell": kept})), Remembered)
    assert parse("[" * 100_000) == Remembered()


def test_what_is_written_is_read_again(tmp_path: Any) -> None:
    remembered = Remembered(ItemFilter("failed", "table", "a\ud800%_", "status", "parts"), "terminal", True)
    write(tmp_path, remembered)
    assert read(tmp_path) == remembered
    assert parse(dump(remembered)) == remembered
