"""The structure that was read becomes documents: what tables and relationships are called and what is said of them.

Tables:
    The bare name, compared exactly. When several of the schemas have a table of that name, those outside the
    default schema are called `schema.table`; the default schema's keep the bare one.
Relationships:
    See `batch_manager.sources.relationships`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batch_manager.documents import Column, Document
from batch_manager.sources import Found, Unreadable
from batch_manager.sources.collection import checked
from batch_manager.sources.relationships import Link, cardinality, named
from batch_manager.sources.shown import shown

if TYPE_CHECKING:
    from sqlalchemy import Dialect

Key = tuple[str, str]
"""Schema and table, both exactly as the database has them."""


@dataclass(slots=True)
class Table:
    """A table or view as it was read, before names are given.

    Attributes:
        key: Where it is.
        is_view: Whether it is a view, materialized or not.
        columns: As the inspector gives them; `declared` holds the type's own words where they are known.
        primary_key: The key's columns.
        unique: Sets of columns that are unique as a whole.
        foreign_keys: As the inspector gives them.
        comment: The database's own.
    """

    key: Key
    is_view: bool
    columns: list[Any]
    primary_key: tuple[str, ...] = ()
    unique: list[tuple[str, ...]] = field(default_factory=list)
    foreign_keys: list[Any] = field(default_factory=list)
    comment: str = ""


def documents(tables: Iterable[Table], default_schema: str, dialect: Dialect) -> Iterator[Found | Unreadable]:
    """Make documents of what was read: tables by name, then relationships by name."""
    by_key = {table.key: table for table in tables}
    count = Counter(name for _, name in by_key)
    names = {
        (schema, name): name if schema == default_schema or count[name] == 1 else f"{schema}.{name}"
        for schema, name in by_key
    }
    links: dict[Link, Table] = {}
    for key, table in sorted(by_key.items(), key=lambda entry: names[entry[0]]):
        columns = tuple(_column(column, table, dialect) for column in table.columns)
        document = Document("table", names[key], comment=table.comment, columns=columns)
        yield checked(document, f"{'view' if table.is_view else 'table'} {shown(names[key])}")
        for foreign_key in table.foreign_keys:
            links[_link(foreign_key, table, by_key, names, default_schema)] = table
    for name, link in named(links):
        table = links[link]
        document = Document(
            "relationship",
            name,
            comment=link.comment,
            type=cardinality(link.columns, [table.primary_key, *table.unique]),
            tables=(link.table, link.referred_table),
            constrained=link.columns,
            referred=link.referred_columns,
        )
        yield checked(document, f"relationship {shown(name)}")


def _column(column: Any, table: Table, dialect: Dialect) -> Column:
    return Column(
        name=str(column["name"]),
        type=column["declared"] if "declared" in column else _type(column["type"], dialect),
        primary_key=column["name"] in table.primary_key,
        nullable=column.get("nullable"),
        comment=column.get("comment") or "",
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


def _link(foreign_key: Any, table: Table, tables: dict[Key, Table], names: dict[Key, str], default: str) -> Link:
    schema = foreign_key["referred_schema"] or default
    written = (schema, foreign_key["referred_table"])
    key = _as_declared(written, tables)
    referred = tables.get(key)
    columns = _real_columns(foreign_key["referred_columns"], referred)
    return Link(
        table=names[table.key],
        columns=_real_columns(foreign_key["constrained_columns"], table),
        referred_table=names[key] if referred else _outside(written, names, default),
        referred_columns=columns or (referred.primary_key if referred else ()),
        name=foreign_key["name"] or "",
        comment=foreign_key.get("comment") or "",
    )


def _outside(key: Key, names: dict[Key, str], default: str) -> str:
    """What to call a table that wasn't read, without taking the name of one that was."""
    schema, name = key
    return name if schema == default and name not in names.values() else f"{schema}.{name}"


def _as_declared(written: Key, tables: dict[Key, Table]) -> Key:
    """The table that a foreign key means: SQLite lets it be written with other capitals than the table has."""
    if written in tables:
        return written
    alike = [key for key in tables if key[0] == written[0] and key[1].lower() == written[1].lower()]
    return alike[0] if len(alike) == 1 else written


def _real_columns(written: Iterable[str], table: Table | None) -> tuple[str, ...]:
    """The columns as the table has them, for the same reason."""
    declared = [str(column["name"]) for column in table.columns] if table else []

    def real(name: str) -> str:
        alike = [one for one in declared if one.lower() == name.lower()]
        return name if name in declared or len(alike) != 1 else alike[0]

    return tuple(real(str(name)) for name in written)
