"""Scans of SQLite files, URLs, and what can go wrong before a database answers."""

import os
import shutil
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.reflection import Inspector

from batch_manager.documents import Column, Constraint, Document, from_payload, to_payload
from batch_manager.errors import InputError
from batch_manager.sources import Found, Unreadable, connection
from batch_manager.sources.database import DatabaseSource
from batch_manager.sources.database_url import explain, key_of, parse_url, sqlite_url, title_of
from batch_manager.sources.known import known_source, worth_adding
from batch_manager.sources.relationships import Link, cardinality, named
from batch_manager.sources.sample import sample_sources
from batch_manager.sources.sqlite_catalog import check_constraints, generated_columns
from scanning import IN_URL, PASSWORD, Build, refusal, scan, statements


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Make a SQLite file of a script; returns its URL."""

    def make(script: str) -> str:
        path = tmp_path / "shop.db"
        with closing(sqlite3.connect(path)) as opened:
            opened.executescript(script)
        return sqlite_url(path)

    return make


# SQLite: structure


def test_tables_columns_and_keys_are_read_as_the_database_writes_them(build: Build) -> None:
    found = scan(
        build(
            """
            CREATE TABLE users (id INTEGER PRIMARY KEY, mail VARCHAR(80) NOT NULL UNIQUE, paid MONEY, untyped,
                total DECIMAL(10, 2) GENERATED ALWAYS AS (paid * 2) STORED);
            CREATE TABLE orders (id BIGINT NOT NULL, user_id INTEGER NOT NULL, PRIMARY KEY (id),
                CONSTRAINT orders_users_fk FOREIGN KEY (user_id) REFERENCES users (id));
            CREATE VIEW big_orders AS SELECT id, user_id FROM orders WHERE id > 1000;
            """
        )
    )
    assert list(found) == ["big_orders", "orders", "users", "orders_users_fk"]
    assert found["users"] == Document(
        "table",
        "users",
        columns=(
            Column("id", "INTEGER", primary_key=True, nullable=True),
            Column("mail", "VARCHAR(80)", nullable=False),
            Column("paid", "MONEY", nullable=True),
            Column("untyped", "", nullable=True),
            Column("total", "DECIMAL(10, 2)", nullable=True, generated="paid * 2"),
        ),
        constraints=(Constraint("unique", columns=("mail",)),),
        schema="main",
    )
    assert found["big_orders"].columns == (
        Column("id", "BIGINT", nullable=True),
        Column("user_id", "INTEGER", nullable=True),
    )
    assert found["orders_users_fk"] == Document(
        "relationship",
        "orders_users_fk",
        type="many-to-one",
        tables=("orders", "users"),
        constrained=("user_id",),
        referred=("id",),
        schema="main",
    )


def test_checks_defaults_and_generated_columns_are_read_from_any_sql(build: Build) -> None:
    found = scan(
        build(
            """
            CREATE TABLE x (
                "a b" INT CHECK ("a b" > 0) DEFAULT (1 + 2), -- CHECK (no)
                s TEXT CONSTRAINT known CHECK (s IN ('open', ') CHECK (', 'it''s')),
                g INT GENERATED ALWAYS AS (("a b") * 2) VIRTUAL CONSTRAINT even CHECK (g <> 3), h TEXT AS (lower(s)),
                CONSTRAINT [last one] CHECK (/* CHECK */ length(s) < 9 AND "a b" < 100),
                CHECK (s <> 'x')
            );
            """
        )
    )
    assert found["x"].columns == (
        Column("a b", "INT", nullable=True, default="1 + 2"),
        Column("s", "TEXT", nullable=True, values=("open", ") CHECK (", "it's")),
        Column("g", "INT", nullable=True, generated='("a b") * 2'),
        Column("h", "TEXT", nullable=True, generated="lower(s)"),
    )
    assert found["x"].constraints == (
        Constraint("check", expression='"a b" > 0'),
        Constraint("check", "known", expression="s IN ('open', ') CHECK (', 'it''s')"),
        Constraint("check", "even", expression="g <> 3"),
        Constraint("check", "last one", expression='/* CHECK */ length(s) < 9 AND "a b" < 100'),
        Constraint("check", expression="s <> 'x'"),
    )
    broken = "CREATE TABLE t (a INT CHECK (a > 0"  # never ends, which SQLite itself would not take
    assert check_constraints(broken) == [("", "")]
    assert generated_columns("CREATE TABLE t (a INT AS (b") == {"a": ""}


def test_one_to_one_is_seen_by_key_constraint_and_index_as_a_whole(build: Build) -> None:
    found = scan(
        build(
            """
            CREATE TABLE a (x INTEGER PRIMARY KEY, y INT, UNIQUE (x, y));
            CREATE TABLE by_key (a INTEGER PRIMARY KEY REFERENCES a (x));
            CREATE TABLE by_inline (a VARCHAR(10) NOT NULL UNIQUE REFERENCES a (x));
            CREATE TABLE by_constraint (a INT, b INT, UNIQUE (b, a), FOREIGN KEY (a, b) REFERENCES a (x, y));
            CREATE TABLE by_index (a INT REFERENCES a (x));
            CREATE UNIQUE INDEX whole ON by_index (a);
            CREATE TABLE by_part (a INT UNIQUE, b INT, FOREIGN KEY (a, b) REFERENCES a (x, y));
            CREATE TABLE half_key (a INT REFERENCES a (x), b INT, PRIMARY KEY (a, b));
            CREATE TABLE half_unique (a INT REFERENCES a (x), b INT, UNIQUE (a, b));
            CREATE TABLE partial (a INT REFERENCES a (x));
            CREATE UNIQUE INDEX some ON partial (a) WHERE a > 5;
            CREATE TABLE expression (a INT REFERENCES a (x));
            CREATE UNIQUE INDEX computed ON expression (abs(a));
            CREATE TABLE plain (a INT REFERENCES a (x));
            CREATE INDEX ordinary ON plain (a);
            """
        )
    )
    types = {one.tables[0]: one.type for one in found.values() if one.kind == "relationship"}
    once = ("by_key", "by_inline", "by_constraint", "by_index", "by_part")
    often = ("half_key", "half_unique", "partial", "expression", "plain")
    assert types == dict.fromkeys(once, "one-to-one") | dict.fromkeys(often, "many-to-one")


def test_composite_self_and_unnamed_references_have_stable_names(build: Build) -> None:
    found = scan(
        build(
            """
            CREATE TABLE staff (id INTEGER PRIMARY KEY, boss INT REFERENCES staff (id));
            CREATE TABLE period (year INT, month INT, PRIMARY KEY (year, month));
            CREATE TABLE entry (id INT, year INT, month INT, FOREIGN KEY (year, month) REFERENCES period);
            CREATE TABLE lost (id INT, gone INT REFERENCES nowhere);
            """
        )
    )
    links = {one.name: (one.tables, one.constrained, one.referred) for one in found.values() if one.tables}
    assert links == {
        "staff_boss_fk": (("staff", "staff"), ("boss",), ("id",)),
        "entry_year_month_fk": (("entry", "period"), ("year", "month"), ("year", "month")),
        "lost_gone_fk": (("lost", "nowhere"), ("gone",), ()),
    }


def test_odd_names_are_kept_exactly_and_survive_the_import_format(build: Build) -> None:
    names = [
        "select",
        "Order Items",
        'with "quotes"',
        "it's",
        "semi;colon--",
        "new\nline",
        "tab\t\x1b[31m",
        "[bold]x[/]",
        "caf\xe9",
        "cafe\u0301",
        "\u8868",
        "100%(x)s",
        ":bind",
        "a.b",
        "n" * 300,
        "#",
        "sqlitefish",
    ]

    def quoted(name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    script = "".join(
        f"CREATE TABLE {quoted(name)} (id INTEGER PRIMARY KEY, {quoted(name + ' c')} {'NUMERIC'});" for name in names
    )
    found = scan(build(script))
    assert sorted(found) == sorted(names)
    for name, document in found.items():
        assert document.columns[1].name == f"{name} c"
        assert from_payload(to_payload(document)) == document
    assert all(one.where.isprintable() for one in DatabaseSource(build("")).read())


def test_capitals_of_a_reference_follow_the_table(build: Build) -> None:
    found = scan(
        build(
            """
            CREATE TABLE Users (Id INTEGER PRIMARY KEY);
            CREATE TABLE orders (User_Id INT, CONSTRAINT fk FOREIGN KEY (user_id) REFERENCES USERS (ID));
            """
        )
    )
    assert (found["fk"].tables, found["fk"].constrained, found["fk"].referred) == (
        ("orders", "Users"),
        ("User_Id",),
        ("Id",),
    )


def test_names_of_constraints_are_found_in_any_sql(build: Build) -> None:
    script = """
        CREATE TABLE "t p" (id INTEGER PRIMARY KEY, b INT, UNIQUE (id, b));
        CREATE TABLE x (
            a INT CONSTRAINT n1 NOT NULL REFERENCES "t p", -- CONSTRAINT no REFERENCES at all
            b INT NOT NULL constraint "in ""line" references "t p" (id) ON DELETE CASCADE,
            c INT DEFAULT 'CONSTRAINT z REFERENCES' CHECK (c <> 'it''s REFERENCES') REFERENCES [t p] (id),
            d INT /* REFERENCES */ CONSTRAINT 'single' REFERENCES `t p` (id),
            CONSTRAINT [bra cket]
                FOREIGN KEY (a, "b") REFERENCES "t p" (id, b) DEFERRABLE INITIALLY DEFERRED,
            FOREIGN KEY (c, d) REFERENCES "t p" (id, b),
            CONSTRAINT positive CHECK (a > 0),
            CONSTRAINT last FOREIGN KEY (d) REFERENCES "t p" (id)
        );
        ALTER TABLE x ADD COLUMN e INT CONSTRAINT added REFERENCES "t p" (id);
        """
    found = scan(build(script))
    assert {name: one.constrained for name, one in found.items() if one.tables} == {
        "x_a_fk": ("a",),
        'in "line': ("b",),
        "x_c_fk": ("c",),
        "single": ("d",),
        "bra cket": ("a", "b"),
        "x_c_d_fk": ("c", "d"),
        "last": ("d",),
        "added": ("e",),
    }


def test_a_virtual_table_whose_module_is_missing_is_named_and_the_rest_is_read(build: Build) -> None:
    url = build(
        """
        CREATE TABLE users (id INTEGER PRIMARY KEY);
        CREATE TABLE orders (u MONEY UNIQUE REFERENCES users);
        PRAGMA writable_schema = ON;
        INSERT INTO sqlite_master
            VALUES ('table', 'shapes', 'shapes', 0, 'CREATE VIRTUAL TABLE shapes USING nomodule(a)');
        """
    )
    entries = list(DatabaseSource(url).read())
    assert entries[0] == Unreadable("table shapes", "its columns can't be read: no such module: nomodule", "shapes")
    documents = [one.document for one in entries[1:] if isinstance(one, Found)]
    assert [one.name for one in documents] == ["orders", "users", "orders_u_fk"]
    assert (documents[0].columns[0].type, documents[2].type) == ("MONEY", "one-to-one")


def test_system_and_shadow_tables_are_left_out(build: Build) -> None:
    found = scan(
        build(
            """
            CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, mail TEXT);
            CREATE INDEX by_mail ON users (mail);
            INSERT INTO users (mail) VALUES ('a');
            ANALYZE;
            CREATE VIRTUAL TABLE notes USING fts5 (body);
            """
        )
    )
    assert list(found) == ["notes", "users"]


def test_constraints_of_one_name_are_all_called_by_their_table(build: Build) -> None:
    found = scan(
        build(
            """
            CREATE TABLE users (id INTEGER PRIMARY KEY);
            CREATE TABLE a (u INT, CONSTRAINT fk_user FOREIGN KEY (u) REFERENCES users (id));
            CREATE TABLE b (u INT, CONSTRAINT fk_user FOREIGN KEY (u) REFERENCES users (id));
            CREATE TABLE c (u INT, CONSTRAINT fk_c FOREIGN KEY (u) REFERENCES users (id));
            """
        )
    )
    assert sorted(one for one in found if "fk" in one) == ["a.fk_user", "b.fk_user", "fk_c"]


def test_names_of_relationships_don_t_depend_on_the_order() -> None:
    links = [
        Link("a_b", ("c",), "t", ("id",)),
        Link("a", ("b_c",), "t", ("id",)),
        Link("x", ("y",), "t", ("id",)),
        Link("x", ("y",), "u", ("id",)),
        Link("x", ("y",), "u", ("other",)),
        Link("x", ("z",), "t", ("id",), name="n"),
        Link("w", ("z",), "t", ("id",), name="n"),
        Link("v", ("z",), "t", ("id",), name="x.n"),
        Link("v", ("q",), "t", ("id",), name=" "),
    ]
    names = named(links)
    assert named(reversed(links)) == names
    assert named(links + links) == names
    by_name = dict(names)
    assert len(by_name) == len(links)
    assert by_name["a.a_b_c_fk"] == links[1]
    assert by_name["x.x_y_fk.t"] == links[2]
    assert by_name["w.n"] == links[6]
    assert by_name["v.x.n"] == links[7]
    assert by_name["v_q_fk"] == links[8]


def test_cardinality_needs_a_unique_set_within_the_columns() -> None:
    assert cardinality(["a", "b"], [["b"]]) == "one-to-one"
    assert cardinality(["a"], [["a", "b"], []]) == "many-to-one"


def test_statements_do_not_grow_faster_than_sqlalchemy_s_own(build: Build, tmp_path: Path) -> None:
    def count(tables: int) -> int:
        script = "".join(
            f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, p INT REFERENCES t0 (id));" for n in range(tables)
        )
        url = build(script)
        with statements() as sent:
            assert len(scan(url)) == 2 * tables
        (tmp_path / "shop.db").unlink()
        return len(sent)

    # Its SQLite dialect has no bulk PRAGMA. What is asked beside it is the same for any number of tables.
    few, more, most = count(10), count(20), count(40)
    assert most - more == 2 * (more - few)
    assert (most - more) / 20 <= 3


# SQLite: what can't be read


def test_a_broken_view_is_named_and_the_rest_is_read(build: Build) -> None:
    url = build(
        """
        CREATE TABLE users (id INTEGER PRIMARY KEY);
        CREATE TABLE gone (id INT);
        CREATE VIEW good AS SELECT id FROM users;
        CREATE VIEW "bro\x1bken" AS SELECT id FROM gone;
        DROP TABLE gone;
        """
    )
    entries = list(DatabaseSource(url).read())
    assert [one for one in entries if isinstance(one, Unreadable)] == [
        Unreadable("view bro\\x1bken", "its columns can't be read: no such table: main.gone", "bro\x1bken")
    ]
    assert [one.document.name for one in entries if isinstance(one, Found)] == ["good", "users"]


def test_a_table_dropped_meanwhile_is_named_and_the_rest_is_read(
    build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = build("CREATE TABLE users (id INT); CREATE TABLE gone (id INT); CREATE TABLE orders (id INT);")
    bulk = Inspector.get_multi_columns

    def dropping(self: Inspector, *args: Any, **options: Any) -> Any:
        with closing(sqlite3.connect(tmp_path / "shop.db")) as other:
            other.execute("DROP TABLE IF EXISTS gone")
        return bulk(self, *args, **options)

    monkeypatch.setattr(Inspector, "get_multi_columns", dropping)
    entries = list(DatabaseSource(url).read())
    assert [one.where for one in entries if isinstance(one, Unreadable)] == ["table gone"]
    assert [one.document.name for one in entries if isinstance(one, Found)] == ["orders", "users"]


def test_names_that_no_item_can_have_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "odd.db"
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("CREATE TABLE users (id INT)")
        opened.execute('CREATE TABLE " " (id INT)')
        opened.execute('CREATE TABLE nameless ("" INT)')
        opened.execute("CREATE TABLE xlatinx (id INT)")
        opened.commit()
    path.write_bytes(path.read_bytes().replace(b"xlatinx", b"\xe9latin\xe9"))
    entries = list(DatabaseSource(sqlite_url(path)).read())
    assert [one.document.name for one in entries if isinstance(one, Found)] == ["users"]
    assert len([one for one in entries if isinstance(one, Unreadable)]) == 3
    assert all(one.where.isprintable() for one in entries)


def test_a_missing_database_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    error = refusal(f"sqlite:///{tmp_path}/missing.db")
    assert error.code == "no_such_database"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "not_a_database"), (b"garbage, no database " * 500, "not_a_database")]
)
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "shop.db"
    path.write_bytes(content)
    assert refusal(sqlite_url(path)).code == code
    assert path.read_bytes() == content


def test_a_damaged_database(build: Build, tmp_path: Path) -> None:
    url = build("".join(f"CREATE TABLE t{n} (id INT);" for n in range(200)))
    path = tmp_path / "shop.db"
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    assert refusal(url).code == "database_damaged"


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    assert refusal(sqlite_url(tmp_path)).code == "is_directory"


def test_a_locked_database(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LOCK_SECONDS", 0.1)
    url = build("CREATE TABLE users (id INT);")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert refusal(url).code == "database_locked"
    assert list(scan(url)) == ["users"]


def test_a_lock_that_comes_midway_ends_the_scan_at_once(
    build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(connection, "LOCK_SECONDS", 0.1)
    url = build("".join(f"CREATE TABLE t{n} (id INT);" for n in range(50)))
    with closing(sqlite3.connect(tmp_path / "shop.db")) as other:
        bulk = Inspector.get_multi_columns

        def locking(self: Inspector, *args: Any, **options: Any) -> Any:
            other.execute("BEGIN EXCLUSIVE")
            return bulk(self, *args, **options)

        monkeypatch.setattr(Inspector, "get_multi_columns", locking)
        assert refusal(url).code == "database_locked"


def test_a_database_without_tables(build: Build) -> None:
    assert refusal(build("CREATE TABLE t (id INT); DROP TABLE t;")).code == "no_tables"


def test_a_scan_writes_nothing(build: Build, tmp_path: Path) -> None:
    url = build("PRAGMA journal_mode = DELETE; CREATE TABLE users (id INT);")
    before = (tmp_path / "shop.db").read_bytes()
    scan(url)
    assert [one.name for one in tmp_path.iterdir()] == ["shop.db"]
    assert (tmp_path / "shop.db").read_bytes() == before
    parsed = parse_url(url)
    with connection.reading(parsed, "shop") as opened, pytest.raises(Exception, match="readonly"):
        opened.exec_driver_sql("CREATE TABLE t (id INT)")


def test_a_database_in_wal_mode_is_read_while_somebody_writes(build: Build, tmp_path: Path) -> None:
    url = build("PRAGMA journal_mode = WAL; CREATE TABLE users (id INT);")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as other:
        other.execute("CREATE TABLE orders (id INT)")
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE unfinished (id INT)")
        assert list(scan(url)) == ["orders", "users"]


# URLs


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "can't be understood"),
        ("sqlite:/shop.db", "can't be understood"),
        ("sqlite:shop.db", "can't be understood"),
        ("sqlite://shop.db", "has a host"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite+pysqlcipher://:x@/shop.db", "only the plain one"),
        ("nosuchdb://localhost/shop", "No kind of database is called nosuchdb"),
        (f"nosuchdb://ann:{IN_URL}@localhost/shop", "No kind of database"),
        ("postgresql://ann:s3cr3t@w0rd@localhost/shop", "more than one @"),
        ("postgresql://ann:x@s3cr3t/w0rd@localhost/shop", "more than one @"),
        ("postgresql://ann:x@s3cr3t:w0rd@localhost/shop", "can't be understood"),
        (f"postgresql://ann:{IN_URL}@localhost:port/shop", "can't be understood"),
    ],
)
def test_a_bad_url(url: str, said: str) -> None:
    error = refusal(url)
    assert error.code == "bad_database_url"
    assert said in error.message
    assert "sqlite:///" in error.next_step


def test_a_path_is_enough_for_a_database_file(build: Build, tmp_path: Path) -> None:
    url = build("CREATE TABLE users (id INT);")
    path = tmp_path / "shop.db"
    assert list(scan(str(path))) == list(scan(url)) == ["users"]
    assert (title_of(str(path)), key_of(str(path))) == (title_of(url), key_of(url))
    assert known_source(str(path)) == known_source(url)


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("gone.db", "no_such_database", "is no URL"),
        (".", "is_directory", "is a directory"),
        ("words.csv", "not_a_database", "neither a SQLite nor a DuckDB"),
    ],
)
def test_a_path_that_leads_to_no_database(tmp_path: Path, name: str, code: str, said: str) -> None:
    (tmp_path / "words.csv").write_text("name,description\nusers,People\n")
    error = refusal(str(tmp_path / name))
    assert error.code == code and said in error.message and error.next_step


@pytest.mark.parametrize("typed", ["garbage", "words.md", "empty.csv"])
def test_what_nothing_can_come_of_is_not_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.md").write_text("# Notes\n\nNothing to import.\n")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError) as refused:
        worth_adding(typed)
    assert refused.value.next_step
    (tmp_path / "garbage").write_text("name,description\nusers,People\n")
    assert worth_adding("garbage").place == str(tmp_path / "garbage")
    assert worth_adding("postgresql://reader@db.invalid/shop").database


def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not known_source(str(tmp_path / "pipe")).database
    with pytest.raises(InputError):
        worth_adding(str(tmp_path / "pipe"))


@pytest.mark.parametrize("typed", ["x" * 300, "admin:s3cret@db.host/shop"])
def test_a_place_that_cannot_be_looked_at_is_refused_without_a_secret(typed: str) -> None:
    with pytest.raises(InputError) as refused:
        worth_adding(typed)
    assert refused.value.code == "no_such_file" and "s3cret" not in str(refused.value)


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setitem(__import__("sys").modules, "pymysql", None)
    error = refusal(f"mysql://ann:{IN_URL}@localhost/shop")
    assert error.code == "missing_driver"
    assert error.next_step.endswith("pip install 'batch-manager[mysql]'")
    error = refusal(f"mssql+pyodbc://ann:{IN_URL}@localhost/shop")
    assert (error.code, "pip install 'pyodbc'" in error.next_step) == ("missing_driver", True)


class OtherDialect(SQLiteDialect_pysqlite):
    """A database that no catalog of ours knows: its inspector is all there is, and it can't tell everything."""

    name = "other"
    supports_statement_cache = False

    def get_check_constraints(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def get_table_comment(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


def test_any_other_dialect_is_read_as_far_as_its_inspector_goes(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    url = build(
        """
        CREATE TABLE users (id INTEGER PRIMARY KEY, mail VARCHAR(80) NOT NULL, UNIQUE (mail), CHECK (mail <> ''));
        CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id));
        CREATE VIEW big_orders AS SELECT id FROM orders;
        """
    )
    monkeypatch.setitem(registry.impls, "other", lambda: OtherDialect)
    found = scan(url.replace("sqlite:", "other:"))
    assert list(found) == ["big_orders", "orders", "users", "orders_user_id_fk"]
    assert found["users"].columns == (
        Column("id", "INTEGER", primary_key=True, nullable=True),
        Column("mail", "VARCHAR(80)", nullable=False),
    )
    assert [one.kind for one in found["users"].constraints] == ["unique"]
    link = found["orders_user_id_fk"]
    assert (link.type, link.tables, link.constrained) == ("many-to-one", ("orders", "users"), ("user_id",))


def test_titles_show_where_and_never_the_secret(tmp_path: Path) -> None:
    titles = {
        f"postgresql://ann:{IN_URL}@db.example:5433/shop?sslpassword={IN_URL}": "postgresql://ann:***@db.example:5433/shop",
        f"postgres://ann:{IN_URL}@db.example/shop": "postgresql://ann:***@db.example/shop",
        f"postgresql+asyncpg:///shop?host=/run/pg&password={IN_URL}": "postgresql:///shop?host=%2Frun%2Fpg",
        "sqlite:///shop.db": "sqlite:///shop.db",
        "sqlite+aiosqlite:///a%1b[31m.db": "sqlite:///a\\x1b[31m.db",
        f"postgresql://ann:{PASSWORD}@x@y:z": "database",
    }
    for url, title in titles.items():
        assert DatabaseSource(url).title == title_of(url) == title


def test_a_driver_s_words_lose_the_secrets_of_the_url() -> None:
    url = parse_url(f"postgresql://ann:{IN_URL}@localhost/shop?sslpassword=t0psecret&host=/run")
    error = explain(RuntimeError(f"odd\n\x1b[31m {PASSWORD} {IN_URL} s3cr3t%2Fp%40ss+w0rd t0psecret /run"), url, "shop")
    assert error.message == "shop can't be read: odd \\x1b[31m *** *** *** *** /run"


def test_paths_with_odd_characters_and_sqlite_s_own_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a b?c#d%20e"
    folder.mkdir()
    path = folder / "shop.db"
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("CREATE TABLE users (id INT)")
    shutil.copy(path, tmp_path / "plain.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for url in (
        sqlite_url(path),
        "sqlite:///plain.db",
        "sqlite:///~/plain.db",
        f"sqlite:///{tmp_path}/plain.db?timeout=5",
        "sqlite:///file:plain.db?mode=rwc&uri=true",
        f"sqlite+aiosqlite:///{tmp_path}/plain.db",
    ):
        assert list(scan(url)) == ["users"]


def test_an_unknown_schema_of_sqlite(build: Build) -> None:
    url = build("CREATE TABLE users (id INT);")
    assert list(scan(url, "main")) == ["users"]
    error = refusal(url, "sales")
    assert (error.code, "main" in error.next_step) == ("unknown_schema", True)


# The sample


def test_the_sample_s_words_fit_its_structure(tmp_path: Path) -> None:
    structure, words = sample_sources(tmp_path)
    assert (structure.brings, words.brings) == ("structure", "words")
    scanned = {(one.document.kind, one.document.name) for one in structure.read() if isinstance(one, Found)}
    described = [(one.document.kind, one.document.name) for one in words.read() if isinstance(one, Found)]
    assert scanned < set(described)
    assert len(described) == len(set(described)) == len(scanned) + 3
    made = (tmp_path / "sample.sqlite3").stat().st_mtime_ns
    sample_sources(tmp_path)
    assert (tmp_path / "sample.sqlite3").stat().st_mtime_ns == made


def test_a_sample_that_can_t_be_made(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        sample_sources(tmp_path / "missing")
    assert caught.value.code == "sample"


# Servers


def test_nobody_listens() -> None:
    pytest.importorskip("psycopg", reason="needs the driver psycopg")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, so nobody else gets it, and not listening
        error = refusal(f"postgresql://ann:{IN_URL}@127.0.0.1:{taken.getsockname()[1]}/shop")
    assert error.code == "database_unreachable"
