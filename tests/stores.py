"""Stores on a real PostgreSQL: the same tests as on SQLite, each home's store in a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from batch_manager import store
from batch_manager.settings import Settings
from batch_manager.store.dialect import Database
from batch_manager.store.migrations import MIGRATIONS
from batch_manager.store.postgres import PostgresStore
from batch_manager.store.postgres_schema import migrate, version_of

TEMPLATE = "template_of_stores"


class StoreServer:
    """A PostgreSQL server for stores; databases are copies of one that has the schema."""

    def __init__(self, url: str) -> None:
        """Make the template.

        Args:
            url: The server's, without a database.
        """
        self.url = url
        self._numbers = count()
        self.execute(f"CREATE DATABASE {TEMPLATE}")
        database = PostgresStore(f"{url}/{TEMPLATE}")
        migrate(database)
        database.close()

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the user that owns all."""
        import psycopg

        with psycopg.connect(f"{self.url}/{database}", autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def databases(self) -> Iterator[Databases]:
        """Databases that are gone in the end."""
        made = Databases(self)
        try:
            yield made
        finally:
            for name in made.names:
                self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def new_name(self) -> str:
        """A name that no database has yet."""
        return f"store_{next(self._numbers)}"


class Databases:
    """The databases of one test."""

    def __init__(self, server: StoreServer) -> None:
        self._server = server
        self.names: list[str] = []
        self._of: dict[Path, str] = {}

    def make(self, template: str = TEMPLATE) -> str:
        """A new one with an empty store; returns its URL."""
        name = self._server.new_name()
        self._server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        self.names.append(name)
        return f"{self._server.url}/{name}"

    def of(self, path: Path) -> str:
        """The one that stands for the file of a store."""
        if path not in self._of:
            self._of[path] = self.make()
        return self._of[path]


@contextmanager
def instead_of_sqlite(server: StoreServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every store that this process opens in a file is one on the server instead."""
    with server.databases() as databases:

        def opened(settings: Settings, looking: bool = False) -> Database:
            database = PostgresStore(databases.of(settings.store_path), looking=looking)
            assert version_of(database) == len(MIGRATIONS)
            return database

        monkeypatch.setattr(store, "opened", opened)
        monkeypatch.setattr(store, "opened_for_looking", lambda settings: opened(settings, looking=True))
        yield
