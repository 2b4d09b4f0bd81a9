"""Connections that can only read."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from batch_manager.errors import InputError
from batch_manager.sources.database_url import EXAMPLES, explain, missing_driver, sqlite_path
from batch_manager.sources.shown import shown

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

CONNECT_SECONDS = 10
"""How long a server may take to answer."""

LOCK_SECONDS = 3.0
"""How long another program may hold a SQLite file before it is called locked."""

_TIMEOUTS = {
    "psycopg": "connect_timeout",
    "psycopg2": "connect_timeout",
    "pg8000": "timeout",
    "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout",
    "mysqlconnector": "connection_timeout",
}
"""Driver → its own name for the time to connect (the drivers' documentation)."""


@contextlib.contextmanager
def reading(url: URL, title: str) -> Iterator[Connection]:
    """Connect, for reading alone; the connection has been used once, so it works.

    SQLite is opened with `mode=ro`, which never creates a file. PostgreSQL and MySQL are asked for read-only
    transactions. Nothing is ever committed.

    Args:
        url: From `parse_url`.
        title: What to call the database in messages.

    Raises:
        InputError: With the codes of `database_url.explain`, or `missing_driver`, `no_such_database`,
            `is_directory`, `not_a_database`, `bad_database_url`.
    """
    engine = _sqlite_engine(url, title) if url.get_backend_name() == "sqlite" else _server_engine(url)
    try:
        try:
            connection = _prepared(engine)
        except Exception as error:  # drivers raise whatever they like while connecting, and all of it ends here
            raise explain(error, url, title) from None
        with connection:
            yield connection
    finally:
        engine.dispose()


def _prepared(engine: Engine) -> Connection:
    from sqlalchemy import select

    connection = engine.connect()
    try:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(postgresql_readonly=True)
        elif engine.dialect.name in ("mysql", "mariadb"):
            connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
            connection.rollback()  # it is in force from the next transaction on
        if engine.dialect.name == "sqlite":
            # The first look into the file, which SELECT 1 would not take.
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").all()
        else:
            connection.execute(select(1)).all()
    except BaseException:
        connection.close()
        raise
    return connection


def _sqlite_engine(url: URL, title: str) -> Engine:
    from sqlalchemy import NullPool, create_engine

    path = sqlite_path(url)
    try:
        if path.is_dir():
            raise InputError(f"{title} is a directory.", next_step="Name a file in it.", code="is_directory")
        size = path.stat().st_size
    except FileNotFoundError:
        raise InputError(
            f"There is no file {shown(str(path))}.",
            next_step="Check the path: after sqlite:/// it starts in this folder, after sqlite://// at the root.",
            code="no_such_database",
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise explain(error, url, title) from None
    if path.is_file() and size == 0:
        raise InputError(f"{title} is an empty file.", next_step="Check the path.", code="not_a_database")
    address = f"{path.absolute().as_uri()}?mode=ro"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(address, uri=True, timeout=LOCK_SECONDS)
        # A name that isn't UTF-8 is then one table's trouble and not that of the list of tables.
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _server_engine(url: URL) -> Engine:
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    timeout = _TIMEOUTS.get(url.get_driver_name() if "+" in url.drivername else "")
    arguments: dict[str, Any] = {}
    if timeout and timeout not in url.query:
        arguments[timeout] = CONNECT_SECONDS
    try:
        return create_engine(url, poolclass=NullPool, connect_args=arguments)
    except NoSuchModuleError:
        message = f"No kind of database is called {shown(url.drivername, 60)}."
        raise InputError(message, next_step=EXAMPLES, code="bad_database_url") from None
    except ImportError:
        raise missing_driver(url) from None
    except (ArgumentError, TypeError, ValueError):
        message = "The database URL's options make no sense."
        raise InputError(message, next_step=EXAMPLES, code="bad_database_url") from None
