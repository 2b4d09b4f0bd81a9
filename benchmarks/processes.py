"""Whole processes, run and watched: their output, their time, and the memory of them and their children."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil


@dataclass
class Measured:
    """One finished process."""

    output: dict[str, Any]
    seconds: float
    peak_mb: float


def memory(process: psutil.Process) -> int:
    """Bytes of a process; pages that several share count once over all of them, where the system tells."""
    full = process.memory_full_info()
    return int(getattr(full, "pss", full.rss))


def printed(command: Sequence[str], environment: Mapping[str, str]) -> Any:
    """Run a command that nobody watches, since looking at its memory takes time; what it printed."""
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True)
    return _parsed(command, done.returncode, done.stdout, done.stderr)


def _parsed(command: Sequence[str], code: int, output: str, errors: str) -> Any:
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}:\n{errors}")
    return json.loads(output)


def measured(command: Sequence[str], environment: Mapping[str, str]) -> Measured:
    """Run a command, watching the memory of it and its children."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peak = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        parent = psutil.Process(process.pid)
        while not over.is_set():
            try:
                family = [parent, *parent.children(recursive=True)]
                peak = max(peak, sum(memory(one) for one in family))
            except psutil.NoSuchProcess:
                pass  # ended between two looks
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, errors = process.communicate()
    seconds = time.perf_counter() - started
    over.set()
    watcher.join()
    return Measured(_parsed(command, process.returncode, output, errors), seconds, peak / 1e6)
