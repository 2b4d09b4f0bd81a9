"""The deadline of a worker's requests: each is over before the worker could count as dead, and its texts be sent again.

A worker that lost the store isn't heard, and the others take its batches. Without a deadline the provider could still
be at work on its requests then, and would bill the same texts twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from batch_manager.embedding import Answer, Embedder
from batch_manager.engine.shared.jobs import HEARTBEAT, STALE
from batch_manager.errors import Refusal, RequestRefused, Verdict

LONGEST = STALE - 3 * HEARTBEAT
"""Seconds that a request may take, whichever try it is; some are left for a loop that is late."""


class InTime:
    """An embedder that gives a request up in time."""

    def __init__(self, embedder: Embedder, seconds: float = LONGEST) -> None:
        """The same embedder, with a deadline.

        Args:
            embedder: What sends.
            seconds: The deadline of each request.
        """
        self._embedder = embedder
        self._seconds = seconds

    async def embed(self, texts: Sequence[str], *, tried: int, expected_tokens: int) -> Answer:
        """Send one request (see `Embedder.embed`).

        Raises:
            RequestRefused: As there, and of the code `timeout` at the deadline; it may be billed.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await self._embedder.embed(texts, tried=tried, expected_tokens=expected_tokens)
        except TimeoutError:
            refusal = Refusal(
                Verdict.RETRY,
                "timeout",
                f"The server gave no answer within {self._seconds:g} s, which is a worker's longest request.",
                "Send less at once (EMBEDDING_BATCH_SIZE), or run without --workers: one process waits longer.",
                maybe_billed=True,
            )
            raise RequestRefused(refusal) from None

    async def close(self) -> None:
        """Let connections go."""
        await self._embedder.close()
