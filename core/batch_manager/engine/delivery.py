"""Delivery: from the kept answers into Chroma, then the mark. The store is the queue, so paying never waits for it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from batch_manager.documents import KINDS
from batch_manager.errors import VectorStoreError
from batch_manager.store.answers import Deliverable
from batch_manager.vectors import VectorRow, VectorStore, row_id

if TYPE_CHECKING:
    from batch_manager.engine.run import Run

ROWS = 1_000
"""Items a write: 100 rows a call are 0.7 as fast, 5,000 no faster."""

GATHER = 0.25
"""Seconds that a write waits for more rows while answers still come in."""

TRIES = 3


class Delivery:
    """Brings answers to the vector store."""

    def __init__(self, run: Run, vectors: VectorStore) -> None:
        self._run = run
        self._vectors = vectors
        self._arrived = asyncio.Event()
        self.sending = True

    def wake(self) -> None:
        """Answers have come, or no more will."""
        self._arrived.set()

    async def drain(self) -> None:
        """Deliver all that waits now."""
        while rows := self._run.store.answers.deliverable(self._run.space_id, ROWS):
            await self._deliver(rows)

    async def follow(self) -> None:
        """Deliver as answers come, until no more will."""
        while self.sending:
            await self._arrived.wait()
            self._arrived.clear()
            while self._run.progress.delivering:
                if self._run.progress.delivering < ROWS and self.sending:
                    await asyncio.sleep(GATHER)
                rows = self._run.store.answers.deliverable(self._run.space_id, ROWS)
                if not rows:
                    break
                await self._deliver(rows)
        await self.drain()

    async def _deliver(self, rows: list[Deliverable]) -> None:
        tried = 0
        while True:
            tried += 1
            try:
                await self._write(rows)
                break
            except VectorStoreError as error:
                if tried >= TRIES or error.code in ("vectors_other_shape", "vectors_disk_full", "vectors_damaged"):
                    await self._run.trouble(error.code, error.message, error.next_step)
                    tried = 0
                else:
                    self._run.notice(f"{error.message} Trying again.", "warning")
                    await self._run.sleep(0.5 * tried)
        marked = self._run.store.answers.mark_indexed(_items(rows))
        now = time.monotonic()
        for number, inputs in Counter(row.batch or 0 for row in rows if row.run_id == self._run.id).items():
            self._run.progress.delivered(number, inputs, now)
        self._run.delivered(marked)

    async def _write(self, rows: list[Deliverable]) -> None:
        for kind in KINDS:
            of_kind = [row for row in rows if row.kind == kind]
            if of_kind:
                stale = [one for row in of_kind if row.no == row.parts for one in _stale_ids(row)]
                await self._vectors.write(kind, [self._row(row) for row in of_kind], stale)

    def _row(self, row: Deliverable) -> VectorRow:
        space = self._run.quote.space
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


def _items(rows: list[Deliverable]) -> list[tuple[int, str]]:
    return [key for key, _ in groupby((row.item_id, row.item_hash) for row in rows)]
