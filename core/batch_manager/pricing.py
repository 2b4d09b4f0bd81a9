"""Prices: a small dated list, or the user's own; money is Decimal, and whole picodollars in the store."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from batch_manager.errors import SettingError

if TYPE_CHECKING:
    from batch_manager.settings import Settings

PRICES_AS_OF = "2026-11"
"""Month in which the list below was read off OpenAI's price page; tests hold it against `genai-prices`."""

PRICES: dict[str, Decimal] = {
    "text-embedding-3-small": Decimal("0.02"),
    "text-embedding-3-large": Decimal("0.13"),
    "text-embedding-ada-002": Decimal("0.10"),
}
"""USD per million tokens at api.openai.com."""

NATIVE_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}

HALF_PRICE_MODELS = frozenset({"text-embedding-3-small", "text-embedding-3-large"})
"""Models for which OpenAI's price page lists half the price through the Batch API; none is listed for ada-002."""

HALF = Decimal("0.5")
"""Of the price, through the Batch API."""

_PICO = 10**12
LISTED_HOSTS = frozenset({"api.openai.com", "127.0.0.1", "localhost", "::1"})
"""Hosts that the list holds for: OpenAI's own, and the rehearsal's on loopback."""


@dataclass(frozen=True, slots=True)
class Price:
    """A price and where it comes from.

    Attributes:
        per_million: USD per million tokens.
        source: Such as `price list of 2026-11`, for people.
    """

    per_million: Decimal
    source: str

    def cost(self, tokens: int) -> Decimal:
        """USD for that many tokens, exact."""
        return self.per_million * tokens / 1_000_000

    def pico(self, tokens: int) -> int:
        """The same in whole picodollars (1e-12 USD); exact, since a price has at most 6 decimals."""
        return int(self.per_million * 1_000_000) * tokens


FREE = Price(Decimal(0), "runs on this machine")


def find_price(model: str, base_url: str, own: Decimal | None = None) -> Price:
    """The price of a model at a server.

    Args:
        model: The model's name.
        base_url: The server; the list holds for OpenAI's own (and for the rehearsal on loopback).
        own: The user's setting, which wins.

    Raises:
        SettingError: Neither the list nor the setting knows it.
    """
    if own is not None:
        return Price(own, "EMBEDDING_PRICE_PER_MILLION")
    host = urlsplit(base_url).hostname or ""
    listed = PRICES.get(model)
    if listed is not None and host in LISTED_HOSTS:
        return Price(listed, f"price list of {PRICES_AS_OF}")
    known = "model" if listed is None else "server"
    subject = model if listed is None else f"{model} at {host}"
    raise SettingError(
        f"No price is known for {subject}: the price list of {PRICES_AS_OF} doesn't have this {known}.",
        next_step="Set EMBEDDING_PRICE_PER_MILLION to its price in USD per million tokens (0 if it is free).",
        code="unknown_price",
    )


def find_batch_price(model: str, base_url: str, price: Price) -> Price:
    """The price of a model through the server's Batch API.

    Args:
        model: The model's name.
        base_url: The server.
        price: What the model costs there now.

    Raises:
        SettingError: No such price, or no such API, is known; the message says which.
    """
    host = urlsplit(base_url).hostname or ""
    azure = host.endswith((".azure.com", ".azure-api.net"))
    if azure:
        reason = f"{host} is Azure's: its batches are another API, at another price."
    elif host not in LISTED_HOSTS:
        reason = f"No batch price and no Batch API are known of {host}."
    elif model not in HALF_PRICE_MODELS:
        reason = f"No batch price is known for {model}."
    else:
        half = price.per_million * HALF
        rounded = half.quantize(Decimal("0.000001"), ROUND_UP)  # the store counts in six decimals
        return Price(half if half == rounded else rounded, f"half of {price.source}")
    raise SettingError(reason, next_step="Index now instead (--lane now).", code="no_batch_lane")


def batch_price_of(settings: Settings) -> Price:
    """The price of the half-price lane under these settings.

    Raises:
        SettingError: There is no such lane, and why; or no price is known at all.
    """
    price = price_of(settings)
    if settings.provider == "local":
        raise SettingError(
            "The local model costs nothing, so there is nothing to halve.",
            next_step="Index now (--lane now).",
            code="no_batch_lane",
        )
    return find_batch_price(settings.model, settings.base_url, price)


def price_of(settings: Settings) -> Price:
    """The price that holds under these settings.

    Raises:
        SettingError: None is known.
    """
    if settings.provider == "local":
        return FREE
    return find_price(settings.model, settings.base_url, settings.price_per_million)


def to_pico(amount: Decimal) -> int:
    """USD to whole picodollars, rounded down (a cap is never rounded up)."""
    return int(amount * _PICO)


def from_pico(pico: int) -> Decimal:
    """Whole picodollars to USD, exact."""
    return Decimal(pico) / _PICO


def show_usd(amount: Decimal) -> str:
    """For people: `$0`, `$0.000086`, `$12.41`; never rounded to a zero that isn't one."""
    if amount == 0:
        return "$0"
    if abs(amount) >= 1:
        return f"${amount:,.2f}"
    digits = max(2, 1 - amount.adjusted())
    text = f"{amount:.{digits}f}"
    whole, _, fraction = text.partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"
