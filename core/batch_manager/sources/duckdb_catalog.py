"""What DuckDB knows of its tables, in five statements for any number of them.

Read from its metadata functions (DuckDB manual, "DuckDB_% Metadata Functions"): the dialects for SQLAlchemy ask
PostgreSQL's catalogs instead, of which DuckDB has only a part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from batch_manager.documents import Column, Constraint
from batch_manager.sources import Unreadable
from batch_manager.sources.enums import values_of_type
from batch_manager.sources.naming import Key
from batch_manager.sources.structure import VIEW, ForeignKey, Table
from batch_manager.sources.watch import Watch

if TYPE_CHECKING:
    from sqlalchemy import Connection

_ONE_COLUMN = re.compile(r"""\[?\s*(?:'?"((?:[^"]|"")+)"'?|(\w+))\s*\]?""")


def schema_names(connection: Connection) -> list[str]:
    """The schemas of the opened file, without those of DuckDB itself."""
    rows = connection.exec_driver_sql(
        "SELECT schema_name FROM duckdb_schemas() WHERE database_name = current_database() AND NOT internal"
        " UNION SELECT 'main'"
    )
    return sorted(name for (name,) in rows)


def read_tables(connection: Connection, schemas: Sequence[str], watch: Watch) -> tuple[list[Table], list[Unreadable]]:
    """Read the tables of some schemas; also the views that DuckDB itself can't read.

    Raises:
        SQLAlchemyError: The file can't be read.
    """

    def ask(function: str, order: str) -> Iterator[Any]:
        watch.step(f"{function.removeprefix('duckdb_')} …")
        # All columns, by name: some came with later releases.
        statement = f"SELECT * FROM {function}() WHERE database_name = current_database() ORDER BY {order}"
        return (row for row in connection.exec_driver_sql(statement).mappings() if row["schema_name"] in schemas)

    tables: dict[Key, Table] = {}
    for row in ask("duckdb_tables", "table_name"):
        if not row["internal"]:
            key = (row["schema_name"], row["table_name"])
            tables[key] = Table(key, comment=row["comment"] or "")
    for row in ask("duckdb_views", "view_name"):
        if not row["internal"]:
            key = (row["schema_name"], row["view_name"])
            tables[key] = Table(key, VIEW, comment=row["comment"] or "")
    for row in ask("duckdb_columns", "table_oid, column_index"):
        if table := tables.get((row["schema_name"], row["table_name"])):
            table.columns.append(_column(row))
    for row in ask("duckdb_constraints", "table_oid, constraint_index"):
        if table := tables.get((row["schema_name"], row["table_name"])):
            _add_constraint(table, row)
    for row in ask("duckdb_indexes", "index_name"):
        table = tables.get((row["schema_name"], row["table_name"]))
        column = _ONE_COLUMN.fullmatch(row["expressions"] or "") if row["is_unique"] else None
        if table and column:
            name = (column[1] or column[2]).replace('""', '"')
            if name in {one.name for one in table.columns}:  # anything else is an expression
                table.unique.append((name,))
    troubles = []
    for key, table in list(tables.items()):
        if not table.columns or any(column.type == "UNKNOWN" for column in table.columns):
            reason = "its columns can't be read: what it selects from is gone"
            troubles.append(Unreadable(table.place, reason, table=key[1]))
            del tables[key]
    return list(tables.values()), troubles


def _column(row: Any) -> Column:
    default = row["column_default"]
    generated = row.get("generation_expression") if row.get("is_generated") else None
    return Column(
        name=row["column_name"],
        type=row["data_type"],
        nullable=bool(row["is_nullable"]),
        comment=row["comment"] or "",
        default="" if generated or default in (None, "NULL") else str(default),
        generated=generated or "",
        values=values_of_type(row["data_type"]),
    )


def _add_constraint(table: Table, row: Any) -> None:
    kind = row["constraint_type"]
    columns = tuple(row["constraint_column_names"])
    name = row.get("constraint_name") or ""
    if kind == "PRIMARY KEY":
        table.primary_key = columns
        table.constraints.append(Constraint("primary key", name, columns))
    elif kind == "UNIQUE":
        table.unique.append(columns)
        table.constraints.append(Constraint("unique", name, columns))
    elif kind == "CHECK":
        table.constraints.append(Constraint("check", name, columns, row["expression"] or ""))
    elif kind == "FOREIGN KEY":
        # DuckDB has no foreign keys from one schema to another.
        referred = (table.key[0], row["referenced_table"])
        table.foreign_keys.append(ForeignKey(columns, referred, tuple(row["referenced_column_names"]), name=name))
