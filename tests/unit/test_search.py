"""Joining closeness in meaning with the words of names."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.documents import Kind
from batch_manager.engine.search import checked_query, fuse, name_match
from batch_manager.errors import UsageError
from batch_manager.store.dialect import SQLITE
from batch_manager.store.places import matching
from batch_manager.store.words import forms_of, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("customer_orders", ["customer", "orders"]),
        ("CustomerOrders", ["customer", "orders"]),
        ("public.ORDERS", ["public", "orders"]),
        ("straße2_übung", ["straße2", "übung"]),
        ("", []),
        ('"; DROP TABLE x --', ["drop", "table", "x"]),
    ],
)
def test_names_and_queries_become_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize("query", ["cust_ord", "customer orders", "orders of customers"])
def test_a_name_is_said_by_its_words_and_by_their_beginnings(query: str) -> None:
    terms = [word for word in words_of(query) if word != "of"]
    assert name_match(terms, ["customer", "orders"]) == 1.0
    assert name_match(terms, ["payment", "terms"]) == 0.0


def test_short_words_match_whole_ones_only() -> None:
    assert name_match(["or"], ["orders"]) == 0.0
    assert name_match(["or"], ["or"]) == 1.0


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.sampled_from(get_args(Kind)))
def test_a_score_stays_between_meaning_and_one(meaning: float, name: float, words: float, kind: Any) -> None:
    assert meaning - 1e-9 <= fuse(meaning, name, words, kind=kind) <= 1.0


@pytest.mark.parametrize(
    ("query", "name"), [("category", "categories"), ("customer orders", "cust_ord"), ("Companies", "company_xref")]
)
def test_plurals_and_abbreviations_on_either_side_say_a_name(query: str, name: str) -> None:
    assert name_match(words_of(query), words_of(name)) > 0


def question(terms: list[str]) -> str:
    """What SQLite is asked for."""
    return str(SQLITE.matching("word_index", (1.0,), forms_of(terms, abbreviated=True)).values[0])


def test_a_question_to_full_text_search_has_quoted_words_only() -> None:
    asked = question(["order", "or", "near"])
    assert asked == '"order"* OR "ord" OR "orde" OR "or" OR "near"* OR "nea"'


def test_a_question_grows_no_faster_than_its_words() -> None:
    assert len(question(["a" * 20_000])) < 22_000


@pytest.mark.parametrize(
    ("pattern", "part", "found"),
    [
        ("sales", False, ("sales",)),
        ("s*", False, ("sales", "stock")),
        ("SAL", True, ("sales",)),
        ("[x]", False, ("[x]",)),
        ("s*", True, ("sales", "stock")),
    ],
)
def test_filters_mean_names_globs_and_parts_of_titles(pattern: str, part: bool, found: tuple[str, ...]) -> None:
    assert matching([pattern], ["sales", "stock", "hr", "[x]"], "schema", part=part) == found


def test_a_filter_that_means_nothing_says_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"No item is of a schema 'sal'\. There is: sales, hr"):
        matching(["sal"], ["sales", "hr"], "schema", part=False)
    with pytest.raises(UsageError, match="none at all"):
        matching([""], [], "source", part=True)


@given(st.lists(st.text(max_size=8), max_size=4), st.lists(st.text(max_size=8), max_size=4))
def test_a_name_match_is_a_share(terms: list[str], name: list[str]) -> None:
    assert 0.0 <= name_match(terms, name) <= 1.0


@pytest.mark.parametrize("query", ["", "  \n", "half \ud83d", "word " * 9000])
def test_a_query_that_cannot_be_sent_is_refused(query: str) -> None:
    with pytest.raises(UsageError):
        checked_query(query)
