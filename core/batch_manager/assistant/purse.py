"""The purse of a session: what all its queries may cost together."""

from __future__ import annotations

from decimal import Decimal
from math import ceil

from batch_manager.errors import StoppedError
from batch_manager.pricing import Price, show_usd

DEFAULT_CAP = Decimal("0.01")
"""USD a session when no cap is given: some 25,000 questions of 20 tokens with the default model. An assistant asks
without anybody reading a price, so that there is always a cap."""


class Purse:
    """Money that queries may spend; a `Meter`. Used from one thread at a time.

    Attributes:
        cap: USD that is never passed.
        spent: USD that was billed, or may have been.
    """

    def __init__(self, cap: Decimal) -> None:
        self.cap = cap
        self.spent = Decimal(0)
        self._price: Price | None = None
        self._drift = 1.0

    def at(self, price: Price) -> Purse:
        """This purse, paying at that price from now on."""
        self._price = price
        return self

    def reserve(self, tokens: int) -> None:
        """See `Meter`.

        Raises:
            StoppedError: `cap_reached`: with this request the session would pass its cap. It is not sent.
        """
        cost = self._worst(tokens)
        if self.spent + cost > self.cap:
            raise StoppedError(
                f"This query would cost {show_usd(cost)}, and {show_usd(self.spent)} of this session's cap of"
                f" {show_usd(self.cap)} is spent; it was not sent.",
                next_step="A person can start the server again with a higher --max-cost; describe_table costs nothing.",
                code="cap_reached",
            )
        self.spent += cost

    def settle(self, tokens: int, billed: int) -> None:
        """See `Meter`. A server that counts more than was thought is reckoned with from now on."""
        self.spent += self._cost(billed) - self._worst(tokens)
        if tokens:
            self._drift = max(self._drift, billed / tokens)

    def _worst(self, tokens: int) -> Decimal:
        return self._cost(ceil(tokens * self._drift))

    def _cost(self, tokens: int) -> Decimal:
        return Decimal(0) if self._price is None else self._price.cost(tokens)
