"""The program's own engine on a file of documents, timed from the yes to the last mark.

Usage: python benchmarks/one_run.py DOCUMENTS.jsonl BASE_URL HOME
"""

from __future__ import annotations

import json
import sys
import time

from batch_manager.quote import Scope
from batch_manager.settings import load_settings
from batch_manager.sources.jsonl import JsonlSource
from batch_manager.workspace import Workspace


def main(documents: str, base_url: str, home: str) -> None:
    """Import, quote, run, and say how long the run took."""
    settings = load_settings({"BATCH_MANAGER_HOME": home, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "benchmark"})
    with Workspace.open(settings, on_trouble="stop") as workspace:
        workspace.engine.warm()  # as the app and the flags do while the quote is read
        workspace.store.items.bring(JsonlSource(documents))
        quote = workspace.engine.quote(Scope())
        started = time.perf_counter()
        workspace.engine.start(quote)
        view = workspace.engine.wait()
        seconds = time.perf_counter() - started
        if view.state != "done":
            raise SystemExit(f"{view.state}: {view.reason}")
        print(json.dumps({"seconds": seconds, "rows": sum(workspace.engine.index_counts().values())}))


if __name__ == "__main__":
    main(*sys.argv[1:])
