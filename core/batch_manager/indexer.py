"""The indexer agent and the vector store of the Python API: thin faces of the engine, for scripts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from batch_manager.documents import Document, Kind, from_payload
from batch_manager.engine import Engine
from batch_manager.errors import UsageError
from batch_manager.home import make_home
from batch_manager.quote import Scope
from batch_manager.settings import Settings, load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore
from batch_manager.store.opening import writer_locks

if TYPE_CHECKING:
    from batch_manager.engine import RunResults


class SQLVectorStore:
    """Where vectors go, as the settings say: embedded Chroma in the home, or a Chroma server."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Nothing is opened before it is used.

        Args:
            settings: By default those of the environment and `.env`.

        Raises:
            SettingError: A setting has a wrong value.
        """
        self.settings = settings or load_settings()

    def counts(self) -> dict[Kind, int]:
        """Vectors in each collection."""
        with _look(self.settings) as engine:
            return engine.index.counts()


class SQLIndexerAgent:
    """Turns documents into vectors in the vector store."""

    def __init__(self, vector_store: SQLVectorStore) -> None:
        """Make an agent that writes to that vector store."""
        self.vector_store = vector_store
        self.batch_size = vector_store.settings.batch_size

    @property
    def settings(self) -> Settings:
        """What is in force, the agent's batch size included.

        Raises:
            SettingError: The batch size isn't allowed.
        """
        from dataclasses import replace

        from batch_manager.errors import SettingError
        from batch_manager.settings import MAX_INPUTS

        size = self.batch_size
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MAX_INPUTS:
            raise SettingError(
                f"batch_size is {size!r}, but it must be a whole number from 1 to {MAX_INPUTS:,}.",
                next_step="Set batch_size to an allowed value.",
            )
        return replace(self.vector_store.settings, batch_size=size)

    def index_table_documentation(self, table_data: Mapping[str, Any]) -> bool:
        """Index one table; False when it could not be indexed (the log says why)."""
        return all(self.batch_index_tables([table_data]).values())

    def index_relationship_documentation(self, relationship_data: Mapping[str, Any]) -> bool:
        """Index one relationship; False when it could not be indexed (the log says why)."""
        return all(self.batch_index_relationships([relationship_data]).values())

    def batch_index_tables(self, tables: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
        """Index tables; name → whether it is in the index now. The documents are kept in the store as well."""
        return self._index("table", tables)

    def batch_index_relationships(self, relationships: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
        """Index relationships; name → whether it is in the index now."""
        return self._index("relationship", relationships)

    def search_documentation(
        self,
        query: str,
        doc_type: str = "all",
        limit: int = 10,
        *,
        sources: Sequence[str] = (),
        schemas: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        """The nearest documents, best first: kind, name, score (0..1), document.

        Args:
            query: What is looked for; it is sent to the embedding API.
            doc_type: `table`, `relationship` or `all`.
            limit: How many at most.
            sources: Only items of one of these sources (names, globs, or parts of a title).
            schemas: Only items of one of these schemas (names or globs).

        Raises:
            UsageError: The type is none of these, the query can't be sent, or no item is of such a source or schema.
            DeclinedError: The query would leave this machine, and the settings name the model on it.
            BatchManagerError: The server or Chroma didn't answer.
        """
        kinds: dict[str, Kind | None] = {"table": "table", "relationship": "relationship", "all": None}
        if doc_type not in kinds:
            raise UsageError(f"There is no type {doc_type!r}.", next_step="Use table, relationship or all.")
        with _look(self.settings) as engine:
            hits = engine.index.search(query, kinds[doc_type], limit, sources=sources, schemas=schemas)
        return [{"kind": hit.kind, "name": hit.name, "score": hit.score, "document": hit.document} for hit in hits]

    def run(self, store: DocumentationStore, scope: Scope) -> RunResults:
        """Index a scope of a store; the call is the yes. One writer a home is held to.

        Raises:
            HomeBusy: Another process writes in the home.
            SettingError: No key, or no price.
        """
        settings = self.settings
        make_home(settings.home)
        with (
            writer_locks(settings),
            _closing(Engine(settings, store, on_trouble="stop")) as engine,
        ):
            store.ledger.recover()
            quote = engine.quote(scope).going_on()
            if quote.nothing_to_do:
                return engine.results()
            engine.start(quote)
            engine.wait()
            return engine.results()

    def _index(self, kind: Kind, data: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
        documents = [_document(kind, one) for one in data]
        if not documents:
            return {}
        with DocumentationStore(self.settings) as store:
            store.items.bring(IterableSource(documents, "words", "the Python API"))
            found = [store.items.find(kind, document.name) for document in documents]
            ids = tuple(one for one in found if one is not None)
            # Items that are indexed already, with this text, cost nothing and stay as they are.
            results = self.run(store, Scope("all", kinds=(kind,), ids=ids))
        outcome = results.tables if kind == "table" else results.relationships
        return {document.name: outcome.get(document.name, False) for document in documents}


def _document(kind: Kind, data: Mapping[str, Any]) -> Document:
    """A document of the Python API: `type` may name the kind, and `id` stands for a missing name."""
    payload = {**data, "kind": kind}
    if payload.get("name") is None and payload.get("id") is not None:
        payload["name"] = str(payload["id"])
    if payload.get("type") == kind:
        del payload["type"]
    try:
        return from_payload(payload)
    except ValueError as error:
        raise UsageError(
            f"This {kind}'s data can't be used: {error}.", next_step="Correct it and call again."
        ) from None


@contextlib.contextmanager
def _closing(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.close()


@contextlib.contextmanager
def _look(settings: Settings) -> Iterator[Engine]:
    """An engine that only asks; nothing is written in the home."""
    store = DocumentationStore.look(settings)
    try:
        with _closing(Engine(settings, store)) as engine:
            yield engine
    finally:
        store.close()
