"""Scans of real DuckDB files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from batch_manager.documents import Column, Constraint, from_payload, render, to_payload
from batch_manager.sources import Found, Unreadable
from batch_manager.sources.database import DatabaseSource
from scanning import Build, refusal, scan, statements
from servers import need


@pytest.fixture
def duckdb(tmp_path: Path) -> Callable[[str], str]:
    """Make a DuckDB file of a script; returns its URL."""
    need("duckdb_engine")
    import duckdb

    def make(script: str) -> str:
        path = tmp_path / "shop.duckdb"
        with duckdb.connect(str(path)) as opened:
            opened.execute(script)
        return f"duckdb:///{path}"

    return make


def test_duckdb_is_read_with_comments_types_and_keys(duckdb: Build) -> None:
    found = scan(
        duckdb(
            """
            CREATE TYPE mood AS ENUM ('good', 'it''s bad');
            CREATE TABLE users (id INTEGER PRIMARY KEY, mail VARCHAR NOT NULL UNIQUE DEFAULT 'x', feels mood,
                tags VARCHAR[], price DECIMAL(10,2), place STRUCT(a INTEGER, b VARCHAR),
                s VARCHAR CHECK (s IN ('a', 'b')),
                twice INTEGER GENERATED ALWAYS AS (id * 2), CHECK (id > 0));
            COMMENT ON TABLE users IS 'People';
            COMMENT ON COLUMN users.mail IS 'confirmed';
            CREATE TABLE orders (id INTEGER PRIMARY KEY, u INTEGER REFERENCES users (id),
                up INTEGER REFERENCES orders (id));
            CREATE TABLE profile (u INTEGER REFERENCES users (id));
            CREATE UNIQUE INDEX one_each ON profile (u);
            CREATE TABLE liked (u INTEGER REFERENCES users (id), o INTEGER REFERENCES orders (id), PRIMARY KEY (o, u));
            CREATE VIEW mails AS SELECT mail FROM users;
            COMMENT ON VIEW mails IS 'Only mails';
            """
        )
    )
    assert {name: one.form for name, one in found.items() if one.kind == "table"} == {
        "liked": "",
        "mails": "view",
        "orders": "",
        "profile": "",
        "users": "",
    }
    users = found["users"]
    assert users.comment == "People"
    assert [(one.name, one.type, one.nullable) for one in users.columns] == [
        ("id", "INTEGER", False),
        ("mail", "VARCHAR", False),
        ("feels", "ENUM('good', 'it''s bad')", True),
        ("tags", "VARCHAR[]", True),
        ("price", "DECIMAL(10,2)", True),
        ("place", "STRUCT(a INTEGER, b VARCHAR)", True),
        ("s", "VARCHAR", True),
        ("twice", "INTEGER", True),
    ]
    assert users.columns[0] == Column("id", "INTEGER", primary_key=True, nullable=False)
    assert users.columns[1].comment == "confirmed"
    assert users.columns[1].default == "'x'"
    assert users.columns[2].values == ("good", "it's bad")
    assert users.columns[6].values == ("a", "b")
    assert "id * 2" in users.columns[7].generated
    assert Constraint("check", "users_id_check", ("id",), "(id > 0)") in users.constraints
    assert render(users).text == (
        "users\nPeople\nColumns: id, mail (confirmed), feels (one of good, it's bad), tags, price, place,"
        " s (one of a, b), twice\nRules: id > 0"
    )
    assert found["mails"].comment == "Only mails"
    links = {one.tables: one.type for one in found.values() if one.tables}
    assert links == {
        ("orders", "users"): "many-to-one",
        ("orders", "orders"): "many-to-one",
        ("profile", "users"): "one-to-one",
        ("liked", "users"): "many-to-one",
        ("liked", "orders"): "many-to-one",
    }
    assert set(found["liked"].joins) == {"users", "orders"}
    for document in found.values():
        assert from_payload(to_payload(document)) == document


def test_duckdb_s_schemas(duckdb: Build) -> None:
    url = duckdb(
        """
        CREATE SCHEMA sales; CREATE SCHEMA "a.b"; CREATE TABLE users (id INT); CREATE TABLE sales.users (id INT);
        CREATE TABLE "a.b"."select" (id INT);
        """
    )
    assert list(scan(url)) == ["users"]
    assert list(scan(url, "*")) == ["sales.users", "select", "users"]
    error = refusal(url, "nope")
    assert (error.code, "sales" in error.next_step) == ("unknown_schema", True)


def test_a_broken_view_is_named_and_the_rest_is_read_in_duckdb(duckdb: Build) -> None:
    url = duckdb(
        """
        CREATE TABLE users (id INT); CREATE TABLE gone (id INT); CREATE VIEW good AS SELECT id FROM users;
        CREATE VIEW broken AS SELECT id FROM gone; DROP TABLE gone;
        """
    )
    entries = list(DatabaseSource(url).read())
    names = [one.document.name for one in entries if isinstance(one, Found)]
    assert [one.where for one in entries if isinstance(one, Unreadable)] in (["view broken"], [])
    assert names in (["good", "users"], ["broken", "good", "users"])  # what DuckDB still knows of it


def test_duckdb_takes_the_same_statements_for_any_number_of_tables(duckdb: Build) -> None:
    def script(count: int) -> str:
        return "".join(f"CREATE OR REPLACE TABLE t{n} (id INT PRIMARY KEY);" for n in range(count))

    url = duckdb(script(3))
    with statements() as few:
        assert len(scan(url)) == 3
    url = duckdb(script(40))
    with statements() as many:
        assert len(scan(url)) == 40
    assert len(many) == len(few) < 15


def test_what_is_no_duckdb_database_is_refused_and_nothing_is_made(duckdb: Build, tmp_path: Path) -> None:
    assert refusal(f"duckdb:///{tmp_path}/missing.duckdb").code == "no_such_database"
    assert refusal(f"duckdb:///{tmp_path}").code == "is_directory"
    assert refusal("duckdb:///:memory:").code == "bad_database_url"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "text.duckdb").write_bytes(b"no database " * 2000)
    assert refusal(f"duckdb:///{tmp_path}/text.duckdb").code == "not_a_database"


def test_a_path_is_enough_for_a_duckdb_file(duckdb: Build, tmp_path: Path) -> None:
    duckdb("CREATE TABLE users (id INT)")
    (tmp_path / "shop.duckdb").rename(tmp_path / "shop.data")
    assert list(scan(str(tmp_path / "shop.data"))) == ["users"]


def test_a_duckdb_scan_writes_nothing(duckdb: Build, tmp_path: Path) -> None:
    url = duckdb("CREATE TABLE users (id INT)")
    before = (tmp_path / "shop.duckdb").read_bytes()
    assert list(scan(url)) == ["users"]
    assert [one.name for one in tmp_path.iterdir()] == ["shop.duckdb"]
    assert (tmp_path / "shop.duckdb").read_bytes() == before
