"""A program on a terminal of its own (a pty), as a person has it: keys go in, drawings come out, both with their time.

Why a pty and not Textual's Pilot: the bytes take the whole way, through the terminal's input thread, the parser, the
app and its output thread; and the app is a process of its own, so that what measures it takes nothing from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

COLUMNS, ROWS = 120, 40


def _same_weight(process: int) -> None:
    """Linux weighs sessions, and a new one counts as much as any other, however nice its processes are."""
    with contextlib.suppress(OSError):  # another system, or not ours to say
        Path(f"/proc/{process}/autogroup").write_text(str(os.nice(0)))


class OnTerminal:
    """A process on a pty of 120x40.

    Attributes:
        started: When it was started (`time.monotonic`, which all processes of a machine share).
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        settings = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment}
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            list(command), stdin=theirs, stdout=theirs, stderr=theirs, env=settings, start_new_session=True
        )
        os.close(theirs)
        _same_weight(self._process.pid)
        self._seen = bytearray()
        self._changed = threading.Condition()
        self._times: list[tuple[int, float]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def press(self, keys: str) -> float:
        """Type; returns when."""
        at = time.monotonic()
        os.write(self._ours, keys.encode())
        return at

    def drawn(self, text: str, seconds: float = 60.0) -> float:
        """Wait until this has been drawn; returns when its last byte came.

        Raises:
            SystemExit: It never was.
        """
        wanted, end = text.encode(), time.monotonic() + seconds
        with self._changed:
            while (place := self._seen.find(wanted)) < 0:
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise SystemExit(f"{text!r} was not drawn in {seconds:.0f} s; last: {bytes(self._seen[-2000:])!r}")
            return next(at for size, at in self._times if size >= place + len(wanted))

    def shows(self, text: str) -> bool:
        """Whether this has been drawn so far."""
        with self._changed:
            return text.encode() in self._seen

    def ended(self, seconds: float = 60.0) -> float:
        """Wait for its end; returns when it was seen."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise SystemExit(f"it did not end in {seconds:.0f} s") from None
        return time.monotonic()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it and its children, whatever they do."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def __enter__(self) -> OnTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                if not select.select([self._ours], [], [], 0.5)[0]:
                    if self._process.poll() is not None:
                        return
                    continue
                chunk = os.read(self._ours, 65536)
            except (OSError, ValueError):
                return  # the other side is closed
            if not chunk:
                return
            with self._changed:
                self._seen += chunk
                self._times.append((len(self._seen), time.monotonic()))
                self._changed.notify_all()
