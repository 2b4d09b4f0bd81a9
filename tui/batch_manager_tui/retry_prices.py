"""Retry prices: what trying again would cost, of each cause and of what is marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from batch_manager.errors import BatchManagerError
from batch_manager.quote import Scope
from batch_manager.store.failures import FailureGroup
from batch_manager_tui.widgets.failure_words import Priced

if TYPE_CHECKING:
    from batch_manager_tui.app import BatchManagerApp


class RetryPrices:
    """Prices as they come in; until then, a price that isn't known yet.

    Attributes:
        of_causes: Those that are known, by the cause's code.
    """

    def __init__(self) -> None:
        self.of_causes: dict[str, Priced] = {}
        self._of_marked = Priced()

    def forget(self) -> None:
        """Causes are read anew."""
        self.of_causes = {}

    def forget_marked(self) -> None:
        """Others are marked now."""
        self._of_marked = Priced()

    def of(self, group: FailureGroup, *, marked: bool = False) -> Priced:
        """The price of a cause, or of what is marked of it."""
        return self._of_marked if marked else self.of_causes.get(group.code, Priced())

    async def ask(self, app: BatchManagerApp, group: FailureGroup) -> None:
        """Price a cause.

        Raises:
            StoreError: Its items can't be read.
        """
        ids = await app.back.read(app.workspace.store.items.failed_ids, group.code)
        self.of_causes[group.code] = await _price(app, ids)

    async def ask_marked(self, app: BatchManagerApp, ids: Sequence[int]) -> None:
        """Price what is marked."""
        self._of_marked = await _price(app, ids)


async def _price(app: BatchManagerApp, ids: Sequence[int]) -> Priced:
    try:
        return Priced(await app.back.quote(app.workspace.engine.quote, Scope("failed", ids=tuple(ids))))
    except BatchManagerError as error:
        return Priced(None, error)
