"""The real command in a process of its own: run to its end, or held at a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TIMEOUT = 110.0
PAYING_KEY = "sk-test-0123456789abcdef"

THREE: tuple[dict[str, Any], ...] = (
    {"kind": "table", "name": "users", "documentation": "People who signed up, with their e-mail."},
    {"kind": "table", "name": "orders", "documentation": "What customers bought, and when they paid."},
    {
        "kind": "relationship",
        "name": "users_orders_fk",
        "type": "one-to-many",
        "tables": ["orders", "users"],
        "documentation": "Each order belongs to one user.",
    },
)
EMPTY = {"kind": "table", "name": "products"}


@dataclass(frozen=True)
class Done:
    """What a call left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as the one JSON document that it has to be."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one error line."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


@dataclass(frozen=True)
class Command:
    """The command in one home, away from the machine's own settings."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, text: str | bytes | None = None, timeout: float = TIMEOUT) -> Done:
        """Run it to its end, with no terminal anywhere."""
        data = text.encode() if isinstance(text, str) else text
        done = subprocess.run(
            self.line(*arguments),
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            timeout=timeout,
            env=self.env(),
            cwd=self.folder,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments: str, piped: bool = False) -> subprocess.Popen[bytes]:
        """Run it beside the test; `piped` gives the test its stdin."""
        return subprocess.Popen(
            self.line(*arguments),
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.env(),
            cwd=self.folder,
        )

    def line(self, *arguments: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "batch_manager", *arguments]

    @property
    def folder(self) -> Path:
        """The working folder: empty, unless a test puts an `.env` there."""
        folder = self.home.parent / f"{self.home.name}-cwd"
        folder.mkdir(exist_ok=True)
        return folder

    def env(self) -> dict[str, str]:
        """A clean environment."""
        kept = {
            name: os.environ[name] for name in ("PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE") if name in os.environ
        }
        return {
            **kept,
            "HOME": str(self.home.parent),
            "LANG": "C.UTF-8",
            "BATCH_MANAGER_HOME": str(self.home),
            **self.environment,
        }

    def but(self, **environment: str) -> Command:
        """The same with more in its environment."""
        return Command(self.home, {**self.environment, **environment})

    @contextlib.contextmanager
    def at_terminal(self, *arguments: str, stdout: bool = False) -> Iterator[Terminal]:
        """Run it with stdin and stderr (and stdout, when asked) on a pseudo terminal."""
        ours, theirs = pty.openpty()
        modes = termios.tcgetattr(ours)  # a busy machine may look again only when the app has changed them

        def take_terminal() -> None:
            os.setsid()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        process = subprocess.Popen(
            self.line(*arguments),
            stdin=theirs,
            stdout=theirs if stdout else subprocess.PIPE,
            stderr=theirs,
            env={**self.env(), "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
            cwd=self.folder,
            preexec_fn=take_terminal,
        )
        os.close(theirs)
        terminal = Terminal(process, ours, modes)
        try:
            yield terminal
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            os.close(ours)
            if process.stdout is not None:
                process.stdout.close()


@dataclass
class Terminal:
    """The other end of a pseudo terminal.

    Attributes:
        modes: The terminal's, before the program began.
    """

    process: subprocess.Popen[bytes]
    descriptor: int
    modes: list[Any]
    seen: str = ""

    def wait_for(self, words: str, timeout: float = TIMEOUT) -> None:
        """Read until these words are on the screen."""
        end = time.monotonic() + timeout
        while words not in self.seen:
            assert time.monotonic() < end, f"{words!r} never came:\n{self.seen}"
            assert self._read(0.2) or self.process.poll() is None, f"it ended without {words!r}:\n{self.seen}"

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.descriptor, keys)

    def end(self, timeout: float = TIMEOUT) -> Done:
        """Wait for the end of the process."""
        limit = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < limit, f"it doesn't end:\n{self.seen}"
            self._read(0.1)
        while self._read(0):
            pass
        out = self.process.stdout.read().decode() if self.process.stdout is not None else ""
        return Done(self.process.returncode, out, self.seen.replace("\r\n", "\n"))

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self.descriptor, 65_536)
        except OSError:  # Linux says so when the other end is closed
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)


def jsonl(*documents: Mapping[str, Any]) -> str:
    """Documents in the import format."""
    return "".join(json.dumps(document) + "\n" for document in documents)


def tables(count: int, *, words: int = 3) -> str:
    """That many tables with documentation of their own."""
    return jsonl(
        *(
            {"kind": "table", "name": f"t{number}", "documentation": f"Fact {number} " + "about the business " * words}
            for number in range(count)
        )
    )


def ends(process: subprocess.Popen[bytes], number: signal.Signals | None = None, timeout: float = TIMEOUT) -> Done:
    """Send a signal, if any, and wait for the end."""
    if number is not None:
        process.send_signal(number)
    out, err = process.communicate(timeout=timeout)
    return Done(process.returncode, out.decode(), err.decode())
