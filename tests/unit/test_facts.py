"""Facts of tables: what a text says of them, and that the import format carries all of it."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.documents import Column, Constraint, Document, from_payload, merge, render, to_payload
from batch_manager.facts import CONSTRAINT_KINDS, listed_values, rule_words

TEXT = st.text(max_size=20)
COLUMNS = st.builds(
    Column,
    name=TEXT.filter(bool),
    type=TEXT,
    primary_key=st.booleans(),
    nullable=st.none() | st.booleans(),
    comment=TEXT,
    default=TEXT,
    generated=TEXT,
    identity=st.sampled_from(["", "always", "by default"]),
    values=st.lists(TEXT, max_size=4).map(tuple),
)
CONSTRAINTS = st.builds(
    Constraint,
    kind=st.sampled_from(CONSTRAINT_KINDS),
    name=TEXT,
    columns=st.lists(TEXT, max_size=3).map(tuple),
    expression=TEXT,
    comment=TEXT,
)
TABLES = st.builds(
    Document,
    kind=st.just("table"),
    name=TEXT.filter(str.strip),
    documentation=TEXT,
    columns=st.lists(COLUMNS, max_size=3, unique_by=lambda one: one.name).map(tuple),
    form=st.sampled_from(["", "view", "materialized view"]),
    constraints=st.lists(CONSTRAINTS, max_size=3).map(tuple),
    joins=st.just(()) | st.tuples(TEXT, TEXT),
)


@given(TABLES)
def test_every_fact_survives_the_import_format(document: Document) -> None:
    assert from_payload(json.loads(json.dumps(to_payload(document)))) == document
    assert merge(document, document) == document
    assert merge(document, Document("table", document.name)) == document


@given(TABLES)
def test_what_is_for_looking_up_stays_out_of_the_text(document: Document) -> None:
    plain = Document(
        "table",
        document.name,
        documentation=document.documentation,
        columns=tuple(Column(one.name, comment=one.comment, values=one.values) for one in document.columns),
        constraints=tuple(one for one in document.constraints if one.kind == "check"),
        joins=document.joins,
    )
    assert render(plain).text == render(document).text


def test_the_text_of_values_rules_and_joins() -> None:
    document = Document(
        "table",
        "orders",
        business_purpose="What was ordered",
        columns=(
            Column("status", "text", comment="Where it is", values=("open", "paid")),
            Column("size", values=tuple(f"v{n}" for n in range(30))),
            Column("id", "int", True, False, default="7", identity="always"),
        ),
        constraints=(
            Constraint("check", "a", ("status",), "status IN ('open', 'paid')"),
            Constraint("check", "b", (), "((total > 0))"),
            Constraint("check", "c", (), "(a) > (b)", comment="a is\n after b"),
            Constraint("check", "d", (), "x" * 500),
            Constraint("unique", "e", ("id",)),
        ),
        joins=("users", "shops"),
    )
    lines = render(document).text.splitlines()
    sizes = ", ".join(f"v{n}" for n in range(20))
    assert lines == [
        "orders: What was ordered",
        "Joins users and shops, many-to-many",
        f"Columns: status (Where it is; one of open, paid), size (one of {sizes}, …), id",
        "Rules: total > 0; a is after b; " + "x" * 119 + "…",
    ]
    many = [Constraint("check", expression=f"a > {n}") for n in range(30)]
    assert rule_words([], many) == "; ".join(f"a > {n}" for n in range(10)) + "; …"


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("status IN ('a', 'b''c')", ("status", ("a", "b'c"))),
        ("((s)::text = ANY ((ARRAY['a'::character varying, 'b'::text])::text[]))", ("s", ("a", "b"))),
        ("s::text = ANY (ARRAY['a'::character varying::text])", ("s", ("a",))),
        ("\"a b\" in ('x')", ("a b", ("x",))),
        ("(`s` in ('x','y'))", ("s", ("x", "y"))),
        ("[s] IN ('x')", ("s", ("x",))),
        ("s NOT IN ('x')", None),
        ("s IN ('x') OR t IN ('y')", None),
        ("s IN (1, 2)", None),
        ("s > 'x'", None),
        ("", None),
    ],
)
def test_a_check_that_lists_values(expression: str, found: object) -> None:
    assert listed_values(expression) == found


def test_no_expression_takes_long() -> None:
    started = time.perf_counter()
    for hostile in ("a IN (" + "'x' " * 4000, "(" * 15000, "a" + " " * 15000 + "!", "a IN ('x'::" + "a " * 6000):
        assert listed_values(hostile) is None
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"constraints": {}}, None),
        ({"constraints": {"a": 1}}, "constraints must be a list"),
        ({"constraints": [1]}, "each constraint"),
        ({"constraints": [{"kind": "foreign"}]}, "kind must be one of"),
        ({"joins": ["one"]}, "joins must name two tables"),
        ({"form": 7}, "form must be a text"),
        ({"columns": [{"name": "a", "values": "x"}]}, "values must be a list"),
    ],
)
def test_a_wrong_fact_is_named(schema: dict[str, object], words: str | None) -> None:
    payload = {"name": "a", "schema": schema}
    if words is None:
        assert from_payload(payload) == Document("table", "a")
        return
    with pytest.raises(ValueError, match=words):
        from_payload(payload)


def test_words_add_what_the_scan_does_not_know_and_nothing_more() -> None:
    structure = Document(
        "table", "t", columns=(Column("a", "INT", default="1"), Column("b", values=("x",))), form="view"
    )
    words = Document(
        "table",
        "t",
        columns=(Column("a", "integer", comment="said", default="2", values=("p",)), Column("b", values=("y",))),
        form="foreign table",
    )
    assert merge(structure, words) == Document(
        "table",
        "t",
        columns=(Column("a", "INT", comment="said", default="1", values=("p",)), Column("b", values=("x",))),
        form="view",
    )
