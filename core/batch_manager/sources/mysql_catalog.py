"""What MySQL and MariaDB know of their tables, in six statements for any number of them.

Read from `information_schema` (both manuals). SQLAlchemy's inspector would ask SHOW CREATE TABLE of each table by
itself, and of a broken view it learns nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from batch_manager.documents import Column, Constraint
from batch_manager.sources import Unreadable
from batch_manager.sources.enums import values_of_type
from batch_manager.sources.naming import Key
from batch_manager.sources.shown import shown
from batch_manager.sources.structure import PARTITIONED_TABLE, VIEW, ForeignKey, Table
from batch_manager.sources.watch import Watch

if TYPE_CHECKING:
    from sqlalchemy import Connection

_TABLES = """
    SELECT table_schema, table_name, table_type, table_comment, create_options
    FROM information_schema.tables WHERE table_schema IN :schemas AND table_type <> 'SEQUENCE'
"""

_COLUMNS = """
    SELECT table_schema, table_name, column_name, column_type, is_nullable, column_default, extra,
        generation_expression, column_comment
    FROM information_schema.columns WHERE table_schema IN :schemas
    ORDER BY table_schema, table_name, ordinal_position
"""

_KEYS = """
    SELECT constraint_schema, table_name, constraint_name, column_name, referenced_table_schema,
        referenced_table_name, referenced_column_name
    FROM information_schema.key_column_usage WHERE constraint_schema IN :schemas
    ORDER BY constraint_schema, table_name, constraint_name, ordinal_position
"""

_INDEXES = """
    SELECT table_schema, table_name, index_name, column_name, index_comment
    FROM information_schema.statistics WHERE table_schema IN :schemas AND non_unique = 0
    ORDER BY table_schema, table_name, index_name, seq_in_index
"""

_CHECKS_OF_MARIADB = """
    SELECT constraint_schema, table_name, constraint_name, check_clause
    FROM information_schema.check_constraints WHERE constraint_schema IN :schemas
    ORDER BY constraint_schema, table_name, constraint_name
"""

_CHECKS_OF_MYSQL = """
    SELECT c.constraint_schema, t.table_name, c.constraint_name, c.check_clause
    FROM information_schema.check_constraints AS c JOIN information_schema.table_constraints AS t
        ON t.constraint_schema = c.constraint_schema AND t.constraint_name = c.constraint_name
        AND t.constraint_type = 'CHECK'
    WHERE c.constraint_schema IN :schemas ORDER BY c.constraint_schema, t.table_name, c.constraint_name
"""

_INTRODUCER = re.compile(r"_[a-z0-9]+\\'((?:[^'\\]|\\[^'])*)\\'")
_OF_JSON = re.compile(r"\(?json_valid\(`[^`]*`\)\)?", re.IGNORECASE)
_BROKEN = re.compile(r"references invalid|doesn't exist|can't|is marked as crashed|incorrect|unknown", re.IGNORECASE)


def read_tables(connection: Connection, schemas: Sequence[str], watch: Watch) -> tuple[list[Table], list[Unreadable]]:
    """Read the tables of some schemas; also those that the server itself can't read.

    Raises:
        SQLAlchemyError: The server has other catalogs (MySQL before 8 knows no checks), or can't be read.
    """
    from sqlalchemy import bindparam, text

    def ask(statement: str, what: str) -> Any:
        watch.step(f"{what} …")
        wanted: Any = bindparam("schemas", expanding=True)
        return connection.execute(text(statement).bindparams(wanted), {"schemas": list(schemas)})

    tables: dict[Key, Table] = {}
    comments: dict[Key, str] = {}
    for schema, name, kind, comment, options in ask(_TABLES, "tables"):
        is_view = "VIEW" in kind
        form = VIEW if is_view else PARTITIONED_TABLE if "partitioned" in (options or "") else ""
        # A view's comment is the word VIEW, or what is wrong with it.
        comments[schema, name] = comment or ""
        tables[schema, name] = Table((schema, name), form, comment="" if is_view else comment or "")
    for schema, name, *column in ask(_COLUMNS, f"columns of {len(tables):,} tables"):
        if (schema, name) in tables:
            tables[schema, name].columns.append(_column(*column))
    _add_keys(tables, ask(_KEYS, "keys"), ask(_INDEXES, "indexes"))
    is_mariadb = getattr(connection.dialect, "is_mariadb", False)
    for schema, name, constraint, clause in ask(_CHECKS_OF_MARIADB if is_mariadb else _CHECKS_OF_MYSQL, "checks"):
        # MariaDB adds this check to every JSON column by itself.
        if (schema, name) in tables and not _OF_JSON.fullmatch(clause):
            tables[schema, name].constraints.append(Constraint("check", constraint, expression=readable(clause)))
    return _without_broken(tables, comments)


def readable(clause: str) -> str:
    """A check in standard SQL: MySQL 8 keeps a text in it as `_utf8mb4\\'open\\'`, MariaDB a quote in one as `\\'`."""
    return _INTRODUCER.sub(r"'\1'", clause).replace("\\'", "''")


def _column(
    name: str, type_: str, nullable: str, default: str | None, extra: str, generated: str | None, comment: str
) -> Column:
    # MariaDB writes an absent default as NULL, and says so for every column that can be without a value.
    return Column(
        name=name,
        type=type_,
        nullable=nullable == "YES",
        comment=comment or "",
        default=default if default and default != "NULL" else "",
        generated=generated or "",
        identity="by default" if "auto_increment" in extra.lower() else "",
        values=values_of_type(type_),
    )


def _add_keys(tables: dict[Key, Table], keys: Any, indexes: Any) -> None:
    comments: dict[tuple[str, str, str], str] = {}
    unique: dict[tuple[str, str, str], list[str | None]] = defaultdict(list)
    for schema, name, index, column, comment in indexes:
        unique[schema, name, index].append(column)
        comments[schema, name, index] = comment or ""
    for (schema, name, index), columns in unique.items():
        plain = tuple(column for column in columns if column is not None)  # an expression has no column
        table = tables.get((schema, name))
        if table is None or len(plain) != len(columns):
            continue
        is_primary = index == "PRIMARY"
        if is_primary:
            table.primary_key = plain
        else:
            table.unique.append(plain)
        kind = "primary key" if is_primary else "unique"
        table.constraints.append(
            Constraint(kind, "" if is_primary else index, plain, comment=comments[schema, name, index])  # type: ignore[arg-type]
        )
    foreign: dict[tuple[str, str, str], list[tuple[str, str, str, str]]] = defaultdict(list)
    for schema, name, constraint, *parts in keys:
        if parts[2] is not None:
            foreign[schema, name, constraint].append(tuple(parts))
    for (schema, name, constraint), rows in foreign.items():
        if table := tables.get((schema, name)):
            own, referred = tuple(row[0] for row in rows), tuple(row[3] for row in rows)
            table.foreign_keys.append(ForeignKey(own, (rows[0][1], rows[0][2]), referred, name=constraint))


def _without_broken(tables: dict[Key, Table], comments: dict[Key, str]) -> tuple[list[Table], list[Unreadable]]:
    read, troubles = [], []
    for key, table in tables.items():
        words = comments[key]
        if not table.columns or (table.form == VIEW and _BROKEN.search(words)):
            reason = shown(words) if _BROKEN.search(words) else "it was dropped meanwhile, or may not be read"
            troubles.append(Unreadable(table.place, f"its columns can't be read: {reason}", table=key[1]))
        else:
            read.append(table)
    return read, troubles
