"""What a run costs the screen: pictures at a pace that somebody can read, and only what changed is drawn again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast

import pytest
from textual._compositor import Compositor, LayoutUpdate
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.geometry import Region

from batch_manager.engine import Engine
from batch_manager.events import Notice, RunChanged, RunView, Subscription
from batch_manager_tui.bridge import PICTURE, Bridge
from batch_manager_tui.screens.bill import BillScreen
from batch_manager_tui.widgets.preview import Preview

RUNNING = RunView(run_id=1, state="running", items=200)


class Telling:
    """An engine whose picture is another one at each look."""

    def __init__(self) -> None:
        self.events = Subscription(100)
        self.looks = 0

    def subscribe(self) -> Subscription:
        return self.events

    def view(self) -> RunView:
        self.looks += 1
        return replace(RUNNING, sequence=self.looks, answered=self.looks)


def test_figures_are_shown_at_a_pace_and_a_state_at_once() -> None:
    engine = Telling()
    pictures: list[RunView] = []
    notices: list[Notice] = []
    bridge = Bridge(cast(Engine, engine), pictures.append, notices.append)
    for _ in range(4 * PICTURE):
        bridge.tick()
    assert len(pictures) == 4
    assert engine.looks == 4
    bridge.tick()  # shows the fifth
    engine.events.put(RunChanged(1, "paused"))
    bridge.tick()
    assert len(pictures) == 6
    engine.events.put(Notice(2, "retried"))
    bridge.tick()
    assert (len(pictures), len(notices)) == (6, 1)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[Region]]:
    """Notes what a widget asks to have drawn; no region stands for all of it."""

    def note(widget: Any) -> list[Region]:
        regions: list[Region] = []
        refresh = widget.refresh

        def noted(*asked: Region, **more: Any) -> Any:
            regions.extend(asked or [widget.size.region])
            return refresh(*asked, **more)

        monkeypatch.setattr(widget, "refresh", noted)
        return regions

    return note


async def test_of_the_rows_in_sight_those_that_changed_are_drawn(
    local: Any, drives: Any, tables: Any, drawn: Callable[[Any], list[Region]]
) -> None:
    workspace = local(tables(12))
    async with drives(workspace) as driver:
        items = driver.app.main.items
        regions = drawn(items)
        items.rows_changed()
        assert regions == []
        item_id = items.pages.ids[4]
        workspace.store.items.skip([item_id])
        items.rows_changed()
        assert regions == [Region(0, 4, items.size.width, 1)]
        await driver.pilot.pause(0.1)
        assert "skipped" in driver.screen_text()


async def test_of_ready_made_lines_those_that_changed_are_drawn(
    local: Any, drives: Any, tables: Any, drawn: Callable[[Any], list[Region]]
) -> None:
    async with drives(local(tables(3))) as driver:
        cost = driver.app.main.query_one("#cost")
        lines = [list(line) for line in cost.lines]
        regions = drawn(cost)
        cost.show_lines(lines)
        assert regions == []
        cost.show_lines([*lines[:1], [("another figure", "")], *lines[2:]])
        assert regions == [Region(0, 1, cost.size.width, 1)]
        await driver.pilot.pause(0.1)
        assert "another figure" in driver.screen_text()


async def test_the_preview_follows_once_it_has_room(local: Any, drives: Any, tables: Any) -> None:
    async with drives(local(tables(3)), size=(120, 40)) as driver:
        preview = driver.app.main.query_one(Preview)
        await driver.press("j")
        await driver.settle()
        assert preview.source == ""  # nobody could see it
        await driver.pilot.resize_terminal(170, 40)
        await driver.until(lambda: "Purpose number 1" in preview.source)


async def test_a_screen_has_its_shape_before_it_is_laid_out(
    local: Any, drives: Any, tables: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with drives(local(tables(3)), size=(120, 40)) as driver:
        shapes: list[frozenset[str]] = []
        mounted = BillScreen.on_mount

        def on_mount(screen: BillScreen) -> None:
            shapes.append(frozenset(screen.classes))
            mounted(screen)

        monkeypatch.setattr(BillScreen, "on_mount", on_mount)
        await driver.press("B")
        await driver.until(lambda: isinstance(driver.app.screen, BillScreen))
        assert shapes == [frozenset({"-split", "-tall"})]
        await driver.pilot.resize_terminal(80, 24)
        await driver.settle()
        assert driver.app.screen.classes == {"-stacked", "-short"}


async def test_another_pane_has_the_focus_without_styling_all_anew(
    local: Any, drives: Any, tables: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with drives(local(tables(3)), size=(120, 40)) as driver:
        styled: list[DOMNode] = []
        update = Stylesheet.update_nodes

        def update_nodes(sheet: Stylesheet, nodes: Iterable[DOMNode], animate: bool = False) -> None:
            nodes = list(nodes)
            styled.extend(nodes)
            update(sheet, nodes, animate=animate)

        monkeypatch.setattr(Stylesheet, "update_nodes", update_nodes)
        await driver.press("tab")
        await driver.settle()
        assert driver.app.main.pane == "cost"
        assert styled and driver.app.main not in styled


async def test_another_size_is_drawn_once(
    local: Any, drives: Any, tables: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with drives(local(tables(30)), size=(120, 40)) as driver:
        await driver.settle()
        whole = drawn_whole(monkeypatch)
        await driver.pilot.resize_terminal(160, 45)
        await driver.pilot.pause(0.2)
        assert len(whole) == 1


@pytest.mark.parametrize("deed", ["e", "ctrl+p"])  # others are drawn again when what they read is there
async def test_a_screen_that_opens_is_drawn_once(
    local: Any, drives: Any, tables: Any, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    async with drives(local(tables(30)), size=(120, 40)) as driver:
        await driver.settle()
        whole = drawn_whole(monkeypatch)
        await driver.pilot.press(deed)
        await driver.pilot.pause(0.2)
        assert len(whole) == 1


def drawn_whole(monkeypatch: pytest.MonkeyPatch) -> list[Compositor]:
    """Whoever draws a whole screen from now on."""
    whole: list[Compositor] = []
    render = Compositor.render_full_update

    def rendered(compositor: Compositor, simplify: bool = False) -> LayoutUpdate:
        whole.append(compositor)
        return render(compositor, simplify)

    monkeypatch.setattr(Compositor, "render_full_update", rendered)
    return whole
