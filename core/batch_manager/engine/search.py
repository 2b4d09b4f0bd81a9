"""Search: one embedding for the query, the nearest rows of both collections, each item once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from batch_manager.documents import KINDS, Kind
from batch_manager.embedding import Embedder
from batch_manager.errors import UsageError
from batch_manager.tokens import MAX_INPUT_TOKENS, count_tokens
from batch_manager.vectors import Hit, VectorStore

PARTS_MARGIN = 2
"""Times as many rows are asked for as items are wanted, since a long document may answer with several parts."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """An item near the query; `score` from 0 to 1, `document` the embedded text of its best part."""

    kind: Kind
    name: str
    score: float
    document: str


def checked_query(query: str) -> int:
    """Tokens of a query that can be sent.

    Raises:
        UsageError: It is empty, too long, or can't be encoded.
    """
    if not query.strip():
        raise UsageError("The query is empty.", next_step='Say what you look for, such as "customers who pay late".')
    try:
        tokens = count_tokens(query)
    except UnicodeEncodeError:
        raise UsageError("The query has half a character in it.", next_step="Type it again.") from None
    if tokens > MAX_INPUT_TOKENS:
        raise UsageError(f"The query has {tokens:,} tokens; {MAX_INPUT_TOKENS:,} fit.", next_step="Shorten it.")
    return tokens


async def search(
    query: str, kinds: Sequence[Kind], limit: int, embedder: Embedder, vectors: VectorStore
) -> list[SearchHit]:
    """The nearest items, best first."""
    tokens = checked_query(query)
    answer = await embedder.embed([query], tried=1, expected_tokens=tokens)
    hits: list[Hit] = []
    for kind in kinds:
        hits += await vectors.query(kind, answer.vectors[0], limit * PARTS_MARGIN)
    best: dict[tuple[Kind, str], SearchHit] = {}
    for hit in sorted(hits, key=lambda one: -one.score):
        kind, name = cast(Kind, str(hit.metadata.get("kind", ""))), str(hit.metadata.get("name", hit.id))
        if kind in KINDS:
            best.setdefault((kind, name), SearchHit(kind, name, hit.score, hit.document))
    return list(best.values())[:limit]
