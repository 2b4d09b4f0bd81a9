"""Dialects: what SQLite and PostgreSQL say differently, so that every query is written once.

Queries are in SQL that both understand, with `?` for values; the few words that differ are asked of the database's
dialect. Where PostgreSQL only lacks a function of SQLite's, its store has one by that name (see `postgres_dialect`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from batch_manager.documents import Document

AMONG = "IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"
"""Behind a column of ids: whether it is among those of a JSON array, the value."""


class Form(NamedTuple):
    """A word that is looked for; `open` when whatever begins with it counts."""

    word: str
    open: bool


@dataclass(frozen=True, slots=True)
class Matching:
    """Rows of a full-text table with any of some words.

    Attributes:
        table: What to select from, under the table's own name.
        weight: SQL for the weight, the best lowest.
        condition: SQL for the WHERE.
        values: Those of the table and the condition, in this order.
    """

    table: str
    weight: str
    condition: str
    values: Sequence[Any]


class Dialect(Protocol):
    """What is said differently."""

    like: str
    """The LIKE for which the case of ASCII letters doesn't matter."""

    join: str
    """JOIN, in the order in which the tables stand where the planner can be told."""

    give_back: str
    """The statement that gives the room of deleted rows back."""

    def along(self, index: str) -> str:
        """Behind a table's name and alias: use that index, whatever the planner thinks."""

    def folded(self, column: str) -> str:
        """An order for which the case of ASCII letters doesn't matter."""

    def larger(self, one: str, other: str) -> str:
        """The larger of two numbers."""

    def listed(self, number: str) -> str:
        """An aggregate: the numbers as one text with commas, in the order of the subquery that they come from."""

    def put_together(self, text: str, order: str) -> str:
        """An aggregate: the texts as one, in an order that the subquery has too."""

    def has_pattern(self, column: str, pattern: str) -> str:
        """Whether there is a place in the text like the pattern: characters, and sets of them in brackets."""

    def words(self, text: str) -> str:
        """What a full-text table keeps of a text."""

    def matching(self, table: str, weights: Sequence[float], forms: Sequence[Form]) -> Matching:
        """The rows of a full-text table with any of these words.

        Args:
            table: `word_index` or `text_words`.
            weights: Of the table's columns.
            forms: The words.
        """

    def refusal(self, document: Document) -> str:
        """Why this engine can't keep a document; empty when it can."""

    def ddl(self, statement: str) -> Sequence[str]:
        """A statement that makes or changes tables, as this engine takes it; nothing where it needs none."""


class Database(Protocol):
    """The store's database, whichever engine it is of; each thread that uses it has a connection of its own."""

    @property
    def dialect(self) -> Dialect:
        """What this engine says differently."""

    telling: str
    """The kind of a transaction in which whoever only looks may tell workers something as well."""

    absent: bool
    """It wasn't there when it was looked at on its server, and may have been made since."""

    def has_writer(self) -> bool | None:
        """Whether a program has the lock of whoever writes; None where the lock is the home's."""

    def take_turn(self) -> bool:
        """Take the turn of whoever brings vectors to an index that is shared; False when another process has it."""

    def end_turn(self) -> None:
        """Give the turn back."""

    def keep_little(self) -> None:
        """Let this thread's connection keep only a little of what it reads: it hardly asks for the same again."""

    def notify(self, words: str) -> None:
        """Tell whoever listens at the server, once what is done is done."""

    def execute_sql(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> Any:
        """Run a statement; returns the cursor. Values are `?`, or `:name` for a mapping."""

    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Any]:
        """The rows of a long answer, of which only some are in memory at a time."""

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row of values."""

    def atomic(self, lock_type: str | None = None) -> AbstractContextManager[Any]:
        """All of what is done inside or nothing; with `IMMEDIATE` no other writer comes in between."""

    def close(self) -> bool:
        """Close this thread's connection."""

    def is_closed(self) -> bool:
        """Whether this thread has no connection."""


class Sqlite:
    """SQLite, in whose words everything is written."""

    like = "LIKE"
    join = "CROSS JOIN"
    give_back = "VACUUM"

    def along(self, index: str) -> str:
        """See `Dialect`."""
        return f" INDEXED BY {index}"

    def folded(self, column: str) -> str:
        """See `Dialect`."""
        return f"{column} COLLATE NOCASE"

    def larger(self, one: str, other: str) -> str:
        """See `Dialect`."""
        return f"max({one}, {other})"

    def listed(self, number: str) -> str:
        """A subquery's order holds for group_concat (SQLite's documentation of its query flattening)."""
        return f"group_concat({number})"

    def put_together(self, text: str, order: str) -> str:
        """See `listed`."""
        return f"group_concat({text}, '')"

    def has_pattern(self, column: str, pattern: str) -> str:
        """See `Dialect`."""
        return f"{column} GLOB '*{pattern}*'"

    def words(self, text: str) -> str:
        """FTS5 takes texts as they are."""
        return text

    def matching(self, table: str, weights: Sequence[float], forms: Sequence[Form]) -> Matching:
        """By FTS5 and its BM25. Words are runs of letters and digits, so that quoting takes its own syntax away."""
        asked = " OR ".join(f'"{word}"{"*" if is_open else ""}' for word, is_open in forms)
        weight = f"bm25({', '.join([table, *map(str, weights)])})"
        return Matching(table, weight, f"{table} MATCH ?", [asked])

    def refusal(self, document: Document) -> str:
        """It can keep all that can be read."""
        return ""

    def ddl(self, statement: str) -> Sequence[str]:
        """See `Dialect`."""
        return (statement,)


class Differs(str):
    """A statement of SQLite's for which PostgreSQL has others, or needs none."""

    postgres: tuple[str, ...]

    def __new__(cls, sqlite: str, *postgres: str) -> Differs:
        """Make one."""
        made = super().__new__(cls, sqlite)
        made.postgres = postgres
        return made


SQLITE = Sqlite()
