"""The ledger: every run that was agreed, every request that was sent, and what each cost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from batch_manager.pricing import from_pico
from batch_manager.quote import Quote, to_record
from batch_manager.store.bill import Bill, Pace, read_bill, read_pace
from batch_manager.store.budgets import Budgets
from batch_manager.store.database import now, translated
from batch_manager.store.dialect import Database
from batch_manager.store.journeys import Travelled, travelled

RunEnd = Literal["done", "stopped", "interrupted", "replaced"]

_SPENT = "coalesce(sum(cost_pico), 0)"


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the ledger.

    Attributes:
        state: `running`, `shared` (workers do it), or how it ended: done, stopped (why is in `reason`), interrupted,
            replaced.
        spent: USD billed, plus what is held for requests whose outcome is unknown.
    """

    id: int
    state: str
    reason: str
    which: str
    space_id: int
    host: str
    price: Decimal
    cap: Decimal | None
    quote: dict[str, Any]
    agreed_at: str
    ended_at: str | None
    requests: int
    tokens_billed: int
    spent: Decimal
    held: Decimal = Decimal(0)
    """USD of `spent` that is held for requests whose outcome is unknown."""
    who: str = ""
    """Who agreed to it; empty where nobody gave a name."""


@dataclass(frozen=True, slots=True)
class RunTotals:
    """What a run's requests add up to; money in picodollars."""

    requests: int
    tokens_estimated: int
    tokens_billed: int
    billed_pico: int
    held_pico: int


