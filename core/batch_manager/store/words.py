"""Words: names and purposes as full text, so that `cust_ord` and "customer orders" both find customer_orders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from batch_manager.documents import Kind
from batch_manager.store.database import translated

if TYPE_CHECKING:
    import peewee

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+")

MOST_TERMS = 24
"""Words of a query that are looked for; a longer one is prose, for which the vectors are there."""


def words_of(text: str) -> list[str]:
    """The words of a name or a query, in lower case: `CustomerOrders`, `customer_orders` → customer, orders. Pure."""
    return [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text))]


def keep(database: peewee.SqliteDatabase, item_id: int, name: str, purpose: str) -> None:
    """Make an item findable by its words; inside the caller's transaction."""
    database.execute_sql("DELETE FROM word_index WHERE rowid = ?", (item_id,))
    database.execute_sql(
        "INSERT INTO word_index (rowid, name, purpose) VALUES (?, ?, ?)", (item_id, " ".join(words_of(name)), purpose)
    )


class Words:
    """Word search over indexed items."""

    def __init__(self, database: peewee.SqliteDatabase) -> None:
        self._db = database

    def find(self, terms: Sequence[str], kinds: Sequence[Kind], limit: int) -> list[tuple[int, Kind, str, str]]:
        """(id, kind, name, purpose) of indexed items that have one of the terms or begin a word with it, best first."""
        if not terms:
            return []
        # Terms are runs of letters and digits, so that quoting them is enough to take FTS5's own syntax away.
        question = " OR ".join(f'"{term}"*' for term in terms[:MOST_TERMS])
        marks = ", ".join("?" for _ in kinds)
        with translated():
            rows = self._db.execute_sql(
                "SELECT i.id, i.kind, i.name, i.purpose FROM word_index JOIN item i ON i.id = word_index.rowid"
                f" WHERE word_index MATCH ? AND i.stage = 'indexed' AND i.kind IN ({marks})"
                " ORDER BY bm25(word_index, 4.0, 1.0) LIMIT ?",
                (question, *kinds, limit),
            ).fetchall()
        return [(row[0], row[1], row[2], row[3]) for row in rows]
