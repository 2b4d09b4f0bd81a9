"""What stands in the way of the next run, found before anybody asks for one; nothing is sent or written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch_manager.allowance import used_up
from batch_manager.embedding import require_key
from batch_manager.engine.generations import require_same_model, say_building
from batch_manager.errors import BatchManagerError, SettingError, StoppedError, UsageError
from batch_manager.plural import counted
from batch_manager.pricing import show_usd

if TYPE_CHECKING:
    from batch_manager.engine.engine import Engine
    from batch_manager.store.ledger import RunRow

AGAIN = {
    "pending": "s in the app, --batch-index",
    "failed": "r in the app, --retry-failed",
    "all": "R in the app, --rebuild-indexes",
}
"""How a run of such a scope is gone on with."""


def problems(engine: Engine) -> list[BatchManagerError]:
    """No key, price or budget, an index of another model or one being built, an unfinished run, held money.

    Raises:
        StoreError: The store can't be read.
    """
    checks: tuple[Callable[[], object], ...] = (
        lambda: require_key(engine.settings),
        engine.price,
        lambda: require_same_model(engine.store, engine.space),
        lambda: say_building(engine.store, engine.space),
        lambda: _budget(engine),
        lambda: _unfinished(engine),
        lambda: _held(engine),
    )
    found: list[BatchManagerError] = []
    for check in checks:
        try:
            check()
        except (SettingError, UsageError, StoppedError) as error:
            found.append(error)
    return found


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A run that was interrupted with work left.

    Attributes:
        texts: Texts that are left of it.
        told: The same as something to be told.
    """

    run: RunRow
    texts: int
    told: UsageError


def interrupted(engine: Engine) -> Interrupted | None:
    """The run that was interrupted with work left; None where there is none.

    Raises:
        StoreError: The store can't be read.
    """
    run = engine.unfinished()
    if run is None:
        return None
    texts = engine.store.work.planned_count(run.id)
    step = f"Start again ({AGAIN.get(run.which, AGAIN['pending'])})"
    mine = run.who == engine.settings.user
    told = UsageError(
        f"Run {run.id:,} was interrupted with {counted(texts, 'text')} left; what was paid for is kept.",
        next_step=f"{step} to go on with it, under its quote and cap."
        if mine
        else f"{step}: what it left is then in a run of its own, since {run.who or 'somebody without a name'} agreed to"
        " that one.",
        code="unfinished_run",
    )
    return Interrupted(run, texts, told)


def _unfinished(engine: Engine) -> None:
    left = interrupted(engine)
    if left is not None:
        raise left.told


def _budget(engine: Engine) -> None:
    if engine.view().active or engine.settings.provider == "local":
        return
    for one in engine.store.budgets.allowances():
        if not one.left:
            raise used_up(one)


def _held(engine: Engine) -> None:
    if engine.view().active:
        return  # the requests of a run that is under way
    held = engine.store.ledger.held()
    if held:
        raise UsageError(
            f"{show_usd(held)} is held for requests that brought no answer: they may have been billed all the same.",
            next_step="Compare with the account's usage page; nothing needs to be done here.",
            code="held_money",
        )
