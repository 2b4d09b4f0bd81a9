"""The journal: what must be durable before a run goes on, written by a thread of its own, several entries a commit.

A commit that survives a power cut waits for the disk, to which Chroma writes as well. Meanwhile the engine's loop sends
and receives, and what comes in is written by the next commit, all of it together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from batch_manager.store import DocumentationStore

log = logging.getLogger("batch_manager.engine")

T = TypeVar("T")

Entry = Callable[[], Any]
"""Writes to the store, inside a transaction that others may share; nothing else, since it may be called again."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    entry: Entry
    then: Callable[[Any], None]
    future: asyncio.Future[Any]

    def settle(self, outcome: _Outcome) -> None:
        """Tell whoever asked, who may be cancelled and not take it."""
        try:
            if outcome.error is not None:
                raise outcome.error
            self.then(outcome.value)
            self.future.set_result(outcome.value)
        except Exception as error:
            self.future.set_exception(error)
            self.future.exception()


class Journal:
    """Writes entries. It belongs to one event loop; the thread starts with the first entry."""

    def __init__(self, store: DocumentationStore) -> None:
        """Nothing is written yet."""
        self._store = store
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def write(self, entry: Callable[[], T], then: Callable[[T], None] = lambda _: None) -> T:
        """Write an entry; returns what it returns, once it is durable.

        Whoever is cancelled meanwhile has it written all the same, and is cancelled after that.

        Args:
            entry: See `Entry`.
            then: What follows from it in memory, called in the loop as soon as it is durable.

        Raises:
            StoreError: It could not be written; nothing of it was.
            Exception: What the entry raises; nothing of it was written.
        """
        if self._store.on_server:
            # The connection is the thread's, and so is its turn among workers; there is no disk here to wait for.
            with self._store.transaction():
                value = entry()
            then(value)
            return value
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(entry, then, future))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait({future})
            raise

    async def close(self) -> None:
        """Write what waits, and end the thread; another entry starts it again."""
        if self._writing is not None:
            await self._writing
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._store.close)
            thread.shutdown()

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                if self._thread is None:
                    self._thread = ThreadPoolExecutor(1, thread_name_prefix="batch-manager-journal")
                    await loop.run_in_executor(self._thread, self._store.keep_little)
                outcomes = await loop.run_in_executor(self._thread, self._commit, [one.entry for one in group])
            except Exception as error:  # such as no more threads: nothing was written, and whoever waits has to know
                outcomes = [_Outcome(error=error)] * len(group)
            for one, outcome in zip(group, outcomes, strict=True):
                one.settle(outcome)
        self._writing = None

    def _commit(self, entries: Sequence[Entry]) -> list[_Outcome]:
        """Write them in one transaction; where that fails, each in its own. Called in the journal's thread."""
        try:
            with self._store.transaction():
                outcomes = [_Outcome(entry()) for entry in entries]
        except Exception as error:
            if len(entries) == 1:
                return [_Outcome(error=error)]
            log.debug("%d entries are written one by one: %s", len(entries), error)
            return [self._commit([entry])[0] for entry in entries]
        return outcomes
