"""What SQLite knows of its tables and SQLAlchemy's inspector doesn't tell; one statement a question.

The inspector maps declared types to the nearest one that it knows (MONEY becomes NUMERIC). It finds constraints
with patterns that miss some: `VARCHAR(64) UNIQUE`, the names of foreign keys beside a column or in other
capitals. Here constraints are those that SQLite itself enforces, and names come from reading its SQL word by word.
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch_manager.sources.structure import ForeignKey

if TYPE_CHECKING:
    from sqlalchemy import Connection

_TABLE_LIST_SINCE = (3, 37)
"""`PRAGMA table_list` came with SQLite 3.37 (its release notes)."""

_TABLES = "sqlite_master AS m"
_REAL = "m.type = 'table' AND m.rootpage > 0"
"""Tables that hold rows. A virtual one whose module isn't installed would spoil the statement for all."""

_WORDS = re.compile(
    r"""
    (?: \s | --[^\n]* | /\*.*?(?:\*/|$) )+              # between words
    | (?P<string> '(?:[^']|'')*' )
    | "(?P<double> (?:[^"]|"")* )" | `(?P<tick> (?:[^`]|``)* )` | \[ (?P<bracket> [^\]]* ) \]
    | (?P<word> [^\W\d][\w$]* )
    | .
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Catalog:
    """What is known of a file's tables, by their names.

    Attributes:
        types: Of each column by (table, column), as it was declared.
        unique: Sets of columns that are unique as a whole; partial and expression indexes are none, and an
            INTEGER PRIMARY KEY has no index.
        foreign_keys: No referred columns means the referred primary key.
        generated: The expression of each generated column, by (table, column).
        checks: Name (or empty) and condition of each check constraint, in the order of the statement.
        shadows: Tables in which a virtual table (full text search, say) keeps its own data.
    """

    types: dict[tuple[str, str], str]
    unique: dict[str, list[tuple[str, ...]]]
    foreign_keys: dict[str, list[ForeignKey]]
    generated: dict[tuple[str, str], str]
    checks: dict[str, list[tuple[str, str]]]
    shadows: frozenset[str]


def read_catalog(connection: Connection) -> Catalog:
    """Read all of it, in six statements.

    Raises:
        SQLAlchemyError: The file can't be read.
    """
    return Catalog(
        types=_types(connection),
        unique=_unique(connection),
        foreign_keys=_foreign_keys(connection),
        generated=_generated(connection),
        checks=_checks(connection),
        shadows=_shadows(connection),
    )


def foreign_key_names(sql: str) -> list[str]:
    """Names of a CREATE TABLE's foreign keys, in the order of the statement; empty for those without."""
    names = []
    name = ""
    words = _significant(sql)
    for word in words:
        if word.keyword == "CONSTRAINT":
            name = next(words, _END).name
            following = next(words, _END).keyword
            if following == "REFERENCES":
                names.append(name)
            if following != "FOREIGN":
                name = ""  # it was that of a NOT NULL, a CHECK or the like
        elif word.keyword == "REFERENCES":
            names.append(name)
            name = ""
    return names


def check_constraints(sql: str) -> list[tuple[str, str]]:
    """Name (or empty) and condition of a CREATE TABLE's checks, in its order."""
    found = []
    words = _significant(sql)
    before = last = _END
    for word in words:
        if last.keyword == "CHECK" and word.sign == "(":
            depth, end = 1, word
            while depth and end is not _END:
                end = next(words, _END)
                depth += {"(": 1, ")": -1}.get(end.sign, 0)
            found.append((before.name, sql[word.end : end.start].strip()))
            before = last = _END
            continue
        # What stands before CHECK is its name when CONSTRAINT stands before that.
        before = word if last.keyword == "CONSTRAINT" else (before if word.keyword == "CHECK" else _END)
        last = word
    return found


def generated_columns(sql: str) -> dict[str, str]:
    """The expression of each generated column of a CREATE TABLE, by the column's name."""
    found: dict[str, str] = {}
    words = _significant(sql)
    column = ""
    depth = 0
    begins = was_as = False
    for word in words:
        if begins:
            column, begins = word.name, False
        if depth == 1 and was_as and word.sign == "(":
            end, inner = word, 1
            while inner and end is not _END:
                end = next(words, _END)
                inner += {"(": 1, ")": -1}.get(end.sign, 0)
            found[column] = sql[word.end : end.start].strip()
            continue
        was_as = word.keyword == "AS"
        depth += {"(": 1, ")": -1}.get(word.sign, 0)
        begins = (word.sign == "," and depth == 1) or (word.sign == "(" and depth == 1)
    return found


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of SQL: as a keyword in capitals (empty when quoted, and so none), as a name, or as a sign."""

    keyword: str
    name: str
    sign: str
    start: int
    end: int


_END = _Word("", "", "", 0, 0)


def _significant(sql: str) -> Iterator[_Word]:
    """The words of a statement, without space and comments."""
    for match in _WORDS.finditer(sql):
        kind = match.lastgroup
        keyword = name = sign = ""
        if kind == "word":
            keyword, name = match["word"].upper(), match["word"]
        elif kind == "string":
            name = match["string"][1:-1].replace("''", "'")
        elif kind is not None:
            quote = {"double": '"', "tick": "`"}.get(kind)
            name = match[kind].replace(quote * 2, quote) if quote else match[kind]
        elif match.group().isspace() or match.group().startswith(("--", "/*")):
            continue
        else:
            sign = match.group()
        yield _Word(keyword, name, sign, *match.span())


def _types(connection: Connection) -> dict[tuple[str, str], str]:
    rows = connection.exec_driver_sql(
        f"SELECT m.name, c.name, c.type FROM {_TABLES}, pragma_table_xinfo(m.name) AS c WHERE {_REAL}"
    )
    # A generated column's type ends with these words, which say how it is made and not what it is.
    return {(table, column): type_.removesuffix("GENERATED ALWAYS").rstrip() for table, column, type_ in rows}


def _unique(connection: Connection) -> dict[str, list[tuple[str, ...]]]:
    rows = connection.exec_driver_sql(
        f"SELECT m.name, i.name, c.name FROM {_TABLES}, pragma_index_list(m.name) AS i,"
        f' pragma_index_info(i.name) AS c WHERE {_REAL} AND i."unique" AND NOT i.partial'
        " ORDER BY m.name, i.name, c.seqno"
    )
    indexes: dict[tuple[str, str], list[str | None]] = defaultdict(list)
    for table, index, column in rows:
        indexes[table, index].append(column)
    unique: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for (table, _), columns in indexes.items():
        plain = tuple(column for column in columns if column is not None)
        if len(plain) == len(columns):  # an expression has no column
            unique[table].append(plain)
    return dict(unique)


def _foreign_keys(connection: Connection) -> dict[str, list[ForeignKey]]:
    rows = connection.exec_driver_sql(
        f'SELECT m.name, m.sql, f.id, f."table", f."from", f."to" FROM {_TABLES},'
        f" pragma_foreign_key_list(m.name) AS f WHERE {_REAL} ORDER BY m.name, f.id, f.seq"
    )
    statements: dict[str, str] = {}
    keys: dict[str, dict[int, list[tuple[str, str, str | None]]]] = defaultdict(lambda: defaultdict(list))
    for table, sql, number, referred_table, column, referred_column in rows:
        statements[table] = sql
        keys[table][number].append((referred_table, column, referred_column))
    found: dict[str, list[ForeignKey]] = {}
    for table, numbered in keys.items():
        names = foreign_key_names(statements[table])
        # SQLite counts a table's foreign keys from the last one in the statement to the first.
        by_number = dict(enumerate(reversed(names))) if len(names) == len(numbered) else {}
        found[table] = [
            ForeignKey(
                columns=tuple(column for _, column, _ in parts),
                referred=("main", parts[0][0]),
                referred_columns=tuple(column for _, _, column in parts if column is not None),
                name=by_number.get(number, ""),
            )
            for number, parts in numbered.items()
        ]
    return found


def _generated(connection: Connection) -> dict[tuple[str, str], str]:
    rows = connection.exec_driver_sql(
        f"SELECT DISTINCT m.name, m.sql FROM {_TABLES}, pragma_table_xinfo(m.name) AS c"
        f" WHERE {_REAL} AND c.hidden IN (2, 3)"
    )
    return {(table, name): words for table, sql in rows for name, words in generated_columns(sql).items()}


def _checks(connection: Connection) -> dict[str, list[tuple[str, str]]]:
    rows = connection.exec_driver_sql(f"SELECT m.name, m.sql FROM {_TABLES} WHERE {_REAL} AND m.sql LIKE '%check%'")
    return {table: found for table, sql in rows if (found := check_constraints(sql))}


def _shadows(connection: Connection) -> frozenset[str]:
    if sqlite3.sqlite_version_info < _TABLE_LIST_SINCE:
        return frozenset()
    rows = connection.exec_driver_sql("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'")
    return frozenset(name for (name,) in rows)
