"""Batch Manager: embeds the documentation of SQL databases. The price first, nothing lost, nothing paid twice.

The way of a document, which the imports of the package follow:

    source → store → quote → yes → packed requests → embedding API → store (answers) → Chroma → item: indexed

The names of the Python API are imported when they are first used, so that `--help` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as checkers read it; importing typing would be a third of what `--help` costs
if TYPE_CHECKING:
    from typing import Any

    from batch_manager.indexer import SQLIndexerAgent, SQLVectorStore
    from batch_manager.manager import BatchIndexingManager
    from batch_manager.store import DocumentationStore

__all__ = ["BatchIndexingManager", "DocumentationStore", "SQLIndexerAgent", "SQLVectorStore", "__version__"]

__version__ = "0.1.0"

_HOMES = {
    "BatchIndexingManager": "batch_manager.manager",
    "DocumentationStore": "batch_manager.store",
    "SQLIndexerAgent": "batch_manager.indexer",
    "SQLVectorStore": "batch_manager.indexer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
