"""Every benchmark at a tiny size, so that none can rot; no figure is judged, so several run at a time. Ends with 1 when
any failed.

    python benchmarks/tiny.py [name ...]

A new benchmark gets its line in `CALLS`; one that is in no line is a failure too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent

CALLS: tuple[tuple[str, ...], ...] = (
    ("index.py", "--documents", "60", "--rounds", "1", "--latency", "0"),
    ("growth.py", "--sizes", "50", "100"),
    ("journal.py", "--documents", "60", "--rounds", "1", "--latency", "0"),
    ("memory.py", "--documents", "60"),
    ("profile_run.py", "--documents", "60", "--lines", "3"),
    ("reindex.py", "--documents", "60"),
    ("pacing.py", "--rate", "1000000", "--concurrency", "8", "--seconds", "1"),
    ("peers.py", "--tiny", "--here", "--only", "own embedding", "one document"),
    ("random_keys.py", "--tiny"),
    ("search_quality.py",),
    ("half_price.py", "--tiny", "--no-index"),
    ("scan.py", "--tiny"),
    ("again.py", "--tiny"),
    ("start.py", "--tiny"),
    ("importing.py", "--tiny"),
    ("hundred_thousand.py", "--tiny"),
    ("awake.py", "--tiny"),
    ("workers.py", "--tiny"),
)
"""A benchmark and its arguments, each."""

PARTS = {
    "bare_loop.py",
    "check.py",
    "corpus.py",
    "one_run.py",
    "probed_app.py",
    "processes.py",
    "raw_pipeline.py",
    "terminal.py",
    "tiny.py",
}
"""What others import or start."""


LONG = {"build_settings.py"}
"""What has no size that is small enough yet: it starts a process for every setting and kind, a minute of CPU time."""


def ran(call: tuple[str, ...]) -> tuple[str, int, str]:
    """Run one to its end: its name, its exit code, what it said."""
    name, *arguments = call
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(HERE / name), *arguments],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    took = time.monotonic() - began
    return name, done.returncode, f"== {' '.join(call)}\n{done.stdout}   {took:.0f} s, exit {done.returncode}"


def main() -> int:
    """Run those that are named, or all."""
    wanted = set(sys.argv[1:])
    failed = sorted({path.name for path in HERE.glob("*.py")} - PARTS - LONG - {name for name, *_ in CALLS})
    for name in failed:
        print(f"{name} has no line in {Path(__file__).name}", file=sys.stderr)
    # Most of the time they wait: for processes that start, for a terminal, for a server's answers.
    with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as several:
        for name, code, said in several.map(ran, [call for call in CALLS if not wanted or call[0] in wanted]):
            print(said, flush=True)
            if code:
                failed.append(name)
    print(f"benchmarks that failed: {', '.join(failed)}" if failed else "every benchmark ran")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
