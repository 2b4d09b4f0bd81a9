"""Prices: a dated list held against another one, exact money, and amounts shown without lies."""

from __future__ import annotations

from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.errors import SettingError
from batch_manager.pricing import PRICES, Price, find_price, from_pico, price_of, show_usd, to_pico
from batch_manager.settings import load_settings

OPENAI = "https://api.openai.com/v1"
prices = st.decimals(min_value=0, max_value=1_000_000, places=6)
counts = st.integers(0, 10**10)


@pytest.mark.parametrize("model", sorted(PRICES))
def test_the_list_agrees_with_genai_prices(model: str) -> None:
    other = calc_price(Usage(input_tokens=1_000_000), model_ref=model, provider_id="openai")
    assert PRICES[model] == other.total_price
    assert find_price(model, OPENAI).cost(1_000_000) == other.total_price


def test_the_contracts_example() -> None:
    price = find_price("text-embedding-3-small", OPENAI)
    assert price.cost(50 * 250) == Decimal("0.00025")
    assert price.cost(250) == Decimal("0.000005")
    assert price.cost(0) == 0


@given(price=prices, tokens=counts)
def test_picodollars_are_exact(price: Decimal, tokens: int) -> None:
    one = Price(price, "test")
    assert from_pico(one.pico(tokens)) == one.cost(tokens)
    assert to_pico(one.cost(tokens)) == one.pico(tokens)


@given(price=prices, parts=st.lists(st.integers(0, 10**7), max_size=50))
def test_the_sum_of_the_parts_is_the_whole(price: Decimal, parts: list[int]) -> None:
    one = Price(price, "test")
    assert sum(one.cost(part) for part in parts) == one.cost(sum(parts))
    assert sum(one.pico(part) for part in parts) == one.pico(sum(parts))


@given(st.decimals(min_value=0, max_value=10**6, allow_nan=False))
def test_a_cap_is_never_rounded_up(cap: Decimal) -> None:
    assert from_pico(to_pico(cap)) <= cap


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "$0"),
        ("0.000", "$0"),
        ("0.000086", "$0.000086"),
        ("0.0000164", "$0.000016"),
        ("0.02", "$0.02"),
        ("0.5", "$0.50"),
        ("0.999", "$1.00"),
        ("12.41", "$12.41"),
        ("1234567.891", "$1,234,567.89"),
        ("1E-12", "$0.000000000001"),
    ],
)
def test_amounts_for_people(amount: str, shown: str) -> None:
    assert show_usd(Decimal(amount)) == shown


@given(st.decimals(min_value=0, max_value=10**9, allow_nan=False, allow_infinity=False))
def test_what_is_not_zero_never_shows_as_zero(amount: Decimal) -> None:
    shown = show_usd(amount)
    assert (Decimal(shown.removeprefix("$").replace(",", "")) == 0) == (amount == 0)


def test_the_setting_wins() -> None:
    price = find_price("text-embedding-3-small", OPENAI, Decimal("0.5"))
    assert price.per_million == Decimal("0.5")
    assert price.source == "EMBEDDING_PRICE_PER_MILLION"
    assert find_price("any", "http://any", Decimal(0)).per_million == 0


@pytest.mark.parametrize(
    ("model", "url", "named"),
    [
        ("nomic-embed-text", OPENAI, "nomic-embed-text"),
        ("text-embedding-3-small", "https://me.openai.azure.com/v1", "me.openai.azure.com"),
        ("text-embedding-3-small", "https://user:secret@proxy.example/v1", "proxy.example"),
        ("text-embedding-3-small", "https://api.openai.com.evil.example/v1", "evil.example"),
    ],
)
def test_an_unknown_price_asks_for_the_setting(model: str, url: str, named: str) -> None:
    with pytest.raises(SettingError, match=named) as caught:
        find_price(model, url)
    assert caught.value.code == "unknown_price"
    assert "EMBEDDING_PRICE_PER_MILLION" in caught.value.next_step
    assert "secret" not in str(caught.value)


def test_the_local_model_is_free() -> None:
    settings = load_settings({"EMBEDDING_PROVIDER": "local", "EMBEDDING_PRICE_PER_MILLION": "5"}, {})
    assert price_of(settings).per_million == 0
