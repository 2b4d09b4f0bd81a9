"""The bill: what was estimated and billed, by run, by day, by model and by person; the parts add up to the whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

from batch_manager.pricing import HALF, from_pico
from batch_manager.store.database import translated
from batch_manager.store.dialect import Database
from batch_manager.store.jobs import Jobs

K = TypeVar("K", int, str)

BILL_COLUMNS = (
    "run",
    "lane",
    "outcome",
    "reason",
    "agreed_at",
    "ended_at",
    "model",
    "host",
    "items",
    "estimated_usd",
    "billed_usd",
    "held_usd",
    "estimated_tokens",
    "billed_tokens",
    "requests",
    "retries",
    "sending_seconds",
    "person",
)
"""What a written bill says of each run."""

SUM_COLUMNS = ("estimated_usd", "billed_usd", "held_usd", "billed_tokens", "requests", "retries")
"""What it says of a day, a model or a person, after its name."""

By = Literal["run", "day", "model", "person"]


@dataclass(frozen=True, slots=True)
class Spent:
    """Money and work under one heading: a run, a day, a model, or all.

    Attributes:
        billed: USD of answered requests.
        held: USD of requests that brought no answer and may have been billed all the same.
        tokens: Tokens billed.
        requests: Requests sent; `retries` of them were not their batch's first.
        estimated: USD of the answered requests, by our own count.
    """

    billed: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    tokens: int = 0
    requests: int = 0
    retries: int = 0
    estimated: Decimal = Decimal(0)

    @property
    def usd(self) -> Decimal:
        """Both: the most that it can have cost."""
        return self.billed + self.held

    def __add__(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(
            self.billed + other.billed,
            self.held + other.held,
            self.tokens + other.tokens,
            self.requests + other.requests,
            self.retries + other.retries,
            self.estimated + other.estimated,
        )


@dataclass(frozen=True, slots=True)
class BilledRun:
    """A run on the bill.

    Attributes:
        outcome: running, done, stopped, interrupted or replaced; `reason` says why where that isn't plain.
        estimated: USD of the quote that was agreed; `estimated_tokens` its tokens, `items` its items.
        cap: USD, or None.
        spent: What its requests add up to.
        sending: Seconds in which a request of it was under way, to the second; unlike the time from the yes to the
            end, without pauses and without what lay between two sittings.
        who: Who agreed to it; empty where nobody gave a name.
        lane: `now`, or `batch` for half the price.
        saved: USD that the half-price lane saved, less what came back too late and was paid for twice.
        doubled: USD of that.
    """

    id: int
    outcome: str
    reason: str
    agreed_at: str
    ended_at: str | None
    model: str
    host: str
    price: Decimal
    cap: Decimal | None
    items: int
    estimated: Decimal
    estimated_tokens: int
    spent: Spent
    who: str = ""
    lane: str = "now"
    saved: Decimal = Decimal(0)
    doubled: Decimal = Decimal(0)
    sending: float = 0.0


@dataclass(frozen=True, slots=True)
class Bill:
    """All runs, newest first; days (UTC), models, lanes and people in order. Each of them adds up to `total`."""

    runs: tuple[BilledRun, ...]
    days: tuple[tuple[str, Spent], ...]
    models: tuple[tuple[str, Spent], ...]
    total: Spent
    lanes: tuple[tuple[str, Spent], ...] = ()
    people: tuple[tuple[str, Spent], ...] = ()

    @property
    def named(self) -> bool:
        """Whether anybody gave a name."""
        return any(run.who for run in self.runs)

    @property
    def estimated(self) -> Decimal:
        """USD of all quotes; what a run left to a later one, with a new quote, is counted there alone."""
        return sum(
            (run.spent.estimated if run.outcome == "replaced" else run.estimated for run in self.runs), Decimal(0)
        )

    @property
    def saved(self) -> Decimal:
        """USD that the half-price lane saved."""
        return sum((run.saved for run in self.runs), Decimal(0))


@dataclass(frozen=True, slots=True)
class _Piece:
    run_id: int
    day: str
    model: str
    spent: Spent
    lane: str
    who: str


def read_bill(database: Database) -> Bill:
    """Read the bill.

    Raises:
        StoreError: The store can't be read.
    """
    with translated():
        # The requests come first: whatever starts meanwhile is then a run without requests, and the sums still hold.
        pieces = [
            _piece(*row)
            for row in database.execute_sql(
                "SELECT run_id, substr(sent_at, 1, 10), model, price,"
                " coalesce((SELECT lane FROM run WHERE run.id = request.run_id), 'now'),"
                " coalesce((SELECT who FROM run WHERE run.id = request.run_id), ''),"
                " coalesce(sum(CASE WHEN state = 'answered' THEN cost_pico END), 0),"
                " coalesce(sum(CASE WHEN state != 'answered' THEN cost_pico END), 0),"
                " coalesce(sum(CASE WHEN state = 'answered' THEN tokens_estimated END), 0),"
                " coalesce(sum(tokens_billed), 0), count(*), count(*) FILTER (WHERE try > 1)"
                " FROM request GROUP BY 1, 2, 3, 4"
            )
        ]
        by_run = dict(_sums(pieces, lambda piece: piece.run_id))
        sending = _sending(database)
        rows = database.execute_sql(
            "SELECT id, state, reason, agreed_at, ended_at, host, price, cap_pico, quote, lane, who FROM run"
            " ORDER BY id DESC"
        ).fetchall()
    jobs = Jobs(database)
    doubled = {row[0]: jobs.doubled_tokens(row[0]) for row in rows if row[9] == "batch"}
    return Bill(
        runs=tuple(
            replace(_run(row, by_run.get(row[0], Spent()), doubled.get(row[0], 0)), sending=sending.get(row[0], 0.0))
            for row in rows
        ),
        days=_sums(pieces, lambda piece: piece.day),
        models=_sums(pieces, lambda piece: piece.model),
        total=sum((piece.spent for piece in pieces), Spent()),
        lanes=_sums(pieces, lambda piece: piece.lane),
        people=_sums(pieces, lambda piece: piece.who),
    )


def _sending(database: Database) -> dict[int, float]:
    """Seconds in which each run had a request under way; a second between two requests is the clock's grain."""
    rows = database.execute_sql(
        "WITH span AS (SELECT id, run_id, sent_at, ended_at, max(ended_at) OVER (PARTITION BY run_id"
        " ORDER BY sent_at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS so_far"
        " FROM request WHERE ended_at IS NOT NULL), stretch AS (SELECT run_id, sent_at, ended_at,"
        " sum(CASE WHEN so_far >= sent_at THEN 0 ELSE 1 END) OVER (PARTITION BY run_id ORDER BY sent_at, id) AS nth"
        " FROM span) SELECT run_id, min(sent_at), max(ended_at) FROM stretch GROUP BY run_id, nth ORDER BY 1, 2"
    ).fetchall()
    spans: dict[int, list[tuple[float, float]]] = {}
    for run_id, sent, ended in rows:
        spans.setdefault(run_id, []).append((_seconds(sent), _seconds(ended)))
    return {run_id: sum(end - start for start, end in joined(found)) for run_id, found in spans.items()}


def joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans in order, those as one that overlap or are no more than the clock's grain apart. Pure."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start - found[-1][1] <= GRAIN:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


GRAIN = 1.0
"""Seconds between two ticks of the clock that times are written down by."""

WINDOW = 20.0
"""Seconds that a rate looks back, on the run's own screen too, so that both tell the same highest rate."""


@dataclass(frozen=True, slots=True)
class Pace:
    """A run's pace: texts answered in equal stretches of the time in which it was sending.

    Attributes:
        seconds: Of one stretch.
        answered: In each, the first first.
    """

    seconds: float
    answered: tuple[int, ...]

    @property
    def rates(self) -> tuple[float, ...]:
        """Texts a second at the end of each stretch, over the last `WINDOW` seconds."""
        back = max(1, round(WINDOW / self.seconds))
        return tuple(
            sum(self.answered[max(0, end - back) : end]) / (min(back, end) * self.seconds)
            for end in range(1, len(self.answered) + 1)
        )


def read_pace(database: Database, run_id: int, stretches: int) -> Pace | None:
    """A run's pace, over as many stretches at most; None when no request of it was answered.

    Raises:
        StoreError: The store can't be read.
    """
    with translated():
        rows = database.execute_sql(
            "SELECT ended_at, inputs, sent_at FROM request"
            " WHERE run_id = ? AND state = 'answered' AND ended_at IS NOT NULL",
            [run_id],
        ).fetchall()
    if not rows:
        return None
    spans = joined((_seconds(sent), _seconds(ended)) for ended, _, sent in rows)
    whole = max(GRAIN, sum(end - start for start, end in spans))
    stretches = min(stretches, int(whole))  # a stretch that is shorter than the clock's grain would tell nothing
    seconds = whole / stretches
    answered = [0] * stretches
    for ended, inputs, _ in rows:
        at = _seconds(ended)
        sending = sum(max(0.0, min(at, end) - start) for start, end in spans)
        answered[min(stretches - 1, int(sending / seconds))] += inputs
    return Pace(seconds, tuple(answered))


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def columns_by(by: By) -> tuple[str, ...]:
    """The columns of a bill that is written by run, by day, by model or by person."""
    return BILL_COLUMNS if by == "run" else (by, *SUM_COLUMNS)


