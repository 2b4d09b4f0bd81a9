"""Watched: a run that workers do, as somebody sees it who does nothing of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batch_manager.documents import Kind
from batch_manager.events import WorkerView
from batch_manager.store.database import translated
from batch_manager.store.dialect import Database

SHOWN = 300
"""Batches that a picture of a run is made from: those at work, and the latest others."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch as a watcher sees it; `doing` is in the words of `events.BatchState`."""

    number: int
    state: str
    worker: str
    inputs: int
    tokens: int
    doing: str
    waits_for: str
    tries: int
    answered: int
    delivered: int
    failed: int


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that failed in a run; `attempt` grows from one failure to the next."""

    attempt: int
    kind: Kind
    name: str
    code: str
    message: str


class Watched:
    """Questions about shared runs."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def latest(self, run_id: int) -> list[BatchRow]:
        """Batches of a run that were begun, the latest ones, in order of number."""
        rows = self._rows(
            "SELECT number, state, worker, inputs, tokens, doing, waits_for, tries, answered, delivered, failed"
            " FROM batch WHERE run_id = ? AND (state != 'waiting' OR epoch > 0) ORDER BY number DESC LIMIT ?",
            [run_id, SHOWN],
        )
        return [BatchRow(*row) for row in reversed(rows)]

    def workers(self, run_id: int) -> list[WorkerView]:
        """Who has taken batches of a run, and what came of them, by name."""
        rows = self._rows(
            "SELECT worker, count(*) FILTER (WHERE state = 'taken'), count(*) FILTER (WHERE state = 'done'),"
            " sum(answered), sum(least(delivered, answered)), sum(failed)"
            " FROM batch WHERE run_id = ? AND epoch > 0 GROUP BY worker ORDER BY worker",
            [run_id],
        )
        return [WorkerView(name, *map(int, counts)) for name, *counts in rows]

    def batches_done(self, run_id: int) -> int:
        """Batches of a run that are through."""
        return int(self._rows("SELECT count(*) FROM batch WHERE run_id = ? AND state = 'done'", [run_id])[0][0])

    def batches(self, run_id: int) -> int:
        """Batches of a run that are packed so far."""
        return int(self._rows("SELECT count(*) FROM batch WHERE run_id = ?", [run_id])[0][0])

    def batches_at_work(self, run_id: int) -> int:
        """Batches of a run that workers have taken."""
        return int(self._rows("SELECT count(*) FROM batch WHERE run_id = ? AND state = 'taken'", [run_id])[0][0])

    def stages(self, run_id: int) -> Mapping[str, int]:
        """How many of a run's items are where."""
        return dict(self._rows("SELECT stage, count(*) FROM item WHERE run_id = ? GROUP BY stage", [run_id]))

    def last_attempt(self) -> int:
        """The newest failure's number; 0 before the first."""
        return int(self._rows("SELECT coalesce(max(id), 0) FROM attempt", [])[0][0])

    def failed_since(self, run_id: int, attempt: int) -> list[FailedItem]:
        """Items of a run that failed after that failure, in order."""
        rows = self._rows(
            "SELECT a.id, i.kind, i.name, a.code, a.message FROM attempt a JOIN item i ON i.id = a.item_id"
            " WHERE a.id > ? AND a.run_id = ? ORDER BY a.id",
            [attempt, run_id],
        )
        return [FailedItem(*row) for row in rows]

    def _rows(self, sql: str, values: list[Any]) -> list[Any]:
        with translated():
            return list(self._db.execute_sql(sql, values).fetchall())
