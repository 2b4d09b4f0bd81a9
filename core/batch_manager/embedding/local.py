"""The embedded local model: small, free, offline. A real one finds more, and the app says so.

wordllama (MIT) averages rows of a token table taken from Llama models: 256 numbers a text, 16 MB in its wheel.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from batch_manager.embedding import Answer
from batch_manager.errors import Refusal, RequestRefused, UsageError, Verdict

LONG = 8_000
"""Characters from which a text is embedded on its own: texts of one call are padded to the longest."""


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "batch-manager-model")


class LocalEmbedder:
    """Embeds in a thread, one request after another.

    The model is native code that lets others run most of the time. Several threads at it together are no faster, since
    it uses all cores by itself, and keep a screen waiting four times as long for the interpreter.
    """

    def __init__(self) -> None:
        self._model: Any = None
        self._thread = _one_thread()

    async def embed(self, texts: Sequence[str], *, tried: int, expected_tokens: int) -> Answer:
        """Embed (see `Embedder.embed`); it costs nothing, so no tokens are billed."""
        matrix = await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, list(texts))
        broken = ~np.isfinite(matrix).all(axis=1)
        if broken.any():
            message = "The local model knows no part of the text." if len(texts) == 1 else "A text has no vector."
            raise RequestRefused(
                Refusal(Verdict.SPLIT, "no_vector", message, "Write words that say what it is, or use a real model.")
            )
        return Answer([row.tobytes() for row in matrix], matrix.shape[1], 0)

    async def close(self) -> None:
        """Let the model go."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._thread = _one_thread()  # it is loaded again when somebody asks again
        self._model = None

    def _embed(self, texts: list[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        model = self.load()
        matrix = np.empty((len(texts), model.embedding.shape[1]), dtype="<f4")
        short = [index for index, text in enumerate(texts) if len(text) < LONG]
        with np.errstate(invalid="ignore", divide="ignore"):  # an empty mean is told by its NaN
            if short:
                matrix[short] = model.embed([texts[index] for index in short], norm=True)
            for index in set(range(len(texts))) - set(short):
                matrix[index] = model.embed(texts[index], norm=True)[0]
        return matrix

    def load(self) -> Any:
        """The model, loaded unless it is there.

        Its tokenizer holds the interpreter for a tenth of a second: better while somebody reads a price than while
        they watch a run.

        Raises:
            UsageError: It isn't installed.
        """
        if self._model is None:
            root = logging.getLogger()
            handlers, level = root.handlers[:], root.level
            try:
                import wordllama
            except ImportError:
                raise UsageError(
                    "The local model isn't installed: wordllama has no release for this Python.",
                    next_step="Use Python 3.11 to 3.13, or --provider openai.",
                    code="no_local_model",
                ) from None
            finally:
                # Its import sends every program's log to stderr, which would run across the app's screen.
                root.handlers[:] = handlers
                root.setLevel(level)
            # Without the second argument it looks in a folder that the wheel doesn't have, then downloads.
            self._model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
        return self._model
