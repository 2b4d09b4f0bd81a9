"""Run all tests, on every core: scripts/test.py [arguments for pytest]."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run pytest in the checkout; its exit code is ours."""
    # More workers than cores: half of the tests' time is spent waiting for answers, screens and processes.
    # "worksteal": no worker idles while another still has a long file before it.
    workers = str((os.cpu_count() or 1) * 2)
    command = [sys.executable, "-m", "pytest", "-n", workers, "--dist", "worksteal", *sys.argv[1:]]
    # The tests start the command some hundred times; without bytecode every start would compile it anew.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
