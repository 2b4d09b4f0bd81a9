"""The batch manager of the Python API: statistics, costs, and the indexing of what is pending."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from batch_manager.documents import Kind
from batch_manager.engine import Engine
from batch_manager.pricing import price_of
from batch_manager.quote import Quote, Scope
from batch_manager.tokens import split_text

if TYPE_CHECKING:
    from batch_manager.indexer import SQLIndexerAgent
    from batch_manager.store import DocumentationStore


class BatchIndexingManager:
    """Indexes a documentation store in batches, through an indexer agent.

    Attributes:
        batch_size: Documents a request at most; a new value holds from the next call on.
    """

    def __init__(self, indexer_agent: SQLIndexerAgent) -> None:
        """Make a manager over that agent."""
        self._agent = indexer_agent

    @property
    def batch_size(self) -> int:
        """Documents a request at most."""
        return self._agent.batch_size

    @batch_size.setter
    def batch_size(self, size: int) -> None:
        self._agent.batch_size = size

    def get_processing_stats(self, doc_store: DocumentationStore) -> dict[str, Any]:
        """What is pending, what it costs, and how many requests it takes; nothing is sent.

        Raises:
            SettingError: No price is known for the model.
        """
        quote = Engine(self._agent.settings, doc_store).quote(Scope("pending"))
        counts = doc_store.items.counts()
        return processing_stats(
            quote, counts.of("table", "pending"), counts.of("relationship", "pending"), self.batch_size
        )

    def estimate_embedding_costs(self, texts: Sequence[str]) -> dict[str, Any]:
        """What these texts would cost, counted exactly; nothing is sent.

        Raises:
            SettingError: No price is known for the model.
        """
        price = price_of(self._agent.settings)
        tokens = sum(count for text in texts for _, count in split_text(text))
        cost = price.cost(tokens)
        return {
            "total_texts": len(texts),
            "estimated_tokens": tokens,
            "estimated_cost_usd": float(cost),
            "cost_per_text": float(cost / len(texts)) if texts else 0.0,
        }

    def batch_process_pending_tables(self, doc_store: DocumentationStore) -> dict[str, bool]:
        """Index the tables that are pending; name → whether it is in the index now. The call is the yes."""
        return self._process(doc_store, "table")

    def batch_process_pending_relationships(self, doc_store: DocumentationStore) -> dict[str, bool]:
        """Index the relationships that are pending; name → whether it is in the index now. The call is the yes."""
        return self._process(doc_store, "relationship")

    def _process(self, doc_store: DocumentationStore, kind: Kind) -> dict[str, bool]:
        results = self._agent.run(doc_store, Scope("pending", kinds=(kind,)))
        return results.tables if kind == "table" else results.relationships


def processing_stats(quote: Quote, tables: int, relationships: int, batch_size: int) -> dict[str, Any]:
    """A quote in the contract's words. Costs as numbers of USD."""
    return {
        "pending_tables": tables,
        "pending_relationships": relationships,
        "total_pending": tables + relationships,
        "estimated_table_cost": float(quote.tables.cost),
        "estimated_relationship_cost": float(quote.relationships.cost),
        "total_estimated_cost": float(quote.cost),
        "batch_size": batch_size,
        "estimated_batches": quote.requests,
    }
