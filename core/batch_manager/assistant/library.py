"""The library: a home that is only looked at, however long the session, and as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batch_manager.assistant.purse import Purse
from batch_manager.documents import Document, Kind, to_payload
from batch_manager.engine import Engine
from batch_manager.errors import UsageError
from batch_manager.pricing import price_of
from batch_manager.sources.shown import shown
from batch_manager.store import DocumentationStore
from batch_manager.store.items import ItemFilter
from batch_manager.store.places import Within
from batch_manager.store.words import words_of

if TYPE_CHECKING:
    from batch_manager.settings import Settings

KINDS: dict[str, Kind | None] = {"table": "table", "relationship": "relationship", "all": None}
MOST_RESULTS = 50
"""More than an assistant reads; each comes with its whole text."""

ALIKE = 5
"""Names that are offered in place of one that doesn't exist."""

Signature = tuple[tuple[int, int, int] | None, ...]


class Library:
    """Answers of the two tools, as plain data. An instance belongs to one thread."""

    def __init__(self, settings: Settings, purse: Purse, *, agreed: bool = False) -> None:
        """Nothing is opened before it is asked for.

        Args:
            settings: Those in force.
            purse: What all queries may cost.
            agreed: Queries may go to a server that the settings don't name, since a person gave the cap for it.
        """
        self._settings = settings
        self._purse = purse
        self._agreed = agreed
        self._engine: Engine | None = None
        self._seen: Signature = ()

    def search(
        self, query: str, kind: str = "all", limit: int = 10, sources: Sequence[str] = (), schemas: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The nearest items, best first, and what the session has spent.

        Raises:
            UsageError: An argument is wrong, there is no key, or the index that serves can't be asked.
            StoppedError: The cap of the session is reached.
            DeclinedError: The query would go to a server that the settings don't name, and nobody gave a cap for it.
            RequestRefused, VectorStoreError: The server or Chroma didn't answer.
        """
        if kind not in KINDS:
            raise UsageError(f"There is no kind {shown(kind, 40)!r}.", next_step="Use table, relationship or all.")
        if not 1 <= limit <= MOST_RESULTS:
            raise UsageError(f"limit is {limit}.", next_step=f"Use a number from 1 to {MOST_RESULTS}.")
        engine = self._opened()
        asked = engine.index.search_settings()
        if not engine.store.generations.searchable():
            raise UsageError(
                "Nothing is indexed yet, so nothing was sent.", next_step="A person indexes it: --batch-index."
            )
        meter = self._purse.at(price_of(asked))
        hits = engine.index.search(
            query, KINDS[kind], limit, sources=sources, schemas=schemas, meter=meter, agreed=self._agreed
        )
        return {
            "results": [
                {"kind": hit.kind, "name": hit.name, "score": round(hit.score, 4), "document": hit.document}
                for hit in hits
            ],
            "spent_usd": float(self._purse.spent),
            "cap_usd": float(self._purse.cap),
        }

    def describe(self, name: str) -> dict[str, Any]:
        """All that is documented of a table, with the relationships that it takes part in; nothing is sent.

        Raises:
            UsageError: There is no such table; the next step names others like it.
        """
        store = self._opened().store
        item_id = store.items.find("table", name)
        detail = None if item_id is None else store.items.detail(item_id)
        if detail is None:
            by_part = store.items.rows(store.items.ids(ItemFilter(kind="table", text=name))[:ALIKE])
            by_words = store.words.find(words_of(name), Within(("table",)), ALIKE)
            alike = list(dict.fromkeys([*(row.name for row in by_part), *(hit.name for hit in by_words)]))[:ALIKE]
            step = f"Names like it: {', '.join(alike)}." if alike else "Search for what it should hold."
            raise UsageError(f"There is no table {shown(name, 80)!r}.", next_step=shown(step, 400), code="no_such_item")
        return {
            "name": detail.row.name,
            "status": detail.status,
            "text": detail.text,
            "documented": to_payload(detail.document),
            "relationships": [_join(one) for one in store.items.joins(detail.row.name)],
            "sources": [one for one in (detail.structure_from, detail.words_from) if one],
            "changed_at": detail.changed_at,
        }

    def close(self) -> None:
        """Let everything go; safe to call twice."""
        if self._engine is not None:
            self._engine.close()
            self._engine.store.close()
            self._engine = None

    def _opened(self) -> Engine:
        """The engine over the home as it is now.

        A home that nobody writes in is read without locks, and so must be opened again once somebody has written.
        """
        seen = _signature(self._settings.store_path)
        if self._engine is None or seen != self._seen or self._engine.store.absent:
            self.close()
            self._seen = seen
            self._engine = Engine(self._settings, DocumentationStore.look(self._settings), on_trouble="stop")
        return self._engine


def _signature(path: Path) -> Signature:
    """What tells that the store's files are others, or have other content, than when they were opened."""
    found: list[tuple[int, int, int] | None] = []
    for one in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        try:
            about = one.stat()
        except OSError:  # not there, and so it is when it is opened
            found.append(None)
        else:
            found.append((about.st_ino, about.st_mtime_ns, about.st_size) if one == path else (about.st_ino, 0, 0))
    return tuple(found)


def _join(document: Document) -> dict[str, Any]:
    constrained, referred = document.tables
    return {
        "name": document.name,
        "type": document.type,
        "from": constrained,
        "from_columns": list(document.constrained),
        "to": referred,
        "to_columns": list(document.referred),
        "documentation": document.documentation,
    }
