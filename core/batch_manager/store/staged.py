"""What is staged: the temporary tables that a reading fills and `intake` takes in, and the rows of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from batch_manager.documents import text_hash
from batch_manager.store.dialect import Database, Differs

Fate = Literal["new", "changed", "reworded", "same"]
"""What becomes of an item: `reworded` has other words that make the same text, so there is nothing to send."""

Parts = Sequence[tuple[str, int]]
"""The inputs that a text is sent as, each with its tokens."""

TABLES = (
    # Where SQLite is built to write zeros over what is deleted, that is a tenth of an import; nobody sees this file.
    Differs("PRAGMA temp.secure_delete = 0"),
    Differs("PRAGMA temp.cache_size = -8000"),
    Differs("PRAGMA temp.journal_mode = MEMORY"),
    # What is long comes last, so that nobody has to go past it.
    """
    CREATE TEMP TABLE IF NOT EXISTS staged (
        seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, place TEXT NOT NULL, fate TEXT NOT NULL,
        item_id INTEGER, back INTEGER NOT NULL, name_words TEXT NOT NULL, schema TEXT NOT NULL, text_hash TEXT,
        layout INTEGER, problem TEXT, tokens INTEGER NOT NULL, bytes INTEGER NOT NULL, parts INTEGER NOT NULL,
        purpose TEXT NOT NULL, payload TEXT NOT NULL, UNIQUE (kind, name)
    )
    """,
    # With rowids: without them, most of each body would be on a page of its own.
    """
    CREATE TEMP TABLE IF NOT EXISTS staged_part (
        seq INTEGER NOT NULL, no INTEGER NOT NULL, hash TEXT NOT NULL, tokens INTEGER NOT NULL, bytes INTEGER NOT NULL,
        body TEXT NOT NULL, PRIMARY KEY (seq, no)
    )
    """,
    "DELETE FROM staged",
    "DELETE FROM staged_part",
)


class Row(NamedTuple):
    """A row of `staged`, before the sizes of its text are known."""

    seq: int
    kind: str
    name: str
    place: str
    fate: Fate
    item_id: int | None
    back: bool
    payload: str
    purpose: str = ""
    name_words: str = ""
    schema: str = ""
    text_hash: str | None = None
    layout: int | None = None
    problem: str | None = None


_PartRow = tuple[int, int, str, str, int, int]

_COLUMNS = (*Row._fields, "tokens", "bytes", "parts")

# Of two lines for one item the later one counts.
_INSERT = (
    f"INSERT INTO staged ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' for _ in _COLUMNS)})"
    f" ON CONFLICT (kind, name) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS)}"
)
_INSERT_PART = "INSERT INTO staged_part (seq, no, hash, body, tokens, bytes) VALUES (?, ?, ?, ?, ?, ?)"


def lay_ready(database: Database, rows: Iterable[Row], parts: Mapping[int, Parts]) -> None:
    """Stage these rows, with the parts of their texts by `seq`."""
    laid: list[_PartRow] = []
    database.execute_many(_INSERT, [(*row, *_sizes(row, parts.get(row.seq, ()), laid)) for row in rows])
    database.execute_many(_INSERT_PART, laid)


def empty(database: Database) -> None:
    """Nothing is staged any more; the tables are there."""
    for statement in TABLES:
        for one in database.dialect.ddl(statement):
            database.execute_sql(one)


def _sizes(row: Row, parts: Parts, laid: list[_PartRow]) -> tuple[int, int, int]:
    """Tokens, bytes and number of a text's parts, whose rows are added to `laid`."""
    tokens = size = 0
    for number, (body, of_part) in enumerate(parts, start=1):
        long = len(body) if body.isascii() else len(body.encode())
        digest = (row.text_hash or "") if len(parts) == 1 else text_hash(body)
        laid.append((row.seq, number, digest, body, of_part, long))
        tokens, size = tokens + of_part, size + long
    return tokens, size, len(parts)
