"""One command that checks format, lint, types and imports, and tests: scripts/check.py [--no-tests] [--fix]."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run every check, all of them even when one fails; 1 when any did."""
    fix = "--fix" in sys.argv
    python = sys.executable
    commands = [
        [python, "-m", "ruff", "format", *([] if fix else ["--check"]), "."],
        [python, "-m", "ruff", "check", *(["--fix"] if fix else []), "."],
        [python, "-m", "mypy"],
        [str(Path(python).parent / "lint-imports")],
    ]
    if "--no-tests" not in sys.argv:
        commands.append([python, str(ROOT / "scripts" / "test.py")])
    failed = []
    for command in commands:
        shown = " ".join(Path(part).name if part == command[0] else part for part in command)
        print(f"== {shown}", flush=True)
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(shown)
    for one in failed:
        print(f"failed: {one}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
