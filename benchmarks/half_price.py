"""120,000 items through three batches of the half-price lane, with the peak memory of each part.

    python benchmarks/half_price.py                     # the whole: some minutes, 2 GB of disk
    python benchmarks/half_price.py --no-index          # without Chroma: the lane alone
    python benchmarks/half_price.py --tiny              # 120 items, a second or so: that it works

Each part is a process of its own, so that its peak memory is its own: handing over (files planned, written and
uploaded), and collecting (400 MB of results a batch, read line by line). Bare Python with numpy and the client loaded
is measured beside them, since that is the floor. Exits 1 when an item isn't home, when the bill isn't the server's,
or when a part takes more than `MOST_MB` above the floor: with whole files in memory it would be ten times that.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from batch_manager.documents import Document
from batch_manager.engine import Engine
from batch_manager.half_price.lane import HalfPrice
from batch_manager.half_price.planning import FileLimits
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore
from batch_manager.vectors import Written

ITEMS, FILE = 120_000, 50_000
TINY_ITEMS, TINY_FILE = 120, 50
MOST_MB = 250.0
PARTS = ("floor", "hand over", "collect")


class Nowhere:
    """In the place of Chroma: takes rows and forgets them."""

    async def open(self) -> None:
        """Nothing to open."""

    def step_back(self, yes: bool) -> None:
        """There is no process."""

    async def close(self) -> None:
        """Nothing to close."""

    async def dimensions(self, kind: Any) -> int | None:
        """It holds nothing."""
        return None

    async def counts(self) -> dict[Any, int]:
        """It holds nothing."""
        return {"table": 0, "relationship": 0}

    async def write(self, kind: Any, rows: Sequence[Any], stale_ids: Sequence[str] = ()) -> Written:
        """Gone."""
        return Written(len(rows), 0)


@contextlib.contextmanager
def opened(home: Path, base_url: str, file: int, index: bool) -> Iterator[tuple[DocumentationStore, HalfPrice]]:
    """The lane over a home."""
    settings = load_settings(
        {"BATCH_MANAGER_HOME": str(home), "OPENAI_API_KEY": "sk-any", "OPENAI_BASE_URL": base_url},
        environment={},
        folder=home,
    )
    store = DocumentationStore(settings)
    nowhere: Any = None if index else Nowhere()
    engine = Engine(settings, store, on_trouble="stop", vectors=nowhere)
    try:
        yield store, HalfPrice(settings, store, engine, file_limits=FileLimits(requests=file))
    finally:
        engine.close(120)
        store.close()


def bring(home: Path, base_url: str, items: int) -> None:
    """Documents of some 40 tokens."""
    with opened(home, base_url, FILE, False) as (store, _):
        documents = (
            Document("table", f"table_{number}", documentation=f"What the business knows, case {number} of many. " * 3)
            for number in range(items)
        )
        store.items.bring(IterableSource(documents, "words", "a benchmark"))


def part(name: str, home: Path, base_url: str, file: int, index: bool) -> dict[str, Any]:
    """Do one part in this process; its seconds, its peak in MB, and what came of it."""
    began = time.monotonic()
    found: dict[str, Any] = {}
    if name == "floor":
        import batch_manager.embedding.batch_api  # noqa: F401 - what both parts load
    else:
        with opened(home, base_url, file, index) as (store, half):
            if name == "hand over":
                found["batches"] = len(half.start(half.quote(Scope())).under_way)
            else:
                while half.collect().under_way:
                    time.sleep(0.2)
                found["indexed"] = store.items.counts().total("indexed")
                found["spent"] = str(store.ledger.spent())
    return {"seconds": time.monotonic() - began, "peak_mb": peak_mb(), **found}


def peak_mb() -> float:
    """This process's peak. Linux's `ru_maxrss` would count what its parent had before the program was loaded."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> int:
    """Run it; print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--file", type=int, default=FILE, help="requests of one batch at most")
    parser.add_argument("--tiny", action="store_true", help="that it works")
    parser.add_argument("--no-index", action="store_true", help="without Chroma")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--home", help=argparse.SUPPRESS)
    parser.add_argument("--base-url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(part(given.part, Path(given.home), given.base_url, given.file, not given.no_index)))
        return 0
    items, file = (TINY_ITEMS, TINY_FILE) if given.tiny else (given.items, given.file)
    with tempfile.TemporaryDirectory(prefix="half-price-") as folder:
        options = RehearsalOptions(keep_hashes=False, batch_seconds=3600, batch_folder=f"{folder}/server")
        with RehearsalServer.start(options) as server:
            home = Path(folder) / "home"
            home.mkdir()
            bring(home, server.base_url, items)
            rows: dict[str, dict[str, Any]] = {}
            for name in PARTS:
                if name == "collect":
                    server.advance(3600)
                call = [sys.executable, __file__, "--part", name, "--home", str(home), "--file", str(file)]
                call += ["--base-url", server.base_url, *(["--no-index"] if given.no_index else [])]
                done = subprocess.run(call, check=True, capture_output=True, text=True)
                rows[name] = json.loads(done.stdout)
            bill = Decimal(server.totals()["batch_tokens"]) * Decimal("0.01") / 1_000_000
    print(f"{items:,} items in {rows['hand over']['batches']} batches, {'no index' if given.no_index else 'Chroma'}")
    for name, row in rows.items():
        rate = "" if name == "floor" else f"{items / row['seconds']:10,.0f} items/s"
        print(f"{name:<10} {row['seconds']:8.1f} s {row['peak_mb']:8.0f} MB {rate}")
    above = max(row["peak_mb"] for row in rows.values()) - rows["floor"]["peak_mb"]
    wrong = rows["collect"]["indexed"] != items or Decimal(rows["collect"]["spent"]) != bill
    print(
        f"peak above the floor: {above:.0f} MB; {rows['collect']['indexed']:,} home; ${bill} billed, and in the books"
    )
    return 1 if wrong or above > MOST_MB else 0


if __name__ == "__main__":
    sys.exit(main())
