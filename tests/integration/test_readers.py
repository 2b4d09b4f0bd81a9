"""Other programs' readers open our collections as they are: plain chromadb's, and LangChain's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import chromadb
import numpy as np
import pytest
from langchain_chroma import Chroma
from langchain_core.embeddings import Embeddings

from batch_manager.documents import Document
from batch_manager.embedding import make_embedder
from batch_manager.quote import Scope
from batch_manager.settings import Settings, load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.workspace import Workspace

DOCUMENTS = (
    Document("table", "users", documentation="People who signed up, with their e-mail."),
    Document("table", "#odd", documentation="Wages of a month."),
    Document("table", "long", documentation="What customers bought, and when they paid for it. " * 1_000),
    Document("relationship", "users_long_fk", tables=("long", "users"), documentation="Who bought."),
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a home that is indexed by the local model, one of its documents in several parts."""
    home = Path(tmp_path_factory.mktemp("home"))
    given = {"BATCH_MANAGER_HOME": str(home), "EMBEDDING_PROVIDER": "local"}
    settings = load_settings(given, environment={}, folder=home)
    with Workspace.open(settings, on_trouble="stop") as workspace:
        workspace.store.items.bring(IterableSource(DOCUMENTS, "words", "a test"))
        workspace.engine.start(workspace.engine.quote(Scope()))
        assert workspace.engine.wait(60).indexed == len(DOCUMENTS)
    return settings


class OurModel(Embeddings):
    """The model that the index was made with, as LangChain wants it."""

    def __init__(self, settings: Settings) -> None:
        self._embedder = make_embedder(settings)

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question."""
        answer = asyncio.run(self._embedder.embed([text], tried=1, expected_tokens=0))
        return [float(one) for one in np.frombuffer(answer.vectors[0], dtype="<f4")]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of texts."""
        return [self.embed_query(text) for text in texts]


def test_plain_chromadb_opens_counts_and_queries(settings: Settings) -> None:
    client = chromadb.PersistentClient(str(settings.vectors_directory))
    tables = client.get_collection("tables")
    found = tables.query(query_embeddings=[OurModel(settings).embed_query("wages")], n_results=1)
    assert found["ids"] == [["##odd"]]
    assert (found["documents"] or [[]])[0][0] == "#odd\nWages of a month."
    [metadata] = (found["metadatas"] or [[]])[0]
    assert {key: metadata[key] for key in ("name", "kind", "model", "dimensions")} == {
        "name": "#odd",
        "kind": "table",
        "model": settings.model,
        "dimensions": 256,
    }
    assert tables.count() > 3  # the long one has several parts
    parts = tables.get(where={"name": "long"}, include=["documents"])
    assert "".join(text for _, text in sorted(zip(parts["ids"], parts["documents"] or [], strict=True))).count("bought")
    assert client.get_collection("relationships").count() == 1


def test_langchain_opens_and_searches(settings: Settings) -> None:
    store = Chroma(
        collection_name="tables",
        persist_directory=str(settings.vectors_directory),
        embedding_function=OurModel(settings),
    )
    [(document, score)] = store.similarity_search_with_relevance_scores("wages of a month", k=1)
    assert document.id == "##odd" and document.metadata["name"] == "#odd"
    assert document.page_content == "#odd\nWages of a month."
    assert 0.5 < score <= 1.0001  # cosine, as the collection says it
    kept = store.as_retriever(search_kwargs={"k": 4, "filter": {"name": "users"}}).invoke("who signed up")
    assert [one.metadata["name"] for one in kept] == ["users"]
