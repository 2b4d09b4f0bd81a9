"""Files of words: recognised by content, read from any of the tools that write them, and refused in one line."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.documents import Column, Document, from_payload, render, to_payload
from batch_manager.errors import InputError
from batch_manager.sources import Found, Unreadable, csv_file
from batch_manager.sources.json_walk import Member, walk
from batch_manager.sources.jsonl import write_jsonl
from batch_manager.sources.recognise import open_file

DATA = Path(__file__).resolve().parent.parent / "data" / "dbt"
TBLS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "tbls"
USERS = b'{"kind": "table", "name": "users", "documentation": "People"}\n'
ORDERS = b'{"kind": "table", "name": "orders", "documentation": "Sales"}\n'

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file whose name says nothing."""

    def make(content: bytes | str | dict[str, Any], name: str = "file.bin") -> Path:
        if isinstance(content, dict):
            content = json.dumps(content)
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def read(path: Path | str) -> dict[str, Document]:
    """All documents by name; nothing may be unreadable."""
    entries = list(open_file(path).read())
    assert [one for one in entries if isinstance(one, Unreadable)] == []
    found = {one.document.name: one.document for one in entries if isinstance(one, Found)}
    assert len(found) == len(entries)
    for document in found.values():
        assert from_payload(to_payload(document)) == document
        assert render(document).problem in (None, "empty_document")
    return found


def refused(path: Path | str) -> InputError:
    with pytest.raises(InputError) as caught:
        list(open_file(path).read())
    assert caught.value.message.isprintable() and caught.value.next_step
    return caught.value


# JSON Lines


def test_json_lines_packed_or_not_from_a_file_or_stdin(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (
        USERS + ORDERS,
        codecs.BOM_UTF8 + USERS + ORDERS,
        gzip.compress(USERS + ORDERS, mtime=0),
        gzip.compress(codecs.BOM_UTF8 + USERS, mtime=0) + gzip.compress(ORDERS, mtime=0),
        gzip.compress(USERS + ORDERS, mtime=0) + bytes(512),
    ):
        assert list(read(write(content))) == ["users", "orders"]
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert list(read("-")) == ["users", "orders"]
    assert open_file("-").title == "standard input"
    assert open_file("a\x1b.jsonl").title == "a\\x1b.jsonl"
    assert open_file("-").brings == "words"


def test_a_bad_line_among_documents_is_that_line_s_trouble(write: Write) -> None:
    entries = list(open_file(write(b"garbage\n" + USERS + b'{"name": "caf\xe9"}\n')).read())
    assert [one.where for one in entries] == ["line 1", "line 2", "line 3"]
    assert isinstance(entries[2], Unreadable)
    assert entries[2].message == "not UTF-8: byte 14 is 0xe9; iconv -f LATIN1 -t UTF-8 converts an old file"


def test_a_relationship_with_a_list_of_tables_is_no_file_of_tbls(write: Write) -> None:
    line = b'{"name": "fk", "tables": ["a", "b"], "kind": "relationship"}\n'
    assert read(write(line))["fk"].tables == ("a", "b")
    entries = list(open_file(write(b'{"name": "fk", "tables": ["a", "b"]}\n')).read())
    assert [one.where for one in entries] == ["line 1"]


def test_what_was_exported_packed_and_imported_is_the_same(write: Write, tmp_path: Path) -> None:
    documents = list(read(DATA / "manifest.json").values())
    write_jsonl(documents, tmp_path / "out.jsonl")
    packed = write(gzip.compress((tmp_path / "out.jsonl").read_bytes()))
    assert list(read(packed).values()) == documents


def test_packed_lines_are_read_as_a_stream(write: Write) -> None:
    line = json.dumps({"name": "x", "documentation": "word " * 200}).encode() + b"\n"
    path = write(gzip.compress(line * 20_000, 1, mtime=0))  # 20 MB of text
    tracemalloc.start()
    try:
        count = sum(1 for _ in open_file(path).read())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 2 * 2**20


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (gzip.compress(b"", mtime=0), "empty_file"),
        (gzip.compress(USERS * 99, mtime=0)[:-20], "truncated_file"),
        (gzip.compress(USERS * 99, mtime=0)[:40] + b"nonsense" * 9, "damaged_file"),
        (b"SQLite format 3\0" + bytes(range(256)), "not_documentation"),
        ("name;description\nusers;People".encode("utf-16"), "not_utf8"),
        (codecs.BOM_UTF32_LE + "a".encode("utf-32-le"), "not_utf8"),
        (b"id,title\n1,users\n", "unknown_format"),
        (b'[{"name": "x"}]', "not_one_a_line"),
        (b'{\n  "name": "x"\n}\n', "not_one_a_line"),
    ],
)
def test_what_can_t_be_read_is_refused_in_one_line(write: Write, content: bytes, code: str) -> None:
    assert refused(write(content)).code == code


