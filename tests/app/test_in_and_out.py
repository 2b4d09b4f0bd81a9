"""First start, scan, import, export, the sample, quitting: no dead end, and nothing lost."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.widgets import Input

from batch_manager.documents import Document
from batch_manager.errors import DeclinedError, StoreError
from batch_manager.pricing import show_usd
from batch_manager.quote import Scope
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.workspace import Workspace
from batch_manager_tui.app import BatchManagerApp
from batch_manager_tui.screens import bringing
from batch_manager_tui.screens.curtain import Curtain
from batch_manager_tui.screens.take_in import work_for
from batch_manager_tui.workers import begin
from failing import fail


async def test_the_first_start_says_how_to_begin(opens: Callable[..., Any], drives: Callable[..., Any]) -> None:
    async with drives(opens()) as driver:
        seen = driver.screen_text()
        for words in ("Nothing here yet", "scan a database", "import a file: JSON Lines, CSV, dbt, tbls", "sample"):
            assert words in seen


async def test_import_from_inside(opens: Callable[..., Any], drives: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "words.jsonl"
    good = {"kind": "table", "name": "users", "business_purpose": "People"}
    path.write_text(json.dumps(good) + "\nnot json\n")
    workspace = opens()
    async with drives(workspace) as driver:
        await driver.press("i", *"nowhere.jsonl", "enter")
        await driver.until(lambda: "nowhere.jsonl" in driver.screen_text() and driver.front == "TakeIn")
        await driver.press(*["backspace"] * 20)
        driver.app.screen.query_one("#place").value = str(path)
        await driver.press("enter")
        await driver.until(lambda: "1 new" in driver.screen_text())
        assert "line 2" in driver.screen_text()
        await driver.press("escape")
        assert driver.app.main.items.line_count() == 1
        assert driver.app.main.desk.heading == "all 1 pending"


async def test_scan_from_inside(opens: Callable[..., Any], drives: Callable[..., Any], tmp_path: Path) -> None:
    database = tmp_path / "shop.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)")
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id))")
    connection.close()
    workspace = opens(DATABASE_URL=f"sqlite:///{database}")
    async with drives(workspace) as driver:
        await driver.press("d")
        assert "DATABASE_URL" in driver.screen_text()
        await driver.press("enter")
        await driver.until(lambda: "3 new" in driver.screen_text())
        await driver.press("escape")
        assert driver.app.main.items.line_count() == 3


async def test_a_password_is_never_put_on_the_screen(opens: Callable[..., Any], drives: Callable[..., Any]) -> None:
    async with drives(opens(DATABASE_URL="postgresql://me:geheim@db.invalid/shop")) as driver:
        await driver.press("d")
        assert "geheim" not in driver.screen_text()
        await driver.press("enter")
        await driver.until(lambda: not driver.app.main.desk.reading)
        assert "geheim" not in driver.screen_text()


async def test_export_asks_before_it_writes_over(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("mine")
    async with drives(local(tables(3))) as driver:
        await driver.press("e")
        driver.app.screen.query_one("#place").value = str(path)
        await driver.press("enter")
        assert "there already" in driver.screen_text()
        assert path.read_text() == "mine"
        await driver.press("enter")
        await driver.until(lambda: "3 documents written." in driver.screen_text())
        assert len(path.read_text().splitlines()) == 3


async def test_the_sample_from_inside(opens: Callable[..., Any], drives: Callable[..., Any]) -> None:
    async with drives(opens()) as driver:
        await driver.press("D")
        await driver.until(lambda: driver.app.main.items.line_count() > 100)
        assert "DEMO" in driver.screen_text()
        await driver.press("D")
        assert "already" in driver.notice


async def test_searching(local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]) -> None:
    workspace = local(tables(4))
    async with drives(workspace) as driver:
        await driver.press("S")
        assert "Nothing is indexed yet" in driver.notice
        await driver.press("s")
        await driver.asked()
        await driver.pilot.press("y")
        await driver.run_to_the_end()
        await driver.press("S", *"purpose number 2", "enter")
        hits = driver.app.screen.query_one("#hits")
        await driver.until(lambda: hits.hits)
        await driver.settle()
        assert "table_002" in driver.screen_text()
        await driver.press("j", "enter")
        assert driver.front == "DetailsScreen"
        await driver.press("escape", "escape")
        assert driver.front == "MainScreen"


async def test_a_search_of_an_index_that_was_deleted_says_so(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(3))
    workspace.engine.start(workspace.engine.quote(Scope()))
    assert workspace.engine.wait(60).indexed == 3
    workspace.close()
    shutil.rmtree(workspace.settings.vectors_directory)
    async with drives(local()) as driver:
        await driver.press("S", *"purpose number 2", "enter")
        await driver.until(lambda: "V, then r there, puts back" in driver.notice)
        assert "3 items should be in it" in driver.notice


async def test_a_search_is_kept_to_a_kind_a_source_and_a_schema(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    workspace = local(tables(3))
    scanned = [Document("table", "[hr].pay", documentation="Purpose number 4", schema="[hr]")]
    workspace.store.items.bring(IterableSource(scanned, "structure", "sqlite:///[b]people"))
    async with drives(workspace) as driver:
        await driver.press("s")
        await driver.asked()
        await driver.pilot.press("y")
        await driver.run_to_the_end()
        await driver.press("S", *"purpose number")
        hits = driver.app.screen.query_one("#hits")
        names = lambda: {hit.name for hit in hits.hits}  # noqa: E731
        await driver.until(lambda: len(names()) == 4)  # by itself, after a pause
        await driver.press("ctrl+r")
        await driver.until(lambda: names() == {"[hr].pay"})
        assert "source sqlite:///[b]people" in driver.screen_text()
        await driver.press("ctrl+r")
        await driver.until(lambda: "[hr].pay" not in names())
        await driver.press("ctrl+r", "ctrl+s")
        await driver.until(lambda: names() == {"[hr].pay"})
        assert "schema [hr]" in driver.screen_text()
        await driver.press("ctrl+k", "ctrl+k")
        await driver.until(lambda: not hits.hits)
        assert "relationships only" in driver.screen_text()


async def test_keys_of_ones_own_hold_in_the_search(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(2))
    workspace.engine.start(workspace.engine.quote(Scope()))
    workspace.engine.wait(60)
    (workspace.settings.home / "keys.toml").write_text('back = "X"\nfilter = "z"\n[search]\nkind = "ctrl+g"\n')
    async with drives(workspace) as driver:
        await driver.press("S", *"Xz", "ctrl+g")  # a box takes letters, whatever they mean elsewhere
        assert driver.app.screen.query_one("#query").value == "Xz"
        assert "tables only" in driver.screen_text()
        assert " ^g kind" in driver.screen_text().splitlines()[-1]
        await driver.press("tab", "z")
        assert driver.app.screen.focused.id == "query"
        await driver.press("tab", "X")
        assert driver.front == "MainScreen"


async def test_with_a_paid_model_a_query_waits_for_enter_with_its_price_beside_it(
    opens: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    opens(tables(3)).close()
    workspace = opens(rehearse=True)
    async with drives(workspace) as driver:
        await driver.press("s")
        await driver.asked()
        await driver.pilot.press("y")
        await driver.run_to_the_end()
        sent = workspace._server.totals()["requests"]
        await driver.press("S", *"purpose number 2")
        price = workspace.engine.index.search_price("purpose number 2")
        await driver.until(lambda: show_usd(price) in driver.screen_text())
        assert price > 0
        await driver.pilot.pause(0.5)
        assert workspace._server.totals()["requests"] == sent
        await driver.press("enter")
        hits = driver.app.screen.query_one("#hits")
        await driver.until(lambda: hits.hits)
        assert workspace._server.totals()["requests"] > sent  # the rehearsal refuses some
        sent = workspace._server.totals()["requests"]
        await driver.press("ctrl+k")  # what was paid for is asked again, kept to something else
        await driver.until(lambda: "$0, asked before" in driver.screen_text())
        assert hits.hits and "tables only" in driver.screen_text()
        await driver.press("ctrl+k")
        await driver.until(lambda: not hits.hits)
        assert "relationships only" in driver.screen_text()
        assert "Nothing of what the search is kept to is near that." in driver.screen_text()
        await driver.press("ctrl+k", "slash", "ctrl+u")
        assert not hits.hits and "Nothing is asked yet." in driver.screen_text()
        await driver.press(*"purpose number 2")
        await driver.until(lambda: hits.hits)
        assert workspace._server.totals()["requests"] == sent
        await driver.press("slash", "ctrl+u", *"number 3")
        await driver.pilot.press("enter", "ctrl+k", "ctrl+k")  # while the answer is on its way
        await driver.until(lambda: driver.app.screen._asked == "number 3" and not hits.hits, 60)
        assert "relationships only" in driver.screen_text()


async def test_quitting_in_the_middle_loses_nothing(
    opens: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    opens(tables(60)).close()
    workspace = opens(rehearse=True, EMBEDDING_BATCH_SIZE="5", EMBEDDING_CONCURRENCY="1")
    async with drives(workspace) as driver:
        assert "REHEARSAL" in driver.screen_text()
        await driver.press("s")
        await driver.asked()
        await driver.pilot.press("y")
        await driver.until(lambda: driver.app.main.desk.view.answered >= 5)
        await driver.pilot.press("q")
        await driver.until(lambda: driver.front == "QuitDuringRun")
        await driver.pilot.press("escape")
        await driver.until(lambda: driver.front == "MainScreen")
        assert workspace.engine.view().active
        await driver.pilot.press("p")
        await driver.until(lambda: driver.app.main.desk.view.state == "paused")
        assert "paused" in driver.screen_text()
        await driver.pilot.press("p")
        await driver.until(lambda: driver.app.main.desk.view.state == "running")
        await driver.pilot.press("ctrl+q")
        await driver.until(lambda: driver.front == "QuitDuringRun")
        await driver.pilot.press("p")
        await driver.until(lambda: not driver.app.is_running or driver.app._exit)
    counts = workspace.store.items.counts()
    assert workspace.store.ledger.runs()[0].state == "interrupted"
    assert counts.total("indexed") + counts.total("pending") == 60
    assert workspace.engine.unfinished() is not None
    workspace.close()
    again = opens(rehearse=True)
    async with drives(again) as driver:
        assert "was interrupted" in driver.screen_text()
        assert "goes on under its quote" in driver.screen_text()


async def test_failures_are_listed_with_their_reason(opens: Callable[..., Any], drives: Callable[..., Any]) -> None:
    workspace = opens(demo=True, rehearse=True)
    async with drives(workspace) as driver:
        await driver.press("s")
        await driver.asked()
        await driver.pilot.press("y")
        await driver.run_to_the_end()
        assert driver.app.main.desk.view.state == "done"
        await driver.press("f", "f", "f")
        assert driver.app.main.items.line_count() == workspace.store.items.counts().total("failed") > 0
        assert "invalid_request_error" in driver.screen_text()
        assert driver.app.main.desk.heading == "4 failed in the filter"
        assert driver.app.main.desk.why.startswith("Retrying won't cure any of it: F")
        await driver.press("r")
        assert "Retrying can't cure what failed" in driver.notice


async def test_a_home_that_is_busy_can_be_looked_at(
    opens: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any], tmp_path: Path
) -> None:
    first = opens(tables(3), OPENAI_API_KEY="k")
    fail(first, ["table_000", "table_001", "table_002"], "rate_limit_exceeded", "slow down")
    second = Workspace.open(first.settings, look_when_busy=True)
    try:
        async with drives(second) as driver:
            assert "LOOKING ONLY" in driver.screen_text()
            assert driver.app.main.items.line_count() == 3
            assert driver.app.main.desk.heading == "3 failed"  # no key that this home doesn't take now
            await driver.press("s")
            assert "writing" in driver.notice
    finally:
        second.close()


async def test_a_workspace_that_cannot_be_opened_ends_the_app(tmp_path: Path) -> None:
    def opener() -> Workspace:
        raise StoreError("The store is broken.", next_step="Mend it.")

    app = BatchManagerApp(opener)
    async with app.run_test() as pilot:
        for _ in range(100):
            if app.failure is not None:
                break
            await pilot.pause(0.02)
    await asyncio.to_thread(app.close_rooms)
    assert app.failure is not None
    assert app.return_code == 2


async def test_the_screen_is_there_before_the_home_is_open(tmp_path: Path) -> None:
    settings = load_settings({"BATCH_MANAGER_HOME": str(tmp_path / "home")}, {}, tmp_path)
    gate = __import__("threading").Event()

    def opener() -> Workspace:
        gate.wait(10)
        return Workspace.open(settings, demo=True)

    app = BatchManagerApp(opener)
    async with app.run_test(size=(120, 40)) as pilot:
        while isinstance(app.screen, Curtain):
            await pilot.pause(0.02)
        await pilot.press("s", "a", "S")
        assert "Opening the home…" in app.main.items.render_line(0).text
        gate.set()
        for _ in range(300):
            if app.main.items.line_count():
                break
            await pilot.pause(0.02)
        assert app.main.items.line_count() > 100
        await pilot.press("q")
    await asyncio.to_thread(app.close_rooms)


async def test_a_prompt_offers_the_keys_that_do_something(
    opens: Callable[..., Any], drives: Callable[..., Any], tmp_path: Path, monkeypatch: Any
) -> None:
    bad, good = tmp_path / "bad.jsonl", tmp_path / "good.jsonl"
    bad.write_text("not json\n")
    good.write_text(json.dumps({"kind": "table", "name": "users", "business_purpose": "People"}) + "\n")
    monkeypatch.chdir(tmp_path)
    async with drives(opens()) as driver:
        await driver.press("i")
        assert "enter  go" in driver.screen_text() and "ctrl+x" not in driver.screen_text()
        await driver.press(*"bad.jsonl", "enter")
        await driver.until(lambda: "line 1" in driver.screen_text())
        assert "Nothing of it could be read" in driver.screen_text()
        assert "enter  go" in driver.screen_text()  # so another path can be typed
        await driver.press(*["backspace"] * 9, *"good.jsonl", "enter")
        # All that came of it is said in the notice, so that there is nothing to close.
        await driver.until(lambda: driver.front == "MainScreen" and "1 new" in driver.notice)
        await driver.press("f")
        assert driver.app.main.desk.selection.wanted.status == "pending"


async def test_a_prompt_with_more_to_read_waits_and_swallows_no_key(
    opens: Callable[..., Any], drives: Callable[..., Any], tmp_path: Path, monkeypatch: Any
) -> None:
    good = json.dumps({"kind": "table", "name": "users", "business_purpose": "People"})
    (tmp_path / "half.jsonl").write_text(good + "\nnot json\n")
    monkeypatch.chdir(tmp_path)
    async with drives(opens()) as driver:
        await driver.press("i", *"half.jsonl", "enter")
        await driver.until(lambda: "line 2" in driver.screen_text())
        assert "enter  close" in driver.screen_text() and "enter  go" not in driver.screen_text()
        await driver.press("f")
        await driver.until(lambda: driver.app.main.desk.selection.wanted.status == "pending")
        assert driver.front == "MainScreen"


async def test_keys_that_come_at_once_keep_their_order(opens: Callable[..., Any], drives: Callable[..., Any]) -> None:
    """As pasted or typed ahead: letters don't overtake a key that edits."""
    async with drives(opens()) as driver:
        await driver.press("i")
        box = driver.app.screen.query_one("#place", Input)
        for one in ("a", "b", "ctrl+u", *"data", "left", "left", "x", "end", "backspace", "!"):
            driver.app.post_message(events.Key(one, one if len(one) == 1 else None))
        await driver.until(lambda: "!" in box.value)
        await driver.settle()
        assert box.value == "daxt!"


