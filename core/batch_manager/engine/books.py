"""The books of a run: every request is written down before it leaves, every answer before anything is done with it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from batch_manager.cap_words import smaller_words
from batch_manager.documents import PROBLEMS
from batch_manager.embedding import Answer
from batch_manager.engine.budget import left_words
from batch_manager.engine.control import Control
from batch_manager.engine.journal import Journal
from batch_manager.engine.progress import BatchProgress
from batch_manager.engine.quoting import account_note, drift_note, known_drift
from batch_manager.errors import Refusal, StoreError, Verdict
from batch_manager.home import free_bytes
from batch_manager.packing import Input, Limits, fitting
from batch_manager.plural import counted
from batch_manager.quote import Quote
from batch_manager.store import DocumentationStore
from batch_manager.store.answers import Delivered
from batch_manager.store.ledger import RunEnd

LEAST_FREE = 64 * 1024 * 1024
"""Bytes that must be free before a request leaves: room for the answers in flight, the log and the index."""


CAP_REACHED = "cap_reached"

UNSENT = Refusal(Verdict.RETRY, "not_sent", "The run was paused, or ended, before it was sent.")


class NotNow(Exception):
    """A request may not leave at this moment, and may a little later; the words say what it waits for."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A request in the ledger, with the money that it holds (picodollars)."""

    request_id: int
    tokens: int
    cost: int


