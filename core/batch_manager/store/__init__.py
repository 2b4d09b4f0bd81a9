"""The documentation store: all state that must survive, in transactions, in one SQLite file or on a PostgreSQL server.

One module of queries for each noun: `items`, `intake`, `departures`, `places`, `words`, `work`, `answers`, `ledger`,
`jobs`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from batch_manager.allowance import ceilings_of
from batch_manager.documents import Document
from batch_manager.home import is_written
from batch_manager.store.answers import Answers
from batch_manager.store.batches import Batches
from batch_manager.store.budgets import Budgets
from batch_manager.store.cuts import Cuts
from batch_manager.store.database import translated
from batch_manager.store.departures import Departures
from batch_manager.store.dialect import Database
from batch_manager.store.generations import Generations
from batch_manager.store.items import Items
from batch_manager.store.jobs import Jobs
from batch_manager.store.ledger import Ledger
from batch_manager.store.opening import opened, opened_for_looking
from batch_manager.store.places import Places
from batch_manager.store.watched import Watched
from batch_manager.store.words import Words
from batch_manager.store.work import Work

if TYPE_CHECKING:
    from pathlib import Path

    from batch_manager.settings import Settings

__all__ = ["DocumentationStore"]


class DocumentationStore:
    """The store of one home. Every thread may use it; each gets a connection of its own.

    Attributes:
        items: What is documented, and how far each item is.
        work: What a scope or a run holds.
        answers: What was paid for.
        ledger: Runs and requests.
        budgets: What all runs may spend in a day and a month.
        jobs: What is handed over at half the price.
        batches: Packed requests that any of several workers may send; `watched` is how others see them.
        places: Where items come from: sources and schemas.
        words: Full text over names, purposes and texts.
        departures: Items that are gone from their source, and not yet from the index.
        generations: Indexes of several models beside one another, and which of them serves.
        cuts: Longer answers that shorter ones can be cut from.
        folder: Where files that belong to it can be put: beside its own, or in the home where it is on a server.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        """Open the store for writing; it is created or migrated when it must be.

        Args:
            settings: By default those of the environment and `.env`.

        Raises:
            StoreError: It can't be opened, is damaged, or comes from a newer version.
        """
        if settings is None:
            from batch_manager.settings import load_settings

            settings = load_settings()
        self._take(opened(settings), settings)

    @classmethod
    def look(cls, settings: Settings) -> DocumentationStore:
        """Open the store so that nothing at all is written; one that isn't there looks empty.

        Raises:
            StoreError: It can't be opened, or comes from another version.
        """
        store = cls.__new__(cls)
        store._take(opened_for_looking(settings), settings)
        return store

    def _take(self, database: Database, settings: Settings) -> None:
        self._db = database
        self.path = settings.store_path
        self._path = None if settings.store_server else self.path
        self.folder = settings.home if self._path is None else self.path.parent
        self.items = Items(database)
        self.work = Work(database)
        self.answers = Answers(database)
        self.budgets = Budgets(database, ceilings_of(settings))
        self.ledger = Ledger(database, self.budgets)
        self.jobs = Jobs(database, self.budgets)
        self.batches = Batches(database, self.answers)
        self.watched = Watched(database)
        self.departures = Departures(database)
        self.generations = Generations(database)
        self.cuts = Cuts(database)
        self.places = Places(database)
        self.words = Words(database)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing; durable when it ends."""
        with translated(self._path), self._db.atomic("IMMEDIATE"):
            yield

    def get_pending_tables(self) -> list[str]:
        """Names of the tables that are pending."""
        return [name for _, name, _ in self.items.pending("table")]

    def get_pending_relationships(self) -> list[dict[str, Any]]:
        """The relationships that are pending: id, name, both tables, their columns, type, documentation."""
        return [_relationship(item_id, document) for item_id, _, document in self.items.pending("relationship")]

    def note(self, key: str) -> str | None:
        """A note that the store keeps beside the tables (which space the index is in, …)."""
        with translated(self._path):
            row = self._db.execute_sql("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_note(self, key: str, value: str | None) -> None:
        """Write or delete a note."""
        with translated(self._path):
            if value is None:
                self._db.execute_sql("DELETE FROM meta WHERE key = ?", (key,))
            else:
                self._db.execute_sql(
                    "INSERT INTO meta (key, value) VALUES (?, ?)"
                    " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    (key, value),
                )

    def keep_little(self) -> None:
        """Let this thread keep little of what it reads and writes in memory."""
        with translated(self._path):
            self._db.keep_little()

    @property
    def database(self) -> Database:
        """The database itself, for what only one of both engines has."""
        return self._db

    @property
    def on_server(self) -> bool:
        """Whether it is on a server, whose disk isn't this machine's."""
        return self._path is None

    @property
    def absent(self) -> bool:
        """Whether it wasn't there when it was looked at on its server, and may have been made since."""
        return self._db.absent

    def has_writer(self, home: Path) -> bool:
        """Whether a process writes in it, or in the home; nothing is locked or written."""
        with translated():
            found = self._db.has_writer()
        return is_written(home) if found is None else found

    def close(self) -> None:
        """Close this thread's connection; other threads close theirs."""
        if not self._db.is_closed():
            self._db.close()

    def __enter__(self) -> DocumentationStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _relationship(item_id: int, document: Document) -> dict[str, Any]:
    constrained, referred = document.tables or ("", "")
    return {
        "id": item_id,
        "name": document.name,
        "constrained_table": constrained,
        "constrained_columns": list(document.constrained),
        "referred_table": referred,
        "referred_columns": list(document.referred),
        "type": document.type,
        "documentation": document.documentation,
    }