async def test_while_it_is_read_a_prompt_offers_to_stop(
    opens: Callable[..., Any], drives: Callable[..., Any], tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"kind": "table", "name": "users", "business_purpose": "People"}))
    monkeypatch.chdir(tmp_path)
    gate = threading.Event()

    def held_up(*given: Any, **more: Any) -> Callable[[], Any]:
        work = work_for(*given, **more)
        return lambda: gate.wait(30) and work()

    monkeypatch.setattr(bringing, "work_for", held_up)
    async with drives(opens()) as driver:
        await driver.press("i", *"a.jsonl", "enter")
        await driver.until(lambda: "ctrl+x  stop reading" in driver.screen_text())
        assert "esc  close; it goes on" in driver.screen_text()
        await driver.press("enter")  # neither another reading nor the end of the question
        assert driver.front == "TakeIn"
        gate.set()
        await driver.until(lambda: "1 new" in driver.screen_text())
        assert "ctrl+x" not in driver.screen_text() and driver.front == "MainScreen"


async def test_a_yes_to_what_is_gone_is_one_for_its_own_place(
    local: Any, drives: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed: list[tuple[str, bool]] = []

    def work_for(what: str, place: str, workspace: Any, watch: Any, *, agree_gone: bool = False) -> Any:
        agreed.append((place, agree_gone))

        def refuse() -> None:
            raise DeclinedError("Most of it is gone.", next_step="Look.", code="many_gone")

        return refuse

    monkeypatch.setattr(bringing, "work_for", work_for)
    async with drives(local()) as driver:
        await driver.press("d", *"one.db", "enter")
        await driver.until(lambda: "Enter again" in driver.screen_text())
        await driver.press("enter")
        await driver.press("backspace", "x", "enter")
        await driver.press("enter")
    assert agreed == [("one.db", False), ("one.db", True), ("one.dx", False), ("one.dx", True)]


async def test_a_path_of_nobodys_home_is_told(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Any
) -> None:
    async with drives(local(tables(2))) as driver:
        await driver.press("e", "ctrl+u", *"~nobody_is_called_that/a", "enter")
        await driver.settle()
        assert driver.front == "TakeIn"
        assert "nobody_is_called_that" in driver.screen_text()


async def test_what_is_read_when_the_app_ends_has_nowhere_to_be_shown(
    local: Any, drives: Any, tables: Callable[[int], list[Document]]
) -> None:
    """The app's widgets go one after the other, and a list that was asked for comes back between two of them."""
    drawn = 0
    async with drives(local(tables(3))) as driver:
        main = driver.app.main

        async def again_and_again() -> None:
            nonlocal drawn
            while True:
                await asyncio.sleep(0)
                main.redraw()
                drawn += 1

        begin(main, again_and_again)
        await driver.until(lambda: drawn)
    assert drawn
