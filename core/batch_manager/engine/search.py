"""Search: one embedding for the query, the nearest rows, and the words of names and texts; each item once.

Three measures become one score (`fuse`): closeness of vectors, match with the name, weight of the words in the text.
Joining the rankings by reciprocal ranks instead was measured too and found less (`benchmarks/search_quality.py`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from batch_manager.documents import KINDS, Kind
from batch_manager.embedding import Answer, Embedder
from batch_manager.embedding.backoff import backoff
from batch_manager.engine.asked import Asked, Query
from batch_manager.errors import DeclinedError, RequestRefused, UsageError, Verdict
from batch_manager.quote import Space
from batch_manager.store import DocumentationStore
from batch_manager.store.places import Within
from batch_manager.store.words import SHORTEST, WordHit, stem_of, words_of
from batch_manager.tokens import MAX_INPUT_TOKENS, count_tokens
from batch_manager.vectors import Hit, VectorStore, row_id

NAME_WEIGHTS: dict[Kind, float] = {"table": 0.5, "relationship": 0.2}
"""What a perfect match with the name closes of the distance to 1, so that meaning still decides among such matches.
A relationship is named after two tables, so that its name says less of what it is about."""

WORDS_WEIGHT = 0.3
"""The same for the item whose texts have the query's words most of all; others get their share of it. Between 0.2 and
0.5 it makes no difference that could be told from chance."""

WORD_HITS = 50
"""Items at least that are looked at because of their words, however few are asked for."""

STOP_WORDS = frozenset(
    "a an the of in on at to for from by with and or is are was were be do does did which what who whom whose where "
    "when why how many much has have had it its that this these those there can could i we you they".split()
)

QUERY_TRIES = 3
QUERY_PATIENCE = 5.0
"""Tries of a query's own request, and seconds that one is waited for between them."""

PARTS_MARGIN = 2
"""Times as many rows are asked for as items are wanted, since a long document may answer with several parts."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """An item near the query; `score` from 0 to 1, `document` the embedded text of its best part."""

    kind: Kind
    name: str
    score: float
    document: str


class Meter(Protocol):
    """Who watches what queries cost."""

    def reserve(self, tokens: int) -> None:
        """A request of so many tokens is about to leave; what this raises keeps it back."""

    def settle(self, tokens: int, billed: int) -> None:
        """What was reserved for such a request was billed as so many tokens; never called when nobody knows."""


class Unmetered:
    """Nobody watches: one query that a person asked for, its price beside it."""

    def reserve(self, tokens: int) -> None:
        """Let it go."""

    def settle(self, tokens: int, billed: int) -> None:
        """Nothing to note."""


class OnlyKept(Unmetered):
    """Nobody said yes to a price: what isn't kept stays here."""

    def reserve(self, tokens: int) -> None:
        """Keep it back.

        Raises:
            DeclinedError: Always.
        """
        raise DeclinedError(
            "What this query was answered with isn't kept any more, and nobody said yes to its price.",
            next_step="Ask for it once more.",
            code="query_not_kept",
        )


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


async def query_vector(query: Query, asked: Asked, embedder: Callable[[], Embedder], meter: Meter) -> bytes:
    """The query's vector: the kept one for $0, else by a request, once the meter lets it go.

    Args:
        query: What is looked for.
        asked: Vectors of earlier queries; a new one is kept there.
        embedder: Gives the embedder, where one is needed.
        meter: Who watches what it costs.

    Raises:
        UsageError: The query can't be sent.
        RequestRefused: The server didn't answer.
    """
    tokens = checked_query(query.text)
    kept = asked.vector(query)
    if kept is not None:
        return kept
    vector = (await _embed(query.text, tokens, embedder(), meter)).vectors[0]
    asked.keep(query, vector)
    return vector


async def search(
    query: str,
    asked: bytes,
    within: Within,
    limit: int,
    vectors: VectorStore,
    store: DocumentationStore,
    space: Space,
) -> list[SearchHit]:
    """The nearest items by meaning, by the words of their texts and by their names, best first.

    Args:
        query: What is looked for.
        asked: Its vector.
        within: Where.
        limit: Items at most.
        vectors: The index.
        store: The store.
        space: Of the index.
    """
    best = await _nearest(asked, within, limit * PARTS_MARGIN, vectors, store)
    terms = [word for word in words_of(query) if word not in STOP_WORDS]
    said = store.words.find(terms, within, max(WORD_HITS, limit))
    for hit in said:
        if (hit.kind, hit.name) not in best:
            by_words = _from_kept_answer(store, space, hit, asked)
            if by_words is not None:
                best[(hit.kind, hit.name)] = by_words
    most = max((hit.weight for hit in said), default=0.0)
    weights = {(hit.kind, hit.name): hit.weight / most for hit in said}
    fused = [
        replace(hit, score=fuse(hit.score, name_match(terms, words_of(hit.name)), weights.get(key, 0.0), kind=hit.kind))
        for key, hit in best.items()
    ]
    return sorted(fused, key=lambda hit: -hit.score)[:limit]


