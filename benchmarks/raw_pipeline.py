"""The limit: the fastest pipeline that keeps no promise at all.

Raw answers of the openai client (its own look through the inputs left out, JSON and base64 by the fastest decoders),
Chroma in a process of its own, a thousand rows a write, the next write ready in the pipe while Chroma works. The rows
are those that the program writes: the same texts, vectors and metadata.
No price, no journal, no ledger, no retries, no marks; a kill loses everything that was paid for.
Usage: python benchmarks/raw_pipeline.py DOCUMENTS.jsonl BASE_URL CHROMA_DIRECTORY [--no-chroma]
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import queue
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import openai
import orjson
import pybase64

BATCH = 100
CONCURRENCY = 8
ROWS = 1_000
DIMENSIONS = 1536
MODEL = "text-embedding-3-small"


def writer(directory: str, pipe: Connection) -> None:
    """Chroma's process: rows come through the pipe as (ids, texts, raw float32) until None does."""
    import gc
    import hashlib

    import chromadb

    if hasattr(os, "setsid"):
        os.setsid()  # as the program's: where sessions share the processor, neither may have more of them

    gc.freeze()  # what it has imported stays, and need not be looked through for garbage
    collection = chromadb.PersistentClient(directory).create_collection(
        "tables", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )
    pipe.send("ready")
    while (rows := pipe.recv()) is not None:
        ids, texts, raw = rows
        same = {"kind": "table", "model": MODEL, "dimensions": DIMENSIONS}
        collection.add(
            ids=ids,
            documents=texts,
            embeddings=np.frombuffer(raw, dtype="<f4").reshape(len(ids), DIMENSIONS),
            metadatas=[
                {"name": name, **same, "hash": hashlib.sha256(text.encode()).hexdigest()}
                for name, text in zip(ids, texts, strict=True)
            ],
        )
    pipe.send(collection.count())


class Writer:
    """Hands rows to Chroma's process from a thread of its own."""

    def __init__(self, directory: str) -> None:
        """Start the process, and wait until Chroma is there."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._child = context.Process(target=writer, args=(directory, theirs))
        self._child.start()
        self._pipe.recv()
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()
        self._rows: list[tuple[str, str, bytes]] = []

    def put(self, rows: list[tuple[str, str, bytes]]) -> None:
        """Rows that were answered; they leave by the thousand."""
        self._rows += rows
        while len(self._rows) >= ROWS:
            self._queue.put(self._rows[:ROWS])
            del self._rows[:ROWS]

    def end(self) -> int:
        """Write what is left; returns the rows in Chroma."""
        if self._rows:
            self._queue.put(self._rows)
        self._queue.put(None)
        self._thread.join()
        rows: int = self._pipe.recv()
        self._child.join()
        return rows

    def _send(self) -> None:
        while (rows := self._queue.get()) is not None:
            self._pipe.send(([row[0] for row in rows], [row[1] for row in rows], b"".join(row[2] for row in rows)))
        self._pipe.send(None)


async def main(documents: str, base_url: str, directory: str, *flags: str) -> None:
    """Embed every line's documentation; the answers are collected and handed over by the thousand."""
    items = [json.loads(line) for line in Path(documents).read_text(encoding="utf-8").splitlines()]
    client = openai.AsyncOpenAI(api_key="benchmark", base_url=base_url, max_retries=0)
    chroma = None if "--no-chroma" in flags else await asyncio.to_thread(Writer, directory)
    slots = asyncio.Semaphore(CONCURRENCY)
    came: list[tuple[float, int]] = []  # seconds, and the answers of one request

    async def one(batch: list[dict[str, str]]) -> None:
        async with slots:
            # As the program sends it: the name stands above the text.
            texts = [f"{item['name']}\n{item['documentation']}" for item in batch]
            raw = await client.embeddings.with_raw_response.create(
                model=MODEL, input="", encoding_format="base64", extra_body={"input": texts}
            )
        data = orjson.loads(raw.content)["data"]
        # With validation it is twice as fast as without.
        vectors = [pybase64.b64decode(entry["embedding"], validate=True) for entry in data]
        came.append((time.perf_counter() - started, len(vectors)))
        if chroma is not None:
            chroma.put(list(zip((item["name"] for item in batch), texts, vectors, strict=True)))

    started = time.perf_counter()
    await asyncio.gather(*(one(items[at : at + BATCH]) for at in range(0, len(items), BATCH)))
    rows = sum(count for _, count in came) if chroma is None else await asyncio.to_thread(chroma.end)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "rows": rows, "answers": came}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
