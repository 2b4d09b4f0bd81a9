"""Chroma's folder on disk, looked at without Chroma: is it there, is it still the same, who writes in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from batch_manager.vectors.trouble import explain, known, place

if TYPE_CHECKING:
    from filelock import FileLock

DATABASE = "chroma.sqlite3"
"""The file that makes a folder one of Chroma's."""

LOCK = ".batch-manager.lock"
LOCK_SECONDS = 15.0
"""How long to wait for another writer: a child whose parent was killed may still be finishing its last write."""

SQLITE_SECONDS = 3.0


class Folder:
    """The folder of an embedded Chroma.

    Args:
        path: Absolute; need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = place(str(path), None)
        self._file = path / DATABASE
        self._lock: FileLock | None = None

    def identity(self) -> tuple[int, int] | None:
        """What tells this database from another one under the same name; None where there is none.

        Raises:
            VectorStoreError: The path is something else than a folder.
        """
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        except NotADirectoryError as error:
            raise known("not_a_folder", self.where) from error
        return found.st_dev, found.st_ino

    def wait(self, *, write: bool) -> None:
        """Make sure that the database can be read or written now: Chroma itself would wait for a lock without an end.

        Raises:
            VectorStoreError: Locked, damaged or out of reach.
        """
        try:
            connection = sqlite3.connect(
                f"{self._file.as_uri()}?mode=rw", timeout=SQLITE_SECONDS, isolation_level=None, uri=True
            )
            try:
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                connection.execute("ROLLBACK")
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise explain(f"{error} (code: {error.sqlite_errorcode})", self.where, on_server=False) from error

    def make_and_lock(self) -> None:
        """Make the folder, for its owner alone, and be its only writer until this process ends.

        Two writers in one folder corrupt it. The system releases the lock when the process ends, however it ends.

        Raises:
            VectorStoreError: Another process writes in it.
            OSError: It can't be made.
        """
        if self._lock is not None:
            return
        from filelock import FileLock, Timeout

        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(self.path / LOCK, mode=0o600)
        try:
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout as error:
            raise known("locked", self.where) from error
        self._lock = lock

    def unlock(self) -> None:
        """Let go of a folder that has been moved away."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
