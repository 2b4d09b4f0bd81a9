"""The store's database: opened for writing, or for looking without writing anything at all."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import peewee

from batch_manager.errors import StoreError
from batch_manager.store.migrations import MIGRATIONS, Statement

BUSY_SECONDS = 5.0

PRAGMAS: dict[str, Any] = {
    # WAL lets the screen read while the engine writes; FULL makes a commit survive a power cut
    # (SQLite's documentation of PRAGMA synchronous).
    "journal_mode": "wal",
    "synchronous": "full",
    "cache_size": -16_000,
    "foreign_keys": 0,  # rows are written in bulk by this package alone; joins by id are checked in tests
    "trusted_schema": 0,
}


def open_for_writing(path: Path) -> peewee.SqliteDatabase:
    """Open the store's file, creating or migrating it.

    Raises:
        StoreError: It can't be opened, is no store, or comes from a newer version.
    """
    with translated(path):
        _make_file(path)
        database = peewee.SqliteDatabase(str(path), pragmas=PRAGMAS, timeout=BUSY_SECONDS)
        database.connect()
        try:
            _migrate(database, path)
        except BaseException:
            database.close()
            raise
        return database


def open_for_looking(path: Path) -> peewee.SqliteDatabase:
    """Open the store's file so that nothing is written, not even beside it; a missing one looks empty.

    Raises:
        StoreError: It can't be opened, is no store, or comes from another version.
    """
    if not path.exists():
        database = peewee.SqliteDatabase("file:batch-manager-empty?mode=memory", uri=True)
        database.connect()
        _apply(database, 0)
        return database
    # Without a log beside the file nobody is writing, and `immutable` keeps SQLite from making one; with a
    # log, its newest pages are needed, and reading them changes neither file.
    mode = "mode=ro" if path.with_name(path.name + "-wal").exists() else "immutable=1"
    with translated(path):
        database = peewee.SqliteDatabase(f"file:{quote(str(path))}?{mode}", uri=True, timeout=BUSY_SECONDS)
        database.connect()
        version = _version(database)
        if version != len(MIGRATIONS):
            database.close()
            _refuse_newer(version, path)
            raise StoreError(
                f"The store {str(path)!r} comes from an older version.",
                next_step="Open it once with a command that writes, such as --import, to bring it up to date.",
                code="store_old",
            )
        return database


@contextlib.contextmanager
def translated(path: Path | None = None) -> Iterator[None]:
    """Turn SQLite's errors into StoreErrors that a person can act on."""
    try:
        yield
    except (peewee.DatabaseError, peewee.InterfaceError, sqlite3.Error) as error:
        raise _translate(str(error), path) from error
    except OSError as error:
        raise _translate(error.strerror or str(error), path) from error


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


def _version(database: peewee.SqliteDatabase) -> int:
    return int(database.execute_sql("PRAGMA user_version").fetchone()[0])


def _migrate(database: peewee.SqliteDatabase, path: Path) -> None:
    version = _version(database)
    if version == len(MIGRATIONS):
        return
    _refuse_newer(version, path)
    if version == 0 and database.execute_sql("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreError(
            f"{str(path)!r} is some other program's database.",
            next_step="Choose another file with --home or DOCUMENTATION_STORE_URL.",
            code="store_foreign",
        )
    with database.atomic("IMMEDIATE"):
        _apply(database, _version(database))


def _apply(database: peewee.SqliteDatabase, version: int) -> None:
    for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
        for statement in migration:
            _run(database, statement)
        database.execute_sql(f"PRAGMA user_version = {number}")


def _run(database: peewee.SqliteDatabase, statement: Statement) -> None:
    database.execute_sql(statement)


def _refuse_newer(version: int, path: Path) -> None:
    if version > len(MIGRATIONS):
        raise StoreError(
            f"The store {str(path)!r} comes from a newer version (schema {version}; this one knows {len(MIGRATIONS)}).",
            next_step="Upgrade batch-manager, or choose another home.",
            code="store_newer",
        )
