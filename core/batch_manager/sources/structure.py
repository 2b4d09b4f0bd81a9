"""What was read of tables becomes documents, whoever read it: a catalog, SQLAlchemy's inspector, dbt or tbls.

Tables are called as `batch_manager.sources.naming` says, relationships as `batch_manager.sources.relationships` does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from batch_manager.documents import Column, Constraint, Document
from batch_manager.facts import with_listed_values
from batch_manager.sources import Found, Unreadable
from batch_manager.sources.collection import checked
from batch_manager.sources.naming import Key, outside, table_names
from batch_manager.sources.relationships import Link, cardinality, joined, named
from batch_manager.sources.shown import shown

VIEW = "view"
MATERIALIZED_VIEW = "materialized view"
PARTITIONED_TABLE = "partitioned table"
FOREIGN_TABLE = "foreign table"


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """What a table points at.

    Attributes:
        columns: Its own columns, in the key's order.
        referred: The table that is pointed at, which need not have been read.
        referred_columns: The columns there; empty means its primary key.
        name: The constraint's name; empty when it has none.
        comment: What is said of the constraint.
        type: The cardinality where somebody stated it; otherwise it is worked out from the keys.
    """

    columns: tuple[str, ...]
    referred: Key
    referred_columns: tuple[str, ...] = ()
    name: str = ""
    comment: str = ""
    type: str = ""


@dataclass(slots=True)
class Table:
    """A table or view as it was read, before names are given.

    Attributes:
        key: Where it is.
        form: What sort of table; empty for a plain one.
        columns: In order; `primary_key` and values that checks list are filled in later.
        primary_key: The key's columns.
        unique: Sets of columns that are unique as a whole, by constraint or by index.
        constraints: Primary key, unique and check constraints.
        foreign_keys: What it points at.
        comment: The database's own.
        documentation: Words, when it is a file of words that speaks.
        where: Where it stood; empty for a database.
    """

    key: Key
    form: str = ""
    columns: list[Column] = field(default_factory=list)
    primary_key: tuple[str, ...] = ()
    unique: list[tuple[str, ...]] = field(default_factory=list)
    constraints: list[Constraint] = field(default_factory=list)
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    comment: str = ""
    documentation: str = ""
    where: str = ""

    @property
    def place(self) -> str:
        """What to call it in a message."""
        kind = "view" if self.form in (VIEW, MATERIALIZED_VIEW) else "table"
        return f"{kind} {shown(self.key[1])}"

    @property
    def keys(self) -> list[tuple[str, ...]]:
        """Sets of columns that are unique as a whole, the primary key among them."""
        return [self.primary_key, *self.unique]


def documents(tables: Iterable[Table], default_schema: str) -> Iterator[Found | Unreadable]:
    """Make documents of what was read: tables by name, then relationships by name."""
    by_key = {table.key: table for table in tables}
    names = table_names(by_key, default_schema)
    spellings = _spellings(by_key)
    links: dict[Link, tuple[Table, ForeignKey]] = {}
    for key, table in sorted(by_key.items(), key=lambda entry: names[entry[0]]):
        own: list[Link] = []
        for foreign_key in table.foreign_keys:
            link = _link(foreign_key, table, by_key, spellings, names, default_schema)
            links[link] = table, foreign_key
            own.append(link)
        document = Document(
            "table",
            names[key],
            documentation=table.documentation,
            comment=table.comment,
            columns=_columns(table),
            form=table.form,
            constraints=tuple(one for one in table.constraints if not _says_nothing(one)),
            joins=joined(own, table.keys),
            schema=key[0],
        )
        kind = table.place.partition(" ")[0]
        yield checked(document, table.where or f"{kind} {shown(names[key])}")
    for name, link in named(links):
        table, foreign_key = links[link]
        document = Document(
            "relationship",
            name,
            comment=link.comment,
            type=foreign_key.type or cardinality(link.columns, table.keys),
            tables=(link.table, link.referred_table),
            constrained=link.columns,
            referred=link.referred_columns,
            schema=table.key[0],
        )
        yield checked(document, f"relationship {shown(name)}")


def _columns(table: Table) -> tuple[Column, ...]:
    columns = (
        replace(column, primary_key=True) if column.name in table.primary_key else column for column in table.columns
    )
    return with_listed_values(columns, table.constraints)


def _says_nothing(constraint: Constraint) -> bool:
    """Whether the columns' own marks say it all."""
    return constraint.kind == "primary key" and not (constraint.name or constraint.comment)


def _link(
    foreign_key: ForeignKey,
    table: Table,
    tables: dict[Key, Table],
    spellings: dict[Key, list[Key]],
    names: dict[Key, str],
    default: str,
) -> Link:
    written = foreign_key.referred
    key = _as_declared(written, tables, spellings)
    referred = tables.get(key)
    columns = _real_columns(foreign_key.referred_columns, referred)
    return Link(
        table=names[table.key],
        columns=_real_columns(foreign_key.columns, table),
        referred_table=names[key] if referred else outside(written, names, default),
        referred_columns=columns or (referred.primary_key if referred else ()),
        name=foreign_key.name,
        comment=foreign_key.comment,
    )


def _spellings(tables: Iterable[Key]) -> dict[Key, list[Key]]:
    alike: dict[Key, list[Key]] = defaultdict(list)
    for schema, name in tables:
        alike[schema, name.lower()].append((schema, name))
    return alike


def _as_declared(written: Key, tables: dict[Key, Table], spellings: dict[Key, list[Key]]) -> Key:
    """The table that a foreign key means: SQLite lets it be written with other capitals than the table has."""
    if written in tables:
        return written
    alike = spellings.get((written[0], written[1].lower()), [])
    return alike[0] if len(alike) == 1 else written


def _real_columns(written: Iterable[str], table: Table | None) -> tuple[str, ...]:
    """The columns as the table has them, for the same reason."""
    declared = [column.name for column in table.columns] if table else []

    def real(name: str) -> str:
        alike = [] if name in declared else [one for one in declared if one.lower() == name.lower()]
        return alike[0] if len(alike) == 1 else name

    return tuple(real(name) for name in written)