def test_what_is_no_documentation_at_all_is_reported_line_by_line(write: Write) -> None:
    entries = list(open_file(write(b"Dear all,\n\nplease find below \x1b[31m")).read())
    assert [(one.where, isinstance(one, Unreadable)) for one in entries] == [("line 1", True), ("line 3", True)]


def test_utf_16_says_how_to_convert(write: Write) -> None:
    assert "iconv -f UTF-16 -t UTF-8" in refused(write("name,description\n".encode("utf-16"))).next_step


# dbt


def test_a_project_of_the_real_dbt_is_read_with_its_catalog() -> None:
    found = read(DATA / "manifest.json")
    tables = {name: one.form for name, one in found.items() if one.kind == "table"}
    assert tables == {
        "countries": "",
        "customers": "",
        "customers_over_time": "",
        "loyalty": "",
        "main_archive.customers": "",
        "order_lines": "",
        "orders": "",
        "revenue_by_month": "view",
        "web_visits": "",
    }
    assert found["orders"].documentation == (
        "What was ordered, **one row an order**.\n\nCancelled orders stay, with no lines."
    )
    assert found["customers"].documentation == "Everybody who ever bought coffee – cafés first"
    assert found["customers"].columns == (
        Column("customer_id", "INTEGER", primary_key=True, nullable=False),
        Column("country_code", "VARCHAR", comment="Where the coffee goes"),
        Column("segment", "VARCHAR", values=("cafe", "hotel", "office")),
    )
    assert [one.name for one in found["web_visits"].columns] == ["visit_id", "customer", "seen_at"]
    links = {name: (one.tables, one.constrained, one.referred, one.type) for name, one in found.items() if one.tables}
    assert links == {
        "customers_country_code_fk": (("customers", "countries"), ("country_code",), ("code",), "many-to-one"),
        "line_of_order": (("order_lines", "orders"), ("order_id",), ("order_id",), "many-to-one"),
        "loyalty_customer_id_fk": (("loyalty", "customers"), ("customer_id",), ("customer_id",), "one-to-one"),
        "orders_customer_id_fk": (("orders", "customers"), ("customer_id",), ("customer_id",), "many-to-one"),
        "web_visits_customer_fk": (("web_visits", "customers"), ("customer",), ("customer_id",), "many-to-one"),
    }
    assert found["loyalty_customer_id_fk"].comment == "A customer has at most one row of points"


@pytest.mark.parametrize(("folder", "version"), [("v9", 9), ("v11", 11)])
def test_projects_of_older_real_dbts_are_read(folder: str, version: int) -> None:
    assert f"manifest/v{version}.json" in (DATA / folder / "manifest.json").read_text()
    found = read(DATA / folder / "manifest.json")
    assert [name for name, one in found.items() if one.kind == "table"] == [
        "countries",
        "customers",
        "customers_over_time",
        "orders",
    ]
    assert found["customers"].columns == (
        Column("customer_id", "INTEGER", primary_key=True),
        Column("country_code", "VARCHAR", comment="Where the coffee goes"),
    )
    assert found["customers_country_code_fk"].tables == ("customers", "countries")
    key = found["orders_customer_id_fk"]  # a constraint that is nothing but an expression
    assert (key.tables, key.constrained, key.referred) == (("orders", "customers"), ("customer_id",), ("customer_id",))


def manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / "manifest.json").read_text(encoding="utf-8"))
    return content


def test_without_a_catalog_the_words_are_the_same(write: Write) -> None:
    alone = read(write((DATA / "manifest.json").read_bytes()))
    together = read(DATA / "manifest.json")
    assert list(alone) == list(together)
    assert [one.documentation for one in alone.values()] == [one.documentation for one in together.values()]
    assert alone["loyalty"].columns == (Column("customer_id"),)


