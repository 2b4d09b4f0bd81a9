"""Words: names, purposes and texts as full text, so that `cust_ord` and "customer orders" both find customer_orders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from batch_manager.documents import Kind
from batch_manager.store.database import translated
from batch_manager.store.dialect import AMONG, Database, Form, Matching
from batch_manager.store.generations import is_served
from batch_manager.store.places import Within

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+")

MOST_TERMS = 24
"""Words of a query that are looked for; a longer one is prose, for which the vectors are there."""

SHORTEST = 3
"""Letters of the shortest abbreviation: `ord` may stand for `orders`, but `or` says nothing of it."""

LONGEST = 40
"""Letters of the longest: nobody abbreviates to more, and all beginnings of a pasted blob would be its size squared."""


@dataclass(frozen=True, slots=True)
class WordHit:
    """An indexed item with words of the query; `weight` is BM25's, above 0, comparable within one question only."""

    item_id: int
    kind: Kind
    name: str
    weight: float


def words_of(text: str) -> list[str]:
    """The words of a name or a query, in lower case: `CustomerOrders`, `customer_orders` → customer, orders. Pure."""
    apart = text if text.islower() else _CAMEL.sub(" ", text)
    return [word.lower() for word in _WORD.findall(apart)]


def stem_of(word: str) -> str:
    """The beginning that an English word shares with its plural: `category` and `categories` → `categor`. Pure."""
    for ending in ("ies", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST:
            return word.removesuffix(ending)
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > SHORTEST else word


def forms_of(terms: Sequence[str], *, abbreviated: bool) -> list[Form]:
    """What the terms are looked for as: any word that begins with one of them. Pure.

    Args:
        terms: Runs of letters and digits, as `words_of` finds them.
        abbreviated: A word that is the beginning of a term counts as well: `customer` finds `cust_xref`.
    """
    return list(_forms(terms[:MOST_TERMS], abbreviated))


def learn(database: Database, item_ids: Sequence[int]) -> None:
    """Learn the words of these items' texts, each text once; inside the caller's transaction.

    Done when an item enters the index and not at its intake, since only then can it be found: the writing hides behind
    Chroma's, and an import stays as fast as it was.
    """
    database.execute_sql(
        f"INSERT INTO text_words (rowid, body) SELECT t.id, {database.dialect.words('t.body')} FROM text t"
        f" WHERE t.id IN (SELECT p.text_id FROM part p WHERE p.item_id {AMONG})"
        " AND NOT EXISTS (SELECT 1 FROM text_words w WHERE w.rowid = t.id)",
        (json.dumps(list(item_ids)),),
    )


class Words:
    """Word search over indexed items."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def find(self, terms: Sequence[str], within: Within, limit: int) -> list[WordHit]:
        """The indexed items with words of the terms, best first: in their names, purposes and texts.

        A name's word weighs as much as four of the text, a purpose's as two.
        """
        if not terms or limit < 1:
            return []
        weights: dict[tuple[int, Kind, str], float] = {}
        dialect = self._db.dialect
        for found, items in (
            (
                dialect.matching("word_index", (4.0, 2.0), forms_of(terms, abbreviated=True)),
                "JOIN item i ON i.id = word_index.rowid",
            ),
            (
                dialect.matching("text_words", (), forms_of(terms, abbreviated=False)),
                "JOIN part p ON p.text_id = text_words.rowid JOIN item i ON i.id = p.item_id",
            ),
        ):
            best_part: dict[tuple[int, Kind, str], float] = {}
            for item_id, kind, name, weight in self._all(found, items, within, limit):
                key = (item_id, kind, name)
                best_part[key] = max(best_part.get(key, 0.0), -weight)
            for key, weight in best_part.items():
                weights[key] = weights.get(key, 0.0) + weight
        hits = [WordHit(*key, weight) for key, weight in weights.items()]
        return sorted(hits, key=lambda hit: (-hit.weight, hit.item_id))[:limit]

    def _all(self, found: Matching, items: str, within: Within, limit: int) -> list[tuple[int, Kind, str, float]]:
        clause, values = within.clause("i")
        with translated():
            rows: list[tuple[int, Kind, str, float]] = self._db.execute_sql(
                f"SELECT i.id, i.kind, i.name, {found.weight} AS weight FROM {found.table} {items}"
                f" WHERE {found.condition} AND {is_served('i')} AND {clause} ORDER BY weight LIMIT ?",
                (*found.values, *values, limit),
            ).fetchall()
        return rows


def _forms(terms: Sequence[str], abbreviated: bool) -> Iterator[Form]:
    for term in dict.fromkeys(terms):
        stem = stem_of(term)
        yield Form(stem, True) if len(stem) >= SHORTEST else Form(term, False)
        if abbreviated:
            yield from (Form(term[:length], False) for length in range(SHORTEST, min(len(stem), LONGEST + 1)))
