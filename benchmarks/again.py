"""Scan and index again: with nothing changed, and with one table in a hundred changed.

Usage: python benchmarks/again.py [--tables 10000] [--tiny] [--json]

A SQLite database with foreign keys is scanned and indexed against the rehearsal server. Again with nothing changed must
send no request, write nothing to Chroma's folder, and take at most twice the time of the scan alone (reading the
database into documents); with 1% changed, requests are the changed texts over the batch size, rounded up. Exits 1
when any of it doesn't hold, except that times are not judged with `--tiny`.
"""

from __future__ import annotations

import argparse
import json
import math
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import corpus

from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import load_settings
from batch_manager.sources.database import DatabaseSource
from batch_manager.workspace import Workspace

MOST = 2.0
"""How many times the scan's own time a scan and an index with nothing to do may take."""


def make(path: Path, tables: int) -> None:
    """Tables of six columns, four in five with a key to the one before."""
    with sqlite3.connect(path) as database:
        for number in range(tables):
            key = f" REFERENCES t{number - 1} (id)" if number % 5 else ""
            database.execute(
                f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, up_{number} INTEGER{key}, code TEXT, state TEXT,"
                f" total NUMERIC CHECK (total >= 0), made_{number} TEXT)"
            )
    database.close()


def change(path: Path, tables: int) -> None:
    """One table in a hundred gets another column."""
    with sqlite3.connect(path) as database:
        for number in range(0, tables, 100):
            database.execute(f"ALTER TABLE t{number} ADD COLUMN came_later TEXT")
    database.close()


def requests(workspace: Workspace) -> int:
    """Requests that were ever sent."""
    with sqlite3.connect(workspace.settings.store_path) as store:
        return int(store.execute("SELECT count(*) FROM request").fetchone()[0])


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file of a folder with its size and its time."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("-shm")
    }


def scan_and_index(workspace: Workspace, url: str) -> tuple[float, int, int]:
    """Seconds, changed items and requests of one nightly job."""
    before, began = requests(workspace), time.perf_counter()
    brought = workspace.store.items.bring(DatabaseSource(url), whole=True)
    quote = workspace.engine.quote(Scope())
    if quote.items:
        workspace.engine.start(quote)
        while workspace.engine.wait(1).active:
            pass
    return time.perf_counter() - began, brought.new + brought.changed, requests(workspace) - before


def main() -> int:
    """Index, index again, change 1%, index again; print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--tiny", action="store_true", help="200 tables; times are not judged")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    tables = 200 if arguments.tiny else arguments.tables
    with (
        tempfile.TemporaryDirectory() as folder,
        RehearsalServer.start(RehearsalOptions(**corpus.UNLIMITED)) as server,
    ):
        database = Path(folder) / "shop.db"
        make(database, tables)
        url = f"sqlite:///{database}"
        settings = load_settings(
            {"BATCH_MANAGER_HOME": f"{folder}/home", "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "benchmark"}
        )
        with Workspace.open(settings, on_trouble="stop") as workspace:
            first, items, sent = scan_and_index(workspace, url)
            rounds = []
            for _ in range(3):
                began = time.perf_counter()
                sum(1 for _ in DatabaseSource(url).read())
                alone = time.perf_counter() - began
                chroma = written(settings.vectors_directory)
                again, changed, asked = scan_and_index(workspace, url)
                rounds.append((again / alone, alone, again))
                if changed or asked or written(settings.vectors_directory) != chroma:
                    print(f"with nothing changed: {changed} changed, {asked} requests, or Chroma was written")
                    return 1
            change(database, tables)
            seconds, changed, asked = scan_and_index(workspace, url)
    ratio, alone, again = sorted(rounds)[1]
    due = math.ceil(changed / settings.batch_size)
    if arguments.json:
        print(json.dumps({"name": "again", "ratios": {"nothing changed over the scan alone": ratio}}))
    else:
        print(f"| {tables:,} tables | seconds | items | requests |\n|---|---|---|---|")
        print(f"| first scan and index | {first:.1f} | {items:,} | {sent:,} |")
        print(f"| scan alone | {alone:.2f} | | |")
        print(f"| again, nothing changed | {again:.2f}, {ratio:.2f} times the scan alone | 0 | 0 |")
        print(f"| again, 1% changed | {seconds:.1f} | {changed:,} | {asked:,} of {due:,} due |")
    return int(asked != due or (ratio > MOST and not arguments.tiny))


if __name__ == "__main__":
    raise SystemExit(main())