def test_a_manifest_with_sorted_keys_on_one_line_packed_is_the_same(write: Write) -> None:
    content = json.dumps(manifest(), sort_keys=True).encode()
    as_sorted, as_written = read(write(content)), read(write((DATA / "manifest.json").read_bytes()))
    assert list(as_sorted) == list(as_written)
    for mine, other in zip(as_sorted.values(), as_written.values(), strict=True):
        assert set(mine.columns) == set(other.columns)  # a manifest has the columns' order in that of its keys
        assert replace(mine, columns=()) == replace(other, columns=())
    assert read(write(gzip.compress(content, mtime=0))) == as_sorted


def test_a_broken_catalog_is_named_and_the_manifest_is_read(write: Write) -> None:
    write(b'{"nodes": {"a', "catalog.json")
    entries = list(open_file(write((DATA / "manifest.json").read_bytes())).read())
    assert isinstance(entries[0], Unreadable)
    assert (entries[0].where, "ends in the middle" in entries[0].message) == ("catalog.json", True)
    assert len(entries) == 15


@pytest.mark.parametrize("version", [9, 10, 11, 12])
def test_versions_of_the_manifest(write: Write, version: int) -> None:
    content = manifest()
    content["metadata"]["dbt_schema_version"] = f"https://schemas.getdbt.com/dbt/manifest/v{version}.json"
    constraint = content["nodes"]["model.roastery.orders"]["columns"]["customer_id"]["constraints"][0]
    for facts, expression in (
        (constraint, 'references "roastery"."main"."customers" (customer_id)'),
        (content["nodes"]["model.roastery.order_lines"]["constraints"][1], '"roastery"."main"."orders" ("order_id")'),
    ):
        if version < 12:  # before dbt 1.9 an expression was all there was
            del facts["to"], facts["to_columns"]
            facts["expression"] = expression
    found = read(write(content))
    assert found["orders_customer_id_fk"].tables == ("orders", "customers")
    assert found["orders_customer_id_fk"].referred == ("customer_id",)
    assert found["line_of_order"].referred == ("order_id",)


@pytest.mark.parametrize("version", [8, 13, 20])
def test_an_unknown_version_is_one_error_that_names_it(write: Write, version: int) -> None:
    content = manifest()
    content["metadata"]["dbt_schema_version"] = f"https://schemas.getdbt.com/dbt/manifest/v{version}.json"
    error = refused(write(content))
    assert (error.code, f"version {version} of dbt's manifest" in error.message) == ("unknown_version", True)


def test_other_files_of_dbt_are_named(write: Write) -> None:
    error = refused(DATA / "catalog.json")
    assert (error.code, "dbt's catalog" in error.message) == ("not_documentation", True)
    results = {"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json"}, "results": []}
    assert "dbt's run-results" in refused(write(results)).message
    content = manifest()
    content["metadata"] = {}
    assert "doesn't say which version" in refused(write(content)).message
    content = manifest()
    content["nodes"] = content["sources"] = {}
    assert refused(write(content)).code == "empty_file"


def test_a_test_that_points_nowhere_or_at_itself(write: Write) -> None:
    content = manifest()
    content["nodes"] = {
        uid: node
        for uid, node in content["nodes"].items()
        if uid in ("model.roastery.customers", "model.roastery.loyalty")
    }
    base = {"resource_type": "test", "column_name": "customer_id"}
    about = {"attached_node": "model.roastery.loyalty"}

    def relationship(to: str, *nodes: str, **more: Any) -> dict[str, Any]:
        metadata = {"name": "relationships", "kwargs": {"arguments": {"to": to, "field": "customer_id"}}}
        return {**base, "test_metadata": metadata, "depends_on": {"nodes": nodes}, **more}

    content["nodes"]["test.a"] = relationship("ref('gone')", "model.roastery.gone", **about)
    content["nodes"]["test.b"] = relationship("ref('loyalty')", "model.roastery.loyalty")
    content["nodes"]["test.c"] = {**base, "test_metadata": None, "depends_on": None}
    content["sources"] = {}
    assert [name for name, one in read(write(content)).items() if one.tables] == ["loyalty_customer_id_fk"]


# tbls


