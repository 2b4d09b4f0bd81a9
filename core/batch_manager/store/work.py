"""Work: what a scope holds, and the agreed set of a run, page by page."""

from __future__ import annotations

import json
from collections.abc import Iterator

from batch_manager.documents import PROBLEMS
from batch_manager.packing import Input, Limits
from batch_manager.quote import Scope
from batch_manager.quote import Work as Found
from batch_manager.store.database import now, translated
from batch_manager.store.dialect import AMONG, Database
from batch_manager.store.failures import note_attempts
from batch_manager.store.scopes import AS_IT_IS, Seen, scope_conditions
from batch_manager.store.weighing import Weighing

PAGE = 4_000
"""Rows that are held at a time."""

_UNANSWERED = "NOT EXISTS (SELECT 1 FROM answer a WHERE a.text_id = t.id AND a.space_id = ?)"


class Work:
    """Questions about what is to be sent."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def find(self, scope: Scope, space_id: int, limits: Limits, seen: Seen = AS_IT_IS) -> Found:
        """What the scope holds, for a quote.

        Args:
            scope: Which items.
            space_id: 0 when the space is new to the store, so that nothing can have been paid for.
            limits: Ceilings of a request.
            seen: How it is looked at.
        """
        with translated():
            return Weighing(self._db, scope, space_id, seen, self._handed(space_id)).found(limits)

    def texts(self, scope: Scope, space_id: int, seen: Seen = AS_IT_IS) -> Iterator[tuple[Input, str]]:
        """The texts that the scope would send, with their hashes, in the order of a run."""
        where, values = scope_conditions(scope, *self._handed(space_id), seen=seen)
        with translated():
            for text_id, tokens, size, digest in self._db.execute_sql(
                f"SELECT t.id, t.tokens, t.bytes, t.hash FROM text t{self._db.dialect.along('text_size')} WHERE EXISTS"
                " (SELECT 1 FROM part p JOIN item i ON i.id = p.item_id WHERE p.text_id = t.id"
                f" AND {where} AND i.problem IS NULL) AND {seen.unanswered(space_id)} ORDER BY t.id",
                values,
            ):
                yield Input(text_id, tokens, size), digest

    def within(self, scope: Scope, space_id: int, run_id: int) -> bool:
        """Whether the run was once agreed on every text that the scope would send."""
        where, values = scope_conditions(scope, *self._handed(space_id))
        with translated():
            row = self._db.execute_sql(
                "SELECT EXISTS (SELECT 1 FROM item i JOIN part p ON p.item_id = i.id JOIN text t ON t.id = p.text_id"
                f" WHERE {where} AND i.problem IS NULL AND {_UNANSWERED}"
                " AND NOT EXISTS (SELECT 1 FROM run_text r WHERE r.run_id = ? AND r.text_id = t.id))",
                [*values, space_id, run_id],
            ).fetchone()
        return not row[0]

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
                "UPDATE item AS i SET stage = 'failed', code = ?, message = ?, next_step = ?, lasting = TRUE,"
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
            yield from map(Input._make, rows)

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
        """Runs in this space that workers or the half-price lane have under way: what they await is nobody else's."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT id FROM run WHERE state IN ('handed', 'shared') AND space_id = ? AND id != ?", [space_id, but]
            )
            return [row[0] for row in rows]

    def bodies(self, text_ids: list[int]) -> dict[int, str]:
        """The texts themselves."""
        with translated():
            rows = self._db.execute_sql(f"SELECT id, body FROM text WHERE id {AMONG}", [json.dumps(text_ids)])
            return {row[0]: row[1] for row in rows}
