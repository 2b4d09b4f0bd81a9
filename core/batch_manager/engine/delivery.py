"""Delivery: from the kept answers into Chroma, then the mark. The store is the queue, so paying never waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from batch_manager.documents import KINDS
from batch_manager.engine.books import Books
from batch_manager.engine.control import Control, StopRun
from batch_manager.engine.index_care import claim
from batch_manager.errors import VectorStoreError
from batch_manager.store.answers import Deliverable
from batch_manager.vectors import VectorRow, VectorStore, row_id

ROWS = 1_000
"""Items a write: 100 rows a call are 0.7 as fast, 5,000 no faster."""

GATHER = 0.25
"""Seconds that a write waits for more rows while answers still come in."""

TRIES = 3

NOT_PASSING = frozenset({"vectors_locked", "vectors_other_shape", "vectors_disk_full", "vectors_damaged"})
"""Troubles that don't pass by themselves: trying again at once would only hide them."""


class Delivery:
    """Brings the answers of one run to the vector store."""

    def __init__(self, books: Books, control: Control, vectors: VectorStore) -> None:
        """A delivery that sleeps until it is woken."""
        self._books = books
        self._control = control
        self._vectors = vectors
        self._arrived = asyncio.Event()
        self._more = True
        self._claimed = False

    def wake(self) -> None:
        """Answers have come."""
        self._arrived.set()

    def no_more(self) -> None:
        """No more answers will come: deliver what is there, and end."""
        self._more = False
        self._arrived.set()

    async def drain(self) -> None:
        """Deliver all that waits now; a run that is cancelled leaves the rest to the next one.

        Raises:
            StopRun: It is cancelled.
        """
        while rows := self._waiting():
            if self._control.cancelled:
                raise StopRun
            await self._deliver(rows)

    async def follow(self) -> None:
        """Deliver as answers come, until no more will."""
        while self._more:
            await self._arrived.wait()
            self._arrived.clear()
            while self._control.progress.delivering:
                if self._more and self._control.progress.delivering < ROWS:
                    await asyncio.sleep(GATHER)
                rows = self._waiting()
                if not rows:
                    break
                await self._deliver(rows)
        await self.drain()

    async def sweep(self) -> int:
        """Take the vectors of items that are gone from their source out of Chroma; returns how many items."""
        swept = 0
        while gone := self._books.store.departures.waiting(ROWS):
            for kind in KINDS:
                ids = [row_id(name, no) for _, of, name, parts in gone if of == kind for no in range(1, parts + 1)]
                if ids:
                    await self._vectors.delete(kind, ids)
            self._books.store.departures.removed([item_id for item_id, *_ in gone])
            swept += len(gone)
        return swept

    def _waiting(self) -> list[Deliverable]:
        return self._books.store.answers.deliverable(self._books.space_id, ROWS)

    async def _deliver(self, rows: list[Deliverable]) -> None:
        tried = 0
        while True:
            tried += 1
            try:
                await self._write(rows)
                break
            except VectorStoreError as error:
                if tried >= TRIES or error.code in NOT_PASSING:
                    await self._control.trouble(error)
                    tried = 0
                else:
                    self._control.notice(f"{error.message} Trying again.", "warning")
                    await self._control.sleep(0.5 * tried)
        await self._control.persist(lambda: self._books.delivered(rows, time.monotonic()))

    async def _write(self, rows: list[Deliverable]) -> None:
        if not self._claimed:
            await claim(self._books, self._control, self._vectors)
            self._claimed = True
        # Written down first: a kill in between must not leave parts in Chroma that nobody knows of.
        item_ids = [row.item_id for row in rows if row.no == 1]
        await self._control.persist(lambda: self._books.store.answers.expect_parts(item_ids))
        for kind in KINDS:
            of_kind = [row for row in rows if row.kind == kind]
            if of_kind:
                stale = [one for row in of_kind if row.no == row.parts for one in _stale_ids(row)]
                await self._vectors.write(kind, [self._row(row) for row in of_kind], stale)

    def _row(self, row: Deliverable) -> VectorRow:
        space = self._books.quote.space
        return VectorRow(
            id=row_id(row.name, row.no),
            document=row.text,
            vector=row.vector,
            metadata={
                "name": row.name,
                "kind": row.kind,
                "model": space.model,
                "dimensions": len(row.vector) // 4,
                "hash": row.text_hash,
                "part": row.no,
                "parts": row.parts,
            },
        )


def _stale_ids(row: Deliverable) -> Iterable[str]:
    """Ids of parts that an earlier, longer text of the item had."""
    return (row_id(row.name, no) for no in range(row.parts + 1, row.indexed_parts + 1))
