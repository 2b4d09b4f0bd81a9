"""Lanes: what a worker has of each run that it does batches of."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch_manager.embedding import Embedder, space_of
from batch_manager.embedding.pacing import SAFETY
from batch_manager.engine.books import CAP_REACHED
from batch_manager.engine.budget import Budget
from batch_manager.engine.control import Control
from batch_manager.engine.progress import Progress
from batch_manager.engine.resuming import quote_of_run
from batch_manager.engine.sending import Sender
from batch_manager.engine.shared.books import SharedBooks
from batch_manager.engine.shared.pace import SharedPace
from batch_manager.engine.shared.plan import refuse_other
from batch_manager.events import Event
from batch_manager.pricing import price_of
from batch_manager.store import DocumentationStore
from batch_manager.store.batches import SharedRun
from batch_manager.store.ledger import RunEnd
from batch_manager.store.rates import Rates

if TYPE_CHECKING:
    from batch_manager.settings import Settings


@dataclass(slots=True)
class Lane:
    """One run, as this worker has it.

    Attributes:
        ended: The run is over for everyone, or was ended from here.
    """

    run_id: int
    progress: Progress
    control: Control
    books: SharedBooks
    sender: Sender
    ended: bool = False

    @property
    def end_state(self) -> RunEnd:
        """How a run ends that is stopped from here; money, the server and the key let it go on under the same yes."""
        return "stopped" if self.progress.code == CAP_REACHED else "interrupted"


class Lanes:
    """The runs of one worker; they live in the engine's loop."""

    def __init__(
        self, settings: Settings, store: DocumentationStore, embedder: Embedder, publish: Callable[[Event], None]
    ) -> None:
        """No run yet."""
        self._settings = settings
        self._store = store
        self._embedder = embedder
        self._publish = publish
        self._lanes: dict[int, Lane] = {}
        self._said: dict[tuple[int, int], tuple[str, str]] = {}

    def of(self, run_id: int) -> Lane:
        """The lane of a run.

        Raises:
            UsageError: This worker's settings aren't what the run was agreed for.
            StoreError: The store can't be read.
        """
        lane = self._lanes.get(run_id)
        if lane is None or lane.ended:
            lane = self._lanes[run_id] = self._make(self._store.batches.run(run_id))
        return lane

    def check(self) -> None:
        """Make sure that this worker may do the runs that are shared now.

        Raises:
            UsageError: One of them was agreed for something else.
        """
        space, price = space_of(self._settings), price_of(self._settings)
        for run in self._store.batches.runs():
            refuse_other(run, space, price.per_million)

    def known(self, control: Control) -> Lane:
        """The lane with this control."""
        return self._lanes[control.progress.run_id]

    def stop(self) -> None:
        """This worker ends: what waits is left, what is in flight comes in."""
        for lane in self._lanes.values():
            lane.control.stop("", "The worker ends.", "")

    def refresh(self) -> None:
        """Do as was asked meanwhile: stand still, go on, end.

        Raises:
            StoreError: The store can't be read.
        """
        going = {run.id: run for run in self._store.batches.runs()} if self._lanes else {}
        for lane in [one for one in self._lanes.values() if not one.ended]:
            run = going.get(lane.run_id)
            if run is None:
                run = self._store.batches.run(lane.run_id)
                lane.ended = True
                lane.control.stop(run.code, run.reason or "The run is over.", run.next_step)
            elif run.asked:
                lane.control.pause("Paused by you.", "Resume to go on.")
            else:
                lane.control.resume()

    def say(self) -> None:
        """Tell those who watch what is done with each batch, where that has changed.

        Raises:
            StoreError: The store can't be written.
        """
        for lane in self._lanes.values():
            for number, claim in list(lane.books.claims.items()):
                batch = lane.progress.batches[number]
                news = (batch.state, batch.waits_for.partition(",")[0])  # a wait that only grows shorter is none
                if self._said.get((lane.run_id, number)) != news:
                    self._said[lane.run_id, number] = news
                    self._store.batches.say(claim, batch.state, batch.waits_for)
        going = {(lane.run_id, number) for lane in self._lanes.values() for number in lane.books.claims}
        self._said = {key: said for key, said in self._said.items() if key in going}

    def _make(self, run: SharedRun) -> Lane:
        settings, store = self._settings, self._store
        space = space_of(settings)
        refuse_other(run, space, price_of(settings).per_million)
        quote = quote_of_run(settings, store, run)
        progress = Progress(run.id, quote, Budget(None), time.monotonic(), state="running")
        control = Control(progress, self._publish, "wait")
        books = SharedBooks(run.id, run.space_id, quote, store, control)
        pace = SharedPace(
            Rates(store.database, SAFETY),
            f"{space.server}:{space.model}",
            told=(settings.tokens_per_minute, settings.requests_per_minute),
        )
        sender = Sender(books, control, self._embedder, settings, quote.limits, lambda: None, pace)
        lane = Lane(run.id, progress, control, books, sender)
        if run.asked:
            control.pause("Paused by you.", "Resume to go on.")
        return lane
