"""Documentation files: what is read, what is refused, and that export and import are each other's inverse."""

import io
import json
import os
import re
import stat
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_manager.documents import Column, Document
from batch_manager.errors import InputError
from batch_manager.sources import Found, Unreadable, jsonl
from batch_manager.sources.collection import IterableSource
from batch_manager.sources.jsonl import JsonlSource, write_jsonl
from batch_manager.sources.shown import shown

USERS = b'{"kind": "table", "name": "users", "documentation": "People"}'
ORDERS = b'{"kind": "table", "name": "orders", "documentation": "Sales"}'


def read(tmp_path: Path, content: bytes) -> list[Found | Unreadable]:
    path = tmp_path / "docs.jsonl"
    path.write_bytes(content)
    return list(JsonlSource(path).read())


def refused(tmp_path: Path, content: bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)
    assert caught.value.next_step
    return caught.value


def outline(entries: list[Found | Unreadable]) -> list[tuple[str, str]]:
    return [(one.where, one.document.name if isinstance(one, Found) else one.message) for one in entries]


def test_the_documented_format_is_read_whole(tmp_path: Path) -> None:
    lines = (
        b'{"kind": "table", "name": "users", "business_purpose": "Registered people", "schema": {"columns": '
        b'[{"name": "id", "type": "INTEGER", "primary_key": true, "comment": "c"}]}, "documentation": "d"}\n'
        b'{"kind": "relationship", "name": "users_orders_fk", "type": "one-to-many", "tables": ["orders", "users"], '
        b'"columns": {"constrained": ["user_id"], "referred": ["id"]}, "documentation": "d"}\n'
    )
    assert read(tmp_path, lines) == [
        Found(
            Document("table", "users", "Registered people", "d", columns=(Column("id", "INTEGER", True, comment="c"),)),
            "line 1",
        ),
        Found(
            Document(
                "relationship",
                "users_orders_fk",
                documentation="d",
                type="one-to-many",
                tables=("orders", "users"),
                constrained=("user_id",),
                referred=("id",),
            ),
            "line 2",
        ),
    ]


def test_bom_crlf_and_empty_lines_are_no_trouble_and_lines_keep_their_numbers(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf\r\n" + USERS + b"\r\n \t\r\n\n" + ORDERS
    assert outline(read(tmp_path, content)) == [("line 2", "users"), ("line 5", "orders")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{broken}", "not JSON: expecting property name enclosed in double quotes at column 2"),
        (b'{"kind": "table", "name": "x', "not JSON: unterminated string starting at column 27"),
        (USERS + ORDERS, "not JSON: extra data at column 62"),
        (b'{"name": "a\x01b"}', "not JSON: invalid control character at column 12"),
        (b'{"name": "caf\xe9"}', "not UTF-8: byte 14 is 0xe9"),
        (b'{"name": "cesu \xed\xa0\xbd"}', "not UTF-8: byte 16 is 0xed"),
        (b'{"name": "a\x00b"}', "not JSON: invalid control character at column 12"),
        (b"42", "not a JSON object"),
        (b'[{"name": "x"}]', "not a JSON object"),
        (b'{"name": "x", "schema": {"columns": [], "n": NaN}}', "NaN is not JSON"),
        (b'{"name": "x", "documentation": "a", "documentation": "b"}', "'documentation' stands twice in one object"),
        (b'{"kind": "view", "name": "x"}', "kind must be table or relationship, not 'view'"),
        (b'{"kind": "table"}', "name is missing or not a text"),
        (b'{"name": "x", "documentation": 7}', "documentation must be a text, not int"),
        (b'{"name": "x\\ud83d"}', "name has a lone surrogate"),
        (b'{"kind": "\\u001b[31m", "name": "x"}', "kind must be table or relationship, not '\\x1b[31m'"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"name": "x", "n": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_is_read(tmp_path: Path, line: bytes, reason: str) -> None:
    for content, number in ((USERS + b"\n" + line + b"\n" + ORDERS, 2), (line + b"\n" + USERS + b"\n" + ORDERS, 1)):
        entries = read(tmp_path, content)
        bad = [one for one in entries if isinstance(one, Unreadable)]
        assert [(one.where, one.message[: len(reason)]) for one in bad] == [(f"line {number}", reason)]
        assert [one.document.name for one in entries if isinstance(one, Found)] == ["users", "orders"]


def test_every_line_bad_is_still_a_report_of_lines(tmp_path: Path) -> None:
    assert [one.where for one in read(tmp_path, b"{broken\n{also\n{and again")] == ["line 1", "line 2", "line 3"]
    assert [one.where for one in read(tmp_path, b"id,name\n1,users\n")] == ["line 1", "line 2"]


def test_a_line_too_long_is_passed_over_without_being_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 2**20)
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(USERS + b'\n{"name": "long", "documentation": "')
        for _ in range(64):
            file.write(b"x" * 2**20)
        file.write(b'"}\n' + ORDERS + b"\n" + b"y" * 2**22)
    tracemalloc.start()
    try:
        entries = list(JsonlSource(path).read())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outline(entries) == [
        ("line 1", "users"),
        ("line 2", "longer than 1 MB"),
        ("line 3", "orders"),
        ("line 4", "longer than 1 MB"),
    ]
    assert peak < 6 * 2**20


@pytest.mark.parametrize("size", [1, 2, 7, 61, 4096])
def test_lines_are_cut_the_same_however_the_bytes_arrive(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 10)
    content = b"one\n\n" + b"x" * 10 + b"\n" + b"y" * 11 + b"\nlast\nno end"
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    expected = [(1, b"one"), (2, b""), (3, b"x" * 10), (4, None), (5, b"last"), (6, b"no end")]
    assert list(jsonl.split(chunks)) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"SQLite format 3\0" + bytes(range(256)) * 40,
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        bytes(5000),
        USERS.decode().encode("utf-16"),
        USERS.decode().encode("utf-16-le"),
        USERS.decode().encode("utf-32-be"),
        "d\xe9j\xe0 vu, pas de JSON".encode("latin-1"),
    ],
)
def test_a_binary_file_is_refused_as_a_whole(tmp_path: Path, content: bytes) -> None:
    assert refused(tmp_path, content).code == "not_documentation"


