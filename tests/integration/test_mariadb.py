"""Scans of a real MariaDB, started by the tests where a server and a driver are installed."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy.engine.reflection import Inspector

from batch_manager.documents import Column, Constraint, from_payload, render, to_payload
from batch_manager.sources import Found, Unreadable, connection, mysql_catalog
from batch_manager.sources.database import DatabaseSource
from batch_manager.sources.database_url import parse_url
from scanning import IN_URL, Build, refusal, scan, statements
from servers import running_mariadb


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_mariadb() as url:
        yield url


@pytest.fixture
def mariadb(server: str) -> Iterator[Callable[[str], str]]:
    """Make a database of a script; returns its URL. Databases whose names begin with shop go afterwards."""

    def make(script: str) -> str:
        execute(server, "CREATE DATABASE shop; USE shop;" + script)
        return f"{server}/shop"

    yield make
    rows = execute(server, "SHOW DATABASES LIKE 'shop%'")
    execute(server, "SET foreign_key_checks = 0;" + ";".join(f"DROP DATABASE `{name}`" for (name,) in rows))


def execute(url: str, script: str) -> list[tuple[str, ...]]:
    """Run statements as the tests' own user; gives what the first one answers."""
    import pymysql
    from pymysql.constants import CLIENT

    at = parse_url(url)
    opened = pymysql.connect(
        host=at.host,
        port=at.port or 0,
        user=at.username,
        password=str(at.password),
        client_flag=CLIENT.MULTI_STATEMENTS,
    )
    with opened, opened.cursor() as cursor:
        cursor.execute(script)
        rows = list(cursor.fetchall())
        while cursor.nextset():
            pass
        opened.commit()
        return rows


def test_mariadb_is_read_with_comments_types_and_keys(mariadb: Build) -> None:
    found = scan(
        mariadb(
            """
            CREATE TABLE users (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
                mail VARCHAR(80) NOT NULL COMMENT 'confirmed',
                seen TIMESTAMP(3) NULL, feels ENUM('good', 'it''s, bad') DEFAULT 'good', flags SET('a', 'b'),
                price DECIMAL(10,2), twice DECIMAL(12,2) AS (price * 2) STORED, doc JSON,
                UNIQUE KEY by_mail (mail) COMMENT 'one mail a person')
                COMMENT 'Registered people';
            CREATE TABLE Users2 (id BIGINT UNSIGNED UNIQUE, FOREIGN KEY (id) REFERENCES users (id));
            CREATE TABLE `order` (id INT, `select` BIGINT UNSIGNED, CONSTRAINT placed_by FOREIGN KEY (`select`)
                REFERENCES users (id), INDEX (id));
            CREATE VIEW mails AS SELECT mail, feels FROM users;
            CREATE SEQUENCE counter;
            CREATE TABLE sold (id INT, at DATE, PRIMARY KEY (id, at)) PARTITION BY HASH (id) PARTITIONS 3;
            CREATE TABLE kept (id INT PRIMARY KEY) WITH SYSTEM VERSIONING;
            """
        )
    )
    assert {name: one.form for name, one in found.items() if one.kind == "table"} == {
        "Users2": "",
        "kept": "",
        "mails": "view",
        "order": "",
        "sold": "partitioned table",
        "users": "",
    }
    assert found["users"].comment == "Registered people"
    assert found["users"].columns == (
        Column("id", "bigint(20) unsigned", primary_key=True, nullable=False, identity="by default"),
        Column("mail", "varchar(80)", nullable=False, comment="confirmed"),
        Column("seen", "timestamp(3)", nullable=True),
        Column("feels", "enum('good','it''s, bad')", nullable=True, default="'good'", values=("good", "it's, bad")),
        Column("flags", "set('a','b')", nullable=True),
        Column("price", "decimal(10,2)", nullable=True),
        Column("twice", "decimal(12,2)", nullable=True, generated="`price` * 2"),
        Column("doc", "longtext", nullable=True),
    )
    assert found["users"].constraints == (Constraint("unique", "by_mail", ("mail",), comment="one mail a person"),)
    assert found["mails"].comment == ""
    assert found["placed_by"].tables == ("order", "users")
    assert found["placed_by"].type == "many-to-one"
    assert found["Users2_ibfk_1"].type == "one-to-one"
    for document in found.values():
        assert from_payload(to_payload(document)) == document


def test_checks_joins_and_composite_and_self_references(mariadb: Build) -> None:
    found = scan(
        mariadb(
            """
            CREATE TABLE a (x INT, y INT, s VARCHAR(9) CHECK (s IN ('open', 'it''s')), PRIMARY KEY (y, x),
                CONSTRAINT order_of CHECK (x < y));
            CREATE TABLE b (x INT, y INT, z INT UNIQUE, up INT, FOREIGN KEY (up) REFERENCES b (z),
                CONSTRAINT to_a FOREIGN KEY (y, x) REFERENCES a (y, x));
            CREATE TABLE ab (x INT, y INT, z INT, PRIMARY KEY (x, y, z), CONSTRAINT l FOREIGN KEY (y, x)
                REFERENCES a (y, x), CONSTRAINT r FOREIGN KEY (z) REFERENCES b (z));
            """
        )
    )
    assert found["a"].columns[2].values == ("open", "it's")
    assert render(found["a"]).text == "a\nColumns: x, y, s (one of open, it's)\nRules: `x` < `y`"
    assert (found["to_a"].constrained, found["to_a"].referred) == (("y", "x"), ("y", "x"))
    assert found["b_ibfk_1"].tables == ("b", "b")
    assert set(found["ab"].joins) == {"a", "b"}


