"""Browsing a hundred thousand pending items: the first paint of the list, and from each key to what it is to show.

Usage: python benchmarks/hundred_thousand.py [--items 100000] [--few 100] [--rounds 5] [--tiny] [--json]

The real app in a process of its own on a terminal of its own (see terminal.py), with probes (see probed_app.py). For
each sort of key: from the key to the paint after its command was done, or, for filters and orders, after the list
became another one; for marks also to the paint of the new price. First paints are paired (few, many, few, many …).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import corpus  # noqa: E402
from terminal import OnTerminal  # noqa: E402

from batch_manager.quote import Scope  # noqa: E402
from batch_manager.settings import load_settings  # noqa: E402
from batch_manager.sources.jsonl import JsonlSource  # noqa: E402
from batch_manager.workspace import Workspace  # noqa: E402

MOST_FIRST = 1.15
MOST_MS = 50.0
MOST_QUOTE = 0.3
STEPS = (
    ("move", "act", ["j", "j", "k", "j", "\x1b[6~", "\x1b[5~", "G", "g"]),
    ("mark one", "act", [" ", " ", " "]),
    ("mark one, its price", "cost", [" ", " ", " "]),
    ("mark all", "act", ["a", "a"]),
    ("order", "list", ["o", "o", "o", "o"]),
    ("filter by status", "list", ["f", "f", "f", "f", "f"]),
    ("open the search", "act", ["/"]),
    ("search as you type", "list", ["o", "r", "d", "e", "\x7f", "\x7f"]),
)
"""What a person does, what shows it, and the keys."""


def home_of(folder: Path, items: int) -> dict[str, str]:
    """A home with so many pending items; returns the environment that opens it."""
    environment = {"BATCH_MANAGER_HOME": str(folder / str(items)), "EMBEDDING_PROVIDER": "local", "LOG_LEVEL": "ERROR"}
    documents = corpus.write(folder / f"{items}.jsonl", items)
    with Workspace.open(load_settings(environment, {}, folder)) as workspace:
        workspace.store.items.bring(JsonlSource(documents))
    return environment


def first_paint(environment: dict[str, str], first: str) -> float:
    """Seconds from the program's start to its list on the terminal."""
    with OnTerminal([sys.executable, "-m", "batch_manager"], environment) as screen:
        at = screen.drawn(first)
        time.sleep(0.5)
        screen.press("q")
        screen.ended()  # in good order: whoever is killed keeps the home locked for a moment
        return at - screen.started


def walked(environment: dict[str, str], first: str, result: Path, rounds: int, pace: float) -> dict[str, list[float]]:
    """Seconds from key to paint, by what was done; `pace` is a person's, times that."""
    told: dict[str, list[tuple[float, str]]] = {}
    with OnTerminal([sys.executable, str(HERE / "probed_app.py"), str(result)], environment) as screen:
        screen.drawn(first)
        time.sleep(3 * pace)
        for _ in range(rounds):
            for name, shows, keys in STEPS:
                for key in keys:
                    told.setdefault(name, []).append((screen.press(key), shows))
                    time.sleep(pace * (0.4 if shows == "act" else 1.0))
            screen.press("\x1b")
            time.sleep(pace)
        screen.signal(signal.SIGUSR1)
        end = time.monotonic() + 30
        while not result.exists() and time.monotonic() < end:
            time.sleep(0.1)
    seen = json.loads(result.read_text())["seen"]
    return {
        name: [late for at, shows in presses if (late := _shown(seen, at, shows))] for name, presses in told.items()
    }


def _shown(seen: list[tuple[float, str]], at: float, shows: str) -> float | None:
    """Seconds until what shows the key was painted; None when nothing had to be."""
    done = next((when for when, what in seen if when > at and what == shows), None)
    if done is None or done > at + 2:
        return None
    return next((when - at for when, what in seen if when >= done and what == "paint"), None)


def main() -> int:
    """Measure and print; 1 when something takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="300 items, one round; nothing is judged")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    items, few, rounds = (300, 100, 1) if given.tiny else (given.items, given.few, given.rounds)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        many_home, few_home = home_of(folder, items), home_of(folder, few)
        first = json.loads(next(corpus.lines(1)))["name"][:14]
        pairs = [(first_paint(few_home, first), first_paint(many_home, first)) for _ in range(rounds)]
        with Workspace.open(load_settings(many_home, {}, folder)) as workspace:
            quotes = []
            for _ in range(rounds):
                began = time.perf_counter()
                workspace.engine.quote(Scope())
                quotes.append(time.perf_counter() - began)
        keys = (1, 0.3) if given.tiny else (2, 1.0)
        late = walked({**os.environ, **many_home}, first, folder / "seen.json", *keys)
    ratio, quote = statistics.median(many / one for one, many in pairs), statistics.median(quotes)
    over = ratio > MOST_FIRST or quote > MOST_QUOTE
    rows = []
    for name, _, _ in STEPS:
        times = sorted(1000 * one for one in late.get(name, []))
        if not times:
            raise SystemExit(f"nothing was seen of: {name}")
        over |= times[len(times) * 95 // 100] > MOST_MS
        rows.append((name, statistics.median(times), times[min(len(times) - 1, len(times) * 95 // 100)], times[-1]))
    if given.json:
        print(json.dumps({"name": "hundred_thousand", "ratios": {"first paint, few over many items": 1 / ratio}}))
    else:
        print(f"{items:,} items: first paint {ratio:.2f} times that of {few:,} (at most {MOST_FIRST}); ", end="")
        print(f"quote of all {quote:.2f} s (at most {MOST_QUOTE} s)\n")
        print(f"| key to paint, ms (at most {MOST_MS:.0f}) | median | p95 | most |\n|---|---|---|---|")
        for name, middle, p95, most in rows:
            print(f"| {name} | {middle:.0f} | {p95:.0f} | {most:.0f} |")
    return int(over and not given.tiny and not given.json)


if __name__ == "__main__":
    raise SystemExit(main())
