"""The store's database: opened for writing, or for looking without writing anything at all."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from batch_manager.errors import StoreError
from batch_manager.store.dialect import Database
from batch_manager.store.migrations import MIGRATIONS, Statement
from batch_manager.store.server_errors import is_servers, server_error, servers_own

if TYPE_CHECKING:
    from batch_manager.store.sqlite import SqliteStore

BUSY_SECONDS = 5.0

LOOK_TRIES = 5
"""Tries to open a store for looking while writers come and go."""

SQLITE_MAGIC = b"SQLite format 3\0"
"""How every database begins (SQLite's description of its file format)."""

OWN_TABLES = frozenset({"item", "text", "part", "answer", "run", "request", "meta"})
"""Tables by which a store is told from some other program's database."""

PRAGMAS: dict[str, Any] = {
    # WAL lets the screen read while the engine writes; FULL makes a commit survive a power cut
    # (SQLite's documentation of PRAGMA synchronous).
    "journal_mode": "wal",
    "synchronous": "full",
    "cache_size": -16_000,
    "foreign_keys": 0,  # rows are written in bulk by this package alone; joins by id are checked in tests
    "trusted_schema": 0,
}


def open_for_writing(path: Path) -> SqliteStore:
    """Open the store's file, creating or migrating it.

    Raises:
        StoreError: It can't be opened, is no store, or comes from a newer version.
    """
    with translated(path):
        if has_content(path):
            # Asked before anything is opened for writing: the pragmas alone would change another program's file.
            with contextlib.closing(connect_for_looking(path)) as connection:
                refuse_foreign(connection, path)
        _make_file(path)
        from batch_manager.store.sqlite import SqliteStore

        database = SqliteStore(str(path), pragmas=PRAGMAS, timeout=BUSY_SECONDS)
        database.connect()
        try:
            _migrate(database, path)
        except BaseException:
            database.close()
            raise
        return database


def open_for_looking(path: Path) -> SqliteStore:
    """Open the store's file so that nothing is written, not even beside it; a missing one looks empty.

    Raises:
        StoreError: It can't be opened, is no store, or comes from another version.
    """
    from batch_manager.store.looking import LookingDatabase

    with translated(path):
        database = LookingDatabase(path)
        database.connect()
        version = _version(database)
        if version < len(MIGRATIONS):
            database.close()
            raise StoreError(
                f"The store {str(path)!r} comes from an older version.",
                next_step="Open it once with a command that writes, such as --import, to bring it up to date.",
                code="store_old",
            )
        return database


def connect_for_looking(path: Path) -> sqlite3.Connection:
    """A connection that changes neither the file nor those beside it."""
    with path.open("rb") as file:
        if file.read(len(SQLITE_MAGIC)) != SQLITE_MAGIC:
            # SQLite itself takes a file of a few bytes for an empty database, and would write over it.
            raise sqlite3.DatabaseError("file is not a database")
    for tries_left in reversed(range(LOOK_TRIES)):
        mode, statement = _looking_mode(path)
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?{mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
        )
        try:
            connection.execute(statement)
            connection.execute("SELECT count(*) FROM sqlite_master")
            return connection
        except sqlite3.OperationalError:
            connection.close()
            if not tries_left:
                raise
            # A writer came or went between the look at the files and the opening.
            time.sleep(0.02)
        except BaseException:
            connection.close()
            raise
    raise AssertionError("the last try returns or raises")


def _looking_mode(path: Path) -> tuple[str, str]:
    """(URI parameters, first statement) by which the store is read as it is and nothing is written."""
    log, index = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    plain = "PRAGMA query_only = 1"
    if not has_content(log) and not index.exists():
        return "immutable=1", plain  # nobody is writing, and this keeps SQLite from making a log
    if index.exists():
        return "mode=ro&readonly_shm=1", plain  # with the writer's index, or a private one when the writer died
    # A log without its index: somebody copied both files, and nobody is writing. Without locks and shared memory
    # SQLite makes a private index; only its Unix layer can.
    return ("mode=ro&vfs=unix-none", "PRAGMA locking_mode = EXCLUSIVE") if os.name == "posix" else ("mode=ro", plain)


def has_content(path: Path) -> bool:
    """Whether there is such a file with anything in it; one that a kill left empty holds nothing yet."""
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False


def now() -> str:
    """The time as the store keeps it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def translated(path: Path | None = None) -> Iterator[None]:
    """Turn SQLite's errors into StoreErrors that a person can act on; with a path, the file system's as well."""
    # Not above: a hundredth of a second, which nobody need pay who only names what the store holds.
    from batch_manager.store.orm import peewee

    try:
        yield
    except (peewee.DatabaseError, peewee.InterfaceError, sqlite3.Error) as error:
        first = _first_of(error)
        if (told := servers_own(first)) is not None:
            raise server_error(told) from None
        raise _translate(str(first), path) from error
    except OSError as error:
        if path is None:
            raise  # not the store's: some source's, which is being read inside
        raise _translate(error.strerror or str(error), path) from error


def _first_of(error: BaseException) -> BaseException:
    """What went wrong first: SQLite rolls back by itself on a full disk, and the rollback after that fails as well."""
    from batch_manager.store.orm import peewee

    first: BaseException = error
    before = error.__context__
    while before is not None and (isinstance(before, peewee.PeeweeException | sqlite3.Error) or is_servers(before)):
        # The driver's own error is inside the one that it was turned into.
        first = first if is_servers(before) else before
        before = before.__context__
    return first


def _translate(words: str, path: Path | None) -> StoreError:
    where = f"The store {str(path)!r}" if path else "The documentation store"
    low = words.lower()
    if "locked" in low or "busy" in low:
        return StoreError(
            f"{where} is locked by another program.",
            next_step="Close that program, then try again.",
            code="store_busy",
        )
    if "readonly" in low or "read-only" in low or "permission denied" in low:
        return StoreError(f"{where} can't be written.", next_step="Make it writable for you.", code="store_read_only")
    if "full" in low or "no space" in low or "disk i/o" in low:
        return StoreError(
            f"{where} has no room: the disk is full ({words}).",
            next_step="Free some space, then go on; nothing that was paid for is lost.",
            code="store_full",
        )
    if "malformed" in low or "not a database" in low or "no such table" in low or "no such column" in low:
        return StoreError(
            f"{where} is damaged or not a store ({words}).",
            next_step="Put back a copy of it, or choose another with --home or DOCUMENTATION_STORE_URL.",
            code="store_damaged",
        )
    return StoreError(f"{where} can't be used: {words}.", next_step="See the log for more.", code="store_failed")


def _make_file(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made by hand first, since SQLite would make it readable for everyone.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _version(database: Database) -> int:
    return int(database.execute_sql("PRAGMA user_version").fetchone()[0])


def _migrate(database: Database, path: Path) -> None:
    if _version(database) == len(MIGRATIONS):
        return
    with database.atomic("IMMEDIATE"):
        _apply(database, _version(database))


def _apply(database: Database, version: int) -> None:
    for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
        for statement in migration:
            _run(database, statement)
        database.execute_sql(f"PRAGMA user_version = {number}")


def _run(database: Database, statement: Statement) -> None:
    database.execute_sql(statement)


def refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database that isn't a store, or one of a newer version."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    # Other programs number their schemas as well, so the number alone says nothing.
    if tables and not (version and tables >= OWN_TABLES):
        raise StoreError(
            f"{str(path)!r} is some other program's database.",
            next_step="Choose another file with --home or DOCUMENTATION_STORE_URL.",
            code="store_foreign",
        )
    if version > len(MIGRATIONS):
        raise StoreError(
            f"The store {str(path)!r} comes from a newer version (schema {version}; this one knows {len(MIGRATIONS)}).",
            next_step="Upgrade batch-manager, or choose another home.",
            code="store_newer",
        )
