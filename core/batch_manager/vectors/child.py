"""One run of Chroma's process, seen from the parent: start, pipe, last words, end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from batch_manager.child_environment import importable, signal_of, without_secrets
from batch_manager.errors import VectorStoreError
from batch_manager.frames import PREFIX, begin, unpack_header
from batch_manager.vectors.feed import Feed
from batch_manager.vectors.standing import AGAIN, step_back
from batch_manager.vectors.trouble import known, one_line

log = logging.getLogger("batch_manager.vectors")

CLOSE_SECONDS = 5.0
CLOSE_WRITING_SECONDS = 60.0
"""A child that is still writing gets longer: a kill in mid-write can damage the folder."""

BUFFER = 4 * 1024 * 1024


class Child:
    """One run of the child process."""

    def __init__(self, process: asyncio.subprocess.Process, feed: Feed) -> None:
        self.process = process
        self._feed = feed
        self.alive = True
        self._back = self._is_back = False
        self.opened = False
        self.waiting: dict[int, tuple[str, asyncio.Future[Any]]] = {}
        self.ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.last_words: deque[str] = deque(maxlen=20)
        self.tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._listen())]

    @property
    def writing(self) -> bool:
        """Whether it is at something that had better be finished."""
        return any(op in ("write", "delete", "reset", "make", "swap", "drop") for op, _ in self.waiting.values())

    def send(self, number: int, op: str, header: Mapping[str, Any], blob: Sequence[bytes]) -> asyncio.Future[Any]:
        """Put a request into the pipe, whole, and promise its result; requests are answered in order."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self.alive:
            future.set_exception(Ended(op, self.process.returncode, self.reason()))
            return future
        self.waiting[number] = (op, future)
        self._feed.put([begin({"id": number, "op": op, **header}, sum(map(len, blob))), *blob])
        return future

    async def _read(self) -> None:
        stdout = self.process.stdout
        assert stdout is not None
        try:
            while True:
                header_size, blob_size = PREFIX.unpack(await stdout.readexactly(PREFIX.size))
                header = unpack_header(await stdout.readexactly(header_size))
                await stdout.readexactly(blob_size)
                if "ready" in header:
                    self.ready.set_result(header["ready"])
                    continue
                _, future = self.waiting.pop(header["id"])
                if future.done():  # whoever asked was cancelled
                    continue
                if error := header.get("error"):
                    future.set_exception(
                        VectorStoreError(error["message"], next_step=error["next_step"], code=error["code"])
                    )
                else:
                    future.set_result(header["result"])
        except (asyncio.IncompleteReadError, OSError) as error:
            log.debug("Chroma's process closed the pipe: %s", error)
        finally:
            await self._bury()

    async def _bury(self) -> None:
        self.alive = False
        self._feed.close()
        with contextlib.suppress(asyncio.TimeoutError):  # it closed the pipe and lives on: kill() sees to that
            await asyncio.wait_for(self.process.wait(), CLOSE_SECONDS)
        self.kill()
        # What it said on its way out is the reason that people will read.
        await asyncio.wait([self.tasks[1]], timeout=1.0)
        if not self.ready.done():
            self.ready.set_exception(known("failed", "Chroma's process", self.reason()))
            self.ready.exception()  # nobody may be waiting any more
        for op, future in self.waiting.values():
            if not future.done():
                future.set_exception(Ended(op, self.process.returncode, self.reason()))
                future.exception()
        self.waiting.clear()

    async def _listen(self) -> None:
        stderr = self.process.stderr
        assert stderr is not None
        rest = b""
        while chunk := await stderr.read(65_536):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-65_536:]
            for line in lines:
                self._heard(line)
        self._heard(rest)

    def _heard(self, line: bytes) -> None:
        words = one_line(line.decode("utf-8", "replace"))
        if words:
            self.last_words.append(words)
            log.info("chroma: %s", words)

    def reason(self) -> str:
        """How it ended, in a few words."""
        code = self.process.returncode
        if name := signal_of(code):
            return f"ended by {name}"
        return self.last_words[-1] if self.last_words else f"exit code {code}"

    def step_back(self, yes: bool) -> None:
        """Let others have the processor first, or no longer."""
        self._back = yes
        if yes != self._is_back and self.alive:
            if step_back(self.process.pid, yes):
                self._is_back = yes
            else:
                asyncio.get_running_loop().call_later(AGAIN, lambda: self.step_back(self._back))

    def kill(self) -> None:
        """End it at once, if it lives."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended just now
                self.process.kill()

    async def close(self) -> None:
        """Close the pipe, which ends it; kill it when that takes too long, and at once while it is still loading."""
        if not self.ready.done():
            self.kill()  # it has opened nothing yet, and would go on to load Chroma for seconds
        patience = CLOSE_WRITING_SECONDS if self.writing else CLOSE_SECONDS
        self._feed.close()
        try:
            await asyncio.wait_for(self.process.wait(), patience)
        except TimeoutError:
            log.warning("Chroma's process did not end within %.0f s and was killed.", patience)
        finally:
            self.kill()
        await asyncio.wait(self.tasks)


class Ended(Exception):
    """The child ended before it had answered."""

    def __init__(self, op: str, code: int | None, reason: str) -> None:
        super().__init__(reason)
        self.op, self.code, self.reason = op, code, reason


async def spawn() -> Child:
    """Start a child.

    Raises:
        VectorStoreError: The system doesn't start it.
    """
    theirs, ours = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            # The folder that the user happens to be in must not lend its modules to the child.
            "-P",
            "-m",
            "batch_manager.vectors.worker",
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=BUFFER,
            env=_environment(os.environ),
            # Ctrl+C goes to the terminal's whole process group; a session of its own keeps it from the child.
            start_new_session=True,
        )
    except BaseException as error:
        os.close(ours)
        if not isinstance(error, OSError):
            raise
        raise known("failed", "Chroma's process", error.strerror or str(error)) from error
    finally:
        os.close(theirs)
    return Child(process, Feed(ours))


_OF_CHROMA = frozenset(
    "ALLOW_RESET ANONYMIZED_TELEMETRY ENVIRONMENT IS_PERSISTENT MIGRATIONS MIGRATIONS_HASH_ALGORITHM PERSIST_DIRECTORY "
    "TENANT_ID TOPIC_NAMESPACE WORKER_MEMBERLIST_NAME".split()
)
"""Variables that Chroma takes for settings of its own, besides those that begin with `CHROMA_`."""

_NOT_ITS_BUSINESS = ("CHROMA_", "OTEL_")


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """The child's environment: no telemetry, no settings that come from elsewhere, no secrets that it doesn't need."""
    environment = {
        name: value
        for name, value in without_secrets(given).items()
        if name.upper() not in _OF_CHROMA and not name.upper().startswith(_NOT_ITS_BUSINESS)
    }
    environment.update(ANONYMIZED_TELEMETRY="False", OTEL_SDK_DISABLED="true")
    return importable(environment)
