"""Work: what a scope holds, and the agreed set of a run, page by page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from batch_manager.documents import KINDS, PROBLEMS, Kind
from batch_manager.packing import Input
from batch_manager.quote import Scope, Unsendable
from batch_manager.quote import Work as Found
from batch_manager.store.database import now, translated
from batch_manager.store.failures import note_attempts

if TYPE_CHECKING:
    import peewee

NAMED_UNSENDABLE = 200
"""Unsendable items that a quote names; more of them are counted."""

PAGE = 4_000
"""Rows of the agreed set that are held at a time."""

_UNANSWERED = "NOT EXISTS (SELECT 1 FROM answer a WHERE a.text_id = t.id AND a.space_id = ?)"


class Work:
    """Questions about what is to be sent."""

    def __init__(self, database: peewee.SqliteDatabase) -> None:
        self._db = database

    def find(self, scope: Scope, space_id: int) -> Found:
        """What the scope holds, for a quote.

        Args:
            scope: Which items.
            space_id: 0 when the space is new to the store, so that nothing can have been paid for.
        """
        where, values = scope_conditions(scope, *self._handed(space_id))
        with translated():
            rows = self._db.execute_sql(
                "SELECT t.id, t.tokens, t.bytes, t.hash, min(i.kind = 'relationship') FROM item i"
                " JOIN part p ON p.item_id = i.id JOIN text t ON t.id = p.text_id"
                f" WHERE {where} AND i.problem IS NULL AND {_UNANSWERED} GROUP BY t.id ORDER BY t.id",
                [*values, space_id],
            ).fetchall()
            items: dict[Kind, int] = dict.fromkeys(KINDS, 0)
            for kind, number in self._db.execute_sql(
                f"SELECT i.kind, count(*) FROM item i WHERE {where} AND i.problem IS NULL GROUP BY i.kind", values
            ):
                items[kind] = number
            with_unanswered, uses = self._db.execute_sql(
                "SELECT count(DISTINCT i.id), count(*) FROM item i JOIN part p ON p.item_id = i.id"
                f" JOIN text t ON t.id = p.text_id WHERE {where} AND i.problem IS NULL AND {_UNANSWERED}",
                [*values, space_id],
            ).fetchone()
            unsendable_count = self._db.execute_sql(
                f"SELECT count(*) FROM item i WHERE {where} AND i.problem IS NOT NULL", values
            ).fetchone()[0]
            unsendable = self._db.execute_sql(
                f"SELECT i.id, i.kind, i.name, i.problem FROM item i WHERE {where} AND i.problem IS NOT NULL"
                " ORDER BY i.id LIMIT ?",
                [*values, NAMED_UNSENDABLE],
            ).fetchall()
        tokens: dict[Kind, int] = {
            "table": sum(row[1] for row in rows if not row[4]),
            "relationship": sum(row[1] for row in rows if row[4]),
        }
        return Found(
            items=items,
            tokens=tokens,
            inputs=[Input(row[0], row[1], row[2]) for row in rows],
            hashes=[row[3] for row in rows],
            reused=sum(items.values()) - with_unanswered,
            duplicates=uses - len(rows),
            unsendable=tuple(Unsendable(*row) for row in unsendable),
            unsendable_count=unsendable_count,
        )

    def agree(self, run_id: int, scope: Scope, space_id: int) -> None:
        """Write down what the run will do: its texts, and the items that belong to it.

        Items that can't be sent fail here, with their reason; items whose texts were all paid for before are
        answered at once. Call it inside the transaction that checked the quote.
        """
        where, values = scope_conditions(scope, *self._handed(space_id, run_id))
        self._db.execute_sql(
            "INSERT INTO run_text (run_id, text_id, state)"
            " SELECT DISTINCT ?, t.id, 'planned' FROM item i JOIN part p ON p.item_id = i.id"
            f" JOIN text t ON t.id = p.text_id WHERE {where} AND i.problem IS NULL AND {_UNANSWERED}"
            " ON CONFLICT (run_id, text_id) DO UPDATE SET state = 'planned'",
            [run_id, *values, space_id],
        )
        self._db.execute_sql(f"UPDATE item AS i SET run_id = ? WHERE {where}", [run_id, *values])
        for code, (message, next_step) in PROBLEMS.items():
            failed = self._db.execute_sql(
                "UPDATE item AS i SET stage = 'failed', code = ?, message = ?, next_step = ?, lasting = 1,"
                f" failed_at = ? WHERE {where} AND i.problem = ? RETURNING id",
                [code, message, next_step, now(), *values, code],
            ).fetchall()
            note_attempts(self._db, run_id, [row[0] for row in failed], code, message, 0)
        # Of the scope alone: an interrupted run that goes on has items that are in the index already.
        self._db.execute_sql(
            f"UPDATE item AS i SET stage = 'answered', space_id = ? WHERE {where} AND i.problem IS NULL AND NOT EXISTS"
            " (SELECT 1 FROM part p WHERE p.item_id = i.id AND NOT EXISTS"
            " (SELECT 1 FROM answer a WHERE a.text_id = p.text_id AND a.space_id = ?))",
            [space_id, *values, space_id],
        )

    def withdraw(self, run_id: int) -> None:
        """Take back what the run has not sent yet, so that a new agreement can take its place."""
        self._db.execute_sql("DELETE FROM run_text WHERE run_id = ? AND state = 'planned'", [run_id])

    def agreed_hashes(self, run_id: int) -> set[str]:
        """Hashes of all texts that the run was ever agreed on."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT t.hash FROM run_text r JOIN text t ON t.id = r.text_id WHERE r.run_id = ?", [run_id]
            )
            return {row[0] for row in rows}

    def planned(self, run_id: int) -> Iterator[Input]:
        """The run's texts that are not sent yet, in order, a page at a time."""
        last = 0
        while True:
            with translated():
                rows = self._db.execute_sql(
                    "SELECT t.id, t.tokens, t.bytes FROM run_text r JOIN text t ON t.id = r.text_id"
                    " WHERE r.run_id = ? AND r.state = 'planned' AND r.text_id > ? ORDER BY r.text_id LIMIT ?",
                    [run_id, last, PAGE],
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for row in rows:
                yield Input(*row)

    def planned_count(self, run_id: int) -> int:
        """How many of the run's texts are not answered and not failed."""
        with translated():
            row = self._db.execute_sql(
                "SELECT count(*) FROM run_text WHERE run_id = ? AND state = 'planned'", [run_id]
            ).fetchone()
        return int(row[0])

    def left(self, run_id: int) -> tuple[int, int]:
        """(texts, tokens) of the run that are still unsent."""
        with translated():
            row = self._db.execute_sql(
                "SELECT count(*), coalesce(sum(t.tokens), 0) FROM run_text r JOIN text t ON t.id = r.text_id"
                " WHERE r.run_id = ? AND r.state = 'planned'",
                [run_id],
            ).fetchone()
        return int(row[0]), int(row[1])

    def _handed(self, space_id: int, but: int = 0) -> list[int]:
        """Runs of the half-price lane that are under way in this space: what they await is nobody else's to send."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT id FROM run WHERE state = 'handed' AND space_id = ? AND id != ?", [space_id, but]
            )
            return [row[0] for row in rows]

    def bodies(self, text_ids: list[int]) -> dict[int, str]:
        """The texts themselves."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT id, body FROM text WHERE id IN (SELECT value FROM json_each(?))", [json.dumps(text_ids)]
            )
            return {row[0]: row[1] for row in rows}


def scope_conditions(scope: Scope, *handed: int) -> tuple[str, list[Any]]:
    """The scope as SQL over `item AS i`, without items that wait for one of the runs that are handed over."""
    stages = {
        "pending": "i.stage IN ('pending', 'answered')",
        "failed": "i.stage = 'failed'",
        "all": "i.stage NOT IN ('skipped', 'gone')",
    }
    clauses = [stages[scope.which]]
    values: list[Any] = []
    if len(scope.kinds) == 1:
        clauses.append("i.kind = ?")
        values.append(scope.kinds[0])
    if scope.ids is not None:
        clauses.append("i.id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(scope.ids)))
    for run_id in handed:
        clauses.append(
            "NOT EXISTS (SELECT 1 FROM part hp JOIN run_text h ON h.text_id = hp.text_id"
            f" WHERE hp.item_id = i.id AND h.run_id = {run_id:d} AND h.state = 'planned')"
        )
    return " AND ".join(clauses), values
