"""The quote: exact sums, and a fingerprint that changes with whatever a yes binds to."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.cap_words import first_request_words
from batch_manager.packing import Limits
from batch_manager.pricing import Price
from batch_manager.quote import (
    START_SECONDS,
    Quote,
    Rest,
    Scope,
    Space,
    Speed,
    Unsendable,
    Work,
    make_quote,
    run_seconds,
    to_record,
)

SPACE = Space("openai", "https://api.openai.com/v1", "text-embedding-3-small", 1536)
PRICE = Price(Decimal("0.02"), "price list")


def work(tables: int = 3, relationships: int = 2, tokens: int = 250, **changes: Any) -> Work:
    count = tables + relationships
    values: dict[str, Any] = {
        "items": {"table": tables, "relationship": relationships},
        "tokens": {"table": tables * tokens, "relationship": relationships * tokens},
        "texts": count,
        "bytes": count * tokens * 4,
        "requests": -(-count // 100),
        "digest": f"{count:064x}",
        "reused": 0,
        "duplicates": 0,
        "unsendable": (),
        "unsendable_count": 0,
    }
    return Work(**{**values, **changes})


def quote(
    of: Work | None = None,
    *,
    space: Space = SPACE,
    host: str = "api.openai.com",
    price: Price = PRICE,
    cap: Decimal | None = None,
) -> Quote:
    return make_quote(Scope(), work() if of is None else of, space, host, price, Limits(), cap)


def test_sums() -> None:
    made = quote(work(150, 75, 250))
    assert (made.items, made.texts, made.tokens, made.requests) == (225, 225, 56_250, 3)
    assert made.bytes == 225_000
    assert made.cost == Decimal("0.001125")
    assert made.tables.cost + made.relationships.cost == made.cost
    assert (made.tables.items, made.relationships.items) == (150, 75)


@given(
    tables=st.integers(0, 10**9),
    relationships=st.integers(0, 10**9),
    price=st.decimals(min_value=0, max_value=1_000_000, places=6),
)
def test_both_kinds_add_up_exactly(tables: int, relationships: int, price: Decimal) -> None:
    of = work(1, 1, tokens=1)
    of = dataclasses.replace(of, tokens={"table": tables, "relationship": relationships})
    made = quote(of, price=Price(price, "test"))
    assert made.tables.cost + made.relationships.cost == made.cost
    assert made.tokens == tables + relationships


def test_nothing_to_do() -> None:
    empty = quote(work(0, 0))
    assert empty.nothing_to_do
    assert (empty.cost, empty.requests) == (Decimal(0), 0)
    only_bad = work(0, 0, unsendable=(Unsendable(1, "table", "a", "empty_document"),), unsendable_count=1)
    assert not quote(only_bad).nothing_to_do


def test_the_cap() -> None:
    assert not quote(cap=None).beyond_cap
    assert not quote(cap=quote().cost).beyond_cap
    assert quote(cap=quote().cost - Decimal("0.000001")).beyond_cap


def test_the_fingerprint_binds() -> None:
    base = quote().fingerprint
    assert base == quote().fingerprint
    others = [
        quote(work(3, 2, digest="0")),
        quote(work(3, 1)),
        quote(space=dataclasses.replace(SPACE, model="text-embedding-3-large")),
        quote(space=dataclasses.replace(SPACE, dimensions=256)),
        quote(space=dataclasses.replace(SPACE, server="https://other/v1")),
        quote(space=dataclasses.replace(SPACE, provider="local")),
        quote(host="other"),
        quote(price=Price(Decimal("0.03"), "price list")),
        quote(cap=Decimal(1)),
    ]
    prints = [one.fingerprint for one in others]
    assert base not in prints
    assert len(set(prints)) == len(prints)


def test_another_cap_is_as_if_quoted_anew() -> None:
    cap = Decimal("0.5")
    assert quote().with_cap(cap) == quote(cap=cap)
    assert quote(cap=cap).with_cap(None) == quote()


def test_the_record_is_json() -> None:
    record = json.loads(json.dumps(to_record(quote(cap=Decimal("0.25")))))
    assert record["cost"] == "0.000025"
    assert record["cap"] == "0.25"
    assert Decimal(record["price_per_million"]) == Decimal("0.02")
    assert record["fingerprint"] == quote(cap=Decimal("0.25")).fingerprint
    assert (record["tokens"], record["requests"], record["model"]) == (1250, 1, "text-embedding-3-small")


def test_a_run_takes_as_long_as_its_slower_half() -> None:
    quick = Speed(request_seconds=0.5, concurrency=8)
    assert run_seconds(0, 0, 0, quick) == START_SECONDS
    assert run_seconds(8, 1_000, 100, quick) == START_SECONDS + 0.5
    assert run_seconds(9, 1_000, 100, quick) == START_SECONDS + 1.0
    assert run_seconds(9, 1_000, 6_000, quick) == START_SECONDS + 10.0  # the vector store is the slower one
    limited = Speed(request_seconds=0.5, concurrency=8, tokens_per_minute=60_000)
    assert run_seconds(9, 120_000, 100, limited) == START_SECONDS + 60.0  # a full minute's tokens leave at once


@pytest.mark.parametrize(
    ("cap", "number"),
    # 250 tokens at $0.02 per million: $0.000005 a text.
    [("0.00002", None), ("0.000015", 3), ("0.0000199", 3), ("0.000005", 1), ("0.0000049", 0), ("0", 0)],
)
def test_how_much_of_the_first_request_fits_under_a_cap(cap: str, number: int | None) -> None:
    made = quote(work(9, 0, first=(250,) * 4), cap=Decimal(cap))
    assert made.first_that_fit == number
    told = first_request_words(made)
    assert (told is None) == (number is None)
    if number:
        assert f"--batch-size {number} " in str(told)
    elif number == 0:
        assert "alone costs $0.000005" in str(told)


def test_a_server_that_bills_more_leaves_room_for_fewer() -> None:
    made = quote(work(9, 0, first=(250,) * 4), cap=Decimal("0.000015"))
    assert dataclasses.replace(made, drift=1.1).first_that_fit == 2
    assert dataclasses.replace(made, lane="batch").first_that_fit is None
    used = Rest(1, made.cap, Decimal("0.000005"))
    assert dataclasses.replace(made, rest=used).first_that_fit == 2
