"""The desk: what the steps of this lane work with, and the few things that all of them do."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from batch_manager.embedding.backoff import backoff
from batch_manager.errors import RequestRefused, Verdict
from batch_manager.half_price.planning import FileLimits
from batch_manager.pricing import Price

if TYPE_CHECKING:
    from batch_manager.embedding.batch_api import BatchApi
    from batch_manager.quote import Space
    from batch_manager.settings import Settings
    from batch_manager.store import DocumentationStore

log = logging.getLogger("batch_manager.half_price")

T = TypeVar("T")

SETTLE_SECONDS = 60.0
"""Seconds after which a batch that no list shows was surely never made: a request may still be on its way."""


@dataclass(slots=True)
class Desk:
    """One server, one space, one store.

    Attributes:
        api: The server.
        folder: Where files are written before they are sent.
        tell: Says something to a person: words, and `info`, `warning` or `error`.
        settle_seconds: See `SETTLE_SECONDS`.
    """

    store: DocumentationStore
    settings: Settings
    space: Space
    api: BatchApi
    folder: Path
    tell: Callable[[str, str], None]
    settle_seconds: float = SETTLE_SECONDS
    file_limits: FileLimits = field(default_factory=FileLimits)

    def limits(self) -> FileLimits:
        """Ceilings of a file, with what the account's queue was found to take."""
        told = self.store.note(self._queue_note)
        return FileLimits(self.file_limits.requests, self.file_limits.bytes, int(told) if told else None)

    def learn_queue(self, tokens: int) -> None:
        """The account takes that many tokens at a time."""
        self.store.set_note(self._queue_note, str(max(1, tokens)))

    def worst_cost(self, price: Price, tokens: int) -> int:
        """Picodollars to hold, with the drift that this server is known for."""
        drift = float(self.store.note(self._drift_note) or 1.0)
        return ceil(price.pico(tokens) * max(1.0, drift))

    def note_drift(self, drift: float) -> None:
        """This server bills that many tokens for each that was counted."""
        self.store.set_note(self._drift_note, f"{drift:.6f}")

    def plain(self, words: str) -> str:
        """The server's words without the key, or anything like one, that they may repeat."""
        from batch_manager.embedding.openai_api import without_key  # loaded by now; not when this lane is

        return without_key(words, self.settings.api_key or "")

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Ask, and ask again where that helps; only for what may be asked twice.

        Raises:
            RequestRefused: It didn't help.
        """
        tries = self.settings.max_retries + 1
        for tried in range(1, tries + 1):
            try:
                return await call()
            except RequestRefused as error:
                if error.refusal.verdict is not Verdict.RETRY or tried == tries:
                    raise
                log.info("trying again: %s", error.refusal.message)
                await asyncio.sleep(backoff(tried, error.refusal.retry_after, random.random()))
        raise AssertionError("the loop returns or raises")

    @property
    def _queue_note(self) -> str:
        return f"batch_queue:{self.space.server}:{self.space.model}"

    @property
    def _drift_note(self) -> str:
        return f"drift:{self.space.server}:{self.space.model}"
