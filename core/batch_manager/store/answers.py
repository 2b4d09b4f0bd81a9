"""Answers: what was paid for. An answer is in the store, durably, before anything else happens with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from batch_manager.documents import Kind
from batch_manager.quote import Space
from batch_manager.store.database import now, translated
from batch_manager.store.dialect import AMONG, Database
from batch_manager.store.failures import note_attempts
from batch_manager.store.words import learn

_ALIKE = (
    "IN (SELECT b.id FROM space a JOIN space b ON b.model = a.model AND b.dimensions = a.dimensions WHERE a.id = ?)"
)
"""Spaces whose vectors go into one index: of one model and size, wherever they were paid for."""

ROWS_AT_ONCE = 500
"""Rows a statement: the interpreter is let go and waited for once in each, and the engine's loop wants it as well."""

_UNUSED = "NOT EXISTS (SELECT 1 FROM part p WHERE p.text_id = answer.text_id)"


@dataclass(frozen=True, slots=True)
class Deliverable:
    """One vector that waits for Chroma, and the item that it is part `no` of."""

    item_id: int
    kind: Kind
    name: str
    no: int
    parts: int
    indexed_parts: int
    item_hash: str
    text: str
    text_hash: str
    vector: bytes
    run_id: int | None
    batch: int | None