@pytest.mark.parametrize("content", [b"", b"\n\r\n  \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refused(tmp_path, content).code == "empty_file"


@pytest.mark.parametrize("indent", [None, 0, 2, "\t"])
@pytest.mark.parametrize("many", [True, False])
def test_json_over_several_lines_or_in_an_array_is_refused(
    tmp_path: Path, indent: int | str | None, many: bool
) -> None:
    documents = [json.loads(USERS), json.loads(ORDERS)]
    if indent is None and not many:
        return  # that is one document on one line
    content = json.dumps(documents if many else documents[0], indent=indent).encode()
    error = refused(tmp_path, content)
    assert error.code == "not_one_a_line"
    assert "one JSON document a line" in error.next_step


@pytest.mark.parametrize(
    "content", [b"[\n" + USERS + b",\n" + ORDERS + b"\n]\n", b"[" + USERS + b",\n" + ORDERS + b"]"]
)
def test_an_array_with_a_document_a_line_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refused(tmp_path, content).code == "not_one_a_line"


def test_a_place_that_is_no_file_is_refused_in_one_line(tmp_path: Path) -> None:
    cases = {
        tmp_path: "is_directory",
        tmp_path / "missing.jsonl": "no_such_file",
        tmp_path / ("n" * 300): "unreadable_file",
        tmp_path / "a\0b": "unreadable_file",
    }
    for path, code in cases.items():
        with pytest.raises(InputError) as caught:
            list(JsonlSource(path).read())
        assert caught.value.code == code
        assert caught.value.message.isprintable()


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "secret.jsonl"
    path.write_bytes(USERS)
    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(InputError, match="Permission denied") as caught:
        list(JsonlSource(path).read())
    assert caught.value.code == "unreadable_file"


def test_the_title_shows_no_control_character(tmp_path: Path) -> None:
    title = JsonlSource(tmp_path / "red\x1b[31m\n\u202edocs.jsonl").title
    assert title.isprintable()
    assert title.endswith("red\\x1b[31m\\n\\u202edocs.jsonl")


def test_stdin_is_read_when_the_path_is_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(USERS + b"\n" + ORDERS)))
    source = JsonlSource("-")
    assert source.title == "standard input"
    assert outline(list(source.read())) == [("line 1", "users"), ("line 2", "orders")]


def test_a_file_may_be_called_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-").write_bytes(USERS)
    for path in ("./-", Path("-")):
        assert outline(list(JsonlSource(path).read())) == [("line 1", "users")]


def test_a_pipe_that_dribbles_is_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def dribble() -> None:
        with path.open("wb", buffering=0) as pipe:
            for at in range(0, len(USERS), 5):
                pipe.write(USERS[at : at + 5])
            pipe.write(b"\n" + ORDERS)

    writer = threading.Thread(target=dribble)
    writer.start()
    assert outline(list(JsonlSource(path).read())) == [("line 1", "users"), ("line 2", "orders")]
    writer.join()


# Export


TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
"""Every character that a Python string can hold, lone surrogates among them."""


def joined(text: str) -> str:
    """A high surrogate before a low one is the character that they make: JSON can't tell them apart."""
    return re.sub(
        "[\ud800-\udbff][\udc00-\udfff]",
        lambda pair: pair.group().encode("utf-16", "surrogatepass").decode("utf-16"),
        text,
    )


