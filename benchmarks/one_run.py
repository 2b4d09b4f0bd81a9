"""The program's own engine on a file of documents, timed from the yes to the last mark.

Usage: python benchmarks/one_run.py DOCUMENTS.jsonl BASE_URL HOME [--chroma-defaults] [--app] [--again]
       [--import-only | --no-import]

`--chroma-defaults` builds the index with Chroma's own HNSW settings, `--app` has the app open before it at 120×40,
`--again` rebuilds the unchanged index afterwards and times that as well.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from typing import Any

from batch_manager.engine import Engine
from batch_manager.events import BatchChanged, Subscription
from batch_manager.quote import Scope
from batch_manager.settings import load_settings
from batch_manager.sources.jsonl import JsonlSource
from batch_manager.vectors.process import ChromaProcess
from batch_manager.workspace import Workspace


def main(documents: str, base_url: str, home: str, *flags: str) -> None:
    """Import, quote, run, and say how long the run took."""
    settings = load_settings({"BATCH_MANAGER_HOME": home, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "benchmark"})
    with Workspace.open(settings, on_trouble="stop") as workspace:
        if "--chroma-defaults" in flags:
            vectors = ChromaProcess(directory=settings.vectors_directory, url=None, build={})
            workspace.engine = Engine(settings, workspace.store, on_trouble="stop", vectors=vectors)
        if "--no-import" not in flags:
            workspace.store.items.bring(JsonlSource(documents))
        if "--import-only" in flags:
            print("{}")
            return
        workspace.engine.warm().result()  # as the app and the flags do while the quote is read
        result = asyncio.run(in_app(workspace)) if "--app" in flags else run(workspace.engine, Scope())
        if "--again" in flags:
            result["again"] = run(workspace.engine, Scope("all"))["seconds"]
        print(json.dumps(result))


def run(engine: Engine, scope: Scope) -> dict[str, Any]:
    """Say yes, and wait for the end."""
    engine.index.counts()  # Chroma's process is up, as it is when somebody has read a quote
    quote = engine.quote(scope)
    kept: list[tuple[float, int]] = []  # when the answers of each batch were safe
    events, over = engine.subscribe(), threading.Event()
    listening = threading.Thread(target=listen, args=(events, over, kept))
    listening.start()
    started = time.perf_counter()
    cpu = time.process_time()
    engine.start(quote)
    view = engine.wait()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    engine.unsubscribe(events)
    over.set()
    listening.join()
    if view.state != "done":
        raise SystemExit(f"{view.state}: {view.reason}")
    rows = sum(engine.index.counts().values())
    answers = [(moment - started, count) for moment, count in kept]
    return {"seconds": seconds, "cpu": cpu, "rows": rows, "answers": answers}


def listen(events: Subscription, over: threading.Event, kept: list[tuple[float, int]]) -> None:
    """Note when the answers of each batch were kept, until it is over."""
    while not over.is_set():
        events.wait(0.2)
        now = time.perf_counter()
        kept += [(now, one.batch.answered) for one in events.drain() if isinstance(one, BatchChanged)]


async def in_app(workspace: Workspace) -> dict[str, Any]:
    """The same while the app draws."""
    from batch_manager_tui.app import BatchManagerApp

    app = BatchManagerApp(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.5)
        result = await asyncio.to_thread(run, workspace.engine, Scope())
    await asyncio.to_thread(app.close_rooms)
    return result


if __name__ == "__main__":
    main(*sys.argv[1:])
