"""The engine's own thread: one event loop, which the other threads hand their work to."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from batch_manager.errors import UsageError

T = TypeVar("T")


class LoopThread:
    """A daemon thread with an event loop; it starts when it is first needed."""

    def __init__(self, at_end: Callable[[], None]) -> None:
        """Nothing is started yet.

        Args:
            at_end: Called in the thread once its loop has ended, such as to close what belongs to the thread.
        """
        self._at_end = at_end
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._making = threading.Lock()
        self._begun: set[asyncio.Task[Any]] = set()

    @property
    def started(self) -> bool:
        """Whether there is a loop that could be told something."""
        return self._loop is not None

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the work in the loop and wait for it, from another thread.

        Raises:
            UsageError: The engine was closed while the work went on.
        """
        try:
            return self.begin(work).result()
        except concurrent.futures.CancelledError:
            raise UsageError("The engine was closed meanwhile.", next_step="Ask again.", code="closed") from None

    def begin(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start the work in the loop; returns at once."""

        async def noted() -> T:
            task = asyncio.current_task()
            assert task is not None
            self._begun.add(task)
            try:
                return await work
            finally:
                self._begun.discard(task)

        return asyncio.run_coroutine_threadsafe(noted(), self._running())

    def call(self, order: Callable[[], None]) -> None:
        """Have the loop call this soon; starts the loop where there is none."""
        self._running().call_soon_threadsafe(order)

    def end(self, last: Callable[[], Coroutine[Any, Any, None]], timeout: float) -> bool:
        """Cancel what was begun and is not done, run the last work, end the thread.

        Tasks that serve others, such as those that listen to Chroma's process, are left for the last work to end: a
        process with nobody listening could only be killed.

        Returns:
            Whether the last work came to its end within `timeout` seconds.
        """
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return True

        async def finish() -> None:
            # Whoever still waits for a search or a delivery is told now.
            begun = list(self._begun)
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)
            await last()

        in_time = True
        try:
            asyncio.run_coroutine_threadsafe(finish(), loop).result(timeout)
        except TimeoutError:
            in_time = False
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout)
        self._loop = self._thread = None
        return in_time

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._making:
            return self._loop or self._start()

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = self._loop = asyncio.new_event_loop()

        def work() -> None:
            asyncio.set_event_loop(loop)
            loop.run_forever()
            loop.run_until_complete(loop.shutdown_asyncgens())
            self._at_end()
            loop.close()

        self._thread = threading.Thread(target=work, name="batch-manager-engine", daemon=True)
        self._thread.start()
        return loop
