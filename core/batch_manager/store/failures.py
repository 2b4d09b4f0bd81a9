"""Failures: what failed, by cause; and the history of an item's tries."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from batch_manager.store.database import now, translated
from batch_manager.store.dialect import AMONG, Database

NEWEST_ATTEMPTS = 12
"""Tries of an item that are told one by one; the store keeps all of them."""

RECORD_COLUMNS = ("kind", "name", "code", "message", "next_step", "requests", "failed_at")
"""What a list of failures says of each item."""


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The failed items of one cause.

    Attributes:
        code: The cause.
        items: How many; `tables` of them are tables.
        message: The server's own words, those that most of the items have.
        messages: How many different words there are.
        next_step: What to do, as it was said with them.
        lasting: The same text would be refused again: trying it again can't cure it.
        unsendable: It was found before anything was sent; there is nothing to send again.
        latest: When the newest of them failed; empty when that wasn't written down.
    """

    code: str
    items: int
    tables: int
    message: str
    messages: int
    next_step: str
    lasting: bool
    unsendable: bool
    latest: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that an item was tried and failed.

    Attributes:
        tries: Requests that were sent for it then; 0 when nothing was.
    """

    at: str
    run_id: int | None
    code: str
    message: str
    tries: int


def failure_groups(database: Database) -> list[FailureGroup]:
    """All failed items by cause, the largest group first; one query."""
    # The words of a group are its commonest.
    with translated():
        rows = database.execute_sql(
            "WITH said AS ("
            "  SELECT coalesce(i.code, 'unknown') AS code, coalesce(i.message, '') AS message,"
            "  coalesce(max(i.next_step), '') AS next_step, count(*) AS n,"
            "  count(*) FILTER (WHERE i.kind = 'table') AS tables,"
            "  count(*) FILTER (WHERE NOT i.lasting) AS passing, count(*) FILTER (WHERE i.problem IS NULL) AS sendable,"
            "  coalesce(max(i.failed_at), '') AS latest"
            "  FROM item i WHERE i.stage = 'failed' GROUP BY 1, 2"
            "), ranked AS (SELECT *, row_number() OVER (PARTITION BY code ORDER BY n DESC, message) AS place FROM said)"
            " SELECT code, sum(n), sum(tables), max(CASE WHEN place = 1 THEN message END), count(*),"
            " max(CASE WHEN place = 1 THEN next_step END), sum(passing), sum(sendable),"
            " max(latest)"
            " FROM ranked GROUP BY code ORDER BY sum(n) DESC, code"
        ).fetchall()
    return [
        FailureGroup(code, items, tables, message, messages, next_step, not passing, not sendable, latest)
        for code, items, tables, message, messages, next_step, passing, sendable, latest in rows
    ]


def failed_ids(database: Database, code: str | None = None) -> array[int]:
    """Ids of the failed items, of one cause where it is given, in the order in which they came."""
    where, values = ("", []) if code is None else (" AND coalesce(code, 'unknown') = ?", [code])
    with translated():
        return array(
            "q",
            (
                row[0]
                for row in database.execute_sql(
                    f"SELECT id FROM item WHERE stage = 'failed'{where} ORDER BY id", values
                )
            ),
        )


def failure_records(database: Database, ids: Sequence[int]) -> Iterator[Mapping[str, object]]:
    """The failed ones of these items, each with its reason, as rows for a file."""
    with translated():
        cursor = database.execute_sql(
            "SELECT kind, name, code, message, next_step, tries, failed_at FROM item WHERE stage = 'failed'"
            f" AND id {AMONG} ORDER BY id",
            [json.dumps(list(ids))],
        )
        for row in cursor:
            yield dict(zip(RECORD_COLUMNS, row, strict=True))


def attempts(database: Database, item_id: int, limit: int = NEWEST_ATTEMPTS) -> tuple[Attempt, ...]:
    """The newest failed tries of an item, newest first."""
    with translated():
        rows = database.execute_sql(
            "SELECT at, run_id, code, message, tries FROM attempt WHERE item_id = ? ORDER BY id DESC LIMIT ?",
            [item_id, limit],
        ).fetchall()
    return tuple(Attempt(*row) for row in rows)


def note_attempts(
    database: Database, run_id: int, item_ids: Sequence[int], code: str, message: str, tries: int
) -> None:
    """Write down that these items failed; inside the caller's transaction."""
    database.execute_sql(
        "INSERT INTO attempt (item_id, run_id, at, code, message, tries) SELECT CAST(value AS BIGINT), ?, ?, ?, ?, ?"
        " FROM json_each(?)",
        [run_id, now(), code, message, tries, json.dumps(list(item_ids))],
    )
