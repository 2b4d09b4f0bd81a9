"""What may be spent in a day and in a month, over all runs of a store; days and months are UTC's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from batch_manager.errors import StoppedError
from batch_manager.pricing import show_usd

if TYPE_CHECKING:
    from batch_manager.settings import Settings

Period = Literal["day", "month"]

SETTINGS: dict[Period, str] = {"day": "EMBEDDING_MAX_COST_PER_DAY", "month": "EMBEDDING_MAX_COST_PER_MONTH"}
NOW: dict[Period, str] = {"day": "today", "month": "this month"}


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A budget.

    Attributes:
        limit: USD that all requests of one day, or month, may cost together.
    """

    period: Period
    limit: Decimal

    def since(self, today: date) -> date:
        """When the period that this day is in began."""
        return today if self.period == "day" else today.replace(day=1)

    def again(self, today: date) -> date:
        """When the next one begins."""
        return self.since(today) + timedelta(days=1) if self.period == "day" else _next_month(today)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A budget as it stands.

    Attributes:
        used: USD that were billed since the period began, or are held for requests without an answer.
        again: When the next period begins, at 00:00 UTC.
    """

    period: Period
    limit: Decimal
    used: Decimal
    again: date

    @property
    def left(self) -> Decimal:
        """USD that may still be spent."""
        return max(Decimal(0), self.limit - self.used)

    @property
    def amounts(self) -> str:
        """`$0.40 of $1.00 left`."""
        return f"{show_usd(self.left)} of {show_usd(self.limit)} left"

    @property
    def words(self) -> str:
        """`$0.40 of $1.00 left today`."""
        return f"{self.amounts} {NOW[self.period]}"


def ceilings_of(settings: Settings) -> tuple[Ceiling, ...]:
    """The budgets that the settings name."""
    named: tuple[tuple[Period, Decimal | None], ...] = (
        ("day", settings.max_cost_per_day),
        ("month", settings.max_cost_per_month),
    )
    return tuple(Ceiling(period, limit) for period, limit in named if limit is not None)


def too_small(allowances: Sequence[Allowance], cost: Decimal) -> Allowance | None:
    """The budget that a cost doesn't fit into: of several the one that has room again last; None where it fits."""
    over = [one for one in allowances if cost > one.left]
    return max(over, key=lambda one: one.again, default=None)


def beyond_words(allowance: Allowance) -> str:
    """What becomes of a run whose price doesn't fit."""
    return f"The price is above what is left of a budget ({allowance.words}): the rest waits until {_at(allowance)}."


def reached(allowance: Allowance, cost: Decimal) -> StoppedError:
    """The error of a request that is kept back."""
    setting = SETTINGS[allowance.period]
    step = f"There is room again from {_at(allowance)}: go on then. Or set a higher {setting}, and start again."
    if cost > allowance.limit:
        step = f"That is more than a whole {allowance.period} has: set a higher {setting}, or a smaller --batch-size."
    return StoppedError(
        f"The {allowance.period}'s budget of {show_usd(allowance.limit)} is reached: {show_usd(allowance.used)} of it"
        f" are spent or held, and the next request may cost {show_usd(cost)}.",
        next_step=step,
        code="budget_reached",
    )


def used_up(allowance: Allowance) -> StoppedError:
    """What to tell before a run of which nothing could be sent."""
    return StoppedError(
        f"The {allowance.period}'s budget of {show_usd(allowance.limit)} is used up.",
        next_step=f"There is room again from {_at(allowance)}. Or set a higher {SETTINGS[allowance.period]}.",
        code="budget_reached",
    )


def budgets_report(allowances: Sequence[Allowance]) -> list[dict[str, Any]]:
    """The budgets as JSON values."""
    return [
        {
            "per": one.period,
            "limit_usd": one.limit,
            "used_usd": one.used,
            "left_usd": one.left,
            "again_at": f"{one.again.isoformat()}T00:00:00+00:00",
        }
        for one in allowances
    ]


def _at(allowance: Allowance) -> str:
    return f"{allowance.again.isoformat()}, 00:00 UTC"


def _next_month(today: date) -> date:
    return (today.replace(day=1) + timedelta(days=32)).replace(day=1)
