"""The limit: the fastest pipeline that keeps no promise at all.

Raw answers of the openai client (base64, decoded by numpy), Chroma in a process of its own, 1,000 rows an upsert.
No price, no journal, no ledger, no retries, no marks; a kill loses everything that was paid for.
Usage: python benchmarks/raw_pipeline.py DOCUMENTS.jsonl BASE_URL CHROMA_DIRECTORY [--no-chroma]
"""

from __future__ import annotations

import asyncio
import base64
import json
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import openai

BATCH = 100
CONCURRENCY = 8
ROWS = 1_000
DIMENSIONS = 1536


def writer(directory: str, pipe: Connection) -> None:
    """Chroma's process: rows come through the pipe as (ids, texts, raw float32) until None does."""
    import chromadb

    collection = chromadb.PersistentClient(directory).create_collection(
        "tables", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )
    pipe.send("ready")
    while (rows := pipe.recv()) is not None:
        ids, texts, raw = rows
        vectors = np.frombuffer(raw, dtype="<f4").reshape(len(ids), DIMENSIONS)
        collection.upsert(ids=ids, documents=texts, embeddings=vectors)
    pipe.send(collection.count())


async def main(documents: str, base_url: str, directory: str, *flags: str) -> None:
    """Embed every line's documentation; the answers are collected and handed over by the thousand."""
    items = [json.loads(line) for line in Path(documents).read_text(encoding="utf-8").splitlines()]
    client = openai.AsyncOpenAI(api_key="benchmark", base_url=base_url, max_retries=0)
    to_chroma = "--no-chroma" not in flags
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    child = multiprocessing.get_context("spawn").Process(target=writer, args=(directory, theirs))
    if to_chroma:
        child.start()
        await asyncio.to_thread(ours.recv)
    slots = asyncio.Semaphore(CONCURRENCY)
    held: list[tuple[str, str, bytes]] = []
    sending = asyncio.Lock()
    answered = 0

    async def flush(least: int) -> None:
        while len(held) >= least and held:
            rows, held[:ROWS] = held[:ROWS], []
            async with sending:
                message = ([r[0] for r in rows], [r[1] for r in rows], b"".join(r[2] for r in rows))
                await asyncio.to_thread(ours.send, message)

    async def one(batch: list[dict[str, str]]) -> None:
        nonlocal answered
        async with slots:
            texts = [item["documentation"] for item in batch]
            raw = await client.embeddings.with_raw_response.create(
                model="text-embedding-3-small", input=texts, encoding_format="base64"
            )
        data = json.loads(raw.content)["data"]
        vectors = [np.frombuffer(base64.b64decode(entry["embedding"]), dtype="<f4").tobytes() for entry in data]
        answered += len(vectors)
        if to_chroma:
            held.extend(zip((item["name"] for item in batch), texts, vectors, strict=True))
            await flush(ROWS)

    started = time.perf_counter()
    await asyncio.gather(*(one(items[at : at + BATCH]) for at in range(0, len(items), BATCH)))
    rows = answered
    if to_chroma:
        await flush(1)
        ours.send(None)
        rows = await asyncio.to_thread(ours.recv)
        child.join()
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
