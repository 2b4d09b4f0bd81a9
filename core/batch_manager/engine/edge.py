"""What lies outside the engine: the embedder and the vector store, made when they are first needed."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from batch_manager.embedding import Embedder, make_embedder
from batch_manager.vectors import VectorStore

if TYPE_CHECKING:
    from batch_manager.settings import Settings


class Edge:
    """The two places that a run reaches out to."""

    def __init__(self, settings: Settings, vectors: VectorStore | None = None) -> None:
        """Nothing is opened or imported yet.

        Args:
            settings: What is in force.
            vectors: Instead of Chroma as the settings say.
        """
        self._settings = settings
        self._vectors = vectors
        self._embedder: Embedder | None = None
        self._other: tuple[Settings, Embedder] | None = None
        self._making = threading.Lock()

    def vectors(self) -> VectorStore:
        """The vector store; its process starts when it is first asked."""
        if self._vectors is None:
            from batch_manager.vectors.process import ChromaProcess

            url = self._settings.chroma_url
            self._vectors = ChromaProcess(directory=None if url else self._settings.vectors_directory, url=url)
        return self._vectors

    def embedder(self) -> Embedder:
        """The embedder; making it may take a second."""
        with self._making:
            if self._embedder is None:
                self._embedder = make_embedder(self._settings)
            return self._embedder

    def embedder_for(self, settings: Settings) -> Embedder:
        """The embedder of other settings, of the index that serves while another is built; the last one is kept."""
        if settings == self._settings:
            return self.embedder()
        with self._making:
            if self._other is None or self._other[0] != settings:
                self._other = (settings, make_embedder(settings))
            return self._other[1]

    async def warm_embedder(self) -> Embedder:
        """The embedder, without stopping the loop while a client is imported."""
        return await asyncio.to_thread(self.embedder)

    async def close(self) -> None:
        """Close what was opened."""
        embedders, vectors = [self._embedder, self._other and self._other[1]], self._vectors
        self._embedder = self._other = self._vectors = None
        for embedder in embedders:
            if embedder is not None:
                await embedder.close()
        if vectors is not None:
            await vectors.close()
