"""Rates: what all workers of a store together may send to a server with a model, in one row on PostgreSQL.

Each meter is a bucket that refills by the database server's clock, so that the workers' clocks don't matter. Whoever
asks takes a place in line: the bucket may go below nothing, and the answer is how long to wait until it would not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from batch_manager.store.database import translated
from batch_manager.store.dialect import Database

PROBING = 10.0
"""Seconds that the others wait for the first answer, which tells the limits, before the next request is sent."""

AGAIN = 0.2
"""Seconds between two looks at whether it has come."""

_CLOCK = "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"


def _level(meter: str) -> str:
    """SQL: what a bucket holds now."""
    limit = f"{meter}_per_minute"
    return f"least({limit}, {meter} + greatest(0, {_CLOCK} - at) * {limit} / 60.0 * CAST(:part AS DOUBLE PRECISION))"


def _wait(meter: str, amount: str) -> str:
    """SQL: seconds until a bucket that holds `<meter>_left` has that amount; a full one is the most to wait for."""
    limit = f"{meter}_per_minute"
    refill = f"({limit} / 60.0 * CAST(:part AS DOUBLE PRECISION))"
    return f"coalesce((least({amount}, {limit}) - {meter}_left) / {refill}, 0)"


_TAKE = f"""
    WITH seen AS (
        SELECT key, told, asked_at, not_before, tokens_per_minute, requests_per_minute, {_CLOCK} AS moment,
            {_level("tokens")} AS tokens_left, {_level("requests")} AS requests_left
        FROM rate WHERE key = :key
    ), asked AS (
        SELECT *, told = 1 OR moment - asked_at > CAST(:probing AS DOUBLE PRECISION) AS granted,
            greatest(0, not_before - moment, {_wait("tokens", "CAST(:tokens AS DOUBLE PRECISION)")},
                {_wait("requests", "1")}) AS seconds
        FROM seen
    )
    UPDATE rate SET at = a.moment,
        tokens = coalesce(a.tokens_left - CASE WHEN a.granted THEN CAST(:tokens AS DOUBLE PRECISION) ELSE 0 END, 0),
        requests = coalesce(a.requests_left - CASE WHEN a.granted THEN 1 ELSE 0 END, 0),
        asked_at = CASE WHEN a.granted THEN a.moment ELSE rate.asked_at END
    FROM asked a WHERE rate.key = a.key
    RETURNING a.granted, a.seconds, rate.tokens_per_minute, rate.tokens, rate.requests_per_minute, rate.requests
"""


def _learned(meter: str) -> str:
    """SQL: a bucket after the server told what is left: that only lowers it, once it is known at all."""
    told, left = f"CAST(:{meter}_told AS BIGINT)", f"CAST(:{meter}_left AS BIGINT)"
    limit = f"{meter}_per_minute"
    first = f"coalesce({left}, {told}, 0)"
    return (
        f"{limit} = coalesce({told}, {limit}), {meter} = CASE WHEN {limit} IS NULL THEN {first}"
        f" ELSE least({_level(meter)}, coalesce({left}, {_level(meter)})) END"
    )


def _fixed(meter: str) -> str:
    """SQL: a bucket whose limit a setting names."""
    limit, given = f"{meter}_per_minute", f"CAST(:{meter} AS BIGINT)"
    full = f"CASE WHEN {limit} IS NULL THEN coalesce({given}, 0) ELSE {meter} END"
    return f"{limit} = coalesce({given}, {limit}), {meter} = {full}"


_LEARN = f"UPDATE rate SET told = 1, at = {_CLOCK}, {_learned('tokens')}, {_learned('requests')} WHERE key = :key"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in line.

    Attributes:
        granted: There is one; else the limits aren't known yet, and somebody's first answer is awaited.
        seconds: Until the request may leave, or until it is worth asking again.
        tokens: What the bucket holds now; None without a limit. `requests` as well.
    """

    granted: bool
    seconds: float
    tokens_per_minute: int | None
    tokens: float
    requests_per_minute: int | None
    requests: float


