"""Every size gets a layout of its own, every taste its colours; too small a terminal is told what is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from batch_manager.documents import Document


def shown_panes(driver: Any) -> set[str]:
    """The panes that can be seen."""
    names = {"items-pane": "items", "cost": "cost", "batches": "batches", "preview": "preview"}
    return {word for name, word in names.items() if driver.app.main.query_one(f"#{name}").size.area}


@pytest.mark.parametrize(
    ("size", "panes"),
    [
        ((200, 50), {"items", "cost", "batches", "preview"}),
        ((120, 40), {"items", "cost", "batches"}),
        ((80, 24), {"items", "cost", "batches"}),
        ((60, 18), {"items"}),
    ],
)
async def test_each_width_has_its_layout(
    size: tuple[int, int],
    panes: set[str],
    local: Callable[..., Any],
    drives: Callable[..., Any],
    tables: Callable[..., Any],
) -> None:
    async with drives(local(tables(40)), size) as driver:
        assert shown_panes(driver) == panes
        lines = driver.screen_text().split("\n")
        assert len(lines) == size[1]


async def test_tabs_where_only_one_pane_fits(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(40)), (70, 20)) as driver:
        await driver.press("2")
        assert shown_panes(driver) == {"cost"}
        await driver.press("tab")
        assert shown_panes(driver) == {"batches"}
        await driver.press("1")
        assert shown_panes(driver) == {"items"}


async def test_too_small_says_what_is_needed_and_spends_nothing(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    workspace = local(tables(4))
    async with drives(workspace, (120, 40)) as driver:
        await driver.press("s")
        await driver.asked()
        await driver.pilot.resize_terminal(50, 12)
        await driver.settle()
        assert "60×18" in driver.screen_text()
        assert "50×12" in driver.screen_text()
        await driver.pilot.press("y")
        await driver.pilot.pause(0.4)
        assert not workspace.store.ledger.runs()


async def test_resizing_keeps_focus_and_place(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(80)), (200, 50)) as driver:
        await driver.press("G", "k")
        for size in ((80, 24), (60, 18), (120, 40), (200, 50)):
            await driver.pilot.resize_terminal(*size)
            await driver.settle()
            assert driver.app.main.items.cursor == 78
            assert driver.app.main.pane == "items"
            assert "table_078" in driver.screen_text()


async def test_no_color_means_none(
    local: Callable[..., Any],
    drives: Callable[..., Any],
    tables: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace = local(tables(10))
    monkeypatch.setenv("NO_COLOR", "1")
    async with drives(workspace) as driver:
        await driver.press("j", "space", "ctrl+t")
        assert "NO_COLOR" in driver.notice
        svg = driver.app.export_screenshot()
        assert "#6fb7b0" not in svg
        assert "○ pending" in driver.screen_text()


async def test_themes_go_round(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(3))) as driver:
        seen = []
        for _ in range(3):
            await driver.press("ctrl+t")
            seen.append(driver.app.theme)
        assert seen == ["ledger-light", "terminal", "ledger-dark"]


@pytest.mark.parametrize("size", [(80, 24), (60, 18)])
async def test_no_two_relationships_look_the_same(
    size: tuple[int, int], local: Callable[..., Any], drives: Callable[..., Any]
) -> None:
    which = ("billing", "mailing", "invoice", "returns")
    names = [f"warehouse_shipment_items_{one}_customer_address_id_fk" for one in which]
    made = [Document("relationship", name, documentation=f"Of {name}.") for name in names]
    async with drives(local(made), size) as driver:
        rows = [line for line in driver.screen_text().split("\n") if "○ pending" in line]
        seen = {row.split("rel", 1)[1].removeprefix("ation").split()[0] for row in rows}
        assert len(rows) == len(seen) == len(names), rows
