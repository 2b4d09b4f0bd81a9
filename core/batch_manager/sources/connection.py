"""Connections that can only read."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batch_manager.errors import InputError
from batch_manager.sources.database_url import EXAMPLES, EXTRAS, explain, file_path, missing_driver
from batch_manager.sources.shown import shown

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

CONNECT_SECONDS = 10
"""How long a server may take to answer."""

LOCK_SECONDS = 3.0
"""How long another program may hold a SQLite file before it is called locked."""

STATEMENT_SECONDS = 300
"""How long one question may take on a server; those of 10,000 tables take seconds."""

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

    SQLite is opened with `mode=ro` and DuckDB with `read_only`, which never create a file. PostgreSQL and MySQL are
    asked for read-only transactions in one snapshot, and to give up on a question after `STATEMENT_SECONDS`.
    Nothing is ever committed.

    Args:
        url: From `parse_url`.
        title: What to call the database in messages.

    Raises:
        InputError: With the codes of `database_url.explain`, or `missing_driver`, `no_such_database`,
            `is_directory`, `not_a_database`, `bad_database_url`.
    """
    make = {"sqlite": _sqlite_engine, "duckdb": _duckdb_engine}.get(url.get_backend_name(), _server_engine)
    engine = make(url, title)
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
    from sqlalchemy import event, select
    from sqlalchemy.exc import DBAPIError

    connection = engine.connect()
    try:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            # For the transaction and not the session, which a pool before the server may hand on to others.
            event.listen(connection, "begin", _limit_statements)
        elif engine.dialect.name in ("mysql", "mariadb"):
            connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
            limit = f"max_execution_time = {STATEMENT_SECONDS * 1000}"
            if getattr(engine.dialect, "is_mariadb", False):
                limit = f"max_statement_time = {STATEMENT_SECONDS}"
            with contextlib.suppress(DBAPIError):  # an old server has no such limit
                connection.exec_driver_sql(f"SET SESSION {limit}")
            connection.rollback()  # both are in force from the next transaction on
        if engine.dialect.name == "sqlite":
            # The first look into the file, which SELECT 1 would not take.
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").all()
        else:
            connection.execute(select(1)).all()
    except BaseException:
        connection.close()
        raise
    return connection


def _limit_statements(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {STATEMENT_SECONDS * 1000}")


def _existing_file(path: Path, url: URL, title: str) -> Path:
    """The path of a file with something in it.

    Raises:
        InputError: It is something else, or can't be looked at.
    """
    try:
        if path.is_dir():
            raise InputError(f"{title} is a directory.", next_step="Name a file in it.", code="is_directory")
        size = path.stat().st_size
    except FileNotFoundError:
        raise InputError(
            f"There is no file {shown(str(path))}.",
            next_step="Check the path: after three slashes it starts in this folder, after four at the root.",
            code="no_such_database",
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise explain(error, url, title) from None
    if path.is_file() and size == 0:
        raise InputError(f"{title} is an empty file.", next_step="Check the path.", code="not_a_database")
    return path


def _sqlite_engine(url: URL, title: str) -> Engine:
    from sqlalchemy import NullPool, create_engine

    path = _existing_file(file_path(url), url, title)
    address = f"{path.absolute().as_uri()}?mode=ro"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(address, uri=True, timeout=LOCK_SECONDS)
        # A name that isn't UTF-8 is then one table's trouble and not that of the list of tables.
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _duckdb_engine(url: URL, title: str) -> Engine:
    path = _existing_file(file_path(url), url, title)
    return _engine(url.set(database=str(path)), {"read_only": True})


def _server_engine(url: URL, _title: str) -> Engine:
    timeout = _TIMEOUTS.get(url.get_driver_name() if "+" in url.drivername else "")
    arguments: dict[str, Any] = {}
    if timeout and timeout not in url.query:
        arguments[timeout] = CONNECT_SECONDS
    return _engine(url, arguments)


def _engine(url: URL, arguments: dict[str, Any]) -> Engine:
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        return create_engine(url, poolclass=NullPool, connect_args=arguments)
    except NoSuchModuleError:
        if url.get_backend_name() in EXTRAS:
            raise missing_driver(url) from None  # the dialect comes with the driver
        message = f"No kind of database is called {shown(url.drivername, 60)}."
        raise InputError(message, next_step=EXAMPLES, code="bad_database_url") from None
    except ImportError:
        raise missing_driver(url) from None
    except (ArgumentError, TypeError, ValueError):
        message = "The database URL's options make no sense."
        raise InputError(message, next_step=EXAMPLES, code="bad_database_url") from None
