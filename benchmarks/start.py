"""How soon it is there: `--help`, `--version`, the app's first paint, and how soon it is gone again.

Usage: python benchmarks/start.py [--rounds 7] [--tiny] [--json]

Rounds are paired (A B A B …); figures are medians of the ratios of each pair. The yardstick of the flags is
`python -c "import argparse, json"`, that of the app a Textual app with one word in it, each a process of its own; the
apps on a terminal of their own (see terminal.py), from the process's start to the drawing of a word of the first one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from terminal import OnTerminal  # noqa: E402

EMPTY = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self): yield Static("a-word-of-its-own")
    def key_q(self): self.exit()
Empty().run()
"""
OURS = [sys.executable, "-m", "batch_manager"]
LIMITS = {"--help": 1.5, "--version": 1.5, "first paint": 1.3}
LONGEST_SHUTDOWN = 0.5


def took(command: list[str], environment: dict[str, str]) -> float:
    """Seconds of a whole process."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def painted(command: list[str], environment: dict[str, str], word: str, leave: str) -> tuple[float, float]:
    """(seconds to the first paint, seconds from the key that leaves to the end of the process)."""
    with OnTerminal(command, environment) as screen:
        first = screen.drawn(word) - screen.started
        if "batch_manager" in command:
            screen.drawn("pending")  # the sample is open
            time.sleep(1.0)
        at = screen.press(leave)
        return first, screen.ended() - at


def main() -> int:
    """Run the rounds and print the table; 1 when something is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tiny", action="store_true", help="one round; nothing is judged")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    ratios: dict[str, list[float]] = {name: [] for name in LIMITS}
    shutdowns = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "BATCH_MANAGER_HOME": folder, "LOG_LEVEL": "ERROR"}
        for _ in range(1 if given.tiny else given.rounds):
            bare = took([sys.executable, "-c", "import argparse, json"], environment)
            for flag in ("--help", "--version"):
                ratios[flag].append(took([*OURS, flag], environment) / bare)
            empty, _ = painted([sys.executable, "-c", EMPTY], environment, "a-word-of-its-own", "q")
            ours, end = painted([*OURS, "--demo"], environment, "Items", "q")
            ratios["first paint"].append(ours / empty)
            shutdowns.append(end)
    medians = {name: statistics.median(values) for name, values in ratios.items()}
    shutdown = statistics.median(shutdowns)
    if given.json:
        print(json.dumps({"name": "start", "ratios": {name: 1 / value for name, value in medians.items()}}))
    else:
        print("| what | times its yardstick | at most |\n|---|---|---|")
        for name, value in medians.items():
            print(f"| {name} | {value:.2f} | {LIMITS[name]} |")
        print(f"\nShutdown when idle: {shutdown:.2f} s (at most {LONGEST_SHUTDOWN} s)")
    over = shutdown > LONGEST_SHUTDOWN or any(medians[name] > most for name, most in LIMITS.items())
    return int(over and not given.tiny and not given.json)


if __name__ == "__main__":
    raise SystemExit(main())
