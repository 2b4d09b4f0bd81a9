"""The app while a run goes on at full speed: from a key to its paint, stalls, and what the screen takes of a core.

Usage: python benchmarks/awake.py [--items 100000] [--seconds 60] [--tiny] [--json]

The real app in a process of its own on a terminal of 120x40 (see terminal.py), where every pane is visible, with probes
(see probed_app.py), indexing with the local model into embedded Chroma. Keys go to the list all the while. CPU time is
that of the app's own thread over the wall time of the run that was watched.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import corpus  # noqa: E402
from hundred_thousand import home_of  # noqa: E402
from terminal import OnTerminal  # noqa: E402

MOST_MS, MOST_STALL_MS, MOST_CPU = 50.0, 100.0, 0.15
KEYS = ("j", "j", "j", "k", "\x1b[6~", "\x1b[5~", " ")


def watched(
    environment: dict[str, str], first: str, result: Path, seconds: float
) -> tuple[dict[str, Any], list[float]]:
    """What the probes saw of a run, and when keys were pressed during it."""
    chance = random.Random(7)
    with OnTerminal([sys.executable, str(HERE / "probed_app.py"), str(result)], environment) as screen:
        screen.drawn(first)
        time.sleep(min(3.0, seconds))
        screen.press("s")
        screen.drawn("cap ")  # the question, with its cap
        for _ in range(20):  # a yes counts once the price could be read
            time.sleep(0.5)  # the question has to be there for a moment
            screen.press("y")
            time.sleep(1.5)
            if screen.shows("docs/s"):
                break
        screen.drawn("docs/s")
        presses = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            presses.append(screen.press(chance.choice(KEYS)))
            time.sleep(0.15 + 0.1 * chance.random())
        screen.signal(signal.SIGUSR1)
        late = time.monotonic() + 30
        while not result.exists() and time.monotonic() < late:
            time.sleep(0.1)
    return json.loads(result.read_text()), presses


def main() -> int:
    """Watch and print; 1 when something is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--tiny", action="store_true", help="1,000 items, two seconds; nothing is judged")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    items, seconds = (1_000, 2.0) if given.tiny else (given.items, given.seconds)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place)
        environment = home_of(folder, items)
        first = json.loads(next(corpus.lines(1)))["name"][:14]
        seen, presses = watched(environment, first, folder / "seen.json", seconds)
    begin, end = presses[0], presses[-1]
    times = sorted(1000 * late for at in presses[:-1] if (late := _painted(seen["seen"], at)) is not None)
    stalls = [1000 * late for when, late in seen["stalls"] if begin < when < end]
    looks = [(when, used) for when, used in seen["cpu"] if begin < when < end]
    cpu = (looks[-1][1] - looks[0][1]) / (looks[-1][0] - looks[0][0])
    p95, longest = times[len(times) * 95 // 100], max(stalls, default=0.0)
    if given.json:
        print(
            json.dumps({"name": "awake", "p95_ms": p95, "stall_ms": longest, "ratios": {"one over CPU share": 1 / cpu}})
        )
    else:
        print(f"{items:,} items, {end - begin:.0f} s of the run, {len(times)} keys")
        print(f"key to paint: median {statistics.median(times):.0f} ms, p95 {p95:.0f} ms (at most {MOST_MS:.0f})")
        print(f"longest stall {longest:.0f} ms (at most {MOST_STALL_MS:.0f}), ", end="")
        print(f"{sum(stall > MOST_STALL_MS for stall in stalls)} over it")
        print(f"the screen's thread took {cpu:.0%} of a core (at most {MOST_CPU:.0%})")
    return int(not given.tiny and not given.json and (p95 > MOST_MS or longest > MOST_STALL_MS or cpu > MOST_CPU))


def _painted(seen: list[tuple[float, str]], at: float) -> float | None:
    """Seconds from a key to the paint after its command was done."""
    done = next((when for when, what in seen if when > at and what == "act"), None)
    return None if done is None else next((when - at for when, what in seen if when >= done and what == "paint"), None)


if __name__ == "__main__":
    raise SystemExit(main())
