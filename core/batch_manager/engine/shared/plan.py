"""Whether a worker may do a run: it must send the same to the same server at the same price as was agreed. Pure."""

from __future__ import annotations

from decimal import Decimal

from batch_manager.errors import UsageError
from batch_manager.quote import Space
from batch_manager.store.batches import SharedRun


def refuse_other(run: SharedRun, space: Space, price: Decimal) -> None:
    """Refuse to do a run that was agreed for something else.

    Args:
        run: The run.
        space: What this worker's settings speak of.
        price: USD per million tokens by this worker's settings.

    Raises:
        UsageError: `other_plan`; it says what differs.
    """
    agreed = run.quote
    pairs = (
        ("provider", run.provider, space.provider),
        ("server", str(agreed.get("server", "")), space.server),
        ("model", str(agreed.get("model", "")), space.model),
        ("dimensions", agreed.get("dimensions"), space.dimensions),
        ("price", run.price, price),
    )
    differing = [f"{name} {theirs}, here {mine}" for name, theirs, mine in pairs if theirs != mine]
    if differing:
        raise UsageError(
            f"Run {run.id} was agreed for {'; '.join(differing)}.",
            next_step="Start this worker with the settings of the run; what it had taken is for other workers again.",
            code="other_plan",
        )
