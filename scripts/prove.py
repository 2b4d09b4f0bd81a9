"""The long proofs, which the usual suite leaves out or runs in a short version: scripts/prove.py [pytest arguments].

Soaks, caps, rate limits and damaged folders take some ten minutes; 200 kills over runs of 2,000 items half an hour, 100
kills of workers ten minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KILLS = {"KILLS": "200", "KILL_ITEMS": "2000", "WORKER_KILLS": "100", "WORKER_ITEMS": "6000"}


def main() -> int:
    """Run them one after another, since they measure time; 1 when any failed."""
    python = [sys.executable, "-m", "pytest", "-p", "no:xdist"]
    commands = [
        [*python, "-m", "soak", "tests", *sys.argv[1:]],
        [*python, "tests/integration/test_kill.py", *sys.argv[1:]],
        [*python, "tests/integration/test_workers.py", "-k", "killed", *sys.argv[1:]],
    ]
    codes = [subprocess.run(one, cwd=ROOT, env=os.environ | KILLS, check=False).returncode for one in commands]
    return int(any(codes))


if __name__ == "__main__":
    raise SystemExit(main())
