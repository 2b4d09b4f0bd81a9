"""Asked: the vectors of the latest queries, so that one that was paid for is asked again, filtered otherwise, for $0.

In memory alone, for as long as the process lives: what somebody looked for is written nowhere.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from batch_manager.quote import Space

MOST = 64
"""Queries that are kept; the one that was asked for longest ago goes first."""


class Query(NamedTuple):
    """A query, and whose vector it has: another model, size, server or address gives another one."""

    text: str
    space: Space
    host: str


class Asked:
    """The latest queries' vectors. Written in the engine's loop; any thread may ask whether one is there."""

    def __init__(self) -> None:
        self._vectors: OrderedDict[Query, bytes] = OrderedDict()

    def __contains__(self, query: Query) -> bool:
        return query in self._vectors

    def vector(self, query: Query) -> bytes | None:
        """The query's vector, where it is kept."""
        if query in self._vectors:
            self._vectors.move_to_end(query)
        return self._vectors.get(query)

    def keep(self, query: Query, vector: bytes) -> None:
        """Keep a vector, unless it is of another size than its model's."""
        if query.space.dimensions in (None, len(vector) // 4):
            self._vectors[query] = vector
            self._vectors.move_to_end(query)
            while len(self._vectors) > MOST:
                self._vectors.popitem(last=False)
