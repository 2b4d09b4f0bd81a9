"""Every benchmark at a tiny size, so that none can rot; no figure is judged. Ends with 1 when any failed.

    python benchmarks/tiny.py [name ...]

A new benchmark gets its line in `CALLS`; one that is in no line is a failure too.
"""

from __future__ import annotations

import subprocess
import sys
import time
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


def main() -> int:
    """Run those that are named, or all."""
    wanted = set(sys.argv[1:])
    failed = sorted({path.name for path in HERE.glob("*.py")} - PARTS - LONG - {name for name, *_ in CALLS})
    for name in failed:
        print(f"{name} has no line in {Path(__file__).name}", file=sys.stderr)
    for name, *arguments in CALLS:
        if wanted and name not in wanted:
            continue
        print(f"== {name} {' '.join(arguments)}", flush=True)
        began = time.monotonic()
        if subprocess.run([sys.executable, str(HERE / name), *arguments], check=False).returncode:
            failed.append(name)
        print(f"   {time.monotonic() - began:.0f} s", flush=True)
    print(f"benchmarks that failed: {', '.join(failed)}" if failed else "every benchmark ran")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
