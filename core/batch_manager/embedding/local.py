"""The embedded local model: small, free, offline. A real one finds more, and the app says so.

This is the parent's end; `local_model` is the process that has the model.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from batch_manager.child_environment import importable, signal_of, without_secrets
from batch_manager.ellipsis import cut
from batch_manager.embedding import Answer
from batch_manager.errors import Refusal, RequestRefused, UsageError, Verdict
from batch_manager.frames import Frame, pack, read_frame

MODULE = "batch_manager.embedding.local_model"


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "batch-manager-model")


class LocalEmbedder:
    """Embeds in a process of its own, one request after another: the model uses all cores by itself."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._dimensions = 0
        self._starting = threading.Lock()
        self._thread = _one_thread()

    @property
    def pid(self) -> int | None:
        """Process id of the model's process; None while there is none."""
        return self._child.pid if self._child is not None else None

    async def embed(self, texts: Sequence[str], *, tried: int, expected_tokens: int) -> Answer:
        """Embed (see `Embedder.embed`); it costs nothing, so no tokens are billed."""
        header, blob = await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, list(texts))
        if "error" in header:
            words = f"The local model failed: {cut(str(header['error']), 200)}"
            raise RequestRefused(Refusal(Verdict.SPLIT, "local_model_failed", words, "Use a real model."))
        if header["broken"]:
            message = "The local model knows no part of the text." if len(texts) == 1 else "A text has no vector."
            raise RequestRefused(
                Refusal(Verdict.SPLIT, "no_vector", message, "Write words that say what it is, or use a real model.")
            )
        size = 4 * self._dimensions
        return Answer([blob[at : at + size] for at in range(0, len(blob), size)], self._dimensions, 0)

    async def close(self) -> None:
        """Let the model go; it is loaded again when somebody asks again."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._thread = _one_thread()
        child, self._child = self._child, None
        if child is not None:
            _end(child)

    def load(self) -> None:
        """Have the process ready, which takes the better part of a second, unless it is.

        Raises:
            UsageError: The model isn't installed, or its process doesn't start.
        """
        self._running()

    def _ask(self, texts: list[str]) -> Frame:
        child = self._running()
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(pack({"texts": texts}))
            child.stdin.flush()
            answer = read_frame(child.stdout)
        except (OSError, ValueError):  # it has just ended, or was closed in the middle
            answer = None
        if answer is None:
            words = f"The local model's process {_how_it_ended(child)}."
            raise RequestRefused(Refusal(Verdict.RETRY, "local_model_ended", words, "Retry: it is started again."))
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        with self._starting:
            child = self._child
            if child is not None and child.poll() is None:
                return child
            if child is not None:
                _end(child)
            child = self._child = _start()
            assert child.stdout is not None
            said = read_frame(child.stdout)
            if said is None or "missing" in said[0]:
                self._child = None
                _end(child)
                raise _not_there() if said is not None else _not_started(_how_it_ended(child))
            self._dimensions = int(said[0]["dimensions"])
            return child


def _start() -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            # -P: the folder that the user happens to be in must not lend its modules to the child.
            [sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what fails comes as a frame; libraries' own talk is nobody's business
            env=importable(without_secrets(os.environ)),
            # Ctrl+C goes to the terminal's whole process group; a session of its own keeps it from the child.
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(error.strerror or str(error)) from error


def _end(child: subprocess.Popen[bytes]) -> None:
    """End it at once: it keeps nothing that could be lost."""
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:  # what was not written yet has nobody to read it
                continue


def _how_it_ended(child: subprocess.Popen[bytes]) -> str:
    code = child.wait()
    name = signal_of(code)
    return f"was ended by {name}" if name else f"ended with exit code {code}"


def _not_there() -> UsageError:
    return UsageError(
        "The local model isn't installed: wordllama has no release for this Python.",
        next_step="Use Python 3.11 to 3.13, or --provider openai.",
        code="no_local_model",
    )


def _not_started(why: str) -> UsageError:
    return UsageError(
        f"The local model's process can't be started: {why}.",
        next_step="See that there is memory for it, or use --provider openai.",
        code="no_local_model",
    )
