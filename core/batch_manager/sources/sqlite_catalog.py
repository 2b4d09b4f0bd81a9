"""What SQLite knows of its tables and SQLAlchemy's inspector doesn't tell; one statement a question.

The inspector maps declared types to the nearest one that it knows (MONEY becomes NUMERIC), and finds inline
UNIQUE constraints with a pattern that misses types in parentheses, such as `VARCHAR(64) UNIQUE`.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

_TABLE_LIST_SINCE = (3, 37)
"""`PRAGMA table_list` came with SQLite 3.37 (its release notes)."""


def declared_types(connection: Connection) -> dict[tuple[str, str], str]:
    """Types of the tables' columns as they were written: (table, column) → type."""
    rows = connection.exec_driver_sql(
        "SELECT m.name, c.name, c.type FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c WHERE m.type = 'table'"
    )
    # A generated column's type ends with these words, which say how it is made and not what it is.
    return {(table, column): type_.removesuffix(" GENERATED ALWAYS") for table, column, type_ in rows}


def unique_columns(connection: Connection) -> dict[str, list[tuple[str, ...]]]:
    """For each table the sets of columns that are unique as a whole; partial and expression indexes are none.

    An INTEGER PRIMARY KEY has no index and isn't among them.
    """
    rows = connection.exec_driver_sql(
        "SELECT m.name, i.name, c.name FROM sqlite_master AS m, pragma_index_list(m.name) AS i,"
        " pragma_index_info(i.name) AS c WHERE m.type = 'table' AND i.\"unique\" AND NOT i.partial"
        " ORDER BY m.name, i.name, c.seqno"
    )
    indexes: dict[tuple[str, str], list[str | None]] = defaultdict(list)
    for table, index, column in rows:
        indexes[table, index].append(column)
    unique: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for (table, _), columns in indexes.items():
        plain = tuple(column for column in columns if column is not None)
        if len(plain) == len(columns):
            unique[table].append(plain)
    return dict(unique)


def shadow_tables(connection: Connection) -> set[str]:
    """Tables in which a virtual table (full text search, say) keeps its own data."""
    if sqlite3.sqlite_version_info < _TABLE_LIST_SINCE:
        return set()
    rows = connection.exec_driver_sql("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'")
    return {name for (name,) in rows}
