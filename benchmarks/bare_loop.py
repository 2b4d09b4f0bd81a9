"""The yardstick: a plain asyncio loop over the openai client and Chroma, with no promises kept.

No price, no journal, no retries, no marks: what a script would do that only wants to be done.
Usage: python benchmarks/bare_loop.py DOCUMENTS.jsonl BASE_URL CHROMA_DIRECTORY
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import chromadb
import openai

BATCH = 100
CONCURRENCY = 8


async def main(documents: str, base_url: str, directory: str) -> None:
    """Embed every line's documentation, and add it to one collection."""
    items = [json.loads(line) for line in Path(documents).read_text(encoding="utf-8").splitlines()]
    client = openai.AsyncOpenAI(api_key="benchmark", base_url=base_url, max_retries=0)
    collection = chromadb.PersistentClient(directory).create_collection(
        "tables", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )
    slots = asyncio.Semaphore(CONCURRENCY)

    async def one(batch: list[dict[str, str]]) -> None:
        async with slots:
            texts = [item["documentation"] for item in batch]
            answer = await client.embeddings.create(model="text-embedding-3-small", input=texts)
            collection.add(
                ids=[item["name"] for item in batch],
                embeddings=[entry.embedding for entry in answer.data],
                documents=texts,
            )

    started = time.perf_counter()
    await asyncio.gather(*(one(items[at : at + BATCH]) for at in range(0, len(items), BATCH)))
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": collection.count()}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
