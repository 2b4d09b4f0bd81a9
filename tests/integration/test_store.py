"""The store over real SQLite files: what is taken in, what is kept, and what a look never changes."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from batch_manager.documents import KINDS, Column, Document
from batch_manager.errors import InputError, StoreError
from batch_manager.packing import Limits, pack
from batch_manager.pricing import Price
from batch_manager.quote import Scope, Space, make_quote
from batch_manager.settings import Settings
from batch_manager.sources import Brings, Found, Unreadable
from batch_manager.sources.collection import IterableSource
from batch_manager.sources.export import write_jsonl
from batch_manager.sources.jsonl import JsonlSource
from batch_manager.sources.watch import Watch
from batch_manager.store import DocumentationStore, database, weighing
from batch_manager.store.answers import Deliverable
from batch_manager.store.intake import Brought
from batch_manager.store.items import ItemFilter
from batch_manager.store.migrations import MIGRATIONS
from batch_manager.store.scopes import runs_of

PENDING = Scope()
SPACE = Space("openai", "https://api.openai.com/v1", "text-embedding-3-small", 3)


@pytest.fixture
def config(tmp_path: Path, each_store: str) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def store(config: Settings) -> Iterator[DocumentationStore]:
    with DocumentationStore(config) as opened:
        yield opened


def table(name: str, words: str = "", *columns: str, **fields: Any) -> Document:
    return Document("table", name, documentation=words, columns=tuple(Column(one) for one in columns), **fields)


def bring(store: DocumentationStore, *documents: Document, brings: Brings = "words") -> Brought:
    return store.items.bring(IterableSource(documents, brings, "a test"))


def statuses(store: DocumentationStore) -> dict[str, str]:
    return {row.name: row.status for row in store.items.rows(store.items.ids())}


def text_of(store: DocumentationStore, name: str) -> str:
    item_id = store.items.find("table", name)
    assert item_id is not None
    detail = store.items.detail(item_id)
    assert detail is not None
    return detail.text


def agree(store: DocumentationStore, scope: Scope = PENDING) -> tuple[int, int]:
    """Agree on a run over the scope; returns (run, space)."""
    space_id = store.answers.space_id(SPACE, make=True)
    quote = make_quote(
        scope, store.work.find(scope, space_id, Limits()), SPACE, "host", Price(Decimal(1), "t"), Limits(), None
    )
    with store.transaction():
        run_id = store.ledger.open_run(quote, space_id, None)
        store.work.agree(run_id, scope, space_id)
    return run_id, space_id


def answer(store: DocumentationStore, run_id: int, space_id: int) -> None:
    """Answer all that the run has planned."""
    ids = [one.text_id for one in store.work.planned(run_id)]
    request = store.ledger.reserve(run_id, 1, 1, SPACE.model, len(ids), 10, Decimal(1), 10)
    with store.transaction():
        store.ledger.settle(request, 10, 10, "usage", 0.1)
        store.answers.keep(run_id, space_id, request, ids, [np.ones(3, "<f4").tobytes() for _ in ids])


def waiting(store: DocumentationStore, space_id: int) -> list[Deliverable]:
    """All vectors that wait for Chroma."""
    ids = store.answers.deliverable_ids(space_id, 10_000)
    return [one for kind in KINDS for one in store.answers.deliverable(space_id, kind, ids)]


def index(store: DocumentationStore, scope: Scope = PENDING) -> None:
    """Take everything in the scope through to `indexed`, without any server or Chroma."""
    run_id, space_id = agree(store, scope)
    answer(store, run_id, space_id)
    store.answers.mark_indexed([(one.item_id, one.item_hash) for one in waiting(store, space_id)])
    store.ledger.end_run(run_id, "done")


class TestIntake:
    def test_twice_changes_nothing(self, store: DocumentationStore) -> None:
        documents = [table(f"t{number}", "Words.", "id") for number in range(1200)]
        first = bring(store, *documents)
        assert (first.new, first.changed, first.unchanged, first.bad_count) == (1200, 0, 0, 0)
        index(store)
        again = bring(store, *documents)
        assert (again.new, again.changed, again.unchanged) == (0, 0, 1200)
        assert store.items.counts().total("indexed") == 1200

    def test_a_changed_text_is_pending_again(self, store: DocumentationStore) -> None:
        bring(store, table("users", "People."), table("orders", "Sales."))
        index(store)
        brought = bring(store, table("users", "Persons."), table("orders", "Sales."))
        assert (brought.changed, brought.unchanged) == (1, 1)
        assert statuses(store) == {"users": "pending", "orders": "indexed"}
        assert text_of(store, "users") == "users\nPersons."

    def test_what_the_text_does_not_show_changes_no_status(self, store: DocumentationStore) -> None:
        bring(store, Document("table", "users", columns=(Column("id", "INTEGER"),)), brings="structure")
        index(store)
        brought = bring(store, Document("table", "users", columns=(Column("id", "BIGINT"),)), brings="structure")
        assert brought.unchanged == 1
        assert statuses(store) == {"users": "indexed"}
        assert next(store.items.documents()).columns[0].type == "BIGINT", "and yet it is kept"

    def test_the_purpose_in_the_list_follows_the_words(self, store: DocumentationStore) -> None:
        ends: dict[str, Any] = {"kind": "relationship", "name": "fk", "tables": ("a", "b")}
        bring(store, Document(**ends, business_purpose="Who bought"))
        bring(store, Document(**ends, documentation="Who bought"))  # the same text
        row = store.items.rows(store.items.ids())[0]
        assert row.purpose == ""

    def test_scan_then_import_then_scan_keeps_both_sides(self, store: DocumentationStore) -> None:
        scanned = table("users", "", "id", "mail", comment="From the database")
        written = Document(
            "table", "users", business_purpose="People", columns=(Column("mail", comment="Where to write"),)
        )
        whole = "users: People\nFrom the database\nColumns: id, mail (Where to write)"
        bring(store, scanned, brings="structure")
        bring(store, written)
        assert text_of(store, "users") == whole
        assert bring(store, scanned, brings="structure").unchanged == 1
        assert text_of(store, "users") == whole
        bring(store, table("users", "", "id", "mail", "age"), brings="structure")
        assert text_of(store, "users") == "users: People\nColumns: id, mail (Where to write), age"
        detail = store.items.detail(store.items.ids()[0])
        assert detail is not None
        assert detail.structure_from == detail.words_from == "a test"

    def test_import_first_is_the_same(self, store: DocumentationStore) -> None:
        bring(store, table("users", "Words."))
        bring(store, table("users", "", "id"), brings="structure")
        assert text_of(store, "users") == "users\nWords.\nColumns: id"

    def test_skipped_stays_skipped(self, store: DocumentationStore) -> None:
        bring(store, table("users", "People."))
        ids = store.items.ids()
        assert store.items.skip(ids) == 1
        assert store.items.skip(ids) == 0
        bring(store, table("users", "Persons."))
        assert statuses(store) == {"users": "skipped"}
        assert store.work.find(Scope("all"), 0, Limits()).items == {"table": 0, "relationship": 0}
        assert store.items.unskip(ids) == 1
        assert statuses(store) == {"users": "pending"}
        assert text_of(store, "users") == "users\nPersons."

    def test_an_indexed_item_is_not_skipped(self, store: DocumentationStore) -> None:
        bring(store, table("users", "People."))
        index(store)
        assert store.items.skip(store.items.ids()) == 0

    def test_of_two_lines_for_one_item_the_later_counts(self, store: DocumentationStore, tmp_path: Path) -> None:
        file = tmp_path / "docs.jsonl"
        lines = [("users", "First."), ("orders", "Sales."), ("users", "Second."), ("users", "Third.")]
        file.write_text("\n".join(json.dumps({"name": name, "documentation": words}) for name, words in lines))
        brought = store.items.bring(JsonlSource(file))
        assert (brought.new, brought.read) == (2, 2)
        assert len(brought.warnings) == 2
        assert "line 1" in brought.warnings[0]
        assert "line 3" in brought.warnings[0]
        assert "line 4" in brought.warnings[1]
        assert "'users'" in brought.warnings[0]
        assert text_of(store, "users") == "users\nThird."
        index(store)
        again = store.items.bring(JsonlSource(file))
        assert (again.new, again.changed, again.unchanged) == (0, 0, 2)
        assert store.items.counts().total("indexed") == 2

    def test_lines_for_one_item_may_stand_far_apart(self, store: DocumentationStore, tmp_path: Path) -> None:
        """Further than what is read and counted at a time, and closer."""
        file = tmp_path / "docs.jsonl"
        twice = {1, 400, 501, 1_001, 2_600}
        names = ["users" if number in twice else f"t{number}" for number in range(1, 2_601)]
        lines = [{"name": name, "documentation": f"Line {number}."} for number, name in enumerate(names, start=1)]
        file.write_text("\n".join(map(json.dumps, lines)))
        brought = store.items.bring(JsonlSource(file))
        assert (brought.new, brought.read) == (2_596, 2_596)
        pairs = [(1, 400), (400, 501), (501, 1_001), (1_001, 2_600)]
        assert list(brought.warnings) == [
            f"table 'users' stands twice: line {earlier} and line {later}; the later one counts."
            for earlier, later in pairs
        ]
        assert text_of(store, "users") == "users\nLine 2600."
        assert text_of(store, "t2599") == "t2599\nLine 2599."
        rows = store.items.rows(store.items.ids())
        assert (len(rows), all(row.parts == 1 and row.tokens for row in rows)) == (2_596, True)

    def test_kinds_have_names_of_their_own(self, store: DocumentationStore) -> None:
        brought = bring(store, table("a", "x"), Document("relationship", "a", documentation="y"))
        assert (brought.new, brought.warnings) == (2, ())
        assert store.items.find("table", "a") != store.items.find("relationship", "a")

    def test_names_are_compared_exactly(self, store: DocumentationStore, each_store: str) -> None:
        composed = "caf\u00e9"
        names = ["users", "Users", "USERS", " users", "users ", composed, unicodedata.normalize("NFD", composed)]
        names += ["a\0b"] if each_store == "sqlite" else []
        names += ["ﬁ", "fi", "ß", "ss", "a", "'; DROP TABLE item; --", "x" * 300, "%", "_", "two\nlines"]
        brought = bring(store, *(table(name, "Words.") for name in names))
        assert (brought.new, brought.warnings, brought.bad_count) == (len(names), (), 0)
        assert [row.name for row in store.items.rows(store.items.ids())] == names
        for name in names:
            assert text_of(store, name) == f"{name}\nWords."

    def test_half_a_character_is_kept_and_found(self, store: DocumentationStore, tmp_path: Path) -> None:
        bad = table("users", "Half \ud83d of one.", business_purpose="\udc00")
        assert bring(store, bad, table("orders", "Sales.")).new == 2
        row = store.items.rows(store.items.ids())[0]
        assert (row.problem, row.status, row.tokens, row.parts) == ("invalid_unicode", "pending", 0, 0)
        assert next(iter(store.items.documents())) == bad
        detail = store.items.detail(row.id)
        assert detail is not None
        assert "\ud83d" in detail.text
        assert detail.next_step
        found = store.work.find(Scope(), 0, Limits())
        assert (found.unsendable_count, found.unsendable[0].code) == (1, "invalid_unicode")
        file = tmp_path / "out.jsonl"
        write_jsonl(store.items.documents(), file)
        assert bring(store, bad).unchanged == 1
        assert store.items.bring(JsonlSource(file)).unchanged == 2
        repaired = bring(store, table("users", "Whole."))
        assert repaired.changed == 1
        assert store.items.rows(store.items.ids())[0].problem is None

    def test_half_a_character_in_a_question_finds_nothing(self, store: DocumentationStore) -> None:
        bring(store, table("users", "People."))
        assert store.items.find("table", "users\ud800") is None
        assert list(store.items.ids(ItemFilter(text="\ud800"))) == []

    def test_bad_documents_do_not_stop_the_rest(self, store: DocumentationStore) -> None:
        documents = [
            table("", "x"),
            table("a\ud800", "x"),
            table("good", "x"),
            Document("relationship", "r", tables=("a",)),
        ]
        brought = bring(store, *documents)
        assert (brought.new, brought.bad_count) == (1, 3)
        assert [one.where for one in brought.bad] == ["document 1", "document 2", "document 4"]

    def test_a_source_that_breaks_off_changes_nothing(self, store: DocumentationStore) -> None:
        class Broken(IterableSource):
            def read(self) -> Iterator[Found | Unreadable]:
                for number in range(700):
                    yield Found(table(f"t{number}", "x"), f"line {number}")
                raise InputError("The file ends in the middle.")

        with pytest.raises(InputError):
            store.items.bring(Broken((), "words", "broken"))
        assert store.items.counts().total() == 0
        assert bring(store, table("users", "x")).new == 1, "nothing of it is left over for the next"
        assert statuses(store) == {"users": "pending"}

    def test_progress_is_told(self, store: DocumentationStore) -> None:
        told: list[str] = []
        source = IterableSource((table(f"t{number}", "x") for number in range(1100)), "words", "a test")
        store.items.bring(source, Watch(told.append))
        assert told == ["500 read", "1,000 read", "1,100 read"]

    def test_long_documents_are_split_and_joined(self, store: DocumentationStore) -> None:
        words = " ".join(f"Sentence number {number} says something." for number in range(4_000))
        bring(store, table("long", words))
        row = store.items.rows(store.items.ids())[0]
        assert row.parts > 1
        assert text_of(store, "long") == f"long\n{words}"
        detail = store.items.detail(row.id)
        assert detail is not None
        assert sum(part.tokens for part in detail.parts) == row.tokens
        assert sum(part.bytes for part in detail.parts) == len(detail.text.encode())
        assert all(part.tokens <= 8191 for part in detail.parts)
        bring(store, table("long", "Short now."))
        assert store.items.rows(store.items.ids())[0].parts == 1


examples = count()
names = st.text(max_size=8) | st.sampled_from(["a", "A", "e\u0301", "é", "nul\0", "<|endoftext|>", "\x1b[0m", "'"])
steps = st.lists(st.tuples(st.sampled_from(["structure", "words"]), names.filter(str.strip), names), max_size=12)


@given(steps)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_kept_is_what_came_last(tmp_path: Path, each_store: str, steps: list[tuple[Brings, str, str]]) -> None:
    assume(each_store == "sqlite" or "\0" not in repr(steps).replace("\\x00", "\0"))  # PostgreSQL refuses it
    path = tmp_path / f"hypothesis-{next(examples)}.sqlite3"
    with DocumentationStore(Settings(home=tmp_path, store_url=f"sqlite:///{path}")) as store:
        sides: dict[tuple[str, str], Document] = {}
        for brings, name, words in steps:
            document = table(name, "", words or "id") if brings == "structure" else table(name, words)
            bring(store, document, brings=brings)
            sides[name, brings] = document
            assert bring(store, document, brings=brings).unchanged == 1
        assert {one.name for one in store.items.documents()} == {name for name, _ in sides}
        for one in store.items.documents():
            structure, said = sides.get((one.name, "structure")), sides.get((one.name, "words"))
            assert one.documentation == (said.documentation if said else "")
            assert one.columns == (structure.columns if structure else ())


class TestLists:
    @pytest.fixture(autouse=True)
    def _documents(self, store: DocumentationStore) -> None:
        bring(store, table("b_users", "long " * 50), table("Alpha", "x y"), table("empty"))
        bring(store, Document("relationship", "b%fk", documentation="Joins both."))

    def names(self, store: DocumentationStore, **wanted: Any) -> list[str]:
        return [row.name for row in store.items.rows(store.items.ids(ItemFilter(**wanted)))]

    def test_filters(self, store: DocumentationStore) -> None:
        assert self.names(store) == ["b_users", "Alpha", "empty", "b%fk"]
        assert self.names(store, kind="relationship") == ["b%fk"]
        assert self.names(store, text="ALPHA") == ["Alpha"]
        assert self.names(store, text="_") == ["b_users"]
        assert self.names(store, text="%") == ["b%fk"]
        assert self.names(store, text="\\") == []
        assert self.names(store, problem="any") == self.names(store, problem="empty_document") == ["empty"]
        assert self.names(store, status="indexed") == []

    def test_orders(self, store: DocumentationStore) -> None:
        assert self.names(store, sort="name") == ["Alpha", "b%fk", "b_users", "empty"]
        assert self.names(store, sort="tokens")[0] == "b_users"
        store.items.skip([store.items.ids()[0]])
        assert self.names(store, sort="status")[-1] == "b_users"

    def test_rows_come_in_the_order_asked(self, store: DocumentationStore) -> None:
        ids = store.items.ids()
        assert [row.id for row in store.items.rows([ids[2], 99_999, ids[0]])] == [ids[2], ids[0]]
        assert store.items.rows([]) == []
        assert store.items.detail(99_999) is None

    def test_counts(self, store: DocumentationStore) -> None:
        counts = store.items.counts()
        assert (counts.total(), counts.total("pending", "table"), counts.of("relationship", "pending")) == (4, 3, 1)

    def test_what_is_paid_for_but_not_in_the_index_is_pending(self, store: DocumentationStore) -> None:
        answer(store, *agree(store))
        assert store.items.counts().total("indexed") == 0
        assert len(self.names(store, status="pending")) == 3
        assert len(self.names(store, status="failed")) == 1, "the empty one failed when it was agreed on"
        assert "Alpha" in store.get_pending_tables()

    def test_a_failure_stays_listed_and_says_why(self, store: DocumentationStore, config: Settings) -> None:
        agree(store)
        with DocumentationStore.look(config) as other:
            (row,) = other.items.failures()
        assert (row.name, row.code) == ("empty", "empty_document")
        assert row.message


class TestScopes:
    def test_runs_of_ids_are_named_by_their_ends(self) -> None:
        assert runs_of([]) == []
        assert runs_of([1, 2, 3, 7, 9, 10]) == [(1, 3), (7, 7), (9, 10)]
        assert runs_of(range(5, 90_000)) == [(5, 89_999)]
        assert runs_of(range(0, 100, 2)) is None

    @pytest.mark.of_files
    def test_scattered_marks_take_no_more_work_than_their_number(self, store: DocumentationStore) -> None:
        """Every second of many items: they are looked up in the list, not the list gone through for each."""
        bring(store, *(table(f"t{number}", f"Words {number}.") for number in range(2_000)))
        steps: list[int] = []

        def count(scope: Scope) -> int:
            steps.clear()
            store._db.connection().set_progress_handler(lambda: steps.append(1), 100)  # returns None: go on
            try:
                store.work.find(scope, 0, Limits())
            finally:
                store._db.connection().set_progress_handler(None, 0)
            return len(steps)

        every = count(Scope())
        assert every > 100
        assert count(Scope(ids=tuple(range(1, 2_000, 2)))) < 3 * every


class TestAnswers:
    def test_a_text_is_paid_for_once(self, store: DocumentationStore) -> None:
        twin = Document("relationship", "fk", tables=("a", "b"))
        bring(store, table("users", "People."), twin)
        index(store)
        bring(store, table("users", "Persons."))
        bring(store, table("users", "People."))
        found = store.work.find(Scope(), store.answers.space_id(SPACE), Limits())
        assert (found.items["table"], found.texts, found.reused) == (1, 0, 1)

    @pytest.mark.parametrize("few", [0, 10**9])
    def test_a_quote_adds_up_what_a_run_would_send(
        self, store: DocumentationStore, monkeypatch: pytest.MonkeyPatch, few: int
    ) -> None:
        """By both ways of looking: through all texts, and item by item."""
        monkeypatch.setattr(weighing, "FEW", few)
        keys = [Document("relationship", f"fk{n}", tables=("a", "b"), documentation=f"Words {n}.") for n in range(6)]
        twins = [table(f"twin{n}", "") for n in range(3)]
        long = [table(f"long{n}", f"{n} and so on. " * 3000) for n in range(2)]
        bad = table("bad", "Half \ud83d of one.")
        bring(store, *[table(f"t{n}", f"Table {n}. " * n) for n in range(40)], bad, *keys, *twins, *long)
        ids = store.items.ids()
        index(store, Scope(ids=tuple(ids[3:9])))
        space_id = store.answers.space_id(SPACE)
        for meant in (None, tuple(ids[::2]), tuple(ids[5:]), (ids[0],), ()):
            for scope in (Scope("pending", ids=meant), Scope("all", ids=meant), Scope("all", ("table",), meant)):
                for limits in (Limits(), Limits(3, 9_000), Limits(7, 300)):
                    found = store.work.find(scope, space_id, limits)
                    inputs = [one for one, _ in store.work.texts(scope, space_id)]
                    assert (found.texts, found.requests) == (len(inputs), len(list(pack(inputs, limits))))
                    assert sum(found.tokens.values()) == sum(one.tokens for one in inputs)
                    assert found.bytes == sum(one.bytes for one in inputs)
                    if scope.which == "all" and len(scope.kinds) == 2:
                        assert sum(found.items.values()) + found.unsendable_count == len(
                            ids if meant is None else meant
                        )

    def test_another_space_is_another_price(self, store: DocumentationStore) -> None:
        bring(store, table("users", "People."))
        index(store)
        other = Space("openai", "https://other/v1", SPACE.model, 3)
        found = store.work.find(Scope("all"), store.answers.space_id(other, make=True), Limits())
        assert (found.texts, found.requests) == (1, 1)

    def test_an_item_changed_meanwhile_is_not_marked(self, store: DocumentationStore) -> None:
        bring(store, table("users", "People."))
        run_id, space_id = agree(store)
        answer(store, run_id, space_id)
        (vector,) = waiting(store, space_id)
        bring(store, table("users", "Persons."))
        assert store.answers.mark_indexed([(vector.item_id, vector.item_hash)]) == 0
        assert statuses(store) == {"users": "pending"}

    def test_a_lost_index_waits_for_delivery_again(self, store: DocumentationStore) -> None:
        bring(store, table("users", "People."), table("orders", "Sales."))
        index(store)
        assert store.answers.index_lost() == 2
        assert store.items.counts().total("pending") == 2
        assert store.work.find(Scope(), store.answers.space_id(SPACE), Limits()).texts == 0

    def test_trimming_lets_go_of_what_nothing_needs(self, store: DocumentationStore) -> None:
        bring(store, table("users", "People."), table("orders", "Sales."))
        index(store)
        bring(store, table("users", "Persons."))
        assert store.answers.size() == (2, 24)
        assert store.answers.trim() == 1
        assert store.answers.size() == (1, 12)

    def test_a_transaction_is_all_or_nothing(self, store: DocumentationStore) -> None:
        bring(store, table("users", "People."))
        run_id, space_id = agree(store)
        request = store.ledger.reserve(run_id, 1, 1, SPACE.model, 1, 10, Decimal(1), 10)
        with pytest.raises(ValueError, match="shorter"), store.transaction():
            store.ledger.settle(request, 10, 10, "usage", 0.1)
            ids = [one.text_id for one in store.work.planned(run_id)]
            store.answers.keep(run_id, space_id, request, ids, [])
        assert store.ledger.billed_tokens() == 0
        assert store.answers.size() == (0, 0)


class TestLedger:
    def test_totals_are_the_sum_of_the_rows(self, store: DocumentationStore) -> None:
        bring(store, table("users", "People."))
        run_id, _ = agree(store)
        ledger = store.ledger
        paid, lost, refused = (
            ledger.reserve(run_id, batch, 1, SPACE.model, 1, 100, Decimal("0.02"), 2_000_000) for batch in (1, 2, 3)
        )
        ledger.settle(paid, 90, 1_800_000, "usage", 0.2)
        ledger.refuse(lost, "timeout", "No answer.", held=True, seconds=60)
        ledger.refuse(refused, "rate_limit_exceeded", "Slow down.", held=False, seconds=0.1)
        assert ledger.spent() == Decimal("0.0000038")
        assert ledger.held() == Decimal("0.000002")
        assert ledger.billed_tokens() == 90
        totals = ledger.totals(run_id)
        assert (totals.requests, totals.billed_pico, totals.held_pico) == (3, 1_800_000, 2_000_000)
        assert [run.spent for run in ledger.runs()] == [ledger.spent()]
        bill = ledger.bill()
        assert sum(one.usd for _, one in bill.models) == sum(one.usd for _, one in bill.days) == ledger.spent()

    def test_after_a_crash_nothing_is_free(self, store: DocumentationStore) -> None:
        bring(store, table("users", "People."))
        run_id, _ = agree(store)
        store.ledger.reserve(run_id, 1, 1, SPACE.model, 1, 100, Decimal("0.02"), 2_000_000)
        store.ledger.recover()
        run = store.ledger.unfinished()
        assert run is not None
        assert (run.id, run.state, run.spent) == (run_id, "interrupted", Decimal("0.000002"))
        assert store.ledger.held() == Decimal("0.000002")
        store.ledger.recover()
        assert len(store.ledger.runs()) == 1


def picture(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Every file: its contents' hash, its size, when it was changed."""
    return {
        path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.iterdir())
        if path.is_file()
    }