@pytest.mark.skipif(not TBLS.is_dir(), reason="needs tbls's files in ../shared/data/tbls")
def test_tbls_s_own_file_of_postgresql() -> None:
    found = read(TBLS / "postgres.schema.json")
    tables = {name: one for name, one in found.items() if one.kind == "table"}
    assert len(tables) == 16
    assert {"users", "administrator.blogs", "backup.blogs", "bar", "hyphenated-table"} < tables.keys()
    assert tables["users"].documentation == "Users table"
    assert tables["posts"].columns[4].values == ("draft", "private", "public")
    assert tables["post_comment_stars"].form == "materialized view"
    assert "Rules: (char_length" not in render(tables["users"]).text
    assert "Rules: char_length((username)::text) > 4" in render(tables["users"]).text
    assert len(found) - len(tables) == 15
    assert found["posts_user_id_fk"].comment == "posts -> users"
    assert found["logs_post_id_fk"].tables == ("logs", "posts")  # only tbls's configuration knows of it
    assert found["user_options_user_id_fk"].type == "one-to-one"


@pytest.mark.skipif(not TBLS.is_dir(), reason="needs tbls's files in ../shared/data/tbls")
def test_tbls_s_own_file_of_mysql() -> None:
    found = read(TBLS / "mysql.schema.json")
    assert sum(one.kind == "table" for one in found.values()) == 10
    assert sum(one.kind == "relationship" for one in found.values()) == 10
    assert found["users"].columns[0].identity == "by default"
    assert found["posts"].columns[4].values == ("public", "private", "draft")
    assert found["comments"].documentation.startswith("Comments\nMulti-line")


def test_a_file_of_tbls_in_any_order(write: Write) -> None:
    table = {"name": "main.users", "type": "BASE TABLE", "comment": "People", "columns": [{"name": "id"}]}
    whole: dict[str, Any] = {
        "desc": "",
        "driver": {"name": "postgres", "meta": {"current_schema": "main"}},
        "name": "shop",
        "relations": [
            {"table": "main.users", "columns": ["id"], "parent_table": "far.away", "parent_columns": ["id"]},
            {"table": "main.gone", "columns": ["id"], "parent_table": "main.users", "parent_columns": ["id"]},
        ],
        "tables": [table],
    }
    found = read(write(whole))
    assert found["users"].documentation == "People"
    assert found["users_id_fk"].tables == ("users", "far.away")
    assert read(write(dict(reversed(whole.items())))) == found
    assert refused(write({"name": "shop", "desc": "", "tables": []})).code == "empty_file"


# Large JSON


def walked(content: bytes, size: int = 7) -> list[Member]:
    return list(walk((content[at : at + size] for at in range(0, len(content), size)), "file"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), st.integers(1, 40), st.sampled_from([None, 1]))
