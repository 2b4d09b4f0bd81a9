"""The sources' screen: add, test, see what changed, read; and no password is kept anywhere."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from textual.screen import Screen

from batch_manager.sources.collection import IterableSource
from batch_manager.sources.database import DatabaseSource
from batch_manager.sources.jsonl import JsonlSource
from batch_manager.sources.known import KnownSource, known_source, read_known, remembered, with_password, write_known
from batch_manager.store.listed import ListedSource, Origin, listed
from batch_manager_tui.screens.sources import SourcesScreen
from batch_manager_tui.source_book import SourceBook


def plain(seen: str) -> str:
    """Words of a screen without its frames."""
    return " ".join(seen.replace("│", " ").split())


def shop(path: Path, *tables: str) -> None:
    """A database with these tables."""
    with sqlite3.connect(path) as connection:
        for name in tables:
            connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY)")
    connection.close()


async def add(driver: Any, place: str) -> None:
    """Add a source."""
    await driver.press("a")
    driver.app.screen.query_one("#line").value = place
    await driver.press("enter")
    await driver.until(lambda: driver.front == "SourcesScreen" and driver.app.screen.sources)
    await driver.settle()


async def test_a_database_is_added_tested_compared_and_read(opens: Any, drives: Any, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    shop(path, "users", "orders")
    workspace = opens()
    async with drives(workspace) as driver:
        await driver.press("c")
        assert "No source is known yet." in driver.screen_text()
        await driver.press("t")
        assert "no source yet: a adds one" in driver.notice
        await add(driver, f"sqlite:///{path}")
        await driver.press("t")
        await driver.until(lambda: "2 tables, 0 relationships." in driver.screen_text())
        await driver.press("p")
        await driver.until(lambda: "+ 2 new" in driver.screen_text())
        assert "+ table    users" in driver.screen_text()
        assert workspace.store.items.counts().total() == 0
        await driver.press("enter")
        await driver.until(lambda: workspace.store.items.counts().total() == 2)
        await driver.until(lambda: "2 new, 0 changed, 0 unchanged" in driver.screen_text())
        shop(path, "returns")
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE users")
        connection.close()
        await driver.settle()
        await driver.press("p")
        await driver.until(lambda: "+ 1 new  ~ 0 changed  - 1 gone  = 1 unchanged" in driver.screen_text())
        await driver.press("s")
        await driver.until(lambda: "again takes them out" in " ".join(driver.screen_text().split()))
        assert workspace.store.items.counts().total() == 2
        await driver.settle()
        await driver.press("s")
        await driver.until(lambda: "1 new, 0 changed, 1 unchanged, 1 gone" in driver.screen_text())
        await driver.press("escape")
        assert driver.front == "MainScreen"
        assert driver.app.main.items.line_count() == 2
        await driver.press("c", "minus")
        await driver.until(lambda: "Its items stay, so it stays in the list" in driver.notice)
        await driver.press("minus")
        assert "as long as they do" in driver.notice


async def test_what_nothing_can_come_of_is_refused(opens: Any, drives: Any, tmp_path: Path) -> None:
    shop(tmp_path / "lib.db", "users")
    workspace = opens()
    async with drives(workspace) as driver:
        await driver.press("c", "a")
        driver.app.screen.query_one("#line").value = "garbage"
        await driver.press("enter")
        words = "neither a database's URL nor a file that is there"
        await driver.until(lambda: driver.front == "AskLine" and words in plain(driver.screen_text()))
        assert driver.app.screen.query_one("#line").value == "garbage", "it can be corrected"
        assert workspace.store.items.counts().total() == 0
        await driver.press("escape")
        await add(driver, str(tmp_path / "lib.db"))
        assert "sqlite:///" in driver.screen_text()
        await driver.press("escape", "d")
        driver.app.screen.query_one("#place").value = str(tmp_path / "lib.db")
        await driver.press("enter")
        await driver.until(lambda: workspace.store.items.counts().total() == 1)


async def test_what_should_be_known_of_a_reading_is_told_before_and_after(
    opens: Any, drives: Any, tmp_path: Path
) -> None:
    workspace = opens()
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        shop(tmp_path / folder / "shop.db", "users", "orders")
    here, there = (f"sqlite:///{tmp_path / folder / 'shop.db'}" for folder in ("here", "there"))
    workspace.store.items.bring(DatabaseSource(here), whole=True)
    async with drives(workspace) as driver:
        await driver.press("c")
        await add(driver, there)
        for key, sums in (("p", "+ 2 new"), ("s", "✓ Read, and kept.")):
            await driver.press(key)
            await driver.until(lambda sums=sums: sums in driver.screen_text())
            assert "If it is the same database" in " ".join(driver.screen_text().split())


async def test_what_the_prompts_read_is_remembered(opens: Any, drives: Any, tmp_path: Path) -> None:
    path = tmp_path / "words.jsonl"
    path.write_text(json.dumps({"kind": "table", "name": "users", "business_purpose": "People"}))
    async with drives(opens()) as driver:
        await driver.press("i")
        driver.app.screen.query_one("#place").value = str(path)
        await driver.press("enter")
        await driver.until(lambda: "1 new" in driver.screen_text())
        await driver.press("escape", "c")
        assert "~/words.jsonl" in driver.screen_text()
        assert "1 new, 0 changed, 0 unchanged" in driver.screen_text()
        path.unlink()
        await driver.press("p")
        await driver.until(lambda: "There is no file" in driver.screen_text())


async def test_all_that_items_came_from_is_listed_with_what_each_gave(opens: Any, drives: Any, tmp_path: Path) -> None:
    """Whoever brought it: flags, another program, a pipe; and before sources were remembered."""
    workspace = opens()
    shop(tmp_path / "shop.db", "users", "orders")
    words = tmp_path / "words.jsonl"
    words.write_text(json.dumps({"kind": "table", "name": "users", "documentation": "People"}) + "\n")
    workspace.store.items.bring(DatabaseSource(f"sqlite:///{tmp_path / 'shop.db'}"), whole=True)
    workspace.store.items.bring(JsonlSource(words))
    piped = [{"kind": "relationship", "name": "fk", "tables": ["orders", "users"], "documentation": "Of a user"}]
    workspace.store.items.bring(IterableSource(piped, "words", "standard input"))
    async with drives(workspace) as driver:
        await driver.press("c")
        seen = driver.screen_text()
        assert "sqlite:///" in seen
        assert "~/words.jsonl" in seen
        assert "standard input" in seen
        assert "2 tables, 0 relationships" in seen
        await driver.press("p")
        await driver.until(lambda: "= 2 unchanged" in driver.screen_text())
        with sqlite3.connect(tmp_path / "shop.db") as connection:
            connection.execute('ALTER TABLE users ADD COLUMN "e\x1bmail" TEXT')
        connection.close()
        await driver.settle()
        await driver.press("p")
        await driver.until(lambda: "columns + e\\x1bmail" in driver.screen_text())
        await driver.press("j")
        assert "1 table, 0 relationships" in driver.screen_text()
        await driver.press("j")
        assert "0 tables, 1 relationship" in driver.screen_text()
        await driver.press("p")
        assert "can't be read again from here" in driver.notice


def test_what_is_kept_and_what_items_tell_make_one_list() -> None:
    kept = [KnownSource("postgresql://ann@h/shop", database=True, outcome="3 new"), KnownSource("/w/b.csv", False)]
    told = [
        Origin("postgresql://bob@h:5432/shop", "postgresql://h/shop", True, 3, 1, "2026-01-02"),
        Origin("b.csv", "b.csv", False, 2, 0, "2026-01-03"),
        Origin("standard input", "standard input", False, 1, 0, "2026-01-04"),
        Origin("postgresql://ann:***@h/other", "postgresql://h/other", True, 1, 0, "2026-01-05"),
    ]
    assert [(one.source.place, one.tables, one.relationships, one.can_be_read) for one in listed(kept, told)] == [
        ("postgresql://ann@h/shop", 3, 1, True),
        ("/w/b.csv", 2, 0, True),
        ("standard input", 1, 0, False),
        ("postgresql://ann@h/other", 1, 0, True),
    ]
    assert listed(kept, told)[3].source.secret
    assert listed(kept, told)[0].source.read_at == "2026-01-02"


async def test_a_password_is_asked_for_and_never_kept(opens: Any, drives: Any, tmp_path: Path) -> None:
    workspace = opens()
    async with drives(workspace) as driver:
        await driver.press("c")
        await add(driver, "postgresql://ann:geheim@db.invalid:5432/shop?sslpassword=heimlich")
    async with drives(workspace) as driver:
        await driver.press("c", "t")
        assert driver.front == "AskLine"
        await driver.press(*"s3cr", "tab")
        assert "s3cr" not in driver.screen_text()
        await driver.press("escape")
        assert "geheim" not in driver.screen_text()
    for path in (tmp_path / "home").rglob("*"):
        if path.is_file():
            assert not any(one in path.read_bytes() for one in (b"geheim", b"heimlich", b"s3cr")), path


async def test_the_screen_is_drawn_before_all_items_are_gone_through_for_their_sources(
    opens: Any, drives: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, when_asked, go_on = [], [], threading.Event()
    draw, read = Screen._compositor_refresh, SourceBook.sources

    def drawing(screen: Screen[Any]) -> None:
        draw(screen)
        drawn.append(type(screen))

    def reading(book: SourceBook) -> tuple[ListedSource, ...]:
        when_asked.append(SourcesScreen in drawn)
        assert go_on.wait(30)
        return read(book)

    monkeypatch.setattr(Screen, "_compositor_refresh", drawing)
    monkeypatch.setattr(SourceBook, "sources", reading)
    async with drives(opens()) as driver:
        try:
            await driver.pilot.press("c")
            await driver.until(lambda: when_asked)
            assert when_asked == [True]
            assert "This source" in driver.screen_text()
            assert "No source is known" not in driver.screen_text()  # nobody knows that yet
            await driver.pilot.press("t")
            await driver.until(lambda: "still being read" in driver.notice)
        finally:
            go_on.set()
        await driver.until(lambda: "No source is known yet." in driver.screen_text())
        await driver.press("t")
        assert "no source yet: a adds one" in driver.notice


@pytest.mark.parametrize(
    ("typed", "place", "secret"),
    [
        ("postgresql://me:pw@h/db?sslpassword=x", "postgresql://me@h/db", True),
        ("postgres://me@h/db", "postgresql://me@h/db", False),
        ("mysql://root:p%40w@h:3307/d", "mysql://root@h:3307/d", True),
        ("sqlite:////data/a.db", "sqlite:////data/a.db", False),
        ("/data/manifest.json", "/data/manifest.json", False),
    ],
)
def test_what_is_kept_of_a_source(typed: str, place: str, secret: bool) -> None:
    source = known_source(typed)
    assert (source.place, source.secret) == (place, secret)
    assert read_known(write_known([source])) == (source,)


def test_the_note_of_sources_is_read_with_care() -> None:
    one, other = KnownSource("a", database=False), KnownSource("a", database=False, outcome="3 new")
    assert remembered([one], other) == (other,)
    assert read_known(None) == read_known("{") == read_known("3") == read_known('[{"x": 1}, 3]') == ()
    assert ":p%40w@" in with_password("postgresql://me@h/db", "p@w")
