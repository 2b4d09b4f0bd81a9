"""Several databases in one home: each table is an item of its own, and keeps the name that it was given first."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from batch_manager.documents import Document
from batch_manager.errors import DeclinedError
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.sources.database import DatabaseSource
from batch_manager.sources.database_url import key_of, label_of
from batch_manager.sources.recognise import open_file
from batch_manager.store import DocumentationStore
from batch_manager.store.intake import Change
from command import Command

pytestmark = pytest.mark.usefixtures("each_store")

USERS = "CREATE TABLE users (id INTEGER PRIMARY KEY, {} TEXT)"
ORDERS = "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id))"
Make = Callable[..., DatabaseSource]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentationStore]:
    settings = load_settings({"BATCH_MANAGER_HOME": str(tmp_path / "home")}, environment={}, folder=tmp_path)
    (tmp_path / "home").mkdir()
    with DocumentationStore(settings) as opened:
        yield opened


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(name: str, *statements: str) -> DatabaseSource:
        path = tmp_path / f"{name}.db"
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as opened:
            for statement in statements:
                opened.execute(statement)
        opened.close()
        return DatabaseSource(f"sqlite:///{path}")

    return make


def names(store: DocumentationStore) -> list[str]:
    return sorted(document.name for document in store.items.documents())


def test_names_are_qualified_only_where_they_must_be_and_stay(store: DocumentationStore, make: Make) -> None:
    shop = make("shop", USERS.format("shop_mail"), ORDERS, "CREATE TABLE carts (id INT)")
    crm = make("crm", USERS.format("crm_mail"), ORDERS, "CREATE TABLE leads (id INT)")
    assert store.items.bring(shop, whole=True).new == 4
    brought = store.items.bring(crm, whole=True)
    assert (brought.new, brought.changed, brought.gone) == (4, 0, 0)
    assert "same database at another address" in brought.warnings[0]
    of_shop, of_crm = {"users", "orders", "carts", "orders_user_id_fk"}, {"users", "orders", "orders_user_id_fk"}
    assert names(store) == sorted(of_shop | {f"crm.{name}" for name in of_crm} | {"leads"})
    by_name = {document.name: document for document in store.items.documents()}
    assert by_name["crm.orders_user_id_fk"].tables == ("crm.orders", "crm.users")
    assert by_name["orders_user_id_fk"].tables == ("orders", "users")
    assert [column.name for column in by_name["users"].columns] == ["id", "shop_mail"]

    # In any order, again and again, nothing changes: no source takes the other's items.
    for source in (shop, crm, crm, shop):
        again = store.items.bring(source, whole=True)
        assert (again.new, again.changed, again.gone, again.warnings) == (0, 0, 0, ())

    # The name stays when the first one's table goes, and is kept free for when it comes back.
    smaller = make("shop", ORDERS.replace("users", "carts"), "CREATE TABLE carts (id INT)")
    assert store.items.bring(smaller, whole=True, agree_gone=True).gone == 1
    again = store.items.bring(crm, whole=True)
    assert (again.new, again.changed, again.gone) == (0, 0, 0)
    assert "crm.users" in names(store) and "users" not in names(store)

    # What another source has is no concern of a scan that loses a table.
    without_leads = make("crm", USERS.format("crm_mail"), ORDERS)
    assert store.items.bring(without_leads, whole=True).gone == 1


def test_two_databases_of_one_name_and_a_name_that_is_taken(
    store: DocumentationStore, make: Make, tmp_path: Path
) -> None:
    store.items.bring(make("shop", USERS.format("a")), whole=True)
    for folder, told in (("one", "shop.users"), ("two", "shop2.users")):
        (tmp_path / folder).mkdir()
        store.items.bring(make(f"{folder}/shop", USERS.format(folder)), whole=True)
        assert told in names(store)
    # A table that is really called so comes to a source that gave the name away.
    odd = make("one/shop", USERS.format("one"), 'CREATE TABLE "shop.users" (id INT)')
    assert store.items.bring(odd, whole=True).new == 1
    assert names(store) == ["shop.shop.users", "shop.users", "shop2.users", "users"]
    assert store.items.bring(odd, whole=True).new == 0


@pytest.mark.of_files
def test_a_plan_keeps_nothing_and_no_writer_waiting(store: DocumentationStore, make: Make) -> None:
    store.items.bring(make("shop", USERS.format("mail"), ORDERS), whole=True)
    before = sorted(map(str, store.items.documents()))
    other = make("shop", USERS.format("phone"), "CREATE TABLE carts (id INT)")
    plan = store.items.plan(other, whole=True)
    assert (plan.new, plan.changed, plan.unchanged, plan.gone) == (1, 1, 0, 2)
    assert plan.changes == (
        Change("new", "table", "carts"),
        Change("changed", "table", "users", "columns + phone - mail"),
        Change("gone", "table", "orders"),
        Change("gone", "relationship", "orders_user_id_fk"),
    )
    assert sorted(map(str, store.items.documents())) == before and store.items.counts().total("pending") == 3

    def slow() -> Iterator[Document]:
        # A run writes down a paid answer while a source takes its time.
        with sqlite3.connect(store.path, timeout=0) as writer:
            writer.execute("UPDATE item SET tries = tries + 1")
        writer.close()
        yield Document("table", "late", documentation="Came at last.")

    assert store.items.plan(IterableSource(slow(), "words", "slow")).new == 1


@pytest.mark.of_files
def test_items_of_before_there_were_keys_stay_with_their_database_however_its_url_is_written(
    store: DocumentationStore, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_migrated() -> None:
        # What a migration knows of them: the title alone, as it was written at that time.
        with sqlite3.connect(store.path) as raw:
            raw.execute("UPDATE item SET origin = ?", (short,))
        raw.close()

    make("shop", USERS.format("mail"), ORDERS)
    monkeypatch.chdir(tmp_path)
    short, long = "sqlite:///shop.db", f"sqlite:///{tmp_path / 'shop.db'}"
    store.items.bring(DatabaseSource(short), whole=True)
    as_migrated()
    again = store.items.bring(DatabaseSource(long), whole=True)
    assert (again.new, again.changed, again.unchanged, again.warnings) == (0, 0, 3, ())

    # From then on they are known by the database itself, although no text of theirs has changed since.
    as_migrated()
    store.items.bring(DatabaseSource(short), whole=True)
    monkeypatch.chdir("/")
    again = store.items.bring(DatabaseSource(long), whole=True)
    assert (again.new, again.unchanged, again.gone) == (0, 3, 0)


@pytest.mark.of_files
def test_a_database_that_has_moved_is_taken_for_the_same(tmp_path: Path, make: Make) -> None:
    command = Command(tmp_path / "home")
    old = make("old", USERS.format("mail"), ORDERS)
    new = make("new", USERS.format("mail"), ORDERS)
    command("--scan", f"{old.title}")
    moved = command("--scan", new.title, "--source", "old.db", "--json")
    assert (moved.code, moved.json["unchanged"], moved.json["new"]) == (0, 3, 0)
    again = command("--scan", new.title, "--json")
    assert (again.json["unchanged"], again.json["new"], again.json["warnings"]) == (3, 0, [])
    wrong = command("--scan", new.title, "--source", "elsewhere")
    assert wrong.code == 2 and "No item is of a source" in wrong.error


def test_words_join_a_name_whoever_has_it(store: DocumentationStore, make: Make) -> None:
    store.items.bring(IterableSource([Document("table", "crm.users", documentation="People.")], "words", "a test"))
    store.items.bring(make("shop", USERS.format("a")))
    store.items.bring(make("crm", USERS.format("b")))
    found = {document.name: document for document in store.items.documents()}
    assert found["crm.users"].documentation == "People." and found["crm.users"].columns
    assert not found["users"].documentation


def test_a_broken_view_does_not_keep_the_dead_alive(store: DocumentationStore, make: Make) -> None:
    view = "CREATE VIEW recent AS SELECT id FROM users"
    whole = make("shop", USERS.format("a"), view, *(f"CREATE TABLE t{n} (id INT)" for n in range(4)))
    assert store.items.bring(whole, whole=True).new == 6
    broken = make(
        "shop", USERS.format("a"), view, "DROP TABLE users", *(f"CREATE TABLE t{n} (id INT)" for n in range(4))
    )
    brought = store.items.bring(broken, whole=True)
    assert (brought.bad_count, brought.gone) == (1, 1)
    assert "recent" in names(store) and "users" not in names(store)


def test_what_a_manifest_no_longer_tells_is_gone_and_a_list_of_documents_takes_nothing(
    store: DocumentationStore, tmp_path: Path
) -> None:
    manifest, lines = tmp_path / "schema.json", tmp_path / "docs.jsonl"

    def told(count: int) -> str:
        tables = [{"name": f"t{n}", "comment": f"Words {n}.", "columns": []} for n in range(count)]
        return json.dumps({"name": "shop", "desc": "", "tables": tables})

    manifest.write_text(told(5))
    assert store.items.bring(open_file(manifest), whole=True).new == 5
    manifest.write_text(told(4))
    assert store.items.bring(open_file(manifest), whole=True).gone == 1
    manifest.write_text(told(5))
    assert store.items.bring(open_file(manifest), whole=True).new == 1  # back
    manifest.write_text(told(1))
    with pytest.raises(DeclinedError, match="The import no longer finds 4 of 5"):
        store.items.bring(open_file(manifest), whole=True)
    lines.write_text("".join(json.dumps({"name": f"l{n}", "documentation": "x"}) + "\n" for n in range(3)))
    store.items.bring(open_file(lines), whole=True)
    lines.write_text(json.dumps({"name": "l0", "documentation": "x"}))
    assert store.items.bring(open_file(lines), whole=True).gone == 0


@pytest.mark.of_files
def test_a_database_is_known_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert key_of("sqlite:///shop.db") == key_of(f"sqlite:///{tmp_path}/shop.db") == f"sqlite:///{tmp_path}/shop.db"
    ways = ("postgres://ann:secret@host/shop", "postgresql+psycopg://bob@host:5432/shop?sslmode=require")
    assert {key_of(one) for one in ways} == {"postgresql://host/shop"}
    assert key_of("postgresql://ann@host:5433/shop") == "postgresql://host:5433/shop"
    assert label_of(ways[0]) == "shop" == label_of("duckdb:////data/shop.duckdb")