WORDS = TEXT.map(joined)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(str.strip)
COLUMNS = st.builds(
    Column,
    name=WORDS.filter(bool),
    type=WORDS,
    primary_key=st.booleans(),
    nullable=st.none() | st.booleans(),
    comment=WORDS,
)
COLUMN_NAMES = st.lists(WORDS, max_size=3).map(tuple)
TABLES = st.builds(
    Document,
    kind=st.just("table"),
    name=NAMES,
    business_purpose=WORDS,
    documentation=WORDS,
    comment=WORDS,
    columns=st.lists(COLUMNS, max_size=4).map(tuple),
)
RELATIONSHIPS = st.builds(
    Document,
    kind=st.just("relationship"),
    name=NAMES,
    business_purpose=WORDS,
    documentation=WORDS,
    comment=WORDS,
    type=WORDS,
    tables=st.just(()) | st.tuples(WORDS, WORDS),
    constrained=COLUMN_NAMES,
    referred=COLUMN_NAMES,
)


@settings(max_examples=150, deadline=None)
@given(documents=st.lists(TABLES | RELATIONSHIPS, min_size=1, max_size=5))
def test_what_was_exported_is_imported_as_it_was(
    documents: list[Document], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.jsonl"
    assert write_jsonl(documents, path) == len(documents)
    assert path.read_bytes().isascii()
    assert [one.document for one in JsonlSource(path).read() if isinstance(one, Found)] == documents


def test_an_export_is_for_its_owner_only_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    path.chmod(0o644)
    assert write_jsonl([Document("table", "users")], path) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == '{"kind": "table", "name": "users"}\n'


def test_an_export_of_nothing_is_an_empty_file(tmp_path: Path) -> None:
    assert write_jsonl([], tmp_path / "out.jsonl") == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


def test_an_export_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    def breaking() -> Iterator[Document]:
        yield Document("table", "users")
        raise RuntimeError("the store went away")

    path = tmp_path / "out.jsonl"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        write_jsonl(breaking(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_export_follows_a_symlink(tmp_path: Path) -> None:
    real, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    real.write_text("old")
    link.symlink_to(real)
    write_jsonl([Document("table", "users")], link)
    assert link.is_symlink()
    assert json.loads(real.read_text())["name"] == "users"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (".", "is_directory"),
        ("missing/out.jsonl", "unwritable_file"),
        ("file/out.jsonl", "unwritable_file"),
        ("n" * 300, "unwritable_file"),
        ("a\0b", "unwritable_file"),
    ],
)
def test_a_place_that_can_t_be_written_is_refused(tmp_path: Path, name: str, code: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as caught:
        write_jsonl([Document("table", "users")], tmp_path / name)
    assert caught.value.code == code
    assert caught.value.next_step
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_write_protected_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # for root everything can be written
    with pytest.raises(InputError, match="write-protected"):
        write_jsonl([Document("table", "users")], path)
    assert path.read_text() == "old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error_and_a_device_stays_a_device() -> None:
    with pytest.raises(InputError, match="No space left") as caught:
        write_jsonl([Document("table", "users")], "/dev/full")
    assert caught.value.code == "unwritable_file"
    assert write_jsonl([Document("table", "users")], "/dev/null") == 1
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_stdout_gets_the_lines_and_nothing_else(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert write_jsonl([Document("table", "caf\xe9"), Document("table", "orders")], "-") == 2
    output = capfdbinary.readouterr().out
    assert [json.loads(line)["name"] for line in output.splitlines()] == ["caf\xe9", "orders"]


# Documents at hand


def test_documents_at_hand_are_a_source() -> None:
    mappings: list[Document | dict[str, Any]] = [
        Document("table", "users", documentation="People"),
        {"name": "orders", "documentation": "Sales"},
        {"name": ""},
        Document("table", " "),
        Document("relationship", "fk", tables=("one",)),
    ]
    source = IterableSource(mappings, "words", "another\nstore")
    assert source.title == "another\\nstore"
    assert source.brings == "words"
    assert list(source.read()) == [
        Found(Document("table", "users", documentation="People"), "document 1"),
        Found(Document("table", "orders", documentation="Sales"), "document 2"),
        Unreadable("document 3", "name is missing or not a text"),
        Unreadable("document 4", "name is missing or not a text"),
        Unreadable("document 5", "tables must name two tables: constrained, referred"),
    ]


@given(st.text(st.characters(exclude_categories=()), max_size=60), st.integers(1, 50))
def test_what_is_shown_is_printable_and_short(text: str, limit: int) -> None:
    assert shown(text, limit).isprintable()
    assert len(shown(text, limit)) <= limit