def test_a_check_as_mysql_keeps_it_is_read_as_it_was_written() -> None:
    assert mysql_catalog.readable(r"(`s` in (_utf8mb4\'open\',_latin1\'paid\'))") == "(`s` in ('open','paid'))"
    assert mysql_catalog.readable("(`a` > 0)") == "(`a` > 0)"


def test_another_database_is_another_schema(mariadb: Build, server: str) -> None:
    url = mariadb("CREATE TABLE users (id INT PRIMARY KEY); CREATE TABLE only_here (id INT);")
    execute(
        server,
        """
        CREATE DATABASE shop_old; USE shop_old; CREATE TABLE users (id INT PRIMARY KEY);
        CREATE TABLE orders (u INT, CONSTRAINT far FOREIGN KEY (u) REFERENCES shop.users (id));
        """,
    )
    assert list(scan(url)) == ["only_here", "users"]
    found = scan(url, "shop*")
    assert list(found) == ["only_here", "orders", "shop_old.users", "users", "far"]
    assert found["far"].tables == ("orders", "users")
    assert refusal(url, "nope").code == "unknown_schema"
    assert refusal(server).code == "no_tables"


def test_what_a_user_may_not_see_is_named_and_the_rest_is_read(mariadb: Build, server: str) -> None:
    url = mariadb("CREATE TABLE users (id INT PRIMARY KEY, mail TEXT); CREATE TABLE secret (id INT);")
    execute(server, "CREATE DATABASE shop_b; CREATE TABLE shop_b.t (id INT)")
    execute(
        server,
        "CREATE OR REPLACE USER guest@'127.0.0.1' IDENTIFIED BY 'guest';"
        "GRANT SELECT ON shop.users TO guest@'127.0.0.1'",
    )
    as_guest = url.replace(f"ann:{IN_URL}", "guest:guest")
    entries = list(DatabaseSource(as_guest, ["shop", "shop_b"]).read())
    assert entries[0] == Unreadable("schema shop_b", "there is none of that name, or the user may not see it")
    assert [one.document.name for one in entries[1:] if isinstance(one, Found)] == ["users"]


def test_a_broken_view_is_named_and_the_rest_is_read_in_mariadb(mariadb: Build) -> None:
    url = mariadb(
        """
        CREATE TABLE users (id INT); CREATE TABLE gone (id INT);
        CREATE VIEW good AS SELECT id FROM users; CREATE VIEW broken AS SELECT id FROM gone;
        CREATE VIEW above AS SELECT id FROM broken;
        DROP TABLE gone;
        """
    )
    entries = list(DatabaseSource(url).read())
    troubles = [one for one in entries if isinstance(one, Unreadable)]
    assert sorted(one.where for one in troubles) == ["view above", "view broken"]
    assert all("references invalid table" in one.message for one in troubles)
    assert [one.document.name for one in entries if isinstance(one, Found)] == ["good", "users"]


def test_mariadb_takes_the_same_statements_for_any_number_of_tables(mariadb: Build, server: str) -> None:
    def script(first: int, last: int) -> str:
        return "".join(
            f"CREATE TABLE t{n} (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES t0 (id));"
            for n in range(first, last)
        )

    url = mariadb(script(0, 3))
    with statements() as few:
        assert len(scan(url)) == 6
    execute(server, "USE shop;" + script(3, 60))
    with statements() as many:
        assert len(scan(url)) == 120
    assert len(many) == len(few) < 30


def test_mariadb_is_asked_for_read_only_transactions_with_a_limit(mariadb: Build) -> None:
    url = parse_url(mariadb("CREATE TABLE t (id INT)"))
    with connection.reading(url, "shop") as opened, pytest.raises(Exception, match="READ ONLY transaction"):
        assert opened.exec_driver_sql("SELECT @@max_statement_time").scalar() == connection.STATEMENT_SECONDS
        opened.exec_driver_sql("INSERT INTO t VALUES (1)")


def test_mariadb_s_refusals(mariadb: Build) -> None:
    url = mariadb("CREATE TABLE t (id INT)")
    assert refusal(url.replace(IN_URL, "wrong")).code == "database_login"
    assert refusal(url.replace("/shop", "/nope")).code == "no_such_database"
    assert refusal(url.replace("ann:", "nobody:")).code == "database_login"


def test_a_server_with_other_catalogs_is_left_to_the_inspector_in_mariadb(
    mariadb: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = mariadb(
        """
        CREATE TABLE users (id INT AUTO_INCREMENT PRIMARY KEY, feels ENUM('good', 'bad')) COMMENT 'People';
        CREATE TABLE orders (u INT, CONSTRAINT of_user FOREIGN KEY (u) REFERENCES users (id));
        CREATE VIEW v AS SELECT id FROM users;
        """
    )
    ours = scan(url)
    monkeypatch.setattr(mysql_catalog, "_KEYS", "SELECT nothing FROM information_schema.key_column_usage")
    asked = []
    get = Inspector.get_multi_columns
    monkeypatch.setattr(Inspector, "get_multi_columns", lambda *a, **k: asked.append(1) or get(*a, **k))
    theirs = scan(url)
    assert asked
    assert list(theirs) == list(ours)
    assert theirs["of_user"] == ours["of_user"]
    assert theirs["users"].comment == "People"
    assert theirs["users"].columns[1].values == ("good", "bad")