class Delivered(NamedTuple):
    """One vector that Chroma has now: its item and that item's text, and the request that brought it."""

    item_id: int
    item_hash: str
    run_id: int | None
    batch: int | None


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A vector that was paid for, of one part of an item; `text` is what was embedded."""

    no: int
    model: str
    dimensions: int
    vector: bytes
    text: str


class Answers:
    """Paid answers, and the way of their items into the index."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def space_id(self, space: Space, *, make: bool = False) -> int:
        """The space's id; 0 when the store has never seen it and `make` isn't given."""
        key = [space.provider, space.server, space.model, space.dimensions or 0]
        question = "SELECT id FROM space WHERE provider = ? AND server = ? AND model = ? AND dimensions = ?"
        with translated():
            row = self._db.execute_sql(question, key).fetchone()
            if row is None and make:
                self._db.execute_sql(
                    "INSERT INTO space (provider, server, model, dimensions) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    key,
                )
                row = self._db.execute_sql(question, key).fetchone()
        return 0 if row is None else int(row[0])

    def keep(
        self, run_id: int, space_id: int, request_id: int, text_ids: Sequence[int], vectors: Sequence[bytes]
    ) -> int:
        """Keep the vectors of a request and move its items on; inside the caller's transaction.

        Returns:
            Items that have all their answers now.
        """
        rows = [(text_id, space_id, request_id, vector) for text_id, vector in zip(text_ids, vectors, strict=True)]
        for at in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[at : at + ROWS_AT_ONCE]
            values = ", ".join(["(?, ?, ?, ?)"] * len(some))
            self._db.execute_sql(
                f"INSERT INTO answer (text_id, space_id, request_id, vector) VALUES {values}"
                " ON CONFLICT (text_id, space_id) DO NOTHING",
                [value for row in some for value in row],
            )
        return self.move(run_id, space_id, text_ids)

    def move(self, run_id: int, space_id: int, text_ids: Sequence[int]) -> int:
        """These texts of a run have their answers: move its items on; inside the caller's transaction.

        Returns:
            Items that have all their answers now.
        """
        ids = json.dumps(list(text_ids))
        self._db.execute_sql(
            f"UPDATE run_text SET state = 'answered' WHERE run_id = ? AND text_id {AMONG}",
            (run_id, ids),
        )
        return int(
            self._db.execute_sql(
                "UPDATE item SET stage = 'answered', space_id = ?, code = NULL, message = NULL, next_step = NULL"
                " WHERE run_id = ? AND problem IS NULL AND stage IN ('pending', 'failed', 'indexed')"
                " AND id IN (SELECT p.item_id FROM json_each(?) j JOIN part p ON p.text_id = CAST(j.value AS BIGINT))"
                " AND NOT EXISTS (SELECT 1 FROM part p WHERE p.item_id = item.id AND NOT EXISTS"
                " (SELECT 1 FROM answer a WHERE a.text_id = p.text_id AND a.space_id = ?))",
                (space_id, run_id, ids, space_id),
            ).rowcount
        )

    def fail(
        self,
        run_id: int,
        text_ids: Sequence[int],
        code: str,
        message: str,
        next_step: str,
        tries: int,
        *,
        lasting: bool = False,
    ) -> list[tuple[Kind, str]]:
        """Texts that can't be embedded: their items fail, with the reason. Returns (kind, name) of each.

        Args:
            run_id: The run.
            text_ids: The texts.
            code: Why, with `message` and `next_step`.
            message: The server's words.
            next_step: What to do.
            tries: Requests that were sent for them.
            lasting: The same text would be refused again.
        """
        ids = json.dumps(list(text_ids))
        with translated(), self._db.atomic("IMMEDIATE"):
            self._db.execute_sql(
                f"UPDATE run_text SET state = 'failed' WHERE run_id = ? AND text_id {AMONG}",
                (run_id, ids),
            )
            rows = self._db.execute_sql(
                "UPDATE item SET stage = 'failed', code = ?, message = ?, next_step = ?, tries = tries + ?,"
                " lasting = ?, failed_at = ?"
                " WHERE run_id = ? AND stage IN ('pending', 'failed', 'indexed')"
                " AND id IN (SELECT p.item_id FROM json_each(?) j JOIN part p ON p.text_id = CAST(j.value AS BIGINT))"
                # An item fails once, however many of its parts do.
                " AND NOT EXISTS (SELECT 1 FROM part p JOIN run_text r ON r.text_id = p.text_id"
                " WHERE p.item_id = item.id AND r.run_id = ? AND r.state = 'failed'"
                f" AND r.text_id NOT {AMONG})"
                " RETURNING kind, name, id",
                (code, message, next_step, tries, lasting, now(), run_id, ids, run_id, ids),
            ).fetchall()
            note_attempts(self._db, run_id, [row[2] for row in rows], code, message, tries)
        return [(row[0], row[1]) for row in rows]

    def waiting(self, space_id: int, run_id: int | None = None) -> int:
        """Items whose answers wait for Chroma; of one run, where it is given."""
        where, values = ("", [space_id]) if run_id is None else (" AND run_id = ?", [space_id, run_id])
        with translated():
            row = self._db.execute_sql(
                f"SELECT count(*) FROM item WHERE stage = 'answered' AND space_id {_ALIKE}{where}", values
            ).fetchone()
        return int(row[0])

    def deliverable_ids(self, space_id: int, limit: int, besides: Sequence[int] = ()) -> list[int]:
        """Ids of the next items that wait for Chroma, besides those that are on their way to it."""
        with translated():
            rows = self._db.execute_sql(
                f"SELECT id FROM item WHERE stage = 'answered' AND space_id {_ALIKE}"
                f" AND id NOT {AMONG}"
                " AND EXISTS (SELECT 1 FROM part p JOIN answer a ON a.text_id = p.text_id"
                " WHERE p.item_id = item.id AND a.space_id = item.space_id) ORDER BY id LIMIT ?",
                (space_id, json.dumps(list(besides)), limit),
            )
            return [row[0] for row in rows]

    def deliverable(self, space_id: int, kind: Kind, item_ids: Sequence[int]) -> list[Deliverable]:
        """Vectors of these items, as far as they are of that kind and still wait; an item's parts stand together."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT i.id, i.kind, i.name, p.no, i.parts, i.indexed_parts, i.text_hash, t.body, t.hash, a.vector,"
                " q.run_id, q.batch"
                " FROM item i JOIN part p ON p.item_id = i.id JOIN text t ON t.id = p.text_id"
                " JOIN answer a ON a.text_id = t.id AND a.space_id = i.space_id"
                " LEFT JOIN request q ON q.id = a.request_id"
                f" WHERE i.id {AMONG} AND i.kind = ? AND i.stage = 'answered'"
                f" AND i.space_id {_ALIKE} ORDER BY i.id, p.no",
                (json.dumps(list(item_ids)), kind, space_id),
            )
            return [Deliverable(*row) for row in rows]

    def of_item(self, item_id: int) -> list[KeptAnswer]:
        """The kept answers of an item, in the order of its parts; of every space that has one."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT p.no, s.model, s.dimensions, a.vector, t.body FROM part p JOIN answer a"
                " ON a.text_id = p.text_id JOIN text t ON t.id = p.text_id"
                " JOIN space s ON s.id = a.space_id WHERE p.item_id = ? ORDER BY s.id, p.no",
                (item_id,),
            ).fetchall()
        return [KeptAnswer(*row) for row in rows]

    def expect_parts(self, item_ids: Sequence[int]) -> None:
        """These items' parts are about to be in the index; more than that may be there from an earlier text."""
        with translated():
            self._db.execute_sql(
                f"UPDATE item SET indexed_parts = {self._db.dialect.larger('indexed_parts', 'parts')} WHERE id {AMONG}",
                (json.dumps(list(item_ids)),),
            )

    def mark_indexed(self, delivered: Sequence[tuple[int, str]]) -> int:
        """Items whose vectors Chroma has, as (id, hash of the item's text); those changed meanwhile stay pending."""
        with translated(), self._db.atomic("IMMEDIATE"):
            learn(self._db, [item_id for item_id, _ in delivered])
            return int(
                self._db.execute_sql(
                    "UPDATE item SET stage = 'indexed', indexed_parts = parts, code = NULL, message = NULL,"
                    f" next_step = NULL WHERE stage = 'answered' AND id {AMONG}"
                    # The pair, since by now an item may have the text that another one brought.
                    " AND CAST(id AS TEXT) || ' ' || text_hash IN (SELECT value FROM json_each(?))",
                    (
                        json.dumps([item_id for item_id, _ in delivered]),
                        json.dumps([f"{item_id} {text_hash}" for item_id, text_hash in delivered]),
                    ),
                ).rowcount
            )

    def release(self, space_id: int) -> None:
        """Answered items of other models become pending again; their answers are kept."""
        with translated():
            self._db.execute_sql(
                f"UPDATE item SET stage = 'pending' WHERE stage = 'answered' AND space_id NOT {_ALIKE}", (space_id,)
            )

    def index_lost(self) -> int:
        """Chroma has nothing any more: what was indexed and paid for waits for it again; the rest is pending.

        Returns:
            Items that wait for Chroma now.
        """
        with translated(), self._db.atomic("IMMEDIATE"):
            self._db.execute_sql(
                "UPDATE item SET indexed_parts = 0, stage = CASE WHEN stage != 'indexed' THEN stage WHEN EXISTS"
                " (SELECT 1 FROM part p WHERE p.item_id = item.id AND NOT EXISTS (SELECT 1 FROM answer a"
                " WHERE a.text_id = p.text_id AND a.space_id = item.space_id)) THEN 'pending' ELSE 'answered' END"
            )
            row = self._db.execute_sql("SELECT count(*) FROM item WHERE stage = 'answered'").fetchone()
        return int(row[0])

    def forget_index(self) -> None:
        """The index was emptied for another model: what was indexed is pending there."""
        with translated():
            self._db.execute_sql(
                "UPDATE item SET indexed_parts = 0, stage = CASE stage WHEN 'indexed' THEN 'pending' ELSE stage END"
            )

    def redeliver(self, item_ids: Sequence[int]) -> int:
        """Items that Chroma lacks wait for it again where their answers are kept, else they are pending.

        Returns:
            How many wait for Chroma.
        """
        ids = json.dumps(list(item_ids))
        with translated(), self._db.atomic("IMMEDIATE"):
            self._db.execute_sql(
                "UPDATE item SET stage = CASE WHEN EXISTS (SELECT 1 FROM part p WHERE p.item_id = item.id AND NOT"
                " EXISTS (SELECT 1 FROM answer a WHERE a.text_id = p.text_id AND a.space_id = item.space_id))"
                " THEN 'pending' ELSE 'answered' END WHERE stage = 'indexed'"
                f" AND id {AMONG}",
                (ids,),
            )
            row = self._db.execute_sql(
                f"SELECT count(*) FROM item WHERE stage = 'answered' AND id {AMONG}", (ids,)
            ).fetchone()
        return int(row[0])

    def unused(self) -> tuple[int, int]:
        """(answers, bytes of their vectors) of texts that no item has: they changed, or their items are gone."""
        with translated():
            row = self._db.execute_sql(
                f"SELECT count(*), coalesce(sum(length(vector)), 0) FROM answer WHERE {_UNUSED}"
            ).fetchone()
        return int(row[0]), int(row[1])

    def trim(self) -> int:
        """Forget the unused answers, and give their room back to the disk.

        Returns:
            Answers that went. Their money is spent; should such a text come back, it is paid for again.
        """
        with translated():
            gone = int(self._db.execute_sql(f"DELETE FROM answer WHERE {_UNUSED}").rowcount)
            self._db.execute_sql(self._db.dialect.give_back)
        return gone

    def size(self) -> tuple[int, int]:
        """(answers kept, bytes of their vectors)."""
        with translated():
            row = self._db.execute_sql("SELECT count(*), coalesce(sum(length(vector)), 0) FROM answer").fetchone()
        return int(row[0]), int(row[1])
