"""Weighing: what a scope holds, for a quote; added up by SQLite itself, which leaves the interpreter to the screen.

A quote is made again with every mark and every filter, so no row of it comes to Python where it needn't: a hundred
thousand of them would take half a second, and keep every key waiting meanwhile.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from batch_manager.packing import Limits, RequestCount
from batch_manager.quote import Scope, Unsendable
from batch_manager.quote import Work as Found
from batch_manager.store.dialect import Database
from batch_manager.store.scopes import Seen, scope_conditions

if TYPE_CHECKING:
    from collections.abc import Sequence


NAMED_UNSENDABLE = 200
"""Unsendable items that a quote names; more of them are counted."""

PAGE = 20_000
"""Weights that are held at a time, where requests have to be packed to be counted."""

FEW = 4
"""Items that are less than all texts by this factor are looked up one by one; else all texts are walked through."""


class _Texts(NamedTuple):
    """The texts to send, in a heap."""

    number: int
    tokens: int
    of_relationships: int
    bytes: int
    uses: int
    firsts: int
    heaviest: int
    ids: str


class Weighing:
    """One look at one scope."""

    def __init__(self, database: Database, scope: Scope, space_id: int, seen: Seen, handed: Sequence[int]) -> None:
        """Nothing is read yet.

        Args:
            database: The store's.
            scope: Which items.
            space_id: 0 when the space is new to the store, so that nothing can have been paid for.
            seen: How it is looked at.
            handed: Runs of the half-price lane, whose texts are nobody else's to send.
        """
        self._db = database
        self._space_id = space_id
        self._seen = seen
        self._where, self._values = scope_conditions(scope, *handed, seen=seen)
        self._dialect = database.dialect
        self._weight = self._dialect.larger("tokens", "(bytes + 3) / 4")  # as `Input.weight`
        self._sendable = f"{self._where} AND i.problem IS NULL"

    def found(self, limits: Limits) -> Found:
        """Look.

        Args:
            limits: Ceilings of a request.
        """
        items, related = self._row(
            f"SELECT count(*), count(*) FILTER (WHERE i.kind = 'relationship') FROM item i WHERE {self._sendable}"
        )
        rows = self._rows(items)
        texts = self._texts(rows)
        unsendable_count, unsendable = self._unsendable()
        return Found(
            items={"table": items - related, "relationship": related},
            tokens={"table": texts.tokens - texts.of_relationships, "relationship": texts.of_relationships},
            texts=texts.number,
            bytes=texts.bytes,
            requests=self._requests(rows, texts, limits),
            digest=hashlib.sha256(texts.ids.encode("ascii")).hexdigest(),
            reused=items - self._with_unanswered(texts),
            duplicates=texts.uses - texts.number,
            shortened=self._shortened(),
            unsendable=unsendable,
            unsendable_count=unsendable_count,
            first=self._first(rows, limits),
        )

    def _rows(self, items: int) -> str:
        """SQL for a row each text to send, in the order of the texts."""
        every = self._row("SELECT coalesce(max(id), 0) FROM text")[0]
        share = (
            "min(CASE i.kind WHEN 'relationship' THEN 1 ELSE 0 END) AS related, count(*) AS uses,"
            " count(*) FILTER (WHERE p.no = 1) AS firsts"
        )
        join, sizes = self._dialect.join, f"text t{self._dialect.along('text_size')}"
        if items * FEW < every:
            unanswered = self._seen.unanswered(self._space_id, "p.text_id")
            return (
                "SELECT t.id, t.tokens, t.bytes, u.related, u.uses, u.firsts FROM"
                f" (SELECT p.text_id, {share} FROM item i {join} part p ON p.item_id = i.id"
                f" WHERE {self._sendable} AND {unanswered} GROUP BY p.text_id) u"
                f" {join} {sizes} ON t.id = u.text_id ORDER BY u.text_id"
            )
        unanswered = self._seen.unanswered(self._space_id)
        return (
            f"SELECT t.id, t.tokens, t.bytes, {share} FROM {sizes}"
            f" {join} part p ON p.text_id = t.id {join} item i ON i.id = p.item_id"
            f" WHERE {self._sendable} AND {unanswered}"
            " GROUP BY t.id ORDER BY t.id"
        )

    def _texts(self, rows: str) -> _Texts:
        # A text's row never changes and is never taken away, so its id stands for its hash.
        return _Texts(
            *self._row(
                "SELECT count(*), coalesce(sum(tokens), 0), coalesce(sum(tokens * related), 0),"
                " coalesce(sum(bytes), 0), coalesce(sum(uses), 0), coalesce(sum(firsts), 0),"
                f" coalesce(max({self._weight}), 0), coalesce({self._dialect.listed('id')}, '') FROM ({rows}) x"
            )
        )

    def _requests(self, rows: str, texts: _Texts, limits: Limits) -> int:
        if texts.heaviest * min(texts.number, limits.inputs) <= limits.tokens:
            return -(-texts.number // limits.inputs)  # the usual case: only their number counts
        counted = RequestCount(limits)
        weights = self._db.execute_sql(f"SELECT {self._weight} FROM ({rows}) x", self._values)
        while page := weights.fetchmany(PAGE):
            counted.add(weight for (weight,) in page)
        return counted.total()

    def _first(self, rows: str, limits: Limits) -> tuple[int, ...]:
        """Tokens of the first texts, as many as a request takes."""
        found = self._db.execute_sql(f"SELECT tokens FROM ({rows}) x LIMIT {limits.inputs:d}", self._values)
        return tuple(row[0] for row in found.fetchall())

    def _with_unanswered(self, texts: _Texts) -> int:
        """Items that have a text to send."""
        if texts.uses == texts.firsts:
            return texts.firsts  # no second part is among them, so that each use is another item's
        row = self._row(
            f"SELECT count(*) FROM item i WHERE {self._sendable} AND EXISTS (SELECT 1 FROM part p"
            f" WHERE p.item_id = i.id AND {self._seen.unanswered(self._space_id, 'p.text_id')})"
        )
        return int(row[0])

    def _shortened(self) -> int:
        """Texts that are answered all in all, but not in the space itself."""
        if not self._seen.longer:
            return 0
        row = self._row(
            "SELECT count(DISTINCT t.id) FROM item i JOIN part p ON p.item_id = i.id JOIN text t ON t.id = p.text_id"
            f" WHERE {self._sendable} AND NOT {self._seen.unanswered(self._space_id)}"
            f" AND {Seen().unanswered(self._space_id)}"
        )
        return int(row[0])

    def _unsendable(self) -> tuple[int, tuple[Unsendable, ...]]:
        """How many can't be sent, and the first of them; of an index that has nothing but these."""
        source = f"FROM item i{self._dialect.along('item_problem')} WHERE {self._where} AND i.problem IS NOT NULL"
        named = self._db.execute_sql(
            f"SELECT i.id, i.kind, i.name, i.problem {source} ORDER BY i.id LIMIT {NAMED_UNSENDABLE + 1:d}",
            self._values,
        ).fetchall()
        count = len(named) if len(named) <= NAMED_UNSENDABLE else int(self._row(f"SELECT count(*) {source}")[0])
        return count, tuple(Unsendable(*row) for row in named[:NAMED_UNSENDABLE])

    def _row(self, sql: str) -> Any:
        # Only what speaks of items has the scope's values.
        return self._db.execute_sql(sql, self._values if " item i" in sql else []).fetchone()
