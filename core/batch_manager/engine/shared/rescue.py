"""Rescue: what dead workers had is for the others again. And whether anybody may say yet that they are dead."""

from __future__ import annotations

from batch_manager.engine.shared import jobs
from batch_manager.engine.shared.handing import database_of, enqueue
from batch_manager.store import DocumentationStore
from batch_manager.store.database import translated
from batch_manager.store.postgres import PostgresStore

GAP = 10.0
"""Seconds between two looks; after more the server was away for this worker, and may have been so for all."""

_CLOCKS = "SELECT extract(epoch FROM clock_timestamp()), extract(epoch FROM pg_postmaster_start_time())"


class Rescuer:
    """Looks for what dead workers have left, again and again.

    When the server was away, nobody's heartbeats came through, and whoever is back first would take the batches of all
    the others. So they have as long to be heard again as a worker has to be given up.
    """

    def __init__(self, store: DocumentationStore) -> None:
        """Nothing is looked at yet.

        Args:
            store: The shared store.
        """
        self._store = store
        self._last: float | None = None
        self._since = 0.0

    def look(self) -> int:
        """Put what dead workers had into the queue again, and what has no job; returns how many batches.

        Raises:
            StoreError: The store can't be written.
        """
        now, _ = _clocks(database_of(self._store))
        if self._last is None or now - self._last > GAP:
            self._since = now
        self._last = now
        return rescue(self._store, silent=now - self._since >= jobs.STALE)


def rescue_at_once(store: DocumentationStore) -> int:
    """The same for whoever can't look twice: the server has to be up for long enough.

    Raises:
        StoreError: The store can't be written.
    """
    now, started = _clocks(database_of(store))
    return rescue(store, silent=now - started >= jobs.STALE)


def rescue(store: DocumentationStore, *, silent: bool) -> int:
    """Put into the queue again what has no job and, where those `silent` count as dead, what they had.

    Returns:
        How many batches.

    Raises:
        StoreError: The store can't be written.
    """
    database = database_of(store)
    with store.transaction():
        lost = jobs.orphans(database)
        if silent:
            lost += jobs.take_stale(database)
        if not lost:
            return 0
        store.batches.rescue(lost)
        again = [batch_id for batch_id, _ in jobs.orphans(database)]
        enqueue(store, again)
    return len(again)


def _clocks(database: PostgresStore) -> tuple[float, float]:
    """The server's time, and when it was started: this machine's own clock may be wrong, or have stood still."""
    with translated():
        now, started = database.execute_sql(_CLOCKS).fetchone()
    return float(now), float(started)
