"""Who agreed to a run: kept with it, told in the bill by the name that they gave, and by none that they didn't."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from batch_manager.documents import Document
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import Settings, load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore
from batch_manager.store.bill import BILL_COLUMNS, columns_by, records_by
from batch_manager.workspace import Workspace
from command import PAYING_KEY, Command, tables


@pytest.fixture(scope="module")
def server() -> Iterator[RehearsalServer]:
    options = RehearsalOptions(seed=7, rate_headers=False, requests_per_minute=None, tokens_per_minute=None)
    with RehearsalServer.start(options) as running:
        yield running


def settings_of(home: Path, server: RehearsalServer, who: str = "") -> Settings:
    given = {
        "BATCH_MANAGER_HOME": str(home),
        "OPENAI_API_KEY": PAYING_KEY,
        "OPENAI_BASE_URL": server.base_url,
        "OPENAI_EMBEDDING_DIMENSIONS": "16",
        "BATCH_MANAGER_USER": who,
    }
    return load_settings(given, {}, home.parent)


def spends(home: Path, server: RehearsalServer, who: str, count: int, cap: str | None = None) -> None:
    """Somebody indexes that many new tables."""
    with Workspace.open(settings_of(home, server, who), on_trouble="stop") as opened:
        found = [Document("table", f"{who}_{n}", documentation=f"Fact {n} that {who} knows.") for n in range(count)]
        opened.store.items.bring(IterableSource(found, "words", f"a test of {who}"))
        opened.engine.start(opened.engine.quote(Scope(), None if cap is None else Decimal(cap)))
        opened.engine.wait(60)


@pytest.mark.usefixtures("each_store")
def test_who_spent_what_adds_up(tmp_path: Path, server: RehearsalServer) -> None:
    home = tmp_path / "home"
    for who, count in (("Ann", 4), ("", 2), ("Bob \U0001f642", 3), ("Ann", 5)):
        spends(home, server, who, count)
    with DocumentationStore.look(settings_of(home, server)) as store:
        bill, runs = store.ledger.bill(), store.ledger.runs()
    assert [run.who for run in bill.runs] == [run.who for run in runs] == ["Ann", "Bob \U0001f642", "", "Ann"]
    people = dict(bill.people)
    assert list(people) == ["", "Ann", "Bob \U0001f642"] and bill.named
    for name, spent in people.items():
        assert spent.billed == sum(run.spent.billed for run in bill.runs if run.who == name) > 0
    assert sum(spent.billed for spent in people.values()) == bill.total.billed
    rows = list(records_by(bill, "person"))
    assert [row["person"] for row in rows] == list(people) and tuple(rows[0]) == columns_by("person")
    assert [row["person"] for row in records_by(bill, "run")] == ["Ann", "Bob \U0001f642", "", "Ann"]
    assert BILL_COLUMNS[-1] == "person"


def test_what_somebody_left_is_another_ones_run_of_their_own(tmp_path: Path, server: RehearsalServer) -> None:
    home = tmp_path / "home"
    spends(home, server, "Ann", 6)
    with Workspace.open(settings_of(home, server, "Ann")) as opened:
        found = [Document("table", f"more_{n}", documentation=f"More of {n}.") for n in range(4)]
        opened.store.items.bring(IterableSource(found, "words", "a test of more"))
        opened.engine.start(opened.engine.quote(Scope(), Decimal(1)))
        opened.engine.cancel()
        opened.engine.wait(60)
        opened.store._db.execute_sql("UPDATE run SET state = 'interrupted' WHERE id = 2")
        opened.store._db.execute_sql("UPDATE run_text SET state = 'planned' WHERE run_id = 2")
        opened.store._db.execute_sql("UPDATE item SET stage = 'pending' WHERE name LIKE 'more%'")
        opened.store._db.execute_sql(
            "DELETE FROM answer WHERE text_id IN (SELECT text_id FROM run_text WHERE run_id = 2)"
        )
        mine = opened.engine.quote(Scope())
        assert mine.rest is not None and mine.going_on().cap == 1
    with Workspace.open(settings_of(home, server, "Bob")) as opened:
        quote = opened.engine.quote(Scope()).going_on()
        assert quote.rest is None and quote.cap is None and quote.who == "Bob"
        (told,) = [one for one in opened.engine.problems() if one.code == "unfinished_run"]
        assert "Ann agreed to that one" in told.next_step
        opened.engine.start(quote)
        assert opened.engine.wait(60).state == "done"
        runs = opened.store.ledger.runs()
    assert [(run.who, run.state) for run in runs] == [("Bob", "done"), ("Ann", "replaced"), ("Ann", "done")]


def test_the_name_is_a_flag_a_setting_or_nothing(tmp_path: Path, server: RehearsalServer) -> None:
    given = {"OPENAI_API_KEY": PAYING_KEY, "OPENAI_BASE_URL": server.base_url, "OPENAI_EMBEDDING_DIMENSIONS": "16"}
    command = Command(tmp_path / "home", {**given, "USER": "somebody", "LOGNAME": "somebody"})
    assert command("--import", "-", text=tables(2)).code == 0
    assert command("--batch-index", "--yes").code == 0
    status = command("--status")
    assert "nobody's name" not in status.out and "somebody" not in status.out
    assert [one["name"] for one in command("--status", "--json").json["people"]] == [None]
    assert command("--import", "-", text=tables(4)).code == 0
    done = command.but(BATCH_MANAGER_USER="the job")("--batch-index", "--yes", "--as", "Ann")
    assert done.code == 0 and "as " in done.err and "Ann" in done.err
    assert command("--import", "-", text=tables(5)).code == 0
    assert command.but(BATCH_MANAGER_USER="the job")("--batch-index", "--yes").code == 0
    people = command("--status", "--json").json["people"]
    assert [(one["name"], one["requests"]) for one in people] == [(None, 1), ("Ann", 1), ("the job", 1)]
    words = command("--status").out
    assert "by Ann: $" in words and "by the job: $" in words and "by nobody's name: $" in words
    assert " by the job: done" in words


@pytest.mark.parametrize("name", ["", " ", "x" * 61, "two\nlines", "\x1b[31m"])
def test_a_name_that_is_none(tmp_path: Path, name: str) -> None:
    done = Command(tmp_path / "home")("--batch-index", "--as", name)
    assert done.code == 2 and "BATCH_MANAGER_USER" in done.error and "\x1b" not in done.err


def test_it_goes_with_what_is_agreed_to(tmp_path: Path) -> None:
    done = Command(tmp_path / "home")("--status", "--as", "Ann")
    assert done.code == 2 and "--as makes no sense with --status" in done.error
