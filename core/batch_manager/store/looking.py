"""Looking: connections to the store that write nothing at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from batch_manager.store.database import BUSY_SECONDS, connect_for_looking, has_content, refuse_foreign
from batch_manager.store.migrations import MIGRATIONS
from batch_manager.store.orm import peewee


class LookingDatabase(peewee.SqliteDatabase):
    """Connections that write nothing; each thread's is opened as the files stand at its time."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), timeout=BUSY_SECONDS)
        self._path = path

    def _connect(self) -> sqlite3.Connection:
        if not has_content(self._path):
            connection = sqlite3.connect(":memory:", isolation_level=None)
            for number, migration in enumerate(MIGRATIONS, start=1):
                for statement in (*migration, f"PRAGMA user_version = {number}"):
                    connection.execute(statement)
        else:
            connection = connect_for_looking(self._path)
            try:
                refuse_foreign(connection, self._path)
            except BaseException:
                connection.close()
                raise
        return connection
