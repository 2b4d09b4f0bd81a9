"""The structure of a database: tables, views, columns, keys and comments, read through SQLAlchemy's inspector.

Everything is asked for in bulk. When a bulk question fails because of one table (a view over a table that
is gone, a table dropped meanwhile), it is asked again table by table, so that the others are still read.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from batch_manager.errors import InputError
from batch_manager.sources import Brings, Found, Unreadable, sqlite_catalog
from batch_manager.sources.connection import reading
from batch_manager.sources.database_url import concerns_all, explain, parse_url, scrubbed, title_of
from batch_manager.sources.shown import shown
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
        self._is_sqlite = connection.dialect.name == "sqlite"
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
                wanted: Sequence[str | None] = schemas or [None]
                tables = [
                    table
                    for schema in wanted
                    for is_view in (False, True)
                    for table in self._of_kind(inspector, schema, is_view=is_view)
                ]
                if self._is_sqlite:
                    self._add_sqlite_facts(tables)
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
        from sqlalchemy.engine.reflection import ObjectKind

        kind = ObjectKind.ANY_VIEW if is_view else ObjectKind.TABLE
        lists = (
            (inspector.get_view_names, inspector.get_materialized_view_names)
            if is_view
            else (inspector.get_table_names,)
        )
        listed = [name for names in lists for name in _or_none(names, schema)]
        if self._is_sqlite and not is_view:
            hidden = sqlite_catalog.shadow_tables(self._connection)
            listed = [name for name in listed if name not in hidden]

        def ask(what: str, many: Callable[..., Any], one: Callable[..., Any], names: Iterable[str]) -> dict[str, Any]:
            return self._ask(what, many, one, names, schema, kind)

        columns = ask("columns", inspector.get_multi_columns, inspector.get_columns, listed)
        # A name that was listed and then not found is missed here; one that came in between is left for next time.
        for name in listed:
            if name not in columns:
                self._trouble(name, "it was dropped while the database was read, or can't be read")
        home = schema or self.default_schema
        tables = {name: Table((home, name), is_view, columns[name]) for name in listed if name in columns}
        if not tables:
            return []
        for name, comment in ask(
            "comment", inspector.get_multi_table_comment, inspector.get_table_comment, tables
        ).items():
            if name in tables:
                tables[name].comment = comment["text"] or ""
        if is_view:
            return list(tables.values())
        for name, key in ask(
            "primary key", inspector.get_multi_pk_constraint, inspector.get_pk_constraint, tables
        ).items():
            if name in tables:
                tables[name].primary_key = tuple(key["constrained_columns"])
        for name, keys in ask(
            "foreign keys", inspector.get_multi_foreign_keys, inspector.get_foreign_keys, tables
        ).items():
            if name in tables:
                tables[name].foreign_keys = keys
        if not self._is_sqlite:
            self._add_unique(tables, ask, inspector)
        return list(tables.values())

    def _add_unique(self, tables: dict[str, Table], ask: Callable[..., dict[str, Any]], inspector: Inspector) -> None:
        constraints = ask(
            "unique constraints", inspector.get_multi_unique_constraints, inspector.get_unique_constraints, tables
        )
        indexes = ask("indexes", inspector.get_multi_indexes, inspector.get_indexes, tables)
        for name, table in tables.items():
            table.unique = [tuple(one["column_names"]) for one in constraints.get(name, ())]
            table.unique += [tuple(one["column_names"]) for one in indexes.get(name, ()) if _is_whole(one)]

    def _add_sqlite_facts(self, tables: Iterable[Table]) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            types = sqlite_catalog.declared_types(self._connection)
            unique = sqlite_catalog.unique_columns(self._connection)
        except SQLAlchemyError as error:
            # A virtual table whose module isn't there spoils both statements.
            where = "types and unique columns"
            message = f"SQLite says: {self._words(error)}; they are told as SQLAlchemy sees them"
            self._troubles[where] = Unreadable(where, message)
            return
        for table in tables:
            table.unique = unique.get(table.key[1], [])
            for column in table.columns:
                if (table.key[1], column["name"]) in types:
                    column["declared"] = types[table.key[1], column["name"]]

    def _ask(
        self,
        what: str,
        many: Callable[..., Any],
        one: Callable[..., Any],
        names: Iterable[str],
        schema: str | None,
        kind: Any,
    ) -> dict[str, Any]:
        """Ask for all tables at once; if that fails, for each by itself."""
        try:
            return {name: value for (_, name), value in many(schema=schema, kind=kind).items()}
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
                self._trouble(name, f"its {what} can't be read: {self._words(error)}")
        return answers

    def _go_on_after(self, error: Exception) -> None:
        """Raise when it isn't one table's trouble; otherwise end the transaction that the error spoiled."""
        if concerns_all(error):
            raise explain(error, self._url, self._title) from None
        self._connection.rollback()

    def _trouble(self, name: str, message: str) -> None:
        where = f"table {shown(name)}"
        self._troubles.setdefault(where, Unreadable(where, message))

    def _words(self, error: Exception) -> str:
        return scrubbed(str(getattr(error, "orig", None) or error), self._url)


def _or_none(names: Callable[..., list[str]], schema: str | None) -> list[str]:
    try:
        return names(schema=schema)
    except NotImplementedError:
        return []  # the dialect has none of that kind


def _is_whole(index: Any) -> bool:
    """Whether an index makes its columns unique in every row."""
    options = index.get("dialect_options", {})
    is_partial = any(option.endswith("_where") and value is not None for option, value in options.items())
    return bool(index["unique"]) and not is_partial and None not in index["column_names"]
