"""The wire: PostgreSQL's LISTEN and NOTIFY, by which a pause, an end or a batch's change reaches everyone at once."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from batch_manager.store.postgres import channel_of, connection_options

if TYPE_CHECKING:
    import psycopg

LOST = 1.0
"""Seconds until a wire that was cut is tried again."""


class Wire:
    """Listens to one store. What is missed while it is cut is found by looking, which nobody leaves out."""

    def __init__(self, url: str, schema_id: int) -> None:
        """Nothing is connected yet."""
        self._url = url
        self._channel = channel_of(schema_id)
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def wait(self, seconds: float) -> bool:
        """Wait until something is told, but no longer than that; whether something was."""
        import psycopg

        try:
            connection = self._connection
            if connection is None:
                connection = await psycopg.AsyncConnection.connect(**connection_options(self._url), autocommit=True)
                self._connection = connection
                await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(self._channel)))
                return True  # something may have been told before
            async for _ in connection.notifies(timeout=seconds, stop_after=1):
                return True
            return False
        except psycopg.Error:
            await self.close()
            await asyncio.sleep(min(seconds, LOST))
            return True

    async def close(self) -> None:
        """Listen no more; safe to call twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                await connection.close()
