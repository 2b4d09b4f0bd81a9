"""Processes that the program starts beside itself: what they are given, and how one ended."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

_SECRET = ("OPENAI_", "DATABASE_URL", "DOCUMENTATION_STORE_URL")
"""How the names of variables begin that are nobody's business but the program's own."""


def importable(environment: Mapping[str, str]) -> dict[str, str]:
    """The same environment, with this package importable from a checkout as well."""
    made = dict(environment)
    root = Path(__file__).resolve().parents[1]
    # Installed packages are found anyway, and on PYTHONPATH they would come before the standard library.
    if root.name not in ("site-packages", "dist-packages"):
        paths = [path for path in made.get("PYTHONPATH", "").split(os.pathsep) if path]
        made["PYTHONPATH"] = os.pathsep.join([*paths, str(root)])
    return made


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The same environment without keys and passwords."""
    return {name: value for name, value in environment.items() if not name.upper().startswith(_SECRET)}


def signal_of(code: int | None) -> str | None:
    """The signal that ended a process with such an exit code; None where none did, or none with a name. Pure."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return None
