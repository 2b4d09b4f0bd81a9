"""Where the time of a run goes: a profile of the engine's thread, by room and by function.

Usage: python benchmarks/profile_run.py [--documents 20000] [--latency 0] [--chroma] [--lines 25] [--json]

The engine's thread alone is profiled (cProfile): it is where everything of ours happens during a run. Without
`--chroma` the vectors go to a stand-in, so that the loop is never idle; with it, the time that the loop waits for
Chroma and the server shows as `select`. Percentages are of the thread's working time, without that waiting.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import corpus
from growth import Forgetful

from batch_manager.engine import Engine
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import load_settings
from batch_manager.sources.jsonl import JsonlSource
from batch_manager.store import DocumentationStore


def main() -> None:
    """Run under the profiler, and print what took longest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--chroma", action="store_true")
    parser.add_argument("--lines", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    options = RehearsalOptions(latency_ms=arguments.latency, **corpus.UNLIMITED)
    with tempfile.TemporaryDirectory() as folder, RehearsalServer.start(options) as server:
        profile, seconds = profiled(Path(folder), server.base_url, arguments.documents, arguments.chroma)
    stats: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    own = {where: figures[2] for where, figures in stats.items() if "select" not in where[2]}
    whole = sum(own.values())
    rooms: dict[str, float] = defaultdict(float)
    for (file, _, name), spent in own.items():
        rooms[_room(file, name)] += spent
    if arguments.json:
        ours = sum(spent for room, spent in rooms.items() if room.startswith("batch_manager"))
        print(json.dumps({"name": "profile", "ratios": {"all work over our own functions'": whole / ours}}))
        return
    print(f"{seconds:.1f} s from the yes to the last mark; the engine's thread worked {whole:.1f} s of them.\n")
    print("| share | room |\n|---|---|")
    for room, spent in sorted(rooms.items(), key=lambda one: -one[1]):
        if spent / whole >= 0.005:
            print(f"| {spent / whole:.1%} | {room} |")
    print("\n| share | function, without what it calls |\n|---|---|")
    for (file, line, name), spent in sorted(own.items(), key=lambda one: -one[1])[: arguments.lines]:
        place = name if file == "~" else f"{'/'.join(Path(file).parts[-3:])}:{line} {name}"
        print(f"| {spent / whole:.1%} | {place} |")


def profiled(folder: Path, base_url: str, count: int, chroma: bool) -> tuple[cProfile.Profile, float]:
    """A run whose engine's thread is profiled, and how long it took."""
    home = {"BATCH_MANAGER_HOME": str(folder), "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "benchmark"}
    settings = load_settings(home)
    with DocumentationStore(settings) as store:
        store.items.bring(JsonlSource(str(corpus.write(folder / "documents.jsonl", count))))
        vectors = None if chroma else Forgetful(directory=folder / "none", url=None)
        engine = Engine(settings, store, on_trouble="stop", vectors=vectors)
        engine.warm()
        engine.index.counts()
        profile = cProfile.Profile()
        _in_engine(engine, profile.enable)
        started = time.perf_counter()
        engine.start(engine.quote(Scope()))
        view = engine.wait()
        seconds = time.perf_counter() - started
        _in_engine(engine, profile.disable)
        engine.close()
    if view.state != "done":
        raise SystemExit(f"{view.state}: {view.reason}")
    return profile, seconds


def _in_engine(engine: Engine, order: Callable[[], None]) -> None:
    done = threading.Event()

    def do() -> None:
        order()
        done.set()

    engine._thread.call(do)
    done.wait()


def _room(file: str, name: str) -> str:
    if file == "~":
        return "sqlite3, in C" if "sqlite3" in name else "Python's own, in C"
    parts = Path(file).parts
    for top in ("batch_manager", "site-packages"):
        if top in parts:
            inside = parts[parts.index(top) :]
            return "/".join(inside[:2]) if top == "batch_manager" else inside[1]
    return "Python's library: " + Path(file).stem


if __name__ == "__main__":
    main()
