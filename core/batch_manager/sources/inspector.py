"""The structure of a database as SQLAlchemy's inspector tells it: SQLite, and every dialect without a catalog here.

Everything is asked for in bulk. When a bulk question fails because of one table (a view over a table that
is gone, a table dropped meanwhile), it is asked again table by table, so that the others are still read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batch_manager.documents import Column, Constraint
from batch_manager.sources import Unreadable
from batch_manager.sources.database_url import concerns_all, explain, scrubbed
from batch_manager.sources.shown import shown
from batch_manager.sources.sqlite_catalog import Catalog, read_catalog
from batch_manager.sources.structure import FOREIGN_TABLE, MATERIALIZED_VIEW, VIEW, ForeignKey, Table
from batch_manager.sources.watch import Watch

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Dialect, Inspector


class InspectorReader:
    """One reading of one database through the inspector.

    Args:
        connection: From `connection.reading`.
        inspector: Of that connection.
        url: For the secrets that no message may have.
        title: What to call the database in messages.
        watch: Told of each question.
    """

    def __init__(self, connection: Connection, inspector: Inspector, url: URL, title: str, watch: Watch) -> None:
        self._watch = watch
        self._connection = connection
        self._inspector = inspector
        self._url = url
        self._title = title
        self._default = inspector.default_schema_name or ""
        self._catalog: Catalog | None = None
        self._troubles: dict[str, Unreadable] = {}

    def read_tables(self, schemas: Sequence[str]) -> tuple[list[Table], list[Unreadable]]:
        """Read the tables of some schemas; of one table only the first trouble, since the others follow from it.

        Raises:
            SQLAlchemyError: The database can't be read.
            InputError: It went away meanwhile, or is locked or damaged.
        """
        from sqlalchemy.exc import DBAPIError

        if self._connection.dialect.name == "sqlite":
            self._catalog = read_catalog(self._connection)
        tables: list[Table] = []
        wanted = schemas or [self._default]
        for schema in wanted:
            try:
                for is_view in (False, True):
                    tables += self._of_kind(schema, is_view=is_view)
            except DBAPIError as error:
                if len(wanted) == 1:
                    raise
                # What the user may not look into is named, and the other schemas are read.
                self._go_on_after(error)
                words = scrubbed(str(error.orig or error), self._url)
                place = f"schema {shown(schema)}"
                self._troubles.setdefault(place, Unreadable(place, f"it can't be read: {words}"))
        return tables, list(self._troubles.values())

    def _of_kind(self, schema: str, *, is_view: bool) -> list[Table]:
        # The inspector calls the default schema None, and says so of the tables that foreign keys point at.
        asked = None if schema == self._default else schema
        listed = self._names(asked, is_view=is_view)

        def ask(what: str, names: Iterable[str]) -> dict[str, Any]:
            return self._ask(what, names, asked, listed, is_view=is_view)

        columns = ask("columns", listed)
        tables = {
            name: Table((schema, name), form, [_column(one, self._connection.dialect) for one in columns[name]])
            for name, form in listed.items()
            if name in columns
        }
        # A name that was listed and then not found is missed here; one that came in between is left for next time.
        for name, form in listed.items():
            if name not in tables:
                self._trouble(name, form, "it was dropped while the database was read, or can't be read")
        if not tables:
            return []
        comments = ask("table_comment", tables)
        keys: dict[str, Any] = {} if is_view else ask("pk_constraint", tables)
        for name, table in tables.items():
            table.comment = comments.get(name, {}).get("text") or ""
            key = keys.get(name, {})
            table.primary_key = tuple(key.get("constrained_columns", ()))
            if table.primary_key:
                comment = key.get("comment") or ""
                table.constraints.append(
                    Constraint("primary key", key.get("name") or "", table.primary_key, comment=comment)
                )
        if is_view:
            return list(tables.values())
        if self._catalog:
            _add_catalog(tables, self._catalog)
            return list(tables.values())
        foreign_keys = ask("foreign_keys", tables)
        constraints, indexes = ask("unique_constraints", tables), ask("indexes", tables)
        checks = ask("check_constraints", tables)
        for name, table in tables.items():
            table.foreign_keys = [_foreign_key(one, self._default) for one in foreign_keys.get(name, ())]
            whole = [*constraints.get(name, ()), *filter(_is_whole, indexes.get(name, ()))]
            table.unique = [tuple(one["column_names"]) for one in whole]
            table.constraints += [
                Constraint("unique", one["name"] or "", tuple(one["column_names"]), comment=one.get("comment") or "")
                for one in constraints.get(name, ())
            ]
            table.constraints += [
                Constraint("check", one["name"] or "", (), one["sqltext"] or "", one.get("comment") or "")
                for one in checks.get(name, ())
            ]
        return list(tables.values())

    def _names(self, schema: str | None, *, is_view: bool) -> dict[str, str]:
        """Names and what sort of table each is."""
        inspector = self._inspector
        lists = [("", inspector.get_table_names)]
        if hasattr(inspector, "get_foreign_table_names"):  # of PostgreSQL's inspector alone
            lists.append((FOREIGN_TABLE, inspector.get_foreign_table_names))
        if is_view:
            lists = [(VIEW, inspector.get_view_names), (MATERIALIZED_VIEW, inspector.get_materialized_view_names)]
        names: dict[str, str] = {}
        for form, ask in lists:
            with contextlib.suppress(NotImplementedError):  # the dialect has none of that kind
                names.update(dict.fromkeys(ask(schema=schema), form))
        return {name: form for name, form in names.items() if not self._catalog or name not in self._catalog.shadows}

    def _ask(
        self, what: str, names: Iterable[str], schema: str | None, forms: dict[str, str], *, is_view: bool
    ) -> dict[str, Any]:
        """Ask for all tables at once; if that fails, for each by itself."""
        self._watch.step(f"{what.replace('_', ' ')} of {len(forms):,} {'views' if is_view else 'tables'} …")
        from sqlalchemy.engine.reflection import ObjectKind

        many, one = getattr(self._inspector, f"get_multi_{what}"), getattr(self._inspector, f"get_{what}")
        try:
            answers = many(schema=schema, kind=ObjectKind.ANY_VIEW if is_view else ObjectKind.TABLE)
            return {name: answer for (_, name), answer in answers.items()}
        except NotImplementedError:
            return {}  # the dialect has nothing of the kind
        except Exception as error:  # reflection parses foreign text, and fails in every way there is
            self._go_on_after(error)
        answers = {}
        for name in names:
            self._watch.check()
            try:
                answers[name] = one(name, schema=schema)
            except Exception as error:
                self._go_on_after(error)
                words = scrubbed(str(getattr(error, "orig", None) or error), self._url)
                self._trouble(name, forms[name], f"its {what.replace('_', ' ')} can't be read: {words}")
        return answers

    def _go_on_after(self, error: Exception) -> None:
        """Raise when it isn't one table's trouble; otherwise end the transaction that the error spoiled."""
        if concerns_all(error):
            raise explain(error, self._url, self._title) from None
        self._watch.check()
        self._connection.rollback()

    def _trouble(self, name: str, form: str, message: str) -> None:
        place = Table(("", name), form).place
        self._troubles.setdefault(place, Unreadable(place, message, table=name))


def _column(found: Any, dialect: Dialect) -> Column:
    computed, identity = found.get("computed"), found.get("identity")
    return Column(
        name=str(found["name"]),
        type=_type(found["type"], dialect),
        nullable=found.get("nullable"),
        comment=found.get("comment") or "",
        default="" if computed else str(found.get("default") or ""),
        generated=str(computed["sqltext"]) if computed else "",
        identity=("always" if identity.get("always") else "by default") if identity else "",
        values=tuple(getattr(found["type"], "enums", None) or ()),
    )


def _type(kind: Any, dialect: Dialect) -> str:
    """A type in the dialect's own words; empty when the inspector didn't know it."""
    from sqlalchemy.exc import CompileError

    if getattr(kind, "collation", None):
        kind.collation = None  # how a column sorts says nothing of what is in it
    try:
        return str(kind.compile(dialect=dialect))
    except CompileError:
        return ""


def _foreign_key(found: Any, default_schema: str) -> ForeignKey:
    return ForeignKey(
        columns=tuple(map(str, found["constrained_columns"])),
        referred=(found["referred_schema"] or default_schema, str(found["referred_table"])),
        referred_columns=tuple(map(str, found["referred_columns"])),
        name=found["name"] or "",
        comment=found.get("comment") or "",
    )


def _add_catalog(tables: dict[str, Table], catalog: Catalog) -> None:
    for name, table in tables.items():
        table.unique = catalog.unique.get(name, [])
        table.foreign_keys = catalog.foreign_keys.get(name, [])
        table.constraints += [Constraint("unique", columns=columns) for columns in table.unique]
        table.constraints += [
            Constraint("check", check, expression=condition) for check, condition in catalog.checks.get(name, ())
        ]
        table.columns = [
            replace(
                column,
                type=catalog.types.get((name, column.name), column.type),
                generated=catalog.generated.get((name, column.name), column.generated),
            )
            for column in table.columns
        ]


def _is_whole(index: Any) -> bool:
    """Whether an index makes its columns unique in every row."""
    options = index.get("dialect_options", {})
    is_partial = any(option.endswith("_where") and value is not None for option, value in options.items())
    return bool(index["unique"]) and not is_partial and None not in index["column_names"]