async def _nearest(
    vector: bytes, within: Within, rows: int, vectors: VectorStore, store: DocumentationStore
) -> dict[tuple[Kind, str], SearchHit]:
    """The items of the nearest rows of each kind, each by its best part."""
    hits: list[Hit] = []
    for kind in within.kinds:
        ids = None
        if not within.everywhere:
            named = store.places.indexed_names(within, kind)
            ids = [row_id(name, no) for name, parts in named for no in range(1, parts + 1)]
        hits += await vectors.query(kind, vector, rows, ids)
    best: dict[tuple[Kind, str], SearchHit] = {}
    for hit in sorted(hits, key=lambda one: -one.score):
        kind, name = cast(Kind, str(hit.metadata.get("kind", ""))), str(hit.metadata.get("name", hit.id))
        if kind in KINDS:
            best.setdefault((kind, name), SearchHit(kind, name, hit.score, hit.document))
    return best


async def neighbours(
    item_id: int, kind: Kind, name: str, limit: int, vectors: VectorStore, store: DocumentationStore, space: Space
) -> list[SearchHit]:
    """The items nearest to an item, best first, by the vector that is kept of its first part; nothing is sent.

    Raises:
        UsageError: No vector of this model is kept of it.
    """
    kept = [one for one in store.answers.of_item(item_id) if one.model == space.model]
    if space.dimensions:
        kept = [one for one in kept if len(one.vector) == 4 * space.dimensions]
    if not kept:
        raise UsageError(
            f"No vector of {space.model} is kept for this item.",
            next_step="Index it; what was paid for before costs $0.",
            code="no_kept_answer",
        )
    best = await _nearest(kept[0].vector, Within(), limit * PARTS_MARGIN + 1, vectors, store)
    best.pop((kind, name), None)
    return list(best.values())[:limit]


async def _embed(query: str, tokens: int, embedder: Embedder, meter: Meter) -> Answer:
    """The query's vector; a refusal that passes is tried again, as long as a person would wait for it."""
    for tried in range(1, QUERY_TRIES + 1):
        meter.reserve(tokens)
        try:
            answer = await embedder.embed([query], tried=tried, expected_tokens=tokens)
        except RequestRefused as error:
            if not error.refusal.maybe_billed:
                meter.settle(tokens, 0)
            wait = backoff(tried, error.refusal.retry_after, random.random())
            if error.refusal.verdict is not Verdict.RETRY or wait > QUERY_PATIENCE or tried == QUERY_TRIES:
                raise
            await asyncio.sleep(wait)
        else:
            meter.settle(tokens, tokens if answer.tokens is None else answer.tokens)
            return answer
    raise AssertionError("the last try returns or raises")


def name_match(terms: Sequence[str], name: Sequence[str]) -> float:
    """How well a query's words say a name's words, 0..1; `cust` says `customer`. Pure."""
    if not terms or not name:
        return 0.0
    said = [any(_says(term, word) for term in terms) for word in name]
    used = [any(_says(term, word) for word in name) for term in terms]
    return (sum(said) / len(name)) * (sum(used) / len(terms))


def fuse(meaning: float, name: float, words: float, *, kind: Kind) -> float:
    """One score, 0..1; a match with the name and words of the text can only raise it. Pure.

    Args:
        meaning: Closeness of the vectors.
        name: How well the query says the name (`name_match`).
        words: Weight of the query's words in the item's texts, as a share of the best item's.
        kind: The item's.
    """
    return 1.0 - (1.0 - meaning) * (1.0 - NAME_WEIGHTS[kind] * name) * (1.0 - WORDS_WEIGHT * words)


def _says(term: str, word: str) -> bool:
    shorter, longer = sorted((stem_of(term), stem_of(word)), key=len)
    return longer.startswith(shorter) and (len(shorter) >= SHORTEST or shorter == longer)


def _from_kept_answer(store: DocumentationStore, space: Space, hit: WordHit, query: bytes) -> SearchHit | None:
    """An item that its words found and its vectors did not: its closeness, from the answer that is kept."""
    import numpy as np

    wanted = np.frombuffer(query, dtype="<f4")
    best: tuple[float, str] | None = None
    for kept in store.answers.of_item(hit.item_id):
        if kept.model == space.model and len(kept.vector) == len(query):
            vector = np.frombuffer(kept.vector, dtype="<f4")
            length = float(np.linalg.norm(vector) * np.linalg.norm(wanted)) or 1.0
            best = max(best or (-1.0, ""), (float(vector @ wanted) / length, kept.text))
    return None if best is None else SearchHit(hit.kind, hit.name, min(1.0, max(0.0, best[0])), best[1])