def records_by(bill: Bill, by: By) -> Iterable[Mapping[str, object]]:
    """The bill as rows for a file, by run, day (UTC), model or person; money in USD as exact decimals."""
    if by == "run":
        yield from bill_records(bill)
        return
    for key, spent in {"day": bill.days, "model": bill.models, "person": bill.people}[by]:
        money = (_plain(spent.estimated), _plain(spent.billed), _plain(spent.held))
        values = (*money, spent.tokens, spent.requests, spent.retries)
        yield {by: key, **dict(zip(SUM_COLUMNS, values, strict=True))}


def bill_records(bill: Bill) -> Iterable[Mapping[str, object]]:
    """The runs as rows for a file; money in USD as exact decimals."""
    for run in bill.runs:
        values = (
            run.id,
            run.lane,
            run.outcome,
            run.reason,
            run.agreed_at,
            run.ended_at,
            run.model,
            run.host,
            run.items,
            _plain(run.estimated),
            _plain(run.spent.billed),
            _plain(run.spent.held),
            run.estimated_tokens,
            run.spent.tokens,
            run.spent.requests,
            run.spent.retries,
            round(run.sending),
            run.who,
        )
        yield dict(zip(BILL_COLUMNS, values, strict=True))


def _piece(
    run_id: int,
    day: str,
    model: str,
    price: str,
    lane: str,
    who: str,
    billed: int,
    held: int,
    estimated: int,
    tokens: int,
    requests: int,
    retries: int,
) -> _Piece:
    by_our_count = Decimal(price) * estimated / 1_000_000
    spent = Spent(from_pico(billed), from_pico(held), tokens, requests, retries, by_our_count)
    return _Piece(run_id, day, model, spent, lane, who)


def _sums(pieces: Iterable[_Piece], key: Callable[[_Piece], K]) -> tuple[tuple[K, Spent], ...]:
    sums: dict[K, Spent] = {}
    for piece in pieces:
        sums[key(piece)] = sums.get(key(piece), Spent()) + piece.spent
    return tuple(sorted(sums.items(), key=lambda pair: pair[0]))


def _run(row: Sequence[Any], spent: Spent, doubled_tokens: int) -> BilledRun:
    run_id, state, reason, agreed_at, ended_at, host, price, cap_pico, quote, lane, who = row
    doubled = Decimal(price) * doubled_tokens / 1_000_000
    record = json.loads(quote)
    return BilledRun(
        id=run_id,
        outcome=state,
        reason=reason,
        agreed_at=agreed_at,
        ended_at=ended_at,
        model=str(record.get("model", "")),
        host=host,
        price=Decimal(price),
        cap=None if cap_pico is None else from_pico(cap_pico),
        items=int(record.get("items", 0)),
        estimated=Decimal(record.get("cost", "0")),
        estimated_tokens=int(record.get("tokens", 0)),
        spent=spent,
        who=who,
        lane=lane,
        # The other half of what was billed; what came too late saved nothing and cost its half on top.
        saved=spent.billed / HALF - spent.billed - doubled / HALF if lane == "batch" else Decimal(0),
        doubled=doubled,
    )


def _plain(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