class Ledger:
    """Runs and requests."""

    def __init__(self, database: Database, budgets: Budgets | None = None) -> None:
        self._db = database
        self._budgets = budgets or Budgets(database)

    def open_run(self, quote: Quote, space_id: int, cap_pico: int | None) -> int:
        """Write an agreed quote down as a running run; inside the caller's transaction."""
        made = self._db.execute_sql(
            "INSERT INTO run (state, lane, which, space_id, host, price, cap_pico, quote, agreed_at, who)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                # A run that is handed over goes on without anybody who drives it, so no crash interrupts it.
                "handed" if quote.lane == "batch" else "running",
                quote.lane,
                quote.scope.which,
                space_id,
                quote.host,
                str(quote.price.per_million),
                cap_pico,
                json.dumps(to_record(quote)),
                now(),
                quote.who,
            ),
        ).fetchall()
        return int(made[0][0])

    def reopen_run(self, run_id: int) -> None:
        """An interrupted run goes on; inside the caller's transaction."""
        self._db.execute_sql("UPDATE run SET state = 'running', reason = '', ended_at = NULL WHERE id = ?", (run_id,))

    def end_run(self, run_id: int, state: RunEnd, reason: str = "") -> None:
        """Write down how a run ended."""
        with translated():
            self._db.execute_sql(
                "UPDATE run SET state = ?, reason = ?, ended_at = ? WHERE id = ?", (state, reason, now(), run_id)
            )

    def recover(self) -> None:
        """After a crash: runs that nobody drives are interrupted, requests without an answer are unknown.

        An unknown request keeps its cost: the server may have billed it.
        """
        with translated(), self._db.atomic("IMMEDIATE"):
            self._db.execute_sql(
                "UPDATE run SET state = 'interrupted', reason = 'the program ended in the middle', ended_at = ?"
                " WHERE state = 'running'",
                (now(),),
            )
            # What workers have sent is theirs to tell of, and where one dies, the others'.
            self._db.execute_sql(
                "UPDATE request SET state = 'unknown', code = 'no_answer',"
                " message = 'The program ended before the answer came.' WHERE state = 'sent'"
                " AND run_id NOT IN (SELECT run_id FROM batch WHERE state = 'taken')"
            )

    def unfinished(self, *, driven: bool = True) -> RunRow | None:
        """The latest run of the fast lane, if it was interrupted with work left in it.

        Args:
            driven: Somebody may drive a run that is said to be running; else nobody does, whatever is said.
        """
        rows = self._runs("ORDER BY r.id DESC LIMIT 1", (), "WHERE r.lane = 'now'")
        states = ("interrupted",) if driven else ("interrupted", "running")
        return rows[0] if rows and rows[0].state in states else None

    def reserve(
        self, run_id: int, batch: int, tried: int, model: str, inputs: int, tokens: int, price: Decimal, cost: int
    ) -> int:
        """Write a request down before it leaves, with its worst cost held. Returns its id.

        Raises:
            StoppedError: A budget has no room for it.
        """
        with translated(), self._db.atomic("IMMEDIATE"):
            self._budgets.require(cost)
            made = self._db.execute_sql(
                "INSERT INTO request (run_id, batch, try, state, model, inputs, tokens_estimated, price, cost_pico,"
                " sent_at) VALUES (?, ?, ?, 'sent', ?, ?, ?, ?, ?, ?) RETURNING id",
                (run_id, batch, tried, model, inputs, tokens, str(price), cost, now()),
            ).fetchall()
        return int(made[0][0])

    def settle(self, request_id: int, tokens: int, cost_pico: int, counted_by: str, seconds: float) -> None:
        """An answer came: what it cost, by the server's usage or by our estimate; inside the caller's transaction."""
        self._db.execute_sql(
            "UPDATE request SET state = 'answered', tokens_billed = ?, cost_pico = ?, counted_by = ?, ended_at = ?,"
            " seconds = ? WHERE id = ?",
            (tokens, cost_pico, counted_by, now(), seconds, request_id),
        )

    def settle_once(self, request_id: int, tokens: int, cost_pico: int, counted_by: str, seconds: float) -> bool:
        """The same for a request of a worker, which may have been given up for dead; False when it is settled."""
        if not self._is_open(request_id):
            return False
        self.settle(request_id, tokens, cost_pico, counted_by, seconds)
        return True

    def refuse_once(self, request_id: int, code: str, message: str, *, held: bool, seconds: float) -> bool:
        """See `refuse`, for a request of a worker; False when it is settled. Inside the caller's transaction."""
        if not self._is_open(request_id):
            return False
        self.refuse(request_id, code, message, held=held, seconds=seconds)
        return True

    def _is_open(self, request_id: int) -> bool:
        question = "SELECT 1 FROM request WHERE id = ? AND state IN ('sent', 'unknown')"
        return self._db.execute_sql(question, (request_id,)).fetchone() is not None

    def refuse(self, request_id: int, code: str, message: str, *, held: bool, seconds: float) -> None:
        """No answer came; `held` keeps the cost, since the server may have billed it."""
        with translated():
            self._db.execute_sql(
                "UPDATE request SET state = ?, code = ?, message = ?, ended_at = ?, seconds = ?,"
                " cost_pico = CASE WHEN ? THEN cost_pico ELSE 0 END WHERE id = ?",
                ("unknown" if held else "refused", code, message, now(), seconds, held, request_id),
            )

    def totals(self, run_id: int) -> RunTotals:
        """What the run's requests add up to."""
        with translated():
            row = self._db.execute_sql(
                "SELECT count(*), coalesce(sum(CASE WHEN state = 'answered' THEN tokens_estimated END), 0),"
                " coalesce(sum(tokens_billed), 0), coalesce(sum(CASE WHEN state = 'answered' THEN cost_pico END), 0),"
                " coalesce(sum(CASE WHEN state != 'answered' THEN cost_pico END), 0) FROM request WHERE run_id = ?",
                (run_id,),
            ).fetchone()
        return RunTotals(*(int(value) for value in row))

    def spent(self) -> Decimal:
        """USD over all runs; held money included."""
        return from_pico(self._number(f"SELECT {_SPENT} FROM request"))

    def held(self) -> Decimal:
        """USD of requests whose outcome is unknown; part of `spent`."""
        return from_pico(self._number(f"SELECT {_SPENT} FROM request WHERE state IN ('unknown', 'sent')"))

    def billed_tokens(self) -> int:
        """Tokens billed over all runs."""
        return self._number("SELECT coalesce(sum(tokens_billed), 0) FROM request")

    def request_seconds(self, model: str) -> float | None:
        """The mean time of the latest answered requests of a model; None before the first."""
        with translated():
            row = self._db.execute_sql(
                "SELECT avg(seconds) FROM (SELECT seconds FROM request WHERE state = 'answered' AND model = ?"
                " ORDER BY id DESC LIMIT 50) x",
                (model,),
            ).fetchone()
        return None if row[0] is None else float(row[0])

    def estimated_requests(self) -> int:
        """Answered requests whose cost is by our count, since the server told no usage that could be true."""
        return self._number("SELECT count(*) FROM request WHERE state = 'answered' AND counted_by = 'estimate'")

    def runs(self, limit: int = 50) -> list[RunRow]:
        """The latest runs, newest first."""
        return self._runs("ORDER BY r.id DESC LIMIT ?", (limit,))

    def pace(self, run_id: int, stretches: int) -> Pace | None:
        """A run's pace, over as many stretches of its time; None when nothing of it was answered."""
        return read_pace(self._db, run_id, stretches)

    def travelled(self, item_id: int, space_id: int) -> tuple[Travelled, ...]:
        """The requests that an item's answers came with."""
        return travelled(self._db, item_id, space_id)

    def bill(self) -> Bill:
        """Every run with what was estimated and billed, and the sums by day and by model."""
        return read_bill(self._db)

    def _runs(self, tail: str, values: tuple[Any, ...], where: str = "") -> list[RunRow]:
        with translated():
            rows = self._db.execute_sql(
                "SELECT r.id, r.state, r.reason, r.which, r.space_id, r.host, r.price, r.cap_pico, r.quote,"
                " r.agreed_at, r.ended_at, count(q.id), coalesce(sum(q.tokens_billed), 0),"
                " coalesce(sum(q.cost_pico), 0),"
                " coalesce(sum(CASE WHEN q.state IN ('unknown', 'sent') THEN q.cost_pico END), 0), r.who"
                " FROM run r LEFT JOIN request q ON q.run_id = r.id"
                f" {where} GROUP BY r.id {tail}",
                values,
            ).fetchall()
        return [_run_row(*row) for row in rows]

    def _number(self, sql: str) -> int:
        with translated():
            return int(self._db.execute_sql(sql).fetchone()[0])


def _run_row(
    run_id: int,
    state: str,
    reason: str,
    which: str,
    space_id: int,
    host: str,
    price: str,
    cap_pico: int | None,
    quote: str,
    agreed_at: str,
    ended_at: str | None,
    requests: int,
    tokens_billed: int,
    spent_pico: int,
    held_pico: int,
    who: str,
) -> RunRow:
    return RunRow(
        id=run_id,
        state=state,
        reason=reason,
        which=which,
        space_id=space_id,
        host=host,
        price=Decimal(price),
        cap=None if cap_pico is None else from_pico(cap_pico),
        quote=json.loads(quote),
        agreed_at=agreed_at,
        ended_at=ended_at,
        requests=requests,
        tokens_billed=tokens_billed,
        spent=from_pico(spent_pico),
        held=from_pico(held_pico),
        who=who,
    )
