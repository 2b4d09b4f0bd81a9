"""Delivery: from the kept answers into Chroma, then the mark. The store is the queue, so paying never waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable

from batch_manager.documents import KINDS
from batch_manager.engine.books import Books
from batch_manager.engine.control import Control, StopRun
from batch_manager.engine.index_care import claim
from batch_manager.engine.rush import Rush
from batch_manager.errors import VectorStoreError
from batch_manager.store.answers import Deliverable, Delivered
from batch_manager.vectors import VectorRow, VectorStore, row_id

ROWS = 1_000
"""Items a write: 100 rows a call are 0.7 as fast, 5,000 no faster."""

AHEAD = 2
"""Writes under way: the next one is in the pipe when Chroma has done one, and more would only take memory."""

GATHER = 1.0
"""Seconds that a write waits for a full `ROWS` while answers still come in."""

TRIES = 3

TURN_WAIT = 0.1
"""Seconds between two looks at whether another process that delivers to the same index has come to its end."""

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
        self._claiming = asyncio.Lock()
        self._claimed = False
        self._mending = asyncio.Lock()
        self._rush = Rush()
        self._seen = control.progress.answered
        self._writes: dict[asyncio.Task[None], list[int]] = {}

    def wake(self) -> None:
        """Answers have come."""
        self._arrived.set()
        answered = self._control.progress.answered
        self._rush.came(answered - self._seen, time.monotonic())
        self._seen = answered
        self._give_way()

    def no_more(self) -> None:
        """No more answers will come: deliver what is there, and end."""
        self._more = False
        self._arrived.set()
        self._give_way()

    async def drain(self) -> None:
        """Deliver all that waits now; a run that is cancelled leaves the rest to the next one.

        Raises:
            StopRun: It is cancelled.
        """
        try:
            await self._deliver_all()
        finally:
            await self._leave()

    async def follow(self) -> None:
        """Deliver as answers come, until no more will."""
        try:
            while self._more:
                await self._gather()
                if self._more:
                    await self._begin()
            if self._control.cancelled and not self._under_way():
                await self._begin()  # one last write: a small run's end is in the index, and nobody waits for long
            await self._deliver_all()
        finally:
            await self._leave()

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

    async def _deliver_all(self) -> None:
        while not self._control.cancelled and await self._begin():
            pass
        await self._ended(0)
        if self._control.cancelled:
            raise StopRun

    async def _gather(self) -> None:
        """Wait until a write is worth its while: enough rows, or some that have waited long enough."""
        since: float | None = None
        while self._more:
            waiting = self._control.progress.delivering - len(self._under_way())
            if waiting >= ROWS:
                return
            now = time.monotonic()
            since = (since or now) if waiting > 0 else None
            if since is not None and now - since >= GATHER:
                return
            self._arrived.clear()
            try:
                async with asyncio.timeout(None if since is None else since + GATHER - now):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    async def _begin(self) -> bool:
        """Begin the next write, as soon as there is room for it; False when nothing waits."""
        await self._ended(AHEAD - 1)
        self._give_way()
        under_way = self._under_way()
        ids = self._books.store.answers.deliverable_ids(self._books.space_id, ROWS, besides=under_way)
        if not ids:
            self._control.progress.delivering = len(under_way)
            return False
        self._writes[asyncio.create_task(self._deliver(ids))] = ids
        return True

    def _give_way(self) -> None:
        """While answers rush in, keeping them comes first: Chroma has its time behind them."""
        self._vectors.step_back(self._more and self._rush.goes_on(time.monotonic()))

    def _under_way(self) -> list[int]:
        """Items that are on their way to Chroma."""
        return [one for task, ids in self._writes.items() if not task.done() for one in ids]

    async def _ended(self, most: int) -> None:
        """Wait until no more than that many writes are under way.

        Raises:
            StopRun, VectorStoreError, StoreError: Why one of them came to nothing.
        """
        while True:
            for task in [one for one in self._writes if one.done()]:
                del self._writes[task]
                task.result()
            if len(self._writes) <= most:
                return
            await asyncio.wait(self._writes, return_when=asyncio.FIRST_COMPLETED)

    async def _leave(self) -> None:
        """On the way out nothing goes on behind the run's back; why one write failed is told already."""
        for task in self._writes:
            task.cancel()
        await asyncio.gather(*self._writes, return_exceptions=True)
        self._writes.clear()

    async def _deliver(self, ids: list[int]) -> None:
        """Write these items' rows, however often that takes, and mark the items."""
        try:
            await self._in_turn(ids)
        except VectorStoreError as error:
            others = self._mending.locked()
            async with self._mending:  # what ails one write ails the next: it is told and mended once
                await self._again(ids, None if others else error)
        self._arrived.set()

    async def _in_turn(self, ids: list[int]) -> None:
        """Write and mark while no other process does; one that waits for its trouble to end keeps nobody from it."""
        database = self._books.store.database
        while not await self._control.persist(database.take_turn, at_stake=False):
            await self._control.sleep(TURN_WAIT)
        try:
            delivered = await self._write(ids)
            await self._control.keep(lambda: self._books.delivered(delivered, len(ids), time.monotonic()))
        finally:
            with contextlib.suppress(Exception):  # a connection that is lost has given it back
                database.end_turn()

    async def _again(self, ids: list[int], error: VectorStoreError | None) -> None:
        tried = 0
        while True:
            if error is not None:
                tried += 1
                if tried >= TRIES or error.code in NOT_PASSING:
                    await self._control.trouble(error)
                    tried = 0
                else:
                    self._control.notice(f"{error.message} Trying again.", "warning")
                    await self._control.sleep(0.5 * tried)
            try:
                return await self._in_turn(ids)
            except VectorStoreError as again:
                error = again

    async def _write(self, ids: list[int]) -> list[Delivered]:
        """Write the rows that these items have now; what was written, by item and text."""
        async with self._claiming:
            if not self._claimed:
                await claim(self._books, self._control, self._vectors)
                self._claimed = True
        # Written down first: a kill in between must not leave parts in Chroma that nobody knows of.
        await self._control.keep(lambda: self._books.expect(ids))
        delivered: list[Delivered] = []
        for kind in KINDS:
            of_kind = self._books.store.answers.deliverable(self._books.space_id, kind, ids)
            if of_kind:
                delivered += [Delivered(row.item_id, row.item_hash, row.run_id, row.batch) for row in of_kind]
                stale = [one for row in of_kind if row.no == row.parts for one in _stale_ids(row)]
                write = self._vectors.write(kind, [self._row(row) for row in of_kind], stale)
                del of_kind  # the pipe has a copy soon, and Chroma takes its time
                await write
        return delivered

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
                # Of a part only: each key of a row costs Chroma a hundredth of its time.
                **({"part": row.no, "parts": row.parts} if row.parts > 1 else {}),
            },
        )


def _stale_ids(row: Deliverable) -> Iterable[str]:
    """Ids of parts that an earlier, longer text of the item had."""
    return (row_id(row.name, no) for no in range(row.parts + 1, row.indexed_parts + 1))
