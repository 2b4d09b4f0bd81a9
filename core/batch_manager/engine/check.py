"""A check: what is left to be done, and whether the index is true to the store. Nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch_manager.engine.verify import VerifyReport
from batch_manager.errors import SettingError
from batch_manager.quote import Quote, Scope

if TYPE_CHECKING:
    from batch_manager.engine.engine import Engine
    from batch_manager.sources.watch import Watch
    from batch_manager.store.jobs import Waiting


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found.

    Attributes:
        indexed: Items that are indexed, by the store's word.
        pending: Items that a run under these settings would work on.
        failed: Items that failed and are in no index.
        waiting: What is handed over at half the price, and not back.
        quote: What is pending, priced; None where no price is known.
        unpriced: Why no price is known.
        report: Store and index compared.
    """

    indexed: int
    pending: int
    failed: int
    waiting: Waiting
    quote: Quote | None
    unpriced: SettingError | None
    report: VerifyReport

    @property
    def changes(self) -> bool:
        """The index is of another model than the settings, or on the way to another."""
        return self.quote is not None and self.quote.change is not None

    @property
    def fine(self) -> bool:
        """Nothing is left to be done."""
        return not (self.pending or self.waiting.batches or self.failed or self.report.untrue or self.changes)


def check(engine: Engine, waiting: Waiting, *, repair: bool = False, watch: Watch | None = None) -> Checked:
    """Compare store and index, and count what is left. Blocks.

    Args:
        engine: Over the store.
        waiting: What is handed over at half the price.
        repair: Mend what costs nothing as well.
        watch: Told how far it is, and able to end it.

    Raises:
        DeclinedError: The watch was told to stop.
        UsageError: A swap was broken off, and this may only look.
        VectorStoreError: Chroma doesn't answer.
        StoreError: The store can't be read.
    """
    report = engine.index.verify(repair, watch)
    counts = engine.store.items.counts()
    quote, unpriced, pending = None, None, counts.total("pending")
    try:
        quote = engine.quote(Scope("pending"))
        pending = quote.items + quote.unsendable_count
    except SettingError as error:
        unpriced = error
    return Checked(counts.total("indexed"), pending, counts.total("failed"), waiting, quote, unpriced, report)
