"""The budget of a run: what is billed, what is held, and whether one more request fits under the cap. Pure.

Amounts are whole picodollars. A request's worst cost is reserved before it leaves; it is settled by the bill,
released when the server refused, and stays held when nobody knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from batch_manager.plural import are
from batch_manager.pricing import show_usd


@dataclass(slots=True)
class Budget:
    """Money of one run; billed + held ≤ cap at every moment, as long as bills aren't above what was reserved."""

    cap: int | None
    billed: int = 0
    held: int = 0

    def fits(self, cost: int) -> bool:
        """Whether a request of that worst cost may leave."""
        return self.cap is None or self.billed + self.held + cost <= self.cap

    def reserve(self, cost: int) -> None:
        """Hold the worst cost of a request that is about to leave."""
        self.held += cost

    def settle(self, reserved: int, cost: int) -> None:
        """The bill came."""
        self.held -= reserved
        self.billed += cost

    def release(self, reserved: int) -> None:
        """The server refused, so nothing was billed."""
        self.held -= reserved


def left_words(cap: Decimal, texts: int, cost: Decimal) -> str:
    """What a cap that is reached leaves out, and its price."""
    return f"The cap of {show_usd(cap)} is reached: {are(texts, 'text')} left, which would cost {show_usd(cost)}."
