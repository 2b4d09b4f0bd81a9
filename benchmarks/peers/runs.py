"""The same work by each peer, as its own documentation shows it: one function a peer. Run by `benchmarks/peers.py`.

Usage: python benchmarks/peers/runs.py PEER DOCUMENTS.jsonl BASE_URL DIRECTORY
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BATCH = 100
CONCURRENCY = 8
MODEL = "text-embedding-3-small"
KEY = "benchmark"
COSINE = {"hnsw": {"space": "cosine"}}

Items = list[dict[str, str]]
Work = Callable[[], int]
"""Does it all, and returns how many rows stand in the end."""


def langchain_from_texts(items: Items, url: str, folder: str) -> Work:
    """`Chroma.from_texts`, one request at a time."""
    from langchain_chroma import Chroma

    # Its own 1,000 texts a request, of this length, pass the 300,000 tokens that the API takes.
    model = _langchain_model(url, chunk_size=500)

    def work() -> int:
        store = Chroma.from_texts(
            [one["documentation"] for one in items],
            model,
            ids=[one["name"] for one in items],
            persist_directory=folder,
            collection_configuration=COSINE,
        )
        return len(store.get(include=[])["ids"])

    return work


def langchain_index(items: Items, url: str, folder: str) -> Work:
    """`index()` with its record manager, which doesn't pay again for what it knows."""
    from langchain_chroma import Chroma
    from langchain_classic.indexes import SQLRecordManager, index
    from langchain_core.documents import Document

    store = Chroma("tables", _langchain_model(url), persist_directory=folder, collection_configuration=COSINE)
    Path(folder).mkdir(exist_ok=True)
    records = SQLRecordManager("tables", db_url=f"sqlite:///{folder}/records.db")
    records.create_schema()
    documents = [Document(one["documentation"], metadata={"source": one["name"]}) for one in items]

    def work() -> int:
        index(documents, records, store, batch_size=BATCH, cleanup=None, key_encoder="sha256")
        return len(store.get(include=[])["ids"])

    return work


def llama_index(items: Items, url: str, folder: str) -> Work:
    """`IngestionPipeline.arun` with eight requests at once."""
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.schema import TextNode
    from llama_index.embeddings.openai import OpenAIEmbedding
    from llama_index.vector_stores.chroma import ChromaVectorStore

    collection = _collection(folder)
    model = OpenAIEmbedding(
        model=MODEL, api_key=KEY, api_base=url, embed_batch_size=BATCH, num_workers=CONCURRENCY, max_retries=0
    )
    pipeline = IngestionPipeline(transformations=[model], vector_store=ChromaVectorStore(chroma_collection=collection))
    nodes = [TextNode(id_=one["name"], text=one["documentation"]) for one in items]

    def work() -> int:
        asyncio.run(pipeline.arun(nodes=nodes))
        return int(collection.count())

    return work


def llm_embed_multi(items: Items, url: str, folder: str) -> Work:
    """`llm embed-multi`, which keeps vectors in SQLite and has no vector index."""
    os.environ |= {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY, "LLM_USER_PATH": folder}
    import sqlite3

    from llm.cli import cli

    Path(folder).mkdir(exist_ok=True)
    source, database = Path(folder) / "items.nl", Path(folder) / "embeddings.db"
    lines = (json.dumps({"id": one["name"], "text": one["documentation"]}) for one in items)
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    call = ["embed-multi", "tables", str(source), "--format", "nl", "-m", "3-small", "--store"]

    def work() -> int:
        cli.main([*call, "--batch-size", str(BATCH), "-d", str(database)], standalone_mode=False)
        return int(sqlite3.connect(database).execute("SELECT count(*) FROM embeddings").fetchone()[0])

    return work


def chroma_function(items: Items, url: str, folder: str) -> Work:
    """Chroma's own OpenAI embedding function, a hundred documents an `add`."""
    from chromadb.utils.embedding_functions import OpenAIEmbeddingFunction

    os.environ["OPENAI_API_KEY"] = KEY
    function = OpenAIEmbeddingFunction(api_key=KEY, api_base=url, model_name=MODEL)
    collection = _collection(folder, function)

    def work() -> int:
        for start in range(0, len(items), BATCH):
            some = items[start : start + BATCH]
            collection.add(ids=[one["name"] for one in some], documents=[one["documentation"] for one in some])
        return int(collection.count())

    return work


