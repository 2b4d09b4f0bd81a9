"""Jobs: the batches of the half-price lane. Each step is written down before it is taken, and after it.

    planned → uploading → uploaded → creating → created → collecting → settled

A job is some texts of a run, handed to the server as one file. Between `creating` and `created` it is "maybe
submitted": only the server knows. Its reservation is one row of the ledger, in state `handed` until it is settled.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from batch_manager.pricing import from_pico
from batch_manager.store.budgets import Budgets
from batch_manager.store.database import now, translated
from batch_manager.store.dialect import AMONG, Database
from batch_manager.store.job_row import COLUMNS, JobRow, read_row

PAGE = 1_000
"""Texts that are held at a time while a file is written."""


_SELECT = f"SELECT {', '.join(COLUMNS)} FROM job"


@dataclass(frozen=True, slots=True)
class HandedRun:
    """A run of the half-price lane that isn't over."""

    id: int
    space_id: int
    price: Decimal
    cap_pico: int | None
    quote: dict[str, Any]
    agreed_at: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Items that wait for batches.

    Attributes:
        since: When the first of these batches was submitted, ISO 8601 in UTC; None while none is.
    """

    items: int = 0
    batches: int = 0
    since: str | None = None


class Jobs:
    """Questions about jobs, and their steps."""

    def __init__(self, database: Database, budgets: Budgets | None = None) -> None:
        self._db = database
        self._budgets = budgets or Budgets(database)

    # Runs

    def handed_runs(self) -> list[HandedRun]:
        """Runs that were agreed in this lane and aren't over, oldest first."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT id, space_id, price, cap_pico, quote, agreed_at FROM run WHERE state = 'handed' ORDER BY id"
            ).fetchall()
        return [HandedRun(row[0], row[1], Decimal(row[2]), row[3], json.loads(row[4]), row[5]) for row in rows]

    def unplanned(self, run_id: int) -> Iterator[tuple[int, int, str, str]]:
        """(text's id, tokens, hash, body) of the run's texts that are in no job yet, in order."""
        last = 0
        while True:
            with translated():
                rows = self._db.execute_sql(
                    "SELECT t.id, t.tokens, t.hash, t.body FROM run_text r JOIN text t ON t.id = r.text_id"
                    " WHERE r.run_id = ? AND r.state = 'planned' AND r.job_id IS NULL AND r.text_id > ?"
                    " ORDER BY r.text_id LIMIT ?",
                    [run_id, last, PAGE],
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield from rows

    def open(self, run_id: int, key: str, text_ids: Iterable[int], tokens: int, size: int) -> int:
        """A planned job over these texts of a run; inside the caller's transaction."""
        ids = list(text_ids)
        job_id = int(
            self._db.execute_sql(
                "INSERT INTO job (run_id, key, state, texts, tokens, bytes, planned_at)"
                " VALUES (?, ?, 'planned', ?, ?, ?, ?) RETURNING id",
                [run_id, key, len(ids), tokens, size, now()],
            ).fetchall()[0][0]
        )
        self._db.execute_sql(
            f"UPDATE run_text SET job_id = ? WHERE run_id = ? AND text_id {AMONG}",
            [job_id, run_id, json.dumps(ids)],
        )
        return job_id

    def give_back(self, run_id: int, text_ids: Sequence[int] | None = None) -> int:
        """Texts of a run that are in no job are pending again; all of them unless some are named."""
        which = "" if text_ids is None else f" AND text_id {AMONG}"
        values = [] if text_ids is None else [json.dumps(list(text_ids))]
        return self._change(
            f"UPDATE run_text SET state = 'returned' WHERE run_id = ? AND state = 'planned' AND job_id IS NULL{which}",
            [run_id, *values],
        )

    def note_run(self, run_id: int, reason: str) -> None:
        """Why the run will not be whole when it is over."""
        self._change("UPDATE run SET reason = ? WHERE id = ?", [reason, run_id])

    def unplan(self, job_id: int) -> None:
        """What a job still awaits is in no job again, and will be in another; inside the caller's transaction."""
        self._change("UPDATE run_text SET job_id = NULL WHERE job_id = ? AND state = 'planned'", [job_id])

    def close_run(self, run_id: int) -> None:
        """The run is over; it is `stopped` where there is a reason why it isn't whole."""
        self._change(
            "UPDATE run SET state = CASE reason WHEN '' THEN 'done' ELSE 'stopped' END, ended_at = ?"
            " WHERE id = ? AND state = 'handed'",
            [now(), run_id],
        )

    # Jobs

    def get(self, job_id: int) -> JobRow:
        """A job."""
        return self._rows("WHERE id = ?", [job_id])[0]

    def under_way(self) -> list[JobRow]:
        """Jobs that aren't settled, and those with files left on the server, oldest first."""
        return self._rows("WHERE state != 'settled' ORDER BY id", [])

    def of_run(self, run_id: int) -> list[JobRow]:
        """The jobs of a run, oldest first."""
        return self._rows("WHERE run_id = ? ORDER BY id", [run_id])

    def with_files(self, space_id: int) -> list[JobRow]:
        """Settled jobs of that space whose files could not be deleted; another server knows nothing of them."""
        return self._rows(
            "WHERE state = 'settled' AND left_files != '[]'"
            " AND run_id IN (SELECT id FROM run WHERE space_id = ?) ORDER BY id",
            [space_id],
        )

    def latest(self, limit: int = 50) -> list[JobRow]:
        """The newest jobs, newest first."""
        return self._rows("ORDER BY id DESC LIMIT ?", [limit])

    def change(self, job_id: int, **values: object) -> JobRow:
        """Write a step down: columns of `JobRow` with their new values. Returns the job as it stands now.

        Raises:
            StoreError: It could not be written.
        """
        unknown = set(values) - set(COLUMNS)
        if unknown:
            raise TypeError(f"a job has no {', '.join(sorted(unknown))}")
        if "left_files" in values:
            values["left_files"] = json.dumps(list(values["left_files"]))  # type: ignore[call-overload]
        self._change(
            f"UPDATE job SET {', '.join(f'{name} = ?' for name in values)} WHERE id = ?", [*values.values(), job_id]
        )
        return self.get(job_id)

    def texts(self, job_id: int) -> Iterator[tuple[int, str, str]]:
        """(text's id, hash, body) of a job's texts, in order, a page at a time."""
        last = 0
        while True:
            with translated():
                rows = self._db.execute_sql(
                    "SELECT t.id, t.hash, t.body FROM run_text r JOIN text t ON t.id = r.text_id"
                    " WHERE r.job_id = ? AND r.text_id > ? ORDER BY r.text_id LIMIT ?",
                    [job_id, last, PAGE],
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield from rows

    def states(self, job_id: int, text_ids: Sequence[int]) -> dict[int, tuple[str, str, int]]:
        """(state, hash, tokens) of those of these texts that are in the job."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT r.text_id, r.state, t.hash, t.tokens FROM run_text r JOIN text t ON t.id = r.text_id"
                f" WHERE r.job_id = ? AND r.text_id {AMONG}",
                [job_id, json.dumps(list(text_ids))],
            ).fetchall()
        return {row[0]: (row[1], row[2], row[3]) for row in rows}

    def mark(self, job_id: int, text_ids: Sequence[int] | None, state: str, *, only: tuple[str, ...]) -> int:
        """Give texts of a job another state: all, or those named, that are in one of the states `only`."""
        which = "" if text_ids is None else f" AND text_id {AMONG}"
        values = [] if text_ids is None else [json.dumps(list(text_ids))]
        marks = ", ".join("?" * len(only))
        return self._change(
            f"UPDATE run_text SET state = ? WHERE job_id = ? AND state IN ({marks}){which}",
            [state, job_id, *only, *values],
        )

    def left(self, job_id: int) -> tuple[int, int]:
        """(texts, tokens) of a job that are still awaited."""
        with translated():
            row = self._db.execute_sql(
                "SELECT count(*), coalesce(sum(t.tokens), 0) FROM run_text r JOIN text t ON t.id = r.text_id"
                " WHERE r.job_id = ? AND r.state = 'planned'",
                [job_id],
            ).fetchone()
        return int(row[0]), int(row[1])

    def waiting(self, space_id: int) -> Waiting:
        """What is handed over in that space and not back."""
        with translated():
            row = self._db.execute_sql(
                "SELECT count(DISTINCT p.item_id), count(DISTINCT r.job_id),"
                " (SELECT min(j.submitted_at) FROM job j JOIN run o ON o.id = j.run_id"
                " WHERE j.state != 'settled' AND o.state = 'handed' AND o.space_id = ?)"
                " FROM run JOIN run_text r ON r.run_id = run.id AND r.state = 'planned'"
                " JOIN part p ON p.text_id = r.text_id WHERE run.state = 'handed' AND run.space_id = ?",
                [space_id, space_id],
            ).fetchone()
        return Waiting(int(row[0]), int(row[1]), row[2])

    def awaited_items(self, job_ids: Sequence[int]) -> list[int]:
        """Items that wait for texts of these jobs."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT DISTINCT p.item_id FROM run_text r JOIN part p ON p.text_id = r.text_id"
                f" WHERE r.job_id {AMONG} AND r.state = 'planned' ORDER BY 1",
                [json.dumps(list(job_ids))],
            ).fetchall()
        return [row[0] for row in rows]

    def doubled_tokens(self, run_id: int) -> int:
        """Tokens that were paid for in this run and in another one: they came back after they were moved."""
        with translated():
            row = self._db.execute_sql(
                "SELECT coalesce(sum(t.tokens), 0) FROM run_text r JOIN text t ON t.id = r.text_id"
                " JOIN run mine ON mine.id = r.run_id WHERE r.run_id = ? AND r.state = 'late'"
                " AND EXISTS (SELECT 1 FROM run_text o JOIN run other ON other.id = o.run_id"
                " WHERE o.text_id = r.text_id AND o.run_id != r.run_id AND o.state IN ('answered', 'late')"
                " AND other.space_id = mine.space_id)",
                [run_id],
            ).fetchone()
        return int(row[0])

    # Money

    def reserve(self, job: JobRow, model: str, price: Decimal, cost_pico: int) -> int:
        """Hold a job's estimated cost from before it is submitted; inside the caller's transaction.

        Raises:
            StoppedError: A budget has no room for it.
        """
        self._budgets.require(cost_pico)
        number = 1 + [one.id for one in self.of_run(job.run_id)].index(job.id)
        made = self._db.execute_sql(
            "INSERT INTO request (run_id, batch, try, state, model, inputs, tokens_estimated, price, cost_pico,"
            " sent_at) VALUES (?, ?, 1, 'handed', ?, ?, ?, ?, ?, ?) RETURNING id",
            (job.run_id, number, model, job.texts, job.tokens, str(price), cost_pico, now()),
        ).fetchall()
        return int(made[0][0])

    def settle(self, request_id: int, state: str, tokens: int | None, cost_pico: int | None, words: str) -> None:
        """What a job came to: `answered` with its bill, `refused` for nothing, or `unknown`, its cost still held."""
        self._db.execute_sql(
            "UPDATE request SET state = ?, tokens_billed = ?, cost_pico = coalesce(?, cost_pico), counted_by = ?,"
            " message = ?, ended_at = ? WHERE id = ?",
            (state, tokens, cost_pico, "server" if tokens else "estimate", words or None, now(), request_id),
        )

    def held(self) -> Decimal:
        """USD held for jobs that are under way."""
        with translated():
            row = self._db.execute_sql(
                "SELECT coalesce(sum(cost_pico), 0) FROM request WHERE state = 'handed'"
            ).fetchone()
        return from_pico(int(row[0]))

    def _rows(self, tail: str, values: Sequence[Any]) -> list[JobRow]:
        with translated():
            rows = self._db.execute_sql(f"{_SELECT} {tail}", values).fetchall()
        return [read_row(row) for row in rows]

    def _change(self, sql: str, values: Sequence[Any]) -> int:
        with translated():
            return int(self._db.execute_sql(sql, values).rowcount)
