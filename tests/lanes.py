"""The half-price lane over real HTTP and real SQLite, opened, closed and opened again in one home."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from batch_manager.documents import Kind
from batch_manager.engine import Engine
from batch_manager.half_price import Collected
from batch_manager.half_price.lane import HalfPrice
from batch_manager.half_price.planning import FileLimits
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from batch_manager.store import DocumentationStore
from batch_manager.vectors import Hit, VectorRow, Written
from jobs import Job, settings_for

HALF = Decimal("0.01") / 1_000_000

PLAIN: dict[str, Any] = {
    "batch_faults": [],
    "batch_seconds": 0,
    "enqueued_token_limit": None,
    "batch_api": True,
    "faults": [],
}


def as_new(server: RehearsalServer, **options: Any) -> RehearsalServer:
    """A shared server as newly started, with no batches; options beside the plain ones may be given."""
    server.set_options(**{**PLAIN, **options})
    server.clear()
    server.clear_batches()
    return server


@dataclass
class Memory:
    """A vector store in memory, for proofs that open a home some hundred times; the others use Chroma."""

    rows: dict[Kind, dict[str, VectorRow]] = field(default_factory=lambda: {"table": {}, "relationship": {}})

    async def open(self) -> None:
        """Nothing to do."""

    def step_back(self, yes: bool) -> None:
        """It has no process."""

    async def close(self) -> None:
        """It outlasts its engine."""

    async def dimensions(self, kind: Kind) -> int | None:
        """Of the first row."""
        return next((len(one.vector) // 4 for one in self.rows[kind].values()), None)

    async def write(self, kind: Kind, rows: Sequence[VectorRow], stale_ids: Sequence[str] = ()) -> Written:
        """Into the dictionary."""
        self.rows[kind].update({row.id: row for row in rows})
        for stale in stale_ids:
            self.rows[kind].pop(stale, None)
        return Written(len(rows), 0)

    async def query(self, kind: Kind, vector: bytes, limit: int, ids: Sequence[str] | None = None) -> list[Hit]:
        """Nobody asks it."""
        return []

    async def counts(self) -> dict[Kind, int]:
        """Rows by kind."""
        return {kind: len(rows) for kind, rows in self.rows.items()}

    async def hashes(self, kind: Kind, ids: Sequence[str]) -> dict[str, str]:
        """By id."""
        return {one: str(self.rows[kind][one].metadata["hash"]) for one in ids if one in self.rows[kind]}

    async def ids(self, kind: Kind, offset: int, limit: int) -> list[str]:
        """A page."""
        return sorted(self.rows[kind])[offset : offset + limit]

    async def delete(self, kind: Kind, ids: Sequence[str]) -> None:
        """Out of the dictionary."""
        for one in ids:
            self.rows[kind].pop(one, None)

    async def reset(self) -> None:
        """Nothing is left."""
        self.rows = {"table": {}, "relationship": {}}


@dataclass
class Lane(Job):
    """A job with its half-price lane."""

    half: HalfPrice

    def hand_over(self, cap: Decimal | None = None, scope: Scope | None = None) -> Collected:
        """Say yes to the half-price quote."""
        return self.half.start(self.half.quote(scope or Scope(), cap))

    def until_back(self, looks: int = 20) -> Collected:
        """Look until nothing is under way."""
        for _ in range(looks):
            found = self.half.collect()
            if not found.under_way:
                return found
        raise AssertionError(found.under_way)


@contextlib.contextmanager
def lane(
    home: Path,
    server: RehearsalServer | str,
    *,
    vectors: Any = None,
    requests: int = 50_000,
    settle: float = 0.0,
    **flags: object,
) -> Iterator[Lane]:
    """Open a lane in a home; it is closed at the end."""
    settings = settings_for(home, server if isinstance(server, str) else server.base_url, **flags)
    store = DocumentationStore(settings)
    store.ledger.recover()
    engine = Engine(settings, store, on_trouble="stop", vectors=vectors)
    half = HalfPrice(settings, store, engine, settle_seconds=settle, file_limits=FileLimits(requests=requests))
    opened = Lane(home, engine, store, half)
    try:
        yield opened
    finally:
        opened.close()


def batch_bill(server: RehearsalServer) -> Decimal:
    """USD that the server has billed, half of it for the tokens of batches."""
    totals = server.totals()
    return (totals["billed_tokens"] - totals["batch_tokens"]) * 2 * HALF + totals["batch_tokens"] * HALF
