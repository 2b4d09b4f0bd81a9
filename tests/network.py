"""A network that can be cut: a small proxy on loopback between programs and a server of the tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any


class Network:
    """A way to a port of 127.0.0.1. Cut, it drops its connections and refuses new ones, as a dead line does."""

    def __init__(self, server_port: int) -> None:
        """A way that leads on at once.

        Attributes:
            port: Where it begins; the same after a cut.
        """
        self.port = 0
        self._server_port = server_port
        self._listening: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()
        self.mend()

    def mend(self) -> None:
        """Let everything through from here on."""
        self._do(self._listen())

    def cut(self) -> None:
        """Drop every connection in the middle, and refuse new ones."""
        self._do(self._drop())

    def close(self) -> None:
        """Cut it for good."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = int(self._listening.sockets[0].getsockname()[1])

    async def _drop(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        for writer in self._writers:
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        pair = {writer}
        self._writers.add(writer)
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
            pair.add(server_writer)
            self._writers.add(server_writer)
            await asyncio.gather(
                _pass_on(reader, server_writer), _pass_on(server_reader, writer), return_exceptions=True
            )
        finally:
            for one in pair:
                one.transport.abort()
            self._writers -= pair
            self._tasks.discard(task)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