class Told(NamedTuple):
    """What headers told of one meter; None where they didn't."""

    per_minute: int | None
    left: int | None


class Rates:
    """The shared meters. Only a store on PostgreSQL has more than one process that sends."""

    def __init__(self, database: Database, part: float) -> None:
        """Shared meters.

        Args:
            database: The store's.
            part: The part of the allowed rate that is used.
        """
        self._db = database
        self._part = part

    def open(self, key: str, tokens_per_minute: int | None, requests_per_minute: int | None) -> None:
        """Make sure that there is a row; limits that a setting names hold from now on.

        Args:
            key: The server and the model.
            tokens_per_minute: As the setting has it.
            requests_per_minute: The same.
        """
        known = not (tokens_per_minute is None and requests_per_minute is None)
        values = {"key": key, "told": int(known), "tokens": tokens_per_minute, "requests": requests_per_minute}
        with translated():
            self._db.execute_sql(
                "INSERT INTO rate (key, tokens_per_minute, requests_per_minute, tokens, requests, at, told) VALUES"
                " (:key, CAST(:tokens AS BIGINT), CAST(:requests AS BIGINT), coalesce(CAST(:tokens AS BIGINT), 0),"
                f" coalesce(CAST(:requests AS BIGINT), 0), {_CLOCK}, :told) ON CONFLICT (key) DO NOTHING",
                values,
            )
            if known:
                self._db.execute_sql(
                    f"UPDATE rate SET told = 1, {_fixed('tokens')}, {_fixed('requests')} WHERE key = :key",
                    values,
                )

    def take(self, key: str, tokens: int) -> Place:
        """Take a request and its tokens, and with them a place in line; all of it in one statement."""
        values = {"key": key, "tokens": tokens, "part": self._part, "probing": PROBING}
        with translated(), self._db.atomic("IMMEDIATE"):
            row = self._db.execute_sql(_TAKE, values).fetchone()
        granted, seconds = bool(row[0]), float(row[1])
        return Place(granted, seconds if granted else max(seconds, AGAIN), *row[2:])

    def give_back(self, key: str, tokens: int) -> None:
        """A request that had a place never left."""
        with translated():
            self._db.execute_sql(
                "UPDATE rate SET tokens = tokens + ?, requests = requests + 1 WHERE key = ?", (tokens, key)
            )

    def learn(self, key: str, tokens: Told, requests: Told) -> None:
        """What an answer's headers told. They may change what is allowed a minute, and only lower what is left."""
        told = {
            "tokens_told": _known(tokens.per_minute, 1),
            "tokens_left": _known(tokens.left, 0),
            "requests_told": _known(requests.per_minute, 1),
            "requests_left": _known(requests.left, 0),
        }
        with translated():
            self._db.execute_sql(_LEARN, {"key": key, "part": self._part, **told})

    def heard(self, key: str) -> None:
        """An answer came that told no limits: nobody need wait for that."""
        with translated():
            self._db.execute_sql("UPDATE rate SET told = 1 WHERE key = ? AND told = 0", (key,))

    def slow_down(self, key: str, seconds: float) -> None:
        """The server refused for its rate: nobody sends for that long."""
        with translated():
            self._db.execute_sql(
                f"UPDATE rate SET not_before = greatest(not_before, {_CLOCK} + ?) WHERE key = ?", (seconds, key)
            )

    def held_back(self, key: str) -> float:
        """Seconds for which nobody may send, since the server refused somebody for the rate."""
        with translated():
            row = self._db.execute_sql(
                f"SELECT greatest(0, not_before - {_CLOCK}) FROM rate WHERE key = ?", (key,)
            ).fetchone()
        return float(row[0])


def _known(number: int | None, least: int) -> int | None:
    return number if number is not None and number >= least else None  # some servers send 0 or -1 for "not told"
