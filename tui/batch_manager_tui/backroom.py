"""The back room: threads beside the app's, so that no key ever waits for the store, a quote or a network."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class BackRoom:
    """Four threads: one reads for the list, one makes quotes, one does what takes its time, one what nobody waits for.

    Work that was asked for and is no longer wanted is dropped when the asking task is cancelled before its turn.
    """

    def __init__(self) -> None:
        self._reader = concurrent.futures.ThreadPoolExecutor(1, "batch-manager-reader")
        self._quoter = concurrent.futures.ThreadPoolExecutor(1, "batch-manager-quoter")
        self._looker = concurrent.futures.ThreadPoolExecutor(1, "batch-manager-looker")
        self._doer = concurrent.futures.ThreadPoolExecutor(1, "batch-manager-doer")

    async def read(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a quick query."""
        return await self._in(self._reader, work, *args, **kwargs)

    async def quote(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what counts and prices."""
        return await self._in(self._quoter, work, *args, **kwargs)

    async def look(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what goes through all texts, and that nobody waits for."""
        return await self._in(self._looker, work, *args, **kwargs)

    async def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what may take long: open, start, search, scan, import."""
        return await self._in(self._doer, work, *args, **kwargs)

    def close(self, last: Callable[[], None] | None = None) -> None:
        """End the threads once they are through; `last` runs in each (it closes that thread's connection)."""
        for executor in (self._reader, self._quoter, self._looker, self._doer):
            if last is not None:
                executor.submit(last)
            executor.shutdown(wait=True, cancel_futures=False)

    @staticmethod
    async def _in(executor: concurrent.futures.Executor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, lambda: work(*args, **kwargs))
