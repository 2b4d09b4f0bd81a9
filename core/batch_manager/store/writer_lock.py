"""One writer a store on PostgreSQL: an advisory lock, which the server gives back when its holder dies."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from batch_manager.errors import HomeBusy, StoreError
from batch_manager.home import writing_in
from batch_manager.settings import shown_url
from batch_manager.store.postgres import HELD, WRITER_LOCK, connect, halves, schema_of, whose_locks_are_kept
from batch_manager.store.server_errors import server_error

if TYPE_CHECKING:
    import psycopg

_HOLDER = f"""
    SELECT application_name, to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')
    FROM pg_stat_activity WHERE pid IN (SELECT l.pid FROM {HELD})
"""
"""What PostgreSQL tells of a lock; of another user's only that there is one, unless this one may see all."""


class StoreLock:
    """The lock of one store, on a connection of its own."""

    def __init__(self, url: str) -> None:
        """Nothing is connected yet."""
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None
        self._wanted = False
        self._confirming = threading.Lock()

    def acquire(self) -> None:
        """Take it.

        Raises:
            HomeBusy: Another program has it; the message says which, and since when.
            StoreError: The server can't be reached.
        """
        with self._confirming:
            self._take()
            self._wanted = True

    def _take(self) -> None:
        connection = connect(self._url)
        import psycopg  # there, since it is connected

        try:
            key = WRITER_LOCK + schema_of(connection, self._url)
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
            if row is None or not row[0]:
                raise self._busy(connection.execute(_HOLDER, halves(key)).fetchone())
        except psycopg.Error as error:
            connection.close()
            raise server_error(error) from None
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        whose_locks_are_kept.setdefault(self._url, self.confirm)

    def confirm(self) -> None:
        """Make sure that it is still held, after connections were lost; take it again where it isn't.

        Raises:
            StoreError: Another program writes by now, or the server can't be reached.
        """
        with self._confirming:
            if self._wanted:  # it may have been given back by the time that a lost connection was found
                self._confirm()

    def _confirm(self) -> None:
        import psycopg

        if self._connection is not None:
            try:
                self._connection.execute("SELECT 1")
                return
            except psycopg.Error:
                self._connection.close()
                self._connection = None
        try:
            self._take()
        except HomeBusy as busy:
            raise StoreError(
                f"The store was lost for a while, and meanwhile: {busy.message}",
                next_step="Wait for it or stop it, then start again; nothing that was paid for is lost.",
                code="store_taken",
            ) from None

    def release(self) -> None:
        """Give it back; safe to call twice."""
        with self._confirming:
            self._wanted = False
            self._give_back()

    def _give_back(self) -> None:
        if whose_locks_are_kept.get(self._url) == self.confirm:
            del whose_locks_are_kept[self._url]
        if self._connection is not None:
            with contextlib.suppress(Exception):  # a connection that is broken holds no lock
                self._connection.close()
            self._connection = None

    def _busy(self, holder: Any) -> HomeBusy:
        name, since = holder or ("", "")
        name = str(name or "")
        who = (
            f"process {name.removeprefix('batch-manager ')}" if name.startswith("batch-manager ") else "another program"
        )
        return writing_in(shown_url(self._url), who, since)
