"""The linter's findings as SQL: each finds what it says, and the saving is what a quote would be less by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_manager.documents import Column, Document
from batch_manager.quote import Scope
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store.findings import CONDITIONS
from batch_manager.store.items import ItemFilter
from batch_manager.store.strangers import StrangeColumn, Stranger, Strangers
from batch_manager.workspace import Workspace

pytestmark = pytest.mark.usefixtures("each_store")

LONG = " ".join(f"word{number}" for number in range(9_000))


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    settings = load_settings({"BATCH_MANAGER_HOME": str(tmp_path / "home"), "OPENAI_API_KEY": "k"}, {}, tmp_path)
    with Workspace.open(settings) as opened:
        yield opened


def bring(workspace: Workspace, *documents: Document) -> None:
    workspace.store.items.bring(IterableSource(documents, "words", "a test"))


def names(workspace: Workspace, code: str) -> list[str]:
    items = workspace.store.items
    return [row.name for row in items.rows(items.ids(ItemFilter(problem=code)))]


def table(name: str, purpose: str = "", documentation: str = "") -> Document:
    return Document("table", name, purpose, documentation)


def test_each_finding_finds_what_it_says(workspace: Workspace) -> None:
    bring(
        workspace,
        table("fine", "People who buy", "Façade, SÃO PAULO, naïve, 100 Â, – and ‘quotes’."),
        table("empty"),
        table("half", "half \ud800"),
        table("order_lines", "Order lines."),
        table("customers", "customers", "The customers table."),
        table("users", "Users, and who invited them"),
        table("long", "Long", LONG),
        table("latin", "GrÃ¼ÃŸe"),
        table("quotes", "donâ€™t"),
        table("lost", "what is \ufffd"),
        table("dup_0", "Copied", "word for word"),
        table("dup_1", "Copied", "word for word"),
        table("dup_2", "Copied", "word for word!"),
        Document("relationship", "dup_3", "Copied", "word for word"),
        table("dup_4", "Copied", "word for word"),
    )
    found = {code: names(workspace, code) for code in CONDITIONS}
    assert found == {
        "empty_document": ["empty"],
        "invalid_unicode": ["half"],
        "name_again": ["order_lines", "customers"],
        "duplicate": [],
        "same_words": ["dup_1", "dup_4"],
        "mojibake": ["latin", "quotes", "lost"],
        "parts": ["long"],
        "stranger": [],
    }
    assert {one.code: one.items for one in workspace.store.items.findings()} == {
        code: len(those) for code, those in found.items() if those
    }
    items = workspace.store.items
    assert items.with_findings() == 10 and items.with_findings(payable=True) == 8
    copies = {row.name: row.id for row in items.rows(items.ids())}
    assert items.same_words_as(copies["dup_4"]) == "dup_0" and items.same_words_as(copies["dup_0"]) is None
    assert items.same_words_as(copies["dup_2"]) is None
    items.skip([copies["dup_0"]])
    assert names(workspace, "same_words") == ["dup_4"] and items.same_words_as(copies["dup_4"]) == "dup_1"
    assert names(workspace, "any") == ["empty", "half"]
    assert names(workspace, "no such code'; --") == []


def test_words_for_a_name_that_was_never_scanned_stay_a_finding(workspace: Workspace) -> None:
    ends = {"of": ("users", "users"), "lost": ("users", "userss"), "bare": ()}
    joins = [Document("relationship", name, documentation="Words", tables=tables) for name, tables in ends.items()]
    words = (table("userss", "People"), table("users", "People"), table("old", "Gone"), *joins)
    bring(workspace, *words)
    assert names(workspace, "stranger") == [] and workspace.store.items.strangers() == Strangers()
    structure = [Document("table", name, columns=(Column("id"), Column("email"))) for name in ("users", "old")]
    items = workspace.store.items
    items.bring(IterableSource(structure, "structure", "a database"), whole=True)
    bring(workspace, Document("table", "users", "People", columns=(Column("id"), Column("emial", comment="Where"))))
    items.bring(IterableSource(structure[:1], "structure", "a database"), whole=True, agree_gone=True)
    # `of` joins tables that are there: a relationship needn't be declared by a key.
    assert names(workspace, "stranger") == ["userss", "lost", "bare"]
    assert {one.code: one.items for one in items.findings()}["stranger"] == 3
    stranger, *others = items.ids(ItemFilter(problem="stranger"))
    assert "stranger" in items.findings_of(stranger) and items.nearest("table", "userss") == "users"
    found = items.strangers()
    assert found.unknown[0] == Stranger("table", "userss", "users") and found.unknown_count == 3
    assert found.departed == (("table", "old"),) and found.departed_count == 1
    assert found.columns == (StrangeColumn("users", "emial", "email"),) and found.column_count == 1
    items.skip([stranger, *others])
    assert names(workspace, "stranger") == ["userss", "lost", "bare"] and items.strangers().unknown_count == 0


def test_of_texts_that_are_alike_the_first_stays(workspace: Workspace) -> None:
    # A text begins with its item's name, so that only a table and a relationship can be alike.
    bring(workspace, table("x", "y"), Document("relationship", "x: y"), table("z", "y"), table("empty"), table("void"))
    same = workspace.store._db.execute_sql("SELECT text_hash FROM item WHERE name = 'z'").fetchone()[0]
    workspace.store._db.execute_sql("UPDATE item SET text_hash = ? WHERE name = 'x'", [same])
    assert names(workspace, "duplicate") == ["z"]
    first = workspace.store.items.find("table", "x")
    assert first is not None
    workspace.store.items.skip([first])
    assert names(workspace, "duplicate") == []
    assert "duplicate" not in {one.code for one in workspace.store.items.findings()}


@pytest.mark.parametrize("code", sorted(CONDITIONS))
def test_the_saving_is_what_the_quote_is_less_by(workspace: Workspace, code: str) -> None:
    bring(
        workspace,
        table("fine", "People who buy"),
        table("empty"),
        table("half", "half \ud800"),
        table("orders", "orders"),
        table("long", "Long", LONG),
        table("latin", "GrÃ¼ÃŸe"),
        table("one", "Copied"),
        table("two", "Copied"),
    )
    items, engine = workspace.store.items, workspace.engine
    saving = engine.saving(code)
    before = engine.quote(Scope()).cost
    items.skip(items.ids(ItemFilter(problem=code)))
    assert before - engine.quote(Scope()).cost == saving
    assert bool(saving) == (code in ("name_again", "same_words", "mojibake", "parts"))


def test_a_shared_text_saves_nothing(workspace: Workspace) -> None:
    bring(workspace, table("long", "Long", LONG), table("other", "Words"))
    text = workspace.store._db.execute_sql(
        "SELECT p.text_id FROM part p JOIN item i ON i.id = p.item_id WHERE i.name = 'long' AND p.no = 2"
    ).fetchone()[0]
    whole = workspace.store.items.saved_tokens("parts", 0)
    workspace.store._db.execute_sql(
        "INSERT INTO part (item_id, no, text_id) SELECT id, 2, ? FROM item WHERE name = 'other'", [text]
    )
    assert 0 < workspace.store.items.saved_tokens("parts", 0) < whole
