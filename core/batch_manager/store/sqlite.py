"""The store's database in SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from batch_manager.store.dialect import SQLITE
from batch_manager.store.orm import peewee


class SqliteStore(peewee.SqliteDatabase):
    """See `dialect.Database`."""

    dialect = SQLITE
    telling = "IMMEDIATE"
    absent = False

    def has_writer(self) -> bool | None:
        """The lock is a file beside the store's."""
        return None

    def take_turn(self) -> bool:
        """Whoever writes here is alone."""
        return True

    def end_turn(self) -> None:
        """See `take_turn`."""

    def keep_little(self) -> None:
        """Of the vectors that come and go, 16 MB would stay in memory, for each thread that brings them."""
        self.execute_sql("PRAGMA cache_size = -2000")  # type: ignore[no-untyped-call]

    def notify(self, words: str) -> None:
        """Nobody listens to a file."""

    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Any]:
        """The rows of a long answer, as they are asked for."""
        yield from self.execute_sql(sql, params)  # type: ignore[no-untyped-call]

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row of values."""
        self.connection().executemany(sql, rows)  # type: ignore[no-untyped-call]
