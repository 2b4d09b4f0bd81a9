"""Pictures of every screen at three sizes, in both themes: one app serves all pictures of a screen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pictures import TextPicture, rows_of, styles_of
from textual.pilot import Pilot

from batch_manager.events import BatchView, LimitsView, RunView
from batch_manager.half_price import JobView
from batch_manager.quote import Scope
from batch_manager.sources.known import known_source, write_known
from batch_manager.workspace import Workspace
from batch_manager_tui.app import BatchManagerApp
from batch_manager_tui.source_book import NOTE
from failing import fail

SIZES = [(60, 18), (80, 24), (120, 40), (160, 45)]
"""Tabs, stacked, split and wide."""

THEMES = ["ledger-dark", "ledger-light"]

RUNNING = RunView(
    sequence=1,
    run_id=1,
    state="running",
    items=150,
    answered=60,
    indexed=40,
    failed=3,
    tokens=17_357,
    tokens_answered=7_000,
    requests=5,
    quoted=Decimal("0.00034714"),
    estimated=Decimal("0.00014"),
    billed=Decimal("0.00014"),
    reserved=Decimal("0.00005"),
    cap=Decimal("0.01"),
    batches_total=8,
    batches_done=2,
    seconds=12.0,
    rate=14.2,
    eta=(8.0, 26.0),
    delivering=20,
    limits=LimitsView(300_000, 287_000, 300, 295),
    batches=(
        BatchView(0, "indexed", 12, 900, 12, 12, 0, 0, 0.0, ""),
        BatchView(1, "indexed", 20, 2_812, 20, 20, 0, 1, 1.2, ""),
        BatchView(2, "answered", 20, 2_320, 20, 8, 0, 1, 1.4, ""),
        BatchView(3, "splitting", 20, 2_511, 4, 0, 1, 4, 3.1, ""),
        BatchView(4, "backing off", 20, 2_085, 0, 0, 0, 1, 2.2, "try 2 of 4: server_is_overloaded"),
        BatchView(5, "sending", 20, 2_323, 0, 0, 0, 1, 0.4, ""),
        BatchView(6, "waiting", 20, 2_337, 0, 0, 0, 0, 0.0, "the rate limit, 1 s"),
        BatchView(7, "waiting", 7, 735, 0, 0, 0, 0, 0.0, ""),
        BatchView(8, "failed", 1, 35, 0, 0, 1, 3, 5.0, ""),
    ),
)


async def rest(pilot: Pilot[None]) -> None:
    """Wait until nothing moves any more."""
    await pilot.pause(0.12)
    for _ in range(300):
        if all(worker.is_finished or worker.group == "spend" for worker in pilot.app.workers):
            break
        await pilot.pause(0.02)
    await pilot.pause()


@pytest.fixture
def pictured(snapshot: Any) -> Callable[..., None]:
    """Compares pictures of the app after some keys, in every size and theme."""

    def compare(
        workspace: Workspace,
        *keys: str,
        view: RunView | None = None,
        sizes: list[tuple[int, int]] = SIZES,
        themes: list[str] = THEMES,
        first: Callable[[], None] = lambda: None,
    ) -> None:
        app = BatchManagerApp(workspace)

        async def walk() -> str:
            lines: list[str] = []
            async with app.run_test(size=sizes[-1]) as pilot:
                while app.main.desk.quote is None and app.main.desk.error is None:
                    await pilot.pause(0.02)
                await rest(pilot)
                first()
                for key in keys:
                    await pilot.press(key)
                    await rest(pilot)
                if view is not None:
                    app.main.readings.hear_no_more()
                    app.main.readings.view_changed(view)
                for size in reversed(sizes):
                    await pilot.resize_terminal(*size)
                    for _ in range(300):  # on a busy machine the new size is long in coming
                        if {screen.size for screen in app.screen_stack} == {size}:
                            break
                        await pilot.pause(0.02)
                    await rest(pilot)
                    await rest(pilot)  # a screen under a question is laid out a moment later
                    lines += [f"== {size[0]}x{size[1]}", *rows_of(app)]
                    for theme in themes:
                        app.theme = theme
                        await pilot.pause(0.15)  # it is put on a little later
                        await pilot.pause()
                        lines += [f"-- {theme}", *styles_of(app)]
            return "\n".join(lines) + "\n"

        try:
            picture = asyncio.run(walk())
        finally:
            app.close_rooms()
        assert picture == snapshot(extension_class=TextPicture)

    return compare


@pytest.fixture
def walked(snapshot: Any) -> Callable[..., None]:
    """Compares what a person reads after each of several walks by keys, in one app at the least size of two panes."""

    def compare(workspace: Workspace, *walks: tuple[str, ...]) -> None:
        app = BatchManagerApp(workspace)

        async def walk() -> str:
            lines: list[str] = []
            async with app.run_test(size=(80, 24)) as pilot:
                while app.main.desk.quote is None and app.main.desk.error is None:
                    await pilot.pause(0.02)
                await rest(pilot)
                for keys in walks:
                    for key in keys:
                        await pilot.press(key)
                        await rest(pilot)
                    lines += [f"== {' '.join(keys)}", *rows_of(app)]
                    while app.screen is not app.main:
                        await pilot.press("escape")
                        await rest(pilot)
            return "\n".join(lines) + "\n"

        try:
            picture = asyncio.run(walk())
        finally:
            app.close_rooms()
        assert picture == snapshot(extension_class=TextPicture)

    return compare


def test_start(pictured: Any, opens: Any) -> None:
    pictured(opens(demo=True))


def test_marked(pictured: Any, opens: Any) -> None:
    pictured(opens(demo=True, rehearse=True), "space", "space", "j", "v", "j", "j")


def test_spend_prompt(pictured: Any, opens: Any) -> None:
    pictured(opens(demo=True, rehearse=True), "s")


def test_running(pictured: Any, opens: Any) -> None:
    pictured(opens(demo=True, rehearse=True), view=RUNNING)


def test_filtered(pictured: Any, opens: Any) -> None:
    pictured(opens(demo=True), "slash", *"stg", "down", "down")


def test_nothing_fits(pictured: Any, opens: Any) -> None:
    pictured(opens(demo=True), "slash", *"zz", "enter")


def test_nothing_yet(pictured: Any, opens: Any) -> None:
    pictured(opens())


def test_help(pictured: Any, opens: Any) -> None:
    pictured(opens(), "question_mark")


def test_import_prompt(pictured: Any, opens: Any) -> None:
    pictured(opens(), "i")


def read_at_rest(workspace: Workspace) -> Workspace:
    """The same, read at a time and from a place that are the same on every machine."""
    workspace.store._db.execute_sql(
        "UPDATE item SET words_at = '2026-11-24T10:00:00', structure_at = '2026-11-24T10:00:00'"
    )
    workspace.store._db.execute_sql(
        "UPDATE item SET structure_from = 'sqlite:///shop.db', origin = NULL WHERE structure_from != ''"
    )
    return workspace


def test_details(pictured: Any, opens: Any) -> None:
    pictured(read_at_rest(opens(demo=True)), "j", "enter")


def with_history(opens: Any) -> Workspace:
    """The sample after a run with failures, at a time that stands still."""
    workspace = read_at_rest(opens(demo=True, rehearse=True))
    words = "Rate limit reached for requests. Limit: 300 / min."
    tables = ["accounting_periods", "audit_log", "campaigns", "carriers"]
    fail(workspace, tables, "rate_limit_exceeded", words)
    step = "Read the server's words, then change or leave out the document."
    refused = "The request could not be processed: an input was rejected."
    names = ["categories", "stg_products_2019_tmp"]
    fail(workspace, names, "invalid_request_error", refused, lasting=True, next_step=step)
    store = workspace.store
    sent = [
        (1, 1, "2026-11-22", "answered", 2_812, 56_240_000),
        (1, 2, "2026-11-22", "answered", 2_812, 56_240_000),
        (1, 1, "2026-11-23", "unknown", None, 46_400_000),
        (2, 1, "2026-11-24", "answered", 735, 14_700_000),
    ]
    for run_id, tried, day, state, tokens, pico in sent:
        store._db.execute_sql(
            "INSERT INTO request (run_id, batch, try, state, model, inputs, tokens_estimated, tokens_billed, price,"
            " cost_pico, sent_at) VALUES (?, 1, ?, ?, 'text-embedding-3-small', 20, 2812, ?, '0.02', ?, ?)",
            (run_id, tried, state, tokens, pico, f"{day}T10:00:00+00:00"),
        )
    store._db.execute_sql("UPDATE item SET failed_at = '2026-11-24T10:00:05+00:00' WHERE stage = 'failed'")
    store._db.execute_sql("UPDATE attempt SET at = '2026-11-24T10:00:05+00:00'")
    store._db.execute_sql(
        "UPDATE run SET agreed_at = '2026-11-2' || (1 + id) || 'T10:00:00+00:00',"
        " ended_at = '2026-11-2' || (1 + id) || 'T10:00:07+00:00'"
    )
    store._db.execute_sql("UPDATE run SET state = 'stopped', reason = 'You exceeded your quota.' WHERE id = 1")
    return workspace


def test_failures(pictured: Any, opens: Any) -> None:
    pictured(with_history(opens), "F", "tab", "space")


def test_failures_that_retrying_cannot_cure(pictured: Any, opens: Any) -> None:
    pictured(with_history(opens), "F", "j", "j")


def test_bill(pictured: Any, opens: Any) -> None:
    pictured(with_history(opens), "B", "j")


HANDED_OVER = tuple(
    JobView(
        *(number, 3, number, f"batch_68f2a{number}", state, 25_000, done, failed, kept, 3_100_000),
        *(Decimal("0.031"), Decimal("0.0279") if kept else Decimal(0), "2026-11-24T10:00:00+00:00"),
        *("2026-11-25T10:00:00+00:00", None, False, unseen, problem, step, ()),
    )
    for number, state, done, failed, kept, unseen, problem, step in (
        (1, "collecting", 25_000, 12, 9_400, False, "", ""),
        (2, "in progress", 11_250, 0, 0, False, "", ""),
        (3, "validating", 0, 0, 0, False, "", ""),
        *((4, "maybe submitted", 0, 0, 0, True, "The server shows no such batch to this key.", "w gives it up."),),
    )
)


def test_half_price(pictured: Any, opens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = opens(demo=True, rehearse=True)
    monkeypatch.setattr(workspace.half_price, "jobs", lambda: HANDED_OVER)
    pictured(workspace, "h", "j")


def test_settings(pictured: Any, opens: Any) -> None:
    pictured(opens(EMBEDDING_CONCURRENCY="4"), "comma", *"jjjjjjj")


def test_search(pictured: Any, local: Any, tables: Any) -> None:
    workspace = local(tables(6))
    workspace.engine.start(workspace.engine.quote(Scope("pending")))
    workspace.engine.wait(60)
    pictured(workspace, "S", *"purpose 2", "enter")


def test_prompts(walked: Any, opens: Any) -> None:
    """Every question that is asked for a line, or for a file."""
    wrong = ("i", "x", "enter")
    walked(with_history(opens), ("d",), ("e",), wrong, ("c", "a"), ("B", "c"), ("F", "w"), ("h",), ("S",))


def test_sources(pictured: Any, opens: Any) -> None:
    workspace = read_at_rest(opens(demo=True))
    places = ["postgresql://reader@db.example/shop", "mariadb://db.example/warehouse_of_everything_that_was_ever_sold"]
    workspace.store.set_note(NOTE, write_known(known_source(place) for place in places))
    pictured(workspace, "c", "j", sizes=[(60, 18), (120, 40)])


def test_quit(pictured: Any, opens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = opens(demo=True, rehearse=True)
    under_way = partial(monkeypatch.setattr, workspace.engine, "view", lambda: RUNNING)
    pictured(workspace, "q", view=RUNNING, sizes=[(60, 18), (120, 40)], first=under_way)


def test_running_bill(pictured: Any, opens: Any) -> None:
    workspace = with_history(opens)
    workspace.store._db.execute_sql("UPDATE run SET state = 'running', ended_at = NULL WHERE id = 2")
    pictured(workspace, "B", view=RUNNING, sizes=[(60, 18), (120, 40)])


def test_the_terminals_own_colours(pictured: Any, opens: Any) -> None:
    pictured(opens(demo=True, rehearse=True), "j", "space", view=RUNNING, sizes=[(120, 40)], themes=["terminal"])


def test_no_colour(pictured: Any, opens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    pictured(opens(demo=True, rehearse=True), "j", "space", view=RUNNING, sizes=[(120, 40)], themes=["ledger-dark"])


def test_too_small(pictured: Any, opens: Any) -> None:
    pictured(opens(demo=True), sizes=[(40, 10)])


def test_paths_stay_out_of_pictures() -> None:
    for picture in (Path(__file__).parent / "__snapshots__").rglob("*.txt"):
        assert "pytest-of" not in picture.read_text(encoding="utf-8")
