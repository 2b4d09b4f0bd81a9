"""Documents: one pure function makes the text; structure and words never erase each other."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.documents import (
    PROBLEMS,
    Column,
    Constraint,
    Document,
    from_payload,
    merge,
    payload_text,
    render,
    text_hash,
    to_payload,
)

HOSTILE = (
    "<|endoftext|>",
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://evil\x07link",
    "[bold]markup[/]",
    "\u202ertl",
    "zero\u200bwidth",
    "nul\0nul",
    "quote ' \" ` ; DROP TABLE item; --",
    "two\nlines\r\n",
    "e\u0301",
    "é",
    "😀" * 3,
    "x" * 300,
)
anything = st.text(max_size=20) | st.sampled_from(HOSTILE)  # st.text() has no surrogates, the next one has
# First halves alone: JSON makes one character of a first half and a second half that stand together.
even_halves = anything | st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDBFF), max_size=3)
names = anything.filter(str.strip)
columns = st.builds(
    Column,
    name=even_halves.filter(bool),
    type=even_halves,
    primary_key=st.booleans(),
    nullable=st.none() | st.booleans(),
    comment=even_halves,
    default=even_halves,
    generated=even_halves,
    identity=even_halves,
    values=st.lists(even_halves, max_size=3).map(tuple),
)
constraints = st.builds(
    Constraint,
    kind=st.sampled_from(["primary key", "unique", "check"]),
    name=even_halves,
    columns=st.lists(even_halves, max_size=2).map(tuple),
    expression=even_halves | st.sampled_from(["price > 0", "state IN ('a', 'b')", "state IN ('a', 'b"]),
    comment=even_halves,
)
tables = st.builds(
    Document,
    kind=st.just("table"),
    name=names,
    business_purpose=even_halves,
    documentation=even_halves,
    comment=even_halves,
    columns=st.lists(columns, max_size=3).map(tuple),
    form=even_halves,
    constraints=st.lists(constraints, max_size=2).map(tuple),
    joins=st.just(()) | st.tuples(even_halves, even_halves),
)
relationships = st.builds(
    Document,
    kind=st.just("relationship"),
    name=names,
    business_purpose=even_halves,
    documentation=even_halves,
    comment=even_halves,
    type=even_halves,
    tables=st.just(()) | st.tuples(even_halves, even_halves),
    constrained=st.lists(even_halves, max_size=3).map(tuple),
    referred=st.lists(even_halves, max_size=3).map(tuple),
)
documents = tables | relationships


@given(documents)
def test_a_document_survives_the_import_format(document: Document) -> None:
    assert from_payload(to_payload(document)) == document
    assert from_payload(json.loads(json.dumps(to_payload(document)))) == document


@given(documents)
def test_a_payload_is_written_as_json_writes_it(document: Document) -> None:
    assert payload_text(document) == json.dumps(to_payload(document))


@given(documents)
def test_a_text_has_a_hash_or_a_problem(document: Document) -> None:
    rendered = render(document)
    assert rendered == render(document)
    try:
        data = rendered.text.encode()
    except UnicodeEncodeError:
        assert rendered.hash == ""
        assert rendered.problem in ("invalid_unicode", "empty_document")
    else:
        assert rendered.hash == hashlib.sha256(data).hexdigest() == text_hash(rendered.text)
        assert rendered.problem in (None, "empty_document")
    assert rendered.text.startswith(document.name)
    assert rendered.problem is None or rendered.problem in PROBLEMS


@given(documents)
def test_words_are_in_the_text_whole(document: Document) -> None:
    text = render(document).text
    for words in (document.business_purpose, document.documentation, document.comment):
        assert words.strip() in text
    for column in document.columns:
        assert column.name in text
        assert column.comment.strip() in text
    assert render(document).text == text


@given(documents)
def test_merging_with_itself_changes_nothing(document: Document) -> None:
    assert merge(document, document) == document or _doubled_columns(document)
    assert merge(document, None) == document == merge(None, document)


def _doubled_columns(document: Document) -> bool:
    return len({column.name for column in document.columns}) < len(document.columns)


@given(structure=tables, words=tables)
def test_neither_side_erases_the_other(structure: Document, words: Document) -> None:
    joined = merge(structure, words)
    for field in ("business_purpose", "documentation"):
        assert getattr(joined, field) == (getattr(words, field) or getattr(structure, field))
    wanted = structure.columns or words.columns
    assert [column.name for column in joined.columns] == [column.name for column in wanted]
    for column, before in zip(joined.columns, wanted, strict=True):
        assert before.type in (column.type, "")
        assert before.values in (column.values, ())
        assert before.comment in (column.comment, "") or column.comment in [one.comment for one in words.columns]
    assert joined.constraints == (structure.constraints or words.constraints)
    assert joined.comment == (structure.comment or words.comment)


def test_merging_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="structure or words"):
        merge(None, None)


def test_comments_of_words_reach_the_scanned_columns() -> None:
    structure = Document(
        "table", "users", columns=(Column("id", "INTEGER", True), Column("mail", "TEXT", comment="db"))
    )
    words = Document("table", "users", columns=(Column("mail", comment="Where to write"), Column("gone", comment="x")))
    assert merge(structure, words).columns == (
        Column("id", "INTEGER", True),
        Column("mail", "TEXT", comment="Where to write"),
    )


def test_the_layout() -> None:
    table = Document(
        "table",
        "users",
        business_purpose=" Registered people ",
        documentation="One row each.\n",
        columns=(Column("id", "INTEGER", True), Column("mail", "TEXT", comment="Where to write")),
    )
    assert render(table).text == "users: Registered people\nOne row each.\nColumns: id, mail (Where to write)"
    relationship = Document(
        "relationship",
        "users_orders_fk",
        type="one-to-many",
        tables=("orders", "users"),
        constrained=("user_id",),
        referred=("id",),
        documentation="Who bought.",
    )
    assert render(relationship).text == (
        "users_orders_fk: orders(user_id) references users(id), one-to-many\nWho bought."
    )


@pytest.mark.parametrize(
    "document",
    [
        Document("table", "users"),
        Document("table", "users", business_purpose=" \t", documentation="\n", comment="\u00a0"),
        Document("table", "users", documentation="users"),
        Document("table", "users", columns=(), comment=" users "),
        Document("relationship", "fk"),
        Document("relationship", "fk", type="one-to-one", constrained=("a",)),
    ],
)
def test_nothing_but_a_name_is_empty(document: Document) -> None:
    assert render(document).problem == "empty_document"


def test_half_a_character_is_found_before_paying() -> None:
    rendered = render(Document("table", "users", documentation="half \ud83d of one"))
    assert rendered.problem == "invalid_unicode"
    assert rendered.hash == ""
    assert "\ud83d" in rendered.text


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": 7}, "name"),
        ({}, "name"),
        ({"name": "a\ud800"}, "surrogate"),
        ({"name": "a", "kind": "view"}, "kind"),
        ({"name": "a", "kind": ["table"]}, "kind"),
        ({"name": "a", "documentation": 7}, "documentation"),
        ({"name": "a", "documentation": ["x"]}, "documentation"),
        ({"name": "a", "schema": "x"}, "schema"),
        ({"name": "a", "schema": {"columns": {"a": 1}}}, "columns"),
        ({"name": "a", "schema": {"columns": [1]}}, "column"),
        ({"name": "a", "schema": {"columns": [{"name": ""}]}}, "column"),
        ({"name": "a", "schema": {"constraints": {"a": 1}}}, "constraints"),
        ({"name": "a", "schema": {"constraints": [{"kind": "foreign"}]}}, "kind"),
        ({"name": "a", "schema": {"joins": ["one"]}}, "two tables"),
        ({"name": "a", "columns": "x"}, "columns"),
        ({"name": "a", "kind": "relationship", "tables": ["one"]}, "two tables"),
        ({"name": "a", "kind": "relationship", "tables": [1, 2]}, "tables"),
        ({"name": "a", "kind": "relationship", "columns": {"constrained": "x"}}, "constrained"),
    ],
)
def test_a_wrong_field_is_named(payload: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        from_payload(payload)
    assert "\n" not in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(["kind", "name", "schema", "columns", "tables", "type", "documentation", "business_purpose"])


@given(st.dictionaries(fields, json_values | st.just("table") | st.just({"columns": [{"name": "x"}]}), max_size=6))
def test_any_object_is_read_or_refused_with_a_reason(payload: dict[str, object]) -> None:
    try:
        document = from_payload(payload)
    except ValueError as error:
        assert str(error)
    else:
        assert from_payload(to_payload(document)) == document
        render(document)
