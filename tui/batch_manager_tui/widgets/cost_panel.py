"""The cost panel: the live price of the choice; during a run, the money as it moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from batch_manager.errors import BatchManagerError
from batch_manager.events import RunView
from batch_manager.quote import Quote
from batch_manager.store.jobs import Waiting
from batch_manager_tui.widgets.cost_lines import NONE, error_lines, money_lines, quote_lines, run_lines
from batch_manager_tui.widgets.strips import Line, Lines

FEW_ROWS = 12
"""Below this the panel has no blank lines to give."""


@dataclass(frozen=True, slots=True)
class CostState:
    """What the panel shows.

    Attributes:
        heading: Which items the quote speaks of.
        quote: The newest quote, or None while the first is being made.
        error: Why there is none.
        view: The run, active or over.
        spent: USD over all runs.
        held: USD of it that is no bill yet: answers that never came, batches under way.
        half: USD of the quote at half the price, where that is offered.
        waiting: Items that are handed over at half the price, and not in the quote.
        why: Why none of it is offered to be sent, and which key says more.
        aside: What is left out of it, and which key says why.
    """

    heading: str = ""
    quote: Quote | None = None
    error: BatchManagerError | None = None
    view: RunView = field(default_factory=RunView)
    spent: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    half: Decimal | None = None
    waiting: Waiting = NONE
    why: str = ""
    aside: str = ""


class CostPanel(Lines):
    """Money, and nothing else."""

    state = CostState()

    def show(self, state: CostState) -> None:
        """Show this state."""
        self.state = state
        width = self.line_width
        if width > 0:
            lines = _lines(state, width)
            few = self.scrollable_content_region.height < FEW_ROWS
            self.show_lines([line for line in lines if line] if few else lines)

    def on_resize(self) -> None:
        """Labels and values follow the width."""
        self.show(self.state)
        super().on_resize()


def _lines(state: CostState, width: int) -> list[Line]:
    if state.view.active:
        return run_lines(state.view, state.quote, width)
    if state.error is not None:
        return error_lines(state.error, width)
    if state.quote is None:
        lines: list[Line] = [[("counting tokens…", "soft")]] if state.heading else []
    else:
        money = (state.spent, width, state.held, state.half, state.waiting)
        lines = quote_lines(state.quote, state.heading, *money, state.why, state.aside)
    if state.view.run_id:
        lines += [[], [("the last run", "strong")], *money_lines(state.view, width)]
    return lines
