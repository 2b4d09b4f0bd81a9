"""What a plan says of a changed item, and of names that no database has."""

from __future__ import annotations

import pytest

from batch_manager.documents import Column, Document
from batch_manager.store.differences import difference
from batch_manager.store.strangers import StrangeColumn, Stranger, Strangers, nearest, stranger_words

ID, MAIL = Column("id", "INTEGER"), Column("mail", "TEXT")


def table(*columns: Column, documentation: str = "", purpose: str = "") -> Document:
    return Document("table", "users", purpose, documentation, columns=columns)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (table(ID, MAIL), table(ID, Column("phone"), Column("fax")), "columns + phone, fax - mail"),
        (table(ID), table(Column("id", "BIGINT")), "columns ~ id (INTEGER → BIGINT)"),
        (table(ID), table(Column("id", "INTEGER", comment="never reused")), "columns ~ id (comment)"),
        (table(ID), table(ID, *(Column(f"c{n}") for n in range(9))), "columns + c0, c1, c2, c3 and 5 more"),
        (table(ID, MAIL), table(MAIL, ID), "columns in another order"),
        (table(purpose="People"), table(purpose="Persons"), "purpose changed"),
        (
            table(documentation="one\ntwo\nthree"),
            table(documentation="one\n2\nthree\nfour"),
            "documentation +2 lines -1 line: + 2",
        ),
        (table(documentation="one\ntwo"), table(documentation="one"), "documentation -1 line: - two"),
        (table(documentation="one\ntwo"), table(documentation="two\none"), "documentation: lines in another order"),
        (table(documentation="x"), table(documentation="y" * 99), f"documentation +1 line -1 line: + {'y' * 39}…"),
        (
            Document("relationship", "fk", tables=("a", "b"), constrained=("x",), referred=("id",)),
            Document("relationship", "fk", tables=("a", "b"), constrained=("y",), referred=("id",)),
            "joins a(x) to b(id) → a(y) to b(id)",
        ),
        (table(ID, purpose="People"), table(ID, purpose="People"), ""),
    ],
)
def test_what_changed_is_told_in_a_few_words(before: Document, after: Document, words: str) -> None:
    assert difference(before, after) == words


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("prescriptons", "prescriptions"),
        ("Patients", "patients"),
        ("public.patients", "patients"),
        ("patient", "patients"),
        ("invoice", "billing.invoices"),
        ("zebra", None),
    ],
)
def test_the_nearest_name_is_the_one_that_may_have_been_meant(name: str, meant: str | None) -> None:
    assert nearest(name, ["patients", "prescriptions", "billing.invoices"]) == meant


def test_many_names_are_counted_and_a_few_named() -> None:
    many = Strangers(
        tuple(Stranger("table", f"t{n}") for n in range(5)),
        12,
        (("table", "old"),),
        1,
        (StrangeColumn("t", "nmae", "name"),),
        1,
    )
    assert stranger_words(many) == [
        "12 names are in no scanned database: t0, t1, t2 and 9 more.",
        "1 name is gone from the database, so the words are kept and not indexed: old.",
        "1 column is not in the scanned table, so the words are kept and not indexed: t.nmae (nearest: name).",
    ]
    assert stranger_words(Strangers()) == []