class Books:
    """Between one run and the store: money, answers, failures, marks."""

    def __init__(
        self,
        run_id: int,
        space_id: int,
        quote: Quote,
        store: DocumentationStore,
        control: Control,
        journal: Journal | None = None,
    ) -> None:
        """The books of a run that was agreed under that quote; by default with a journal of their own."""
        self.run_id = run_id
        self.space_id = space_id
        self.quote = quote
        self.store = store
        self._control = control
        self._journal = journal or Journal(store)
        self._progress = control.progress
        self.replaces_index = False
        self._flying = 0
        self.agreed_drift = known_drift(store, quote.space)

    def open(self) -> None:
        """Say what can't be sent, and take in what an earlier run paid for and didn't deliver."""
        for one in self.quote.unsendable:
            self._control.item_failed(one.kind, one.name, one.code, PROBLEMS[one.code][0])
        progress, answers = self._progress, self.store.answers
        progress.delivering = progress.answered = answers.waiting(self.space_id)
        # What was left undelivered comes along, whatever this run's scope is.
        progress.items += progress.answered - answers.waiting(self.space_id, self.run_id)

    @property
    def drift(self) -> float:
        """Billed tokens for each that we counted, as far as this server is known to count more; 1 or above.

        What is reserved for a request takes it in, so that the cap holds where the server counts otherwise.
        """
        progress = self._progress
        seen = progress.billed_pico / progress.estimated_pico if progress.estimated_pico else 1.0
        return max(1.0, seen, self.agreed_drift)

    def agree_drift(self, drift: float) -> None:
        """Remember a drift that is told now for this server and model: going on after that is the yes to it."""
        self.agreed_drift = drift
        self.store.set_note(drift_note(self.quote.space), f"{drift:.6f}")

    def _worst_cost(self, tokens: int) -> int:
        return ceil(self.quote.price.pico(tokens) * self.drift)

    def waits_for_room(self, tokens: int) -> bool:
        """Whether a request doesn't fit under the cap now, but may once requests in flight are settled."""
        return self._flying > 0 and not self._progress.budget.fits(self._worst_cost(tokens))

    async def reserve(self, batch: BatchProgress, inputs: Sequence[Input], tokens: int) -> Reservation:
        """Write a request down, its worst cost held, before it leaves.

        Raises:
            StopRun: It doesn't fit under the cap, so the run stops in good order.
            StoppedError: It doesn't fit into the day's or the month's budget.
            StoreError: Its answer could not be kept; nothing may be sent.
        """
        folder = self.store.folder
        if not self.store.on_server and free_bytes(folder) < LEAST_FREE:
            raise StoreError(
                f"The disk of {str(folder)!r} is nearly full, so answers could not be kept.",
                next_step="Free some space, then start again to go on.",
                code="store_full",
            )
        cost = self._worst_cost(tokens)
        if not self._progress.budget.fits(cost):
            step = f"Start again with a higher cap for the rest. {smaller_words(self._fitting(inputs))}".rstrip()
            raise self._control.stop(CAP_REACHED, self._left(), step)
        self._left_now(cost)  # before it is written down: another one may be on its way there meanwhile
        ids: list[int] = []
        try:
            await self._journal.write(lambda: ids.append(self._write_down(batch, inputs, tokens, cost)))
        except BaseException as error:
            if ids and isinstance(error, asyncio.CancelledError):  # it is written down all the same
                self.unsent(Reservation(ids[-1], tokens, cost))
            else:
                self._progress.requests -= 1
                self._came_back(cost)
            raise
        return Reservation(ids[-1], tokens, cost)

    def _write_down(self, batch: BatchProgress, inputs: Sequence[Input], tokens: int, cost: int) -> int:
        return self.store.ledger.reserve(
            self.run_id,
            batch.number,
            batch.tries,
            self.quote.space.model,
            len(inputs),
            tokens,
            self.quote.price.per_million,
            cost,
        )

    def _left_now(self, cost: int) -> None:
        self._progress.budget.reserve(cost)
        self._progress.requests += 1
        self._flying += 1

    def _fitting(self, inputs: Sequence[Input]) -> int:
        """How many of these inputs would fit under what the cap has left."""
        budget, each = self._progress.budget, self.quote.price.pico(1) * self.drift
        room = 0 if budget.cap is None else budget.cap - budget.billed - budget.held
        return fitting((one.tokens for one in inputs), int(room / each) if each else 0)

    def close(self, state: RunEnd) -> None:
        """Write down how the run ended. What the cap has left is told anew, since requests have come in meanwhile."""
        progress = self._progress
        if progress.code == CAP_REACHED:
            self._control.remember(CAP_REACHED, self._left(), progress.next_step)
        self.store.ledger.end_run(self.run_id, state, progress.reason)

    def _left(self) -> str:
        left, tokens = self.store.work.left(self.run_id)
        cap = self.quote.cost if self.quote.cap is None else self.quote.cap  # a cap of $0 is one
        return left_words(cap, left, self.quote.price.cost(tokens))

    async def answered(
        self, held: Reservation, batch: BatchProgress, inputs: Sequence[Input], answer: Answer, seconds: float
    ) -> None:
        """Keep an answer: vectors, usage and the items' state, in one transaction.

        Raises:
            StoreError: It could not be written; nothing of it was.
        """
        counted_by = "estimate" if answer.tokens is None else "server"
        tokens = held.tokens if answer.tokens is None else answer.tokens
        cost = self.quote.price.pico(tokens)

        def write() -> int:
            text_ids = [one.text_id for one in inputs]
            moved = self.store.answers.keep(self.run_id, self.space_id, held.request_id, text_ids, answer.vectors)
            self.store.ledger.settle(held.request_id, tokens, cost, counted_by, seconds)
            return moved

        await self._journal.write(write, lambda moved: self._came_in(held, batch, len(inputs), tokens, cost, moved))

    def _came_in(
        self, held: Reservation, batch: BatchProgress, inputs: int, tokens: int, cost: int, moved: int
    ) -> None:
        progress = self._progress
        self._flying -= 1
        progress.budget.settle(held.cost, cost)
        progress.requests_answered += 1
        progress.tokens_answered += held.tokens
        progress.tokens_billed += tokens
        progress.estimated_pico += self.quote.price.pico(held.tokens)
        progress.billed_pico += cost
        progress.answered += moved
        progress.delivering += moved
        batch.answered += inputs

    def refused(self, held: Reservation, refusal: Refusal, seconds: float) -> None:
        """Note a refusal; its money is let go unless the server may have billed it."""
        self.store.ledger.refuse(
            held.request_id, refusal.code, refusal.message, held=refusal.maybe_billed, seconds=seconds
        )
        self._came_back(0 if refusal.maybe_billed else held.cost)

    def unsent(self, held: Reservation) -> None:
        """It was written down, and isn't sent."""
        self.refused(held, UNSENT, 0.0)
        self._progress.requests -= 1

    def _came_back(self, let_go: int) -> None:
        self._flying -= 1
        self._progress.budget.release(let_go)

    def failed(self, batch: BatchProgress, inputs: Sequence[Input], refusal: Refusal) -> None:
        """These inputs can't be embedded: their items fail, and the rest goes on."""
        names = self.store.answers.fail(
            self.run_id,
            [one.text_id for one in inputs],
            refusal.code,
            refusal.message,
            refusal.next_step,
            batch.tries,
            lasting=refusal.verdict is not Verdict.RETRY,
        )
        batch.failed += len(inputs)
        self._progress.failed += len(names)
        for kind, name in names:
            self._control.item_failed(kind, name, refusal.code, refusal.message)

    async def expect(self, item_ids: Sequence[int]) -> None:
        """These items' rows are about to be written to Chroma."""
        await self._journal.write(lambda: self.store.answers.expect_parts(item_ids))

    async def delivered(self, rows: Sequence[Delivered], items: int, now: float) -> None:
        """Chroma has these rows, of that many items: mark them."""
        texts = list({(row.item_id, row.item_hash) for row in rows})
        await self._journal.write(
            lambda: self.store.answers.mark_indexed(texts), lambda marked: self._marked(rows, items, marked, now)
        )
        if self.store.on_server:
            self.store.batches.delivered(
                Counter((row.run_id, row.batch) for row in rows if row.run_id is not None and row.batch is not None)
            )

    def _marked(self, rows: Sequence[Delivered], items: int, marked: int, now: float) -> None:
        progress = self._progress
        progress.indexed += marked
        progress.delivering = max(0, progress.delivering - items)
        mine = Counter(row.batch for row in rows if row.run_id == self.run_id)
        for batch, inputs in mine.items():
            if batch is not None:
                progress.delivered(batch, inputs, now)

    def note_account(self, tokens_per_minute: int) -> None:
        """Remember what the account allows: a later quote's time takes it in."""
        key = account_note(self.quote.space)
        if self.store.note(key) != str(tokens_per_minute):
            self.store.set_note(key, str(tokens_per_minute))

    def learned(self, limits: Limits) -> None:
        """This server takes smaller requests than was thought; remembered for it."""
        self.store.set_note(f"limits:{self.quote.space.server}", f"{limits.inputs},{limits.tokens}")
        self._control.notice(
            f"{self.quote.host} takes {counted(limits.inputs, 'input')}, {limits.tokens:,} tokens a request at most.",
            "info",
        )
