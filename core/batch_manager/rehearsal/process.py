"""The rehearsal server as a child process, and the handle that its parent holds.

Nothing heavy is imported here: the tokenizer, numpy and h11 are the child's business.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import IO, Any, Self

from batch_manager.child_environment import importable, without_secrets
from batch_manager.rehearsal.options import RehearsalOptions

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 30.0


class RehearsalError(RuntimeError):
    """The server did not start, has ended, or refused a control call; the message says why."""


class RehearsalServer:
    """A running server; use as a context manager, or call `stop`.

    Attributes:
        options: What it was told last.
        base_url: ``http://127.0.0.1:PORT/v1``, for an OpenAI client.
        pid: The child's process id.
    """

    def __init__(self, child: subprocess.Popen[bytes], errors: IO[bytes], options: RehearsalOptions) -> None:
        self._child = child
        self._errors = errors
        self.options = options
        self.pid = child.pid
        self.base_url = ""
        # Loopback must not go through a proxy that the environment names.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @classmethod
    def start(cls, options: RehearsalOptions | None = None) -> Self:
        """Starts a server on 127.0.0.1 and waits until it listens.

        It ends with `stop`, and by itself when this process ends, however that happens.

        Raises:
            RehearsalError: It did not start.
        """
        options = options or RehearsalOptions()
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        child = subprocess.Popen(
            # -P: the folder that the user happens to be in must not lend its modules to the server.
            [sys.executable, "-P", "-m", "batch_manager.rehearsal", "--supervised"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=importable(without_secrets(os.environ)),
        )
        server = cls(child, errors, options)
        try:
            server._begin()
        except BaseException:
            server.stop()
            raise
        return server

    def _begin(self) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died already: the missing answer tells
            self._child.stdin.write(self.options.to_json().encode() + b"\n")
            self._child.stdin.flush()
        lines: queue.Queue[bytes] = queue.Queue()
        stdout = self._child.stdout
        assert stdout is not None
        threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
        try:
            line = lines.get(timeout=START_TIMEOUT_S)
        except queue.Empty:
            raise RehearsalError(f"the rehearsal server did not start in {START_TIMEOUT_S:g} s") from None
        if not line:
            self._child.wait(STOP_TIMEOUT_S)
            raise RehearsalError(f"the rehearsal server did not start: {self._last_words()}")
        self.base_url = json.loads(line)["base_url"]

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._child.returncode}"

    def ledger(self) -> list[dict[str, Any]]:
        """Every request so far, in order of arrival; the fields are those of `ledger.Entry`."""
        rows: list[dict[str, Any]] = self._call("GET", "ledger")
        return rows

    def totals(self) -> dict[str, Any]:
        """Sums over the ledger; the keys are those of `ledger.totals`."""
        sums: dict[str, Any] = self._call("GET", "totals")
        return sums

    def set_faults(self, faults: Iterable[Mapping[str, Any]]) -> None:
        """Replaces the fault rules.

        Raises:
            ValueError: A rule is wrong.
        """
        self.set_options(faults=list(faults))

    def set_options(self, **changes: Any) -> None:
        """Changes some options while the server runs.

        Raises:
            ValueError: A name or a value is wrong.
        """
        changed = self.options.changed(changes)
        self._call("PUT", "options", changes)
        self.options = changed

    def advance(self, seconds: float) -> None:
        """Lets that much time pass for batches."""
        self._call("PUT", "clock", {"seconds": seconds})

    def clear_batches(self) -> None:
        """Forgets all files and batches."""
        self._call("DELETE", "batches")

    def clear(self) -> None:
        """Empties the ledger; requests count from 1 again, with full meters and no fault used up."""
        self._call("DELETE", "ledger")

    def _call(self, method: str, name: str, value: Any = None) -> Any:
        url = self.base_url.removesuffix("/v1") + "/_rehearsal/" + name
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(url, data=body, method=method)
        try:
            with self._opener.open(request, timeout=CALL_TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                words = error.read().decode(errors="replace")
            raise RehearsalError(f"{method} {name}: {words}") from error
        except OSError as error:
            raise RehearsalError(f"the rehearsal server does not answer: {error}") from error

    def stop(self) -> None:
        """Ends the server and waits for its end; calling it again does nothing."""
        if self._child.stdin is not None:
            with contextlib.suppress(OSError):  # what it did not read before its end does not matter
                self._child.stdin.close()
        for end in (None, self._child.terminate, self._child.kill):
            if end is not None:
                end()
            try:
                self._child.wait(STOP_TIMEOUT_S)
                break
            except subprocess.TimeoutExpired:
                continue
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