def test_a_walk_sees_what_json_sees(content: dict[str, Any], size: int, indent: int | None) -> None:
    wanted: list[Member] = []
    for section, value in content.items():
        if isinstance(value, dict):
            wanted += [(section, key, inner) for key, inner in value.items()]
        elif isinstance(value, list):
            wanted += [(section, place, inner) for place, inner in enumerate(value)]
        else:
            wanted.append((section, None, value))
    for ensure_ascii in (True, False):
        assert walked(json.dumps(content, indent=indent, ensure_ascii=ensure_ascii).encode(), size) == wanted


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b'{"nodes": {"a": {"x": 1},\n "a": 2}}', "duplicate_keys", "'a' stands twice in one object (line 2"),
        (b'{"nodes": {"a": {"x": 1, "x": 2}}}', "duplicate_keys", "'x' stands twice"),
        (b'{"nodes": {}, "nodes": {}}', "duplicate_keys", "'nodes' stands twice"),
        (b'{"nodes": {"a": tru}}', "not_json", "expecting value (line 1 column 17)"),
        (b'{"nodes":\n {"a": [1,\n 2], "b": [tru]}}', "not_json", "expecting value (line 3 column 12)"),
        (b'{"nodes": {"a": NaN}}', "not_json", "NaN is not JSON"),
        (b'{"nodes": {"a": 1,}}', "not_json", "a comma stands before the }"),
        (b'{"nodes": [1 2]}', "not_json", "a comma is expected"),
        (b'{"nodes" 1}', "not_json", "a colon is expected"),
        (b'{"nodes": {}} {}', "not_json", "something follows"),
        (b"{1: 2}", "not_json", "a member has no name"),
        (b"[1]", "not_json", "an object is expected"),
        (b'{"a": ' + b"[" * 100_000, "not_json", "nested too deeply"),
        (b'{"nodes": {"a": "caf\xe9"}}', "not_utf8", "line 1 has the byte 0xe9"),
        (b'{"nodes":\n{"a":\n"caf\xe9"}}', "not_utf8", "line 3 has the byte 0xe9"),
    ],
)
def test_broken_json_is_refused_with_its_place(content: bytes, size: int, code: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        walked(content, size)
    assert (caught.value.code, said in caught.value.message) == (code, True), caught.value.message


def test_json_cut_off_anywhere_is_refused() -> None:
    whole = json.dumps({"metadata": {"a": 1.5e3}, "nodes": {"x": {"y": ["\u00e9", True]}}, "z": "end"}).encode()
    for end in range(len(whole)):
        for size in (3, 1000):
            with pytest.raises(InputError) as caught:
                walked(whole[:end], size)
            assert caught.value.code in ("truncated_file", "not_utf8"), whole[:end]


def test_a_large_manifest_is_not_held(write: Write) -> None:
    def nodes() -> Iterator[str]:
        for number in range(3_000):
            node = {"resource_type": "analysis", "raw_code": "select 1 " * 1_000, "n": number}
            yield f"{json.dumps(str(number))}: {json.dumps(node)}"

    model = {"resource_type": "model", "name": "m", "schema": "main", "description": "One"}
    version = '{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}, "nodes": {'
    path = write(version + ",\n".join(nodes()) + f', "model.m": {json.dumps(model)}' + "}}")
    assert path.stat().st_size > 25_000_000
    tracemalloc.start()
    try:
        assert list(read(path)) == ["m"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 2**20


def test_one_member_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch_manager.sources.json_walk.MAX_VALUE", 1000)
    with pytest.raises(InputError) as caught:
        walked(b'{"nodes": {"a": "' + b"x" * 5000 + b'"}}', 100)
    assert caught.value.code == "too_large"


# CSV


@pytest.mark.parametrize("separator", csv_file.SEPARATORS)
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_csv_with_any_separator(write: Write, separator: str, mark: bytes) -> None:
    rows = [
        ["Table", "Owner", "Column Name", "Description"],
        ["users", "ann", "", "People"],
        ["users", "ann", "id", f'a "number"{separator} not\nmore'],
        ["orders", "bob", "user_id", "who ordered"],
        ["", "", "", ""],
        ["users", "ann", "mail", ""],
    ]
    quoted = [separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    found = read(write(mark + "\r\n".join(quoted).encode()))
    assert found == {
        "users": Document(
            "table",
            "users",
            documentation="People",
            columns=(Column("id", comment=f'a "number"{separator} not\nmore'), Column("mail")),
        ),
        "orders": Document("table", "orders", columns=(Column("user_id", comment="who ordered"),)),
    }


def test_csv_without_columns_documents_tables(write: Write) -> None:
    found = read(write("\nname,description\nusers,People\u2028of the shop\norders,\n"))
    assert found["users"].documentation == "People\u2028of the shop"
    assert render(found["orders"]).problem == "empty_document"


def test_rows_of_csv_that_can_t_count_are_named(write: Write) -> None:
    content = "name,column,description\n,id,lost\nusers,id,old\nusers,id,new\nusers\nusers,,\n"
    entries = list(open_file(write(content)).read())
    assert [one for one in entries if isinstance(one, Unreadable)] == [
        Unreadable("line 2", "name is missing"),
        Unreadable("line 3", "line 4 speaks of the same, and counts"),
        Unreadable("line 5", "line 6 speaks of the same, and counts"),
    ]
    assert entries[-1] == Found(Document("table", "users", columns=(Column("id", comment="new"),)), "line 4")


def test_csv_in_latin_1_is_refused_with_the_line_and_how_to_convert(write: Write) -> None:
    error = refused(write("name,description\nusers,ok\ncafes,caf\xe9".encode("latin-1")))
    assert (error.code, "line 3 has the byte 0xe9" in error.message) == ("not_utf8", True)
    assert "iconv -f LATIN1 -t UTF-8" in error.next_step


def test_csv_with_a_quote_that_never_closes(write: Write) -> None:
    assert refused(write('name,description\nusers,"People\norders,x\n')).code == "not_csv"
    assert refused(write('name,description\nusers,"' + "x" * 200_000 + '"\n')).code == "not_csv"
