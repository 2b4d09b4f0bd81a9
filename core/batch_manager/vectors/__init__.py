"""Where vectors go: one protocol, Chroma behind it.

All of Chroma lives in a child process (`process.py` speaks to `worker.py`), because its native calls
hold the interpreter for seconds and a damaged folder can crash whoever opens it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from batch_manager.documents import Kind

COLLECTIONS: Mapping[Kind, str] = {"table": "tables", "relationship": "relationships"}

BUILD: Mapping[str, int] = {"construction_ef": 40, "search_ef": 500}
"""How collections are built (HNSW). Fewer candidates looked at while the graph is built, and more while it is searched,
find what Chroma's own 100 and 100 find: the graph costs less than half, a search 3 ms of 30,000
(`benchmarks/build_settings.py`)."""


@dataclass(frozen=True, slots=True)
class VectorRow:
    """One vector to keep.

    Attributes:
        id: `row_id(name, part)`.
        document: The embedded text.
        vector: float32, little endian, `dimensions` numbers.
        metadata: name, kind, model, dimensions, hash (of the embedded text), part and parts.
    """

    id: str
    document: str
    vector: bytes
    metadata: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: rows put in, and rows that were there already with the same hash and model."""

    written: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Hit:
    """One row near a query; `score` is 1 − cosine distance, clamped to 0..1."""

    id: str
    score: float
    document: str
    metadata: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class RowState:
    """What a row says of itself, and what is really in it.

    Attributes:
        hash: Hash of the text, by its metadata; empty where there is none.
        text_hash: Hash of the text that stands there.
        model: By its metadata.
        dimensions: By its metadata; 0 where there is none.
    """

    hash: str
    text_hash: str
    model: str
    dimensions: int


class VectorStore(Protocol):
    """What the engine needs of a vector store; every method may raise VectorStoreError."""

    async def open(self) -> None:
        """Start it and make sure that it answers; opening an open one does nothing."""

    async def dimensions(self, kind: Kind) -> int | None:
        """Numbers a vector of that collection has; None while it is empty or missing."""

    async def write(self, kind: Kind, rows: Sequence[VectorRow], stale_ids: Sequence[str] = ()) -> Written:
        """Make the rows stand in the collection, and the stale ids not. Rows with the same hash stay untouched."""

    async def query(self, kind: Kind, vector: bytes, limit: int, ids: Sequence[str] | None = None) -> list[Hit]:
        """The nearest rows, best first, of the ids where they are given; an empty or missing collection gives none."""

    async def counts(self) -> dict[Kind, int]:
        """Rows in each collection; a missing one counts 0 and is not made."""

    async def hashes(self, kind: Kind, ids: Sequence[str]) -> dict[str, str]:
        """Text hash of each of the ids that is there."""

    async def states(self, kind: Kind, ids: Sequence[str]) -> dict[str, RowState]:
        """What stands in the row of each of the ids that is there."""

    async def ids(self, kind: Kind, offset: int, limit: int) -> list[str]:
        """A page of the ids that are there, in an order that holds while nothing is written."""

    async def delete(self, kind: Kind, ids: Sequence[str]) -> None:
        """Take rows out; ids that aren't there don't matter."""

    async def reset(self) -> None:
        """Drop both collections, so that vectors of another size can come in."""

    def beside(self, suffix: str) -> VectorStore:
        """The index of that suffix, beside the one that serves; it lives and ends with this store."""

    async def swap(self, built: str, kept_as: str) -> None:
        """Let the index beside of suffix `built` serve, and keep the one that served under `kept_as`.

        Broken off, it is finished by another call, unless its collections were missing to begin with: see `make`.
        """

    async def make(self) -> None:
        """Make both collections where they aren't yet."""

    async def drop(self) -> None:
        """Take the index and its files out; one beside the one that serves."""

    def step_back(self, yes: bool) -> None:
        """Let others have the processor first, or no longer; it works on with all that they leave."""

    async def close(self) -> None:
        """End it; safe to call twice."""


def row_id(name: str, part: int = 1) -> str:
    """The id in Chroma: the name with `#` doubled, and `#2`, `#3`… behind it for further parts."""
    base = name.replace("#", "##")
    return base if part == 1 else f"{base}#{part}"
