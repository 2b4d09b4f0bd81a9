"""Budgets: what all runs of a store may spend in a day and in a month, held against its ledger.

Whoever writes a request down asks here first, in the same transaction, so that several programs can't pass them.
A request belongs to the day on which it left, whenever its answer came.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from batch_manager.allowance import Allowance, Ceiling, reached, too_small
from batch_manager.pricing import from_pico
from batch_manager.store.database import now, translated
from batch_manager.store.dialect import Database


class Budgets:
    """The budgets of whoever opened the store."""

    def __init__(self, database: Database, ceilings: Sequence[Ceiling] = ()) -> None:
        self._db = database
        self._ceilings = tuple(ceilings)

    @property
    def smallest(self) -> Ceiling | None:
        """The one with the least money."""
        return min(self._ceilings, key=lambda one: one.limit, default=None)

    def allowances(self) -> tuple[Allowance, ...]:
        """How each of them stands.

        Raises:
            StoreError: The store can't be read.
        """
        today = date.fromisoformat(now()[:10])
        return tuple(
            Allowance(one.period, one.limit, self._used_since(one.since(today)), one.again(today))
            for one in self._ceilings
        )

    def require(self, cost_pico: int) -> None:
        """Make sure that a request of that worst cost may leave; inside the caller's transaction.

        Raises:
            StoppedError: `budget_reached`: it doesn't fit.
        """
        if not self._ceilings or not cost_pico:
            return
        cost = from_pico(cost_pico)
        if (over := too_small(self.allowances(), cost)) is not None:
            raise reached(over, cost)

    def _used_since(self, day: date) -> Decimal:
        # What another program's clock put into days to come counts as well.
        with translated():
            row = self._db.execute_sql(
                "SELECT coalesce(sum(cost_pico), 0) FROM request WHERE sent_at >= ?", (day.isoformat(),)
            ).fetchone()
        return from_pico(int(row[0]))
