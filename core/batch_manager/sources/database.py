"""The structure of a database: tables, views, columns, keys and comments.

PostgreSQL, MySQL and MariaDB, and DuckDB are read from their own catalogs, a few statements for any number of
tables (`postgres_catalog`, `mysql_catalog`, `duckdb_catalog`); everything else, and a server whose catalogs are not
what they should be, through SQLAlchemy's inspector (`inspector`). No row of a table is read.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from batch_manager.errors import InputError
from batch_manager.sources import Brings, Found, Unreadable, duckdb_catalog, mysql_catalog, postgres_catalog
from batch_manager.sources.connection import reading
from batch_manager.sources.database_url import concerns_all, explain, key_of, label_of, parse_url, title_of
from batch_manager.sources.inspector import InspectorReader
from batch_manager.sources.schemas import is_system, wanted_schemas
from batch_manager.sources.shown import shown
from batch_manager.sources.structure import Table, documents
from batch_manager.sources.watch import Watch

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Inspector


class DatabaseSource:
    """Structure from a database; it is only read.

    How tables and relationships are called is said in `batch_manager.sources.structure`.

    Args:
        url: As SQLAlchemy reads it. Its password is in no title and no message.
        schemas: Schemas to read, by name or glob; none means the connection's default one.
        watch: Told of each question to the database, and able to interrupt it.
    """

    def __init__(self, url: str, schemas: Sequence[str] = (), watch: Watch | None = None) -> None:
        self._watch = watch or Watch()
        self._url = url
        self._schemas = tuple(dict.fromkeys(schemas))
        self._title: str | None = None
        self._default_schema = ""

    @property
    def brings(self) -> Brings:
        """Always structure."""
        return "structure"

    @property
    def title(self) -> str:
        """The URL without password and options."""
        if self._title is None:
            self._title = title_of(self._url)
        return self._title

    @property
    def key(self) -> str:
        """The database itself, whoever asks and however the URL is written."""
        return key_of(self._url)

    @property
    def label(self) -> str:
        """The database's name."""
        return label_of(self._url)

    def covers(self, schema: str) -> bool:
        """Whether the schema is among those that were asked for, or is the default one."""
        if not self._schemas:
            return schema == self._default_schema
        return bool(wanted_schemas(self._schemas, [schema])[0])

    def read(self) -> Iterator[Found | Unreadable]:
        """Yield tables and views by name, then relationships by name; the database is let go before the first.

        Raises:
            InputError: The URL is bad, or the database can't be connected to or read (see
                `batch_manager.sources.connection`); also `unknown_schema` and `no_tables`.
        """
        url = parse_url(self._url)
        with reading(url, self.title) as connection:
            reader = _Reader(connection, url, self.title, self._watch)
            try:
                with self._watch.interrupting(_interrupt_of(connection)):
                    tables = reader.tables(self._schemas)
            except InputError:
                self._watch.check()  # an interrupted question looks like a fault of the database
                raise
        self._default_schema = reader.default_schema
        yield from reader.troubles
        yield from documents(tables, reader.default_schema)


def _interrupt_of(connection: Connection) -> Callable[[], object] | None:
    """How to end a question from another thread: SQLite and DuckDB call it interrupt, psycopg cancel."""
    raw = connection.connection.driver_connection
    found = getattr(raw, "interrupt", None) or getattr(raw, "cancel", None)
    return found if callable(found) else None


class _Reader:
    """One reading of one database; collects what could not be read."""

    def __init__(self, connection: Connection, url: URL, title: str, watch: Watch) -> None:
        self._watch = watch
        self._connection = connection
        self._url = url
        self._title = title
        self.default_schema = ""
        self.troubles: list[Unreadable] = []

    def tables(self, patterns: Sequence[str]) -> list[Table]:
        from sqlalchemy import inspect
        from sqlalchemy.exc import SAWarning, SQLAlchemyError

        try:
            with warnings.catch_warnings():
                # The inspector warns of types and indexes that it doesn't know; they are left empty here.
                warnings.simplefilter("ignore", SAWarning)
                inspector = inspect(self._connection)
                self.default_schema = inspector.default_schema_name or ""
                schemas = self._wanted(inspector, patterns)
                tables, troubles = self._read(inspector, schemas)
                self.troubles += troubles
                if not tables and not self.troubles:
                    raise self._nothing(inspector, patterns)
                return tables
        except SQLAlchemyError as error:
            raise explain(error, self._url, self._title) from None

    def _read(self, inspector: Inspector, schemas: Sequence[str]) -> tuple[list[Table], list[Unreadable]]:
        from sqlalchemy.exc import SQLAlchemyError

        dialect = self._connection.dialect.name
        try:
            if dialect == "postgresql":
                return postgres_catalog.read_tables(self._connection, schemas, self._watch), []
            if dialect in ("mysql", "mariadb"):
                return mysql_catalog.read_tables(self._connection, schemas, self._watch)
            if dialect == "duckdb":
                return duckdb_catalog.read_tables(self._connection, schemas, self._watch)
        except SQLAlchemyError as error:
            # An old server, or one that only speaks like this one, has other catalogs.
            if concerns_all(error):
                raise
            self._watch.check()
            self._connection.rollback()
        reader = InspectorReader(self._connection, inspector, self._url, self._title, self._watch)
        return reader.read_tables(schemas)

    def _wanted(self, inspector: Inspector, patterns: Sequence[str]) -> list[str]:
        if not patterns:
            return [self.default_schema]
        known = self._known(inspector)
        schemas, unmatched = wanted_schemas(patterns, known)
        if not schemas:
            raise InputError(
                f"{self._title} has no schema {shown(', '.join(unmatched))!r}.",
                next_step=f"It has: {shown(', '.join(known), 300)}.",
                code="unknown_schema",
            )
        self.troubles += [
            Unreadable(f"schema {shown(one)}", "there is none of that name, or the user may not see it")
            for one in unmatched
        ]
        return schemas

    def _known(self, inspector: Inspector) -> list[str]:
        if self._connection.dialect.name == "duckdb":
            return duckdb_catalog.schema_names(self._connection)
        return sorted(inspector.get_schema_names())

    def _nothing(self, inspector: Inspector, patterns: Sequence[str]) -> InputError:
        where = f" in {shown(', '.join(patterns))}" if patterns else ""
        known = (one for one in self._known(inspector) if not is_system(one))
        others = sorted(set(known) - {*patterns, self.default_schema})
        more = f"; other schemas are {shown(', '.join(others), 300)}" if others else ""
        return InputError(
            f"{self._title} has no tables{where}.",
            next_step=f"Check that it is the right database{more}.",
            code="no_tables",
        )
