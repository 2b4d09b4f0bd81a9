"""The store's schema on PostgreSQL: made and brought up to date by the same migrations as SQLite's."""

from __future__ import annotations

import json

from batch_manager.errors import StoreError
from batch_manager.store.database import OWN_TABLES
from batch_manager.store.migrations import MIGRATIONS
from batch_manager.store.postgres import PostgresStore
from batch_manager.store.postgres_dialect import FUNCTIONS, POSTGRES

VERSION = "schema_version"
"""The note that stands for SQLite's user_version."""

MOVING = "moving"
MOVED_FROM = "moved_from"
"""Notes of a store that is being moved over from a home, or was: the id of that home's, when, and where it is."""


def version_of(database: PostgresStore) -> int:
    """The number of the newest migration; 0 where there is no store yet.

    Raises:
        StoreError: The schema is some other program's, or of a newer version.
    """
    # Indexes and what belongs to extensions don't matter; a table or view by any of our names would.
    rows = database.execute_sql(
        "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
        " AND relkind IN ('r', 'p', 'v', 'm', 'f')"
    ).fetchall()
    tables = {row[0] for row in rows}
    if not tables:
        return 0
    row = None
    if tables >= OWN_TABLES:
        row = database.execute_sql("SELECT value FROM meta WHERE key = ?", (VERSION,)).fetchone()
    if row is None:
        raise StoreError(
            f"The schema that the store would be in at {database.shown!r} has another program's tables.",
            next_step="Name another database, or another schema by ?options=-csearch_path%3Dname behind its name.",
            code="store_foreign",
        )
    version = int(row[0])
    if version > len(MIGRATIONS):
        raise StoreError(
            f"The store {database.shown!r} comes from a newer version (schema {version}; this one knows"
            f" {len(MIGRATIONS)}).",
            next_step="Upgrade batch-manager, or name another database.",
            code="store_newer",
        )
    return version


def migrate(database: PostgresStore) -> None:
    """Bring the schema up to date, all of it or nothing."""
    if version_of(database) == len(MIGRATIONS):
        return
    with database.atomic("IMMEDIATE"):
        version = version_of(database)  # another program may have been here first
        if version == 0:
            for function in FUNCTIONS:
                database.execute_sql(function)
        for migration in MIGRATIONS[version:]:
            for statement in migration:
                for one in POSTGRES.ddl(statement):
                    database.execute_sql(one)
        database.execute_sql(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (VERSION, str(len(MIGRATIONS))),
        )


def note_in(database: PostgresStore, key: str) -> dict[str, str] | None:
    """A note of a move; None where there is none."""
    row = database.execute_sql("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else {name: str(value) for name, value in json.loads(row[0]).items()}


def refuse_half_moved(database: PostgresStore) -> None:
    """Refuse a store of which only a part is there.

    Raises:
        StoreError: It is still being moved over.
    """
    told = note_in(database, MOVING)
    if told is not None:
        raise half_moved(database, told)


def half_moved(database: PostgresStore, told: dict[str, str]) -> StoreError:
    """The error of whoever opens a store that is still being moved over."""
    return StoreError(
        f"The store {database.shown!r} is still being moved over from {told.get('from', 'a home')}"
        f" (begun {told['at']}).",
        next_step="Run batch-manager --move-store there again: it goes on where it was. To give that up, empty the"
        " schema or drop the database; nothing was taken from that home.",
        code="store_half_moved",
    )
