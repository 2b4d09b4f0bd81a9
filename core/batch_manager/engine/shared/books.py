"""The books of a run that several workers do: each entry counts under the claim's epoch, and money is one row's."""

from __future__ import annotations

from collections.abc import Sequence

from batch_manager.embedding import Answer
from batch_manager.engine.books import CAP_REACHED, Books, NotNow, Reservation
from batch_manager.engine.control import Control, StopRun
from batch_manager.engine.progress import BatchProgress
from batch_manager.errors import Refusal, StoppedError, StoreError
from batch_manager.packing import Input
from batch_manager.quote import Quote
from batch_manager.store import DocumentationStore
from batch_manager.store.batches import Allowed, Claim

EACH_WORKERS = "A worker keeps the budget that it was started with: start the workers again as well."


class Superseded(StopRun):
    """The batch is another worker's by now; what was answered is kept all the same."""


class _Refused(Exception):
    """Takes a transaction back."""

    def __init__(self, outcome: Allowed) -> None:
        super().__init__(outcome)
        self.outcome: Allowed = outcome


class SharedBooks(Books):
    """See `Books`. The store's rows decide what may be sent; the progress only says what this worker did."""

    def __init__(self, run_id: int, space_id: int, quote: Quote, store: DocumentationStore, control: Control) -> None:
        """The books of a run that was agreed under that quote.

        Attributes:
            claims: What this worker has taken, by the number of the batch.
        """
        super().__init__(run_id, space_id, quote, store, control)
        self.claims: dict[int, Claim] = {}
        self._unconfirmed: set[int] = set()

    def waits_for_room(self, tokens: int) -> bool:
        """The store says so when the request is written down."""
        return False

    async def reserve(self, batch: BatchProgress, inputs: Sequence[Input], tokens: int) -> Reservation:
        """Take the worst cost and write the request down, in one transaction.

        Raises:
            NotNow: The run is paused, or the cap has no room until a request in flight is settled.
            StopRun: The batch is another worker's, or nothing more may be sent.
            StoppedError: It doesn't fit into this worker's budget of a day or a month.
            StoreError: The store can't be written; nothing may be sent.
        """
        claim = self.claims[batch.number]
        cost = self._worst_cost(tokens)
        if batch.number in self._unconfirmed:
            self.store.batches.give_up(claim)
            self._unconfirmed.discard(batch.number)
        try:
            with self.store.transaction():
                allowed = self.store.batches.allow(claim, cost)
                if allowed != "yes":
                    raise _Refused(allowed)
                request_id = self._write_down(batch, inputs, tokens, cost)
        except _Refused as refused:
            self._say_no(refused.outcome, inputs)
            raise AssertionError("it always raises") from None
        except StoppedError as error:
            raise StoppedError(error.message, next_step=f"{error.next_step} {EACH_WORKERS}", code=error.code) from None
        except StoreError:
            # The server may have written it down, and only the word of that be lost. Nobody sends such a request, and
            # whoever waits for room under the cap would wait for its answer for ever.
            self._unconfirmed.add(batch.number)
            raise
        self._left_now(cost)
        return Reservation(request_id, tokens, cost)

    def _say_no(self, outcome: Allowed, inputs: Sequence[Input]) -> None:
        if outcome == "lost":
            raise Superseded
        if outcome == "paused":
            raise NotNow("the run is paused")
        if outcome == "room":
            raise NotNow("room under the cap")
        if outcome == "over":
            run = self.store.batches.run(self.run_id)
            raise self._control.stop(run.code, run.reason, run.next_step)
        raise self._control.stop(CAP_REACHED, self._left(), "Start again with a higher cap for the rest.")

    async def answered(
        self, held: Reservation, batch: BatchProgress, inputs: Sequence[Input], answer: Answer, seconds: float
    ) -> None:
        """Keep an answer: vectors, usage, money and the items' state, in one transaction.

        Raises:
            Superseded: The batch is another worker's; the answer is kept and its request settled, and nothing else.
            StoreError: It could not be written; nothing of it was.
        """
        claim = self.claims[batch.number]
        counted_by = "estimate" if answer.tokens is None else "server"
        tokens = held.tokens if answer.tokens is None else answer.tokens
        cost = self.quote.price.pico(tokens)
        store = self.store
        with store.transaction():
            moved = store.answers.keep(
                self.run_id, self.space_id, held.request_id, [one.text_id for one in inputs], answer.vectors
            )
            if store.ledger.settle_once(held.request_id, tokens, cost, counted_by, seconds):
                store.batches.used(self.run_id, cost - held.cost)
            mine = store.batches.note(claim, answered=len(inputs))
        self._came_in(held, batch, len(inputs), tokens, cost, moved)
        if not mine:
            raise Superseded

    def refused(self, held: Reservation, refusal: Refusal, seconds: float) -> None:
        """Note a refusal; its money is let go unless the server may have billed it."""
        store = self.store
        with store.transaction():
            first = store.ledger.refuse_once(
                held.request_id, refusal.code, refusal.message, held=refusal.maybe_billed, seconds=seconds
            )
            if first and not refusal.maybe_billed:
                store.batches.used(self.run_id, -held.cost)
        self._came_back(0 if refusal.maybe_billed else held.cost)

    def failed(self, batch: BatchProgress, inputs: Sequence[Input], refusal: Refusal) -> None:
        """These inputs can't be embedded: their items fail, unless the batch is another's.

        Raises:
            Superseded: It is.
        """
        with self.store.transaction():
            mine = self.store.batches.note(self.claims[batch.number], failed=len(inputs))
            if mine:
                super().failed(batch, inputs, refusal)
        if not mine:
            raise Superseded
