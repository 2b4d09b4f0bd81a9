"""Guard of the ratios: fails when one falls by more than 15% from the recorded one in three runs out of three.

Usage: benchmarks/check [name ...] [--record]

Runs every benchmark of `CALLS` with `--json`; one that falls short is run again, up to three times, and counts by its
best ratio. `--record` writes the ratios of this machine into `recorded.json` instead of judging them. A ratio is
always the better the higher it is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECORDED = HERE / "recorded.json"
ALLOWED = 0.85
RUNS = 3

CALLS: dict[str, tuple[str, ...]] = {
    "index": ("index.py", "--documents", "3000", "--rounds", "3", "--latency", "150"),
    "journal": ("journal.py", "--documents", "5000"),
    "memory": ("memory.py", "--documents", "5000"),
    "growth": ("growth.py", "--sizes", "1000", "10000"),
    "reindex": ("reindex.py", "--documents", "3000"),
    "build_settings": ("build_settings.py", "--documents", "3000"),
    "start": ("start.py", "--rounds", "5"),
    "importing": ("importing.py", "--documents", "20000"),
    "hundred_thousand": ("hundred_thousand.py", "--items", "20000"),
    "awake": ("awake.py", "--items", "20000", "--seconds", "30"),
}
"""Benchmarks that print `{"name": …, "ratios": {…}}`, at a size that takes a minute or two."""

Ratios = dict[str, float]


def main() -> int:
    """Run them; 1 when a ratio has fallen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*CALLS, []])
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    recorded: dict[str, Ratios] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    fallen = []
    for name in arguments.names or CALLS:
        if arguments.record:
            recorded[name] = {ratio: round(value, 3) for ratio, value in measure(name).items()}
            RECORDED.write_text(json.dumps(recorded, indent=2, sort_keys=True) + "\n")
            print(f"{name}: recorded", flush=True)
            continue
        best: Ratios = {}
        for _ in range(RUNS):
            best = better(best, measure(name))
            if not (low := short(best, recorded.get(name, {}))):
                break
        fallen += [f"{name}: {one}" for one in low]
        print(f"{name}: {'; '.join(low) or 'holds'}", flush=True)
    return 1 if fallen else 0


def measure(name: str) -> Ratios:
    """The ratios of one run of a benchmark."""
    program, *flags = CALLS[name]
    command = [sys.executable, str(HERE / program), *flags, "--json"]
    result = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    ratios: Ratios = result["ratios"]
    return ratios


def better(one: Ratios, other: Ratios) -> Ratios:
    """The higher of each ratio. Pure."""
    return {name: max(value, one.get(name, value)) for name, value in other.items()}


def short(found: Ratios, recorded: Ratios) -> list[str]:
    """What has fallen by more than is allowed, in words. Pure."""
    return [
        f"{name} is {found.get(name, 0.0):.2f}, recorded {was:.2f}"
        for name, was in recorded.items()
        if found.get(name, 0.0) < was * ALLOWED
    ]


if __name__ == "__main__":
    sys.exit(main())
