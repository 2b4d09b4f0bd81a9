"""The structure of a database: tables, views, columns, keys and comments, read through SQLAlchemy's inspector.

Everything is asked for in bulk. When a bulk question fails because of one table (a view over a table that
is gone, a table dropped meanwhile), it is asked again table by table, so that the others are still read.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from batch_manager.errors import InputError
from batch_manager.sources import Brings, Found, Unreadable
from batch_manager.sources.connection import reading
from batch_manager.sources.database_url import concerns_all, explain, parse_url, scrubbed, title_of
from batch_manager.sources.shown import shown
from batch_manager.sources.sqlite_catalog import Catalog, read_catalog
from batch_manager.sources.structure import Table, documents

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Inspector


class DatabaseSource:
    """Structure from a database; it is only read.

    How tables and relationships are called is said in `batch_manager.sources.structure`.

    Args:
        url: As SQLAlchemy reads it. Its password is in no title and no message.
        schemas: Schemas to read; none means the connection's default one.
    """

    def __init__(self, url: str, schemas: Sequence[str] = ()) -> None:
        self._url = url
        self._schemas = tuple(dict.fromkeys(schemas))
        self._title: str | None = None

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

    def read(self) -> Iterator[Found | Unreadable]:
        """Yield tables and views by name, then relationships by name; the database is let go before the first.

        Raises:
            InputError: The URL is bad, or the database can't be connected to or read (see
                `batch_manager.sources.connection`); also `unknown_schema` and `no_tables`.
        """
        url = parse_url(self._url)
        with reading(url, self.title) as connection:
            reader = _Reader(connection, url, self.title)
            tables = reader.tables(self._schemas)
            default = reader.default_schema
        yield from reader.troubles
        yield from documents(tables, default, connection.dialect)


class _Reader:
    """One reading of one database; collects what could not be read."""

    def __init__(self, connection: Connection, url: URL, title: str) -> None:
        self._connection = connection
        self._url = url
        self._title = title
        self._catalog: Catalog | None = None
        self.default_schema = ""
        self._troubles: dict[str, Unreadable] = {}

    @property
    def troubles(self) -> list[Unreadable]:
        """What could not be read; of one table only the first trouble, since the others follow from it."""
        return list(self._troubles.values())

    def tables(self, schemas: Sequence[str]) -> list[Table]:
        from sqlalchemy import inspect
        from sqlalchemy.exc import SAWarning, SQLAlchemyError

        try:
            with warnings.catch_warnings():
                # The inspector warns of types and indexes that it doesn't know; they are left empty here.
                warnings.simplefilter("ignore", SAWarning)
                inspector = inspect(self._connection)
                self.default_schema = inspector.default_schema_name or ""
                self._check(inspector, schemas)
                if self._connection.dialect.name == "sqlite":
                    self._catalog = read_catalog(self._connection)
                wanted: Sequence[str | None] = schemas or [None]
                tables = [
                    table
                    for schema in wanted
                    for is_view in (False, True)
                    for table in self._of_kind(inspector, schema, is_view=is_view)
                ]
                if not tables and not self._troubles:
                    raise self._nothing(inspector, schemas)
                return tables
        except SQLAlchemyError as error:
            raise explain(error, self._url, self._title) from None

    def _check(self, inspector: Inspector, schemas: Sequence[str]) -> None:
        if not schemas:
            return
        known = inspector.get_schema_names()
        for schema in schemas:
            if schema not in known:
                raise InputError(
                    f"{self._title} has no schema {shown(schema)!r}.",
                    next_step=f"It has: {shown(', '.join(sorted(known)), 300)}.",
                    code="unknown_schema",
                )

    def _nothing(self, inspector: Inspector, schemas: Sequence[str]) -> InputError:
        where = f" in {shown(', '.join(schemas))}" if schemas else ""
        others = sorted(set(inspector.get_schema_names()) - {*schemas, self.default_schema})
        more = f"; other schemas are {shown(', '.join(others), 300)}" if others else ""
        return InputError(
            f"{self._title} has no tables{where}.",
            next_step=f"Check that it is the right database{more}.",
            code="no_tables",
        )

    def _of_kind(self, inspector: Inspector, schema: str | None, *, is_view: bool) -> list[Table]:
        listed = self._names(inspector, schema, is_view=is_view)

        def ask(what: str, names: Iterable[str]) -> dict[str, Any]:
            return self._ask(inspector, what, names, schema, is_view=is_view)

        columns = ask("columns", listed)
        home = schema or self.default_schema
        tables = {name: Table((home, name), is_view, columns[name]) for name in listed if name in columns}
        # A name that was listed and then not found is missed here; one that came in between is left for next time.
        for name in listed:
            if name not in tables:
                self._trouble(name, "it was dropped while the database was read, or can't be read", is_view=is_view)
        if not tables:
            return []
        comments = ask("table_comment", tables)
        keys: dict[str, Any] = {} if is_view else ask("pk_constraint", tables)
        for name, table in tables.items():
            table.comment = comments.get(name, {}).get("text") or ""
            table.primary_key = tuple(keys.get(name, {}).get("constrained_columns", ()))
        if is_view:
            return list(tables.values())
        if self._catalog:
            _add_catalog(tables, self._catalog)
            return list(tables.values())
        foreign_keys = ask("foreign_keys", tables)
        constraints, indexes = ask("unique_constraints", tables), ask("indexes", tables)
        for name, table in tables.items():
            table.foreign_keys = foreign_keys.get(name, [])
            whole = [*constraints.get(name, ()), *filter(_is_whole, indexes.get(name, ()))]
            table.unique = [tuple(one["column_names"]) for one in whole]
        return list(tables.values())

    def _names(self, inspector: Inspector, schema: str | None, *, is_view: bool) -> list[str]:
        lists = [inspector.get_table_names]
        if is_view:
            lists = [inspector.get_view_names, inspector.get_materialized_view_names]
        names: list[str] = []
        for ask in lists:
            with contextlib.suppress(NotImplementedError):  # the dialect has none of that kind
                names += ask(schema=schema)
        return [name for name in names if not self._catalog or name not in self._catalog.shadows]

    def _ask(
        self, inspector: Inspector, what: str, names: Iterable[str], schema: str | None, *, is_view: bool
    ) -> dict[str, Any]:
        """Ask for all tables at once; if that fails, for each by itself."""
        from sqlalchemy.engine.reflection import ObjectKind

        many, one = getattr(inspector, f"get_multi_{what}"), getattr(inspector, f"get_{what}")
        try:
            answers = many(schema=schema, kind=ObjectKind.ANY_VIEW if is_view else ObjectKind.TABLE)
            return {name: answer for (_, name), answer in answers.items()}
        except NotImplementedError:
            return {}  # the dialect has nothing of the kind
        except Exception as error:  # reflection parses foreign text, and fails in every way there is
            self._go_on_after(error)
        answers = {}
        for name in names:
            try:
                answers[name] = one(name, schema=schema)
            except Exception as error:
                self._go_on_after(error)
                words = scrubbed(str(getattr(error, "orig", None) or error), self._url)
                self._trouble(name, f"its {what.replace('_', ' ')} can't be read: {words}", is_view=is_view)
        return answers

    def _go_on_after(self, error: Exception) -> None:
        """Raise when it isn't one table's trouble; otherwise end the transaction that the error spoiled."""
        if concerns_all(error):
            raise explain(error, self._url, self._title) from None
        self._connection.rollback()

    def _trouble(self, name: str, message: str, *, is_view: bool) -> None:
        where = f"{'view' if is_view else 'table'} {shown(name)}"
        self._troubles.setdefault(where, Unreadable(where, message))


def _add_catalog(tables: dict[str, Table], catalog: Catalog) -> None:
    for name, table in tables.items():
        table.unique = catalog.unique.get(name, [])
        table.foreign_keys = catalog.foreign_keys.get(name, [])
        for column in table.columns:
            if (name, column["name"]) in catalog.types:
                column["declared"] = catalog.types[name, column["name"]]


def _is_whole(index: Any) -> bool:
    """Whether an index makes its columns unique in every row."""
    options = index.get("dialect_options", {})
    is_partial = any(option.endswith("_where") and value is not None for option, value in options.items())
    return bool(index["unique"]) and not is_partial and None not in index["column_names"]
