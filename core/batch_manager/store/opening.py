"""Opening the store that the settings name: a SQLite file, or a PostgreSQL server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_manager.errors import SettingError, StoreError
from batch_manager.home import WriterLocks
from batch_manager.store.database import open_for_looking, open_for_writing, translated
from batch_manager.store.migrations import MIGRATIONS
from batch_manager.store.moved import refuse_moved

if TYPE_CHECKING:
    from batch_manager.settings import Settings
    from batch_manager.store.dialect import Database


def opened(settings: Settings) -> Database:
    """The store's database, for writing; created or migrated when it must be.

    Raises:
        SettingError: A store on a server, and none for the vectors.
        StoreError: It can't be opened, is no store, comes from a newer version, or is elsewhere by now.
    """
    url = settings.store_server
    if url is None:
        refuse_moved(settings.store_path)
        return open_for_writing(settings.store_path)
    _require_chroma(settings)
    from batch_manager.store.postgres import PostgresStore
    from batch_manager.store.postgres_schema import migrate, refuse_half_moved

    with translated():
        database = PostgresStore(url)
        try:
            migrate(database)
            refuse_half_moved(database)
        except BaseException:
            database.close()
            raise
    return database


def opened_for_looking(settings: Settings) -> Database:
    """The store's database, so that nothing is written; a store that isn't there looks empty.

    Raises:
        SettingError: A store on a server, and none for the vectors.
        StoreError: It can't be opened, is no store, comes from another version, or is elsewhere by now.
    """
    url = settings.store_server
    if url is None:
        refuse_moved(settings.store_path)
        return open_for_looking(settings.store_path)
    _require_chroma(settings)
    from batch_manager.store.postgres import PostgresStore
    from batch_manager.store.postgres_schema import refuse_half_moved, version_of

    with translated():
        database = PostgresStore(url, looking=True)
        try:
            version = version_of(database)
            if 0 < version < len(MIGRATIONS):
                raise StoreError(
                    f"The store {database.shown!r} comes from an older version.",
                    next_step="Open it once with a command that writes, such as --import, to bring it up to date.",
                    code="store_old",
                )
            if version:
                refuse_half_moved(database)
        except BaseException:
            database.close()
            raise
        if version:
            return database
        database.close()
        from batch_manager.store.looking import EmptyDatabase

        return EmptyDatabase()


def writer_locks(settings: Settings) -> WriterLocks:
    """The locks of whoever writes in a home and its store; none is taken yet."""
    url = settings.store_server
    if url is None:
        return WriterLocks(settings.home, settings.store_path)
    from batch_manager.store.writer_lock import StoreLock

    return WriterLocks(settings.home, settings.store_path, (StoreLock(url),))


def _require_chroma(settings: Settings) -> None:
    """Whoever shares the store has to share the vectors."""
    if settings.chroma_url is None:
        raise SettingError(
            "DOCUMENTATION_STORE_URL names a PostgreSQL server, so the vectors need a Chroma server as well,"
            " and CHROMA_URL is not set.",
            next_step="Start one (chroma run --path FOLDER), then set CHROMA_URL, such as http://127.0.0.1:8000.",
            code="chroma_url_missing",
        )