def litellm_async(items: Items, url: str, folder: str) -> Work:
    """A loop over `litellm.aembedding`, eight requests at once."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its price list would come from the network
    import litellm

    collection = _collection(folder)

    async def all_of_it() -> None:
        slots = asyncio.Semaphore(CONCURRENCY)

        async def one(some: Items) -> None:
            async with slots:
                texts = [item["documentation"] for item in some]
                answer = await litellm.aembedding(
                    model=f"openai/{MODEL}", input=texts, api_base=url, api_key=KEY, max_retries=0
                )
                vectors = [entry["embedding"] for entry in answer.data]
                collection.add(ids=[item["name"] for item in some], documents=texts, embeddings=vectors)

        await asyncio.gather(*(one(items[start : start + BATCH]) for start in range(0, len(items), BATCH)))

    def work() -> int:
        asyncio.run(all_of_it())
        return int(collection.count())

    return work


def haystack(items: Items, url: str, folder: str) -> Work:
    """Haystack's document embedder, then its writer into Chroma."""
    from haystack import Document
    from haystack.components.embedders import OpenAIDocumentEmbedder
    from haystack.utils import Secret
    from haystack_integrations.document_stores.chroma import ChromaDocumentStore

    embedder = OpenAIDocumentEmbedder(
        api_key=Secret.from_token(KEY), model=MODEL, api_base_url=url, batch_size=BATCH, progress_bar=False
    )
    store = ChromaDocumentStore("tables", persist_path=folder, distance_function="cosine")
    documents = [Document(id=one["name"], content=one["documentation"]) for one in items]

    def work() -> int:
        store.write_documents(embedder.run(documents)["documents"])
        return int(store.count_documents())

    return work


def one_a_call(items: Items, url: str, folder: str) -> Work:
    """One document a request and an `add`: what a first script does."""
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=url, max_retries=0)
    collection = _collection(folder)

    def work() -> int:
        for one in items:
            answer = client.embeddings.create(model=MODEL, input=one["documentation"])
            collection.add(ids=[one["name"]], documents=[one["documentation"]], embeddings=[answer.data[0].embedding])
        return int(collection.count())

    return work


PEERS: dict[str, Callable[[Items, str, str], Work]] = {
    "LangChain from_texts": langchain_from_texts,
    "LangChain index()": langchain_index,
    "LlamaIndex arun, 8 workers": llama_index,
    "llm embed-multi (no vector index)": llm_embed_multi,
    "Chroma's own embedding function": chroma_function,
    "LiteLLM aembedding, 8 at once": litellm_async,
    "Haystack": haystack,
    "one document a call": one_a_call,
}


def _collection(folder: str, function: Any = None) -> Any:
    import chromadb

    return chromadb.PersistentClient(folder).create_collection(
        "tables", embedding_function=function, configuration=COSINE
    )


def _langchain_model(url: str, chunk_size: int = BATCH) -> Any:
    from langchain_openai import OpenAIEmbeddings

    # Else it would send token arrays, counted with a vocabulary from the network.
    return OpenAIEmbeddings(
        model=MODEL, api_key=KEY, base_url=url, max_retries=0, check_embedding_ctx_length=False, chunk_size=chunk_size
    )


def main(peer: str, documents: str, url: str, folder: str) -> int:
    """Prepare, then time the work alone; 3 when the peer isn't installed."""
    items = [json.loads(line) for line in Path(documents).read_text(encoding="utf-8").splitlines()]
    try:
        work = PEERS[peer](items, url, folder)
    except ImportError as error:
        print(f"not installed: {error}", file=sys.stderr)
        return 3
    output, sys.stdout = sys.stdout, sys.stderr  # some of them print
    started = time.perf_counter()
    rows = work()
    json.dump({"seconds": time.perf_counter() - started, "rows": rows}, output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