def look_around(config: Settings) -> int:
    """Ask a store that is opened for looking everything; returns the number of items."""
    with DocumentationStore.look(config) as store:
        ids = store.items.ids()
        store.items.rows(ids)
        if ids:
            store.items.detail(ids[0])
        store.items.counts()
        store.items.failures()
        list(store.items.documents())
        store.work.find(Scope(), store.answers.space_id(SPACE), Limits())
        store.ledger.spent()
        store.ledger.runs()
        store.ledger.unfinished()
        store.note("anything")
        return len(ids)


WRITER = """
import os, sys
from pathlib import Path
from batch_manager.documents import Document
from batch_manager.settings import Settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore
store = DocumentationStore(Settings(home=Path(sys.argv[1])))
store.items.bring(IterableSource([Document("table", "new", documentation="Words.")], "words", "a test"))
print("written", flush=True)
if sys.argv[2] == "die":
    os._exit(9)
sys.stdin.readline()
"""


def write_elsewhere(config: Settings, what: str) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(config.home), what], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"written\n"
    if what == "die":
        child.wait()
    return child


@pytest.mark.of_files
class TestLooking:
    def test_writes_nothing(self, config: Settings) -> None:
        with DocumentationStore(config) as store:
            bring(store, table("users", "People."))
        before = picture(config.home)
        assert list(before) == ["store.sqlite3"]
        assert look_around(config) == 1
        assert picture(config.home) == before

    def test_an_absent_store_looks_empty_in_every_thread(self, config: Settings) -> None:
        assert look_around(config) == 0
        assert not config.home.exists()
        with DocumentationStore.look(config) as store:
            assert in_thread(lambda: store.items.counts().total()) == 0
            store.close()
            assert store.items.counts().total() == 0, "a connection that is opened again is empty as well"

    def test_a_store_below_a_file_looks_empty(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        assert look_around(Settings(home=tmp_path / "file" / "home")) == 0

    def test_a_file_that_a_kill_left_empty_looks_empty(self, config: Settings) -> None:
        config.home.mkdir()
        config.store_path.touch()
        assert look_around(config) == 0
        with DocumentationStore(config) as store:
            assert bring(store, table("users", "People.")).new == 1

    def test_while_a_writer_is_at_work(self, config: Settings) -> None:
        child = write_elsewhere(config, "stay")
        try:
            before = picture(config.home)
            assert list(before) == ["store.sqlite3", "store.sqlite3-shm", "store.sqlite3-wal"]
            assert look_around(config) == 1, "what is only in the log is seen"
            assert picture(config.home) == before
        finally:
            child.communicate(b"\n")
        assert list(picture(config.home)) == ["store.sqlite3"], "the look kept the writer from nothing"
        assert look_around(config) == 1

    def test_after_a_writer_was_killed(self, config: Settings) -> None:
        write_elsewhere(config, "die").communicate()
        before = picture(config.home)
        assert "store.sqlite3-wal" in before
        assert look_around(config) == 1
        assert picture(config.home) == before

    @pytest.mark.skipif(os.name != "posix", reason="SQLite's Unix layer")
    def test_a_copy_with_its_log_alone(self, config: Settings) -> None:
        write_elsewhere(config, "die").communicate()
        (config.home / "store.sqlite3-shm").unlink()
        before = picture(config.home)
        assert look_around(config) == 1
        assert picture(config.home) == before

    def test_a_look_that_was_open_before_sees_the_writer_in_a_new_thread(self, config: Settings) -> None:
        with DocumentationStore(config) as store:
            bring(store, table("users", "People."))
        with DocumentationStore.look(config) as looking:
            assert looking.items.counts().total() == 1
            child = write_elsewhere(config, "stay")
            try:
                assert in_thread(lambda: looking.items.counts().total()) == 2
            finally:
                child.communicate(b"\n")

    def test_in_a_home_with_signs_of_a_url(self, tmp_path: Path) -> None:
        config = Settings(home=tmp_path / "50% off? #1 & more")
        with DocumentationStore(config) as store:
            bring(store, table("users", "People."))
        assert look_around(config) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["50% off? #1 & more"]

    def test_a_write_is_refused(self, config: Settings) -> None:
        with DocumentationStore(config) as store:
            bring(store, table("users", "People."))
        with DocumentationStore.look(config) as store, pytest.raises(StoreError) as caught:
            store.set_note("a", "b")
        assert caught.value.code == "store_read_only"


def in_thread(what: Any) -> Any:
    found: list[Any] = []

    def work() -> None:
        found.append(what())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.of_files
class TestTrouble:
    @pytest.mark.parametrize("how", [DocumentationStore, DocumentationStore.look])
    def test_a_newer_store_is_refused_and_left_alone(self, config: Settings, how: Any) -> None:
        DocumentationStore(config).close()
        with sqlite3.connect(config.store_path) as raw:
            raw.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        raw.close()
        before = picture(config.home)
        with pytest.raises(StoreError, match="newer") as caught:
            how(config)
        assert caught.value.code == "store_newer"
        assert picture(config.home) == before

    @pytest.mark.parametrize("how", [DocumentationStore, DocumentationStore.look])
    @pytest.mark.parametrize("version", [0, 1, 99])
    @pytest.mark.parametrize("journal", ["delete", "wal"])
    def test_another_programs_database_is_refused_and_left_alone(
        self, config: Settings, how: Any, version: int, journal: str
    ) -> None:
        config.home.mkdir()
        raw = sqlite3.connect(config.store_path)
        raw.execute(f"PRAGMA journal_mode = {journal}")
        raw.execute("CREATE TABLE bookmarks (url TEXT)")
        raw.execute(f"PRAGMA user_version = {version}")
        raw.commit()
        raw.close()
        before = picture(config.home)
        with pytest.raises(StoreError, match="other program") as caught:
            how(config)
        assert caught.value.code == "store_foreign"
        assert picture(config.home) == before

    @pytest.mark.parametrize("how", [DocumentationStore, DocumentationStore.look])
    @pytest.mark.parametrize("content", [b"garbage" * 1000, b"x", b"SQLite format 3\0" + b"\xff" * 5000])
    def test_garbage_is_refused_and_left_alone(self, config: Settings, how: Any, content: bytes) -> None:
        config.home.mkdir()
        config.store_path.write_bytes(content)
        with pytest.raises(StoreError) as caught:
            how(config)
        assert caught.value.code == "store_damaged"
        assert config.store_path.read_bytes() == content

    def test_a_store_cut_in_half_is_damaged(self, config: Settings) -> None:
        with DocumentationStore(config) as store:
            bring(store, *(table(f"t{number}", "Words. " * 50) for number in range(500)))
        content = config.store_path.read_bytes()
        config.store_path.write_bytes(content[: len(content) // 2])
        with pytest.raises(StoreError) as caught:
            look_around(config)
        assert caught.value.code == "store_damaged"

    @pytest.mark.parametrize("how", [DocumentationStore, DocumentationStore.look])
    def test_a_folder_is_no_store(self, config: Settings, how: Any) -> None:
        config.store_path.mkdir(parents=True)
        with pytest.raises(StoreError):
            how(config)

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(StoreError) as caught:
            DocumentationStore(Settings(home=tmp_path / "file" / "home"))
        assert str(tmp_path) in caught.value.message

    @pytest.mark.parametrize("how", [DocumentationStore, DocumentationStore.look])
    def test_a_name_that_no_file_can_have(self, tmp_path: Path, how: Any) -> None:
        with pytest.raises(StoreError):
            how(Settings(home=tmp_path / ("x" * 300)))

    def test_a_locked_store_says_so_at_once(self, config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
        with DocumentationStore(config) as store:
            bring(store, table("users", "People."))
            raw = sqlite3.connect(config.store_path, isolation_level=None)
            raw.execute("BEGIN IMMEDIATE")
            try:
                for write in (
                    lambda: bring(store, table("orders", "Sales.")),
                    lambda: store.items.skip([1]),
                    lambda: store.set_note("a", "b"),
                    lambda: store.ledger.recover(),
                ):
                    with pytest.raises(StoreError) as caught:
                        write()
                    assert caught.value.code == "store_busy"
                assert look_around(config) == 1, "looking goes on"
            finally:
                raw.close()
            assert bring(store, table("orders", "Sales.")).new == 1

    def test_a_full_disk_loses_nothing_that_was_kept(self, config: Settings) -> None:
        with DocumentationStore(config) as store:
            bring(store, table("users", "People."))
            raw = store._db
            pages = raw.execute_sql("PRAGMA page_count").fetchone()[0]
            raw.execute_sql(f"PRAGMA max_page_count = {pages + 2}")
            with pytest.raises(StoreError) as caught:
                bring(store, *(table(f"t{number}", "Words. " * 100) for number in range(300)))
            assert caught.value.code == "store_full"
            assert statuses(store) == {"users": "pending"}
            raw.execute_sql("PRAGMA max_page_count = 1000000")
            assert bring(store, *(table(f"t{number}", "Words.") for number in range(300))).new == 300

    @pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
    def test_a_file_that_may_not_grow(self, config: Settings) -> None:
        with DocumentationStore(config) as store:
            bring(store, table("users", "People."))
        program = """
import resource, signal, sys
from pathlib import Path
from batch_manager.documents import Document
from batch_manager.errors import StoreError
from batch_manager.settings import Settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
store = DocumentationStore(Settings(home=Path(sys.argv[1])))
documents = (Document("table", f"t{number}", documentation=f"Words {number} " * 200) for number in range(2000))
try:
    store.items.bring(IterableSource(documents, "words", "a test"))
except StoreError as error:
    print(error.code)
"""
        done = subprocess.run(
            [sys.executable, "-c", program, str(config.home)], capture_output=True, text=True, timeout=60
        )
        assert done.stdout.strip() == "store_full", done.stderr
        assert look_around(config) >= 1
        with DocumentationStore(config) as store:
            assert bring(store, table("orders", "Sales.")).new == 1

    def test_the_file_is_for_its_owner_alone(self, config: Settings) -> None:
        with DocumentationStore(config) as store:
            bring(store, table("users", "People."))
            for path in config.home.iterdir():
                assert path.stat().st_mode & 0o077 == 0, path.name
        assert config.home.stat().st_mode & 0o077 == 0

    def test_every_thread_may_write(self, store: DocumentationStore) -> None:
        failures: list[BaseException] = []

        def write(number: int) -> None:
            try:
                for one in range(10):
                    bring(store, table(f"t{number}_{one}", "Words."))
                    store.items.counts()
            except BaseException as error:
                failures.append(error)
            finally:
                store.close()

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert store.items.counts().total() == 40


def test_notes(store: DocumentationStore) -> None:
    assert store.note("space") is None
    store.set_note("space", "a")
    store.set_note("space", "b")
    assert store.note("space") == "b"
    store.set_note("space", None)
    assert store.note("space") is None


def test_pending_relationships_for_python(store: DocumentationStore) -> None:
    bring(
        store,
        Document(
            "relationship",
            "users_orders_fk",
            type="one-to-many",
            tables=("orders", "users"),
            constrained=("user_id",),
            referred=("id",),
        ),
    )
    (row,) = store.get_pending_relationships()
    assert row == {
        "id": 1,
        "name": "users_orders_fk",
        "constrained_table": "orders",
        "constrained_columns": ["user_id"],
        "referred_table": "users",
        "referred_columns": ["id"],
        "type": "one-to-many",
        "documentation": "",
    }
