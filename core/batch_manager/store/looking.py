"""Looking: connections to the store that write nothing at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from batch_manager.store.database import BUSY_SECONDS, connect_for_looking, has_content, refuse_foreign
from batch_manager.store.migrations import MIGRATIONS
from batch_manager.store.sqlite import SqliteStore


class EmptyDatabase(SqliteStore):
    """A store with nothing in it, in memory, for one that isn't there: each thread's is its own."""

    absent = True

    def __init__(self) -> None:
        super().__init__(":memory:")

    def _connect(self) -> sqlite3.Connection:
        return _empty()


class LookingDatabase(SqliteStore):
    """Connections that write nothing; each thread's is opened as the files stand at its time."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), timeout=BUSY_SECONDS)
        self._path = path

    def _connect(self) -> sqlite3.Connection:
        if not has_content(self._path):
            connection = _empty()
        else:
            connection = connect_for_looking(self._path)
            try:
                refuse_foreign(connection, self._path)
            except BaseException:
                connection.close()
                raise
        return connection


def _empty() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for number, migration in enumerate(MIGRATIONS, start=1):
        for statement in (*migration, f"PRAGMA user_version = {number}"):
            connection.execute(statement)
    return connection
