"""The tables of a move: what each has on both engines, and its rows as both tell them alike. Reads alone.

Which tables and columns there are is asked of the databases, so that a later migration is moved without a word here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from batch_manager.store.dialect import Database

Row = tuple[Any, ...]

LONG = frozenset({"body", "vector", "structure", "words", "quote"})
"""Columns whose values are compared by a hash that each side makes, so that they needn't travel for it."""

CHUNK_ROWS = 500
CHUNK_BYTES = 4_000_000
"""What is written in one transaction, at most."""

DERIVED = {"item": "word_index", "text": "text_words"}
"""Tables that only have what the words of others make; they are made anew, and compared by which rows there are."""

_INSERTS = {
    "word_index": "INSERT INTO word_index (rowid, name, purpose) VALUES (?, plain_words(?), plain_words(?))",
    "text_words": "INSERT INTO text_words (rowid, body) SELECT t.id, plain_words(t.body) FROM text t WHERE t.id = ?",
}

SPARED = {"meta": "key NOT IN ('schema_version', 'moving', 'moved_from')"}
"""Rows of the server's that no file has: they are left alone."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        columns: What is read of the file.
        key: Columns that its rows are told apart and put in order by.
        types: The server's type of each column.
        compared: Columns that have to agree; of what is derived the key alone.
        insert: The statement that writes a row of `columns`.
        skipped: SQL for rows of the file that are left out.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    types: tuple[str, ...]
    compared: tuple[str, ...]
    insert: str
    skipped: str = ""

    def key_of(self, row: Row) -> Row:
        """A row's key."""
        return tuple(row[self.columns.index(one)] for one in self.key)

    def kept(self, row: Row) -> Row:
        """A row of the file as the server keeps it: flags are booleans, and no text has a NUL."""
        return tuple(
            bool(value) if kind == "boolean" and value is not None else _without_nul(value)
            for value, kind in zip(row, self.types, strict=True)
        )

    def told(self, row: Row) -> Row:
        """A kept row as `of_server` tells it."""
        return tuple(
            _told(value, name in LONG) for name, value in zip(self.columns, row, strict=True) if name in self.compared
        )

    # Questions

    def of_file(self) -> str:
        """SQL: all rows of the file, in order."""
        where = f" WHERE NOT ({self.skipped})" if self.skipped else ""
        return f"SELECT {_names(self.columns)} FROM {_name(self.name)}{where} ORDER BY {_names(self.key)}"

    def of_server(self, where: str = "") -> str:
        """SQL: rows of the server, in order, long values as their hashes."""
        kinds = dict(zip(self.columns, self.types, strict=True))
        told = ", ".join(_on_server(one, kinds[one]) for one in self.compared)
        return f"SELECT {told} FROM {_name(self.name)}{self._where(where)} ORDER BY {_names(self.key)}"

    def delete(self, where: str = "") -> str:
        """SQL: rows of the server go."""
        return f"DELETE FROM {_name(self.name)}{self._where(where)}"

    def between(self, after: Row | None, last: Row | None) -> tuple[str, list[Any]]:
        """SQL and values: keys behind one, up to another."""
        mine = f"({_names(self.key)})"
        marks = f"({', '.join('?' for _ in self.key)})"
        parts = [f"{mine} > {marks}"] * (after is not None) + [f"{mine} <= {marks}"] * (last is not None)
        return " AND ".join(parts), [*(after or ()), *(last or ())]

    def _where(self, more: str) -> str:
        parts = [one for one in (SPARED.get(self.name, ""), more) if one]
        return f" WHERE {' AND '.join(parts)}" if parts else ""


class Digest:
    """How many rows there were, and a hash over them in their order."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()

    def add(self, rows: Iterable[Row]) -> Digest:
        """More rows, as `Table.told` or the server tells them."""
        for row in rows:
            self.rows += 1
            self._hash.update(repr(tuple(row)).encode("utf-8", "surrogatepass") + b"\n")
        return self

    @property
    def hex(self) -> str:
        """The hash so far."""
        return self._hash.hexdigest()

    @property
    def value(self) -> tuple[int, str]:
        """Both."""
        return self.rows, self.hex


def tables_of(file: Database, server: Database) -> list[Table]:
    """The tables, ordinary ones first, those that are derived from them last."""
    rows = file.execute_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall()
    virtual = [name for name, sql in rows if str(sql).upper().startswith("CREATE VIRTUAL")]
    inner = (*(f"{name}_" for name in virtual), "sqlite_")
    plain = [name for name, _ in rows if name not in virtual and not name.startswith(inner)]
    kinds = _types(server)
    return [_plain(file, name, kinds) for name in plain] + [_derived(name) for name in DERIVED.values()]


def chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in pieces of which each is one transaction."""
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(chunk) >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _plain(file: Database, name: str, kinds: dict[str, dict[str, str]]) -> Table:
    info = file.execute_sql(f"PRAGMA table_info({_name(name)})").fetchall()
    columns = tuple(row[1] for row in info)
    key = tuple(row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]) or _unique(file, name)
    marks = ", ".join("?" for _ in columns)
    return Table(
        name=name,
        columns=columns,
        key=key,
        types=tuple(kinds[name][one] for one in columns),
        compared=columns,
        insert=f"INSERT INTO {_name(name)} ({_names(columns)}) VALUES ({marks})",
        # Earlier texts that no item has: PostgreSQL can't keep them, and could never be asked for them.
        skipped={
            "text": _HAS_NUL,
            "answer": f"text_id IN (SELECT id FROM text WHERE {_HAS_NUL})",
            "former_text": _HAS_NUL,
        }.get(name, ""),
    )


def _derived(name: str) -> Table:
    columns = ("rowid", "name", "purpose") if name == "word_index" else ("rowid",)
    return Table(name, columns, ("rowid",), ("bigint", "text", "text")[: len(columns)], ("rowid",), _INSERTS[name])


def _unique(file: Database, name: str) -> tuple[str, ...]:
    """The columns of a table's first unique index, where it has no primary key."""
    for index in file.execute_sql(f"PRAGMA index_list({_name(name)})").fetchall():
        if index[2]:
            return tuple(row[2] for row in file.execute_sql(f"PRAGMA index_info({_name(index[1])})").fetchall())
    raise LookupError(f"the rows of {name} can't be told apart")


def _types(server: Database) -> dict[str, dict[str, str]]:
    rows = server.execute_sql(
        "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL) FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = current_schema()::regnamespace"
        " AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"
    ).fetchall()
    kinds: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        kinds.setdefault(table, {})[column] = kind
    return kinds


_HAS_NUL = "instr(body, char(0)) > 0"


def _without_nul(value: Any) -> Any:
    return value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value


def _told(value: Any, is_long: bool) -> Any:
    if is_long and value is not None:
        return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()
    return int(value) if isinstance(value, bool) else value


def _on_server(column: str, kind: str) -> str:
    name = _name(column)
    if column in LONG:
        plain = name if kind == "bytea" else f"convert_to({name}, 'UTF8')"
        return f"encode(sha256({plain}), 'hex')"
    return f"CAST({name} AS INTEGER)" if kind == "boolean" else name


def _name(name: str) -> str:
    return f'"{name}"'


def _names(names: Sequence[str]) -> str:
    return ", ".join(_name(one) for one in names)
