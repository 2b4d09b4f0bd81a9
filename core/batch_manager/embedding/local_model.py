"""The local model itself, in a process of its own. Run as ``python -m batch_manager.embedding.local_model``.

wordllama (MIT) averages rows of a token table taken from Llama models: 256 numbers a text, 16 MB in its wheel. Its
tokenizer is native code that takes all cores and, while it is loaded, lets no other Python run for a tenth of a
second: beside a screen it lives elsewhere, and steps back when both want a core.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from batch_manager.frames import pack, read_frame, take_pipes

LONG = 8_000
"""Characters from which a text is embedded on its own: texts of one call are padded to the longest."""

NICENESS = 10
"""How far it steps back behind a screen (`nice`)."""

Matrix = npt.NDArray[np.float32]


def load() -> Any:
    """The model.

    Raises:
        ImportError: It isn't installed.
    """
    import wordllama

    # Without the second argument it looks in a folder that the wheel doesn't have, then downloads.
    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)


def embed(model: Any, texts: Sequence[str]) -> Matrix:
    """A row of length 1 for each text; NaN where the model knows no part of it."""
    matrix = np.empty((len(texts), model.embedding.shape[1]), dtype="<f4")
    short = [index for index, text in enumerate(texts) if len(text) < LONG]
    with np.errstate(invalid="ignore", divide="ignore"):  # an empty mean is told by its NaN
        if short:
            matrix[short] = model.embed([texts[index] for index in short], norm=True)
        for index in set(range(len(texts))) - set(short):
            matrix[index] = model.embed(texts[index], norm=True)[0]
    return matrix


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until there are no more. Each is `{"texts": [...]}`; the answer's blob has a row a text."""
    try:
        model = load()
    except ImportError as error:
        _say(sink, {"missing": str(error)})
        return
    _say(sink, {"dimensions": model.embedding.shape[1]})
    while (frame := read_frame(source)) is not None:
        try:
            matrix = embed(model, frame[0]["texts"])
        except Exception as error:
            _say(sink, {"error": f"{type(error).__name__}: {error}"})
            continue
        broken = np.flatnonzero(~np.isfinite(matrix).all(axis=1)).tolist()
        _say(sink, {"broken": broken}, matrix.tobytes())


def _say(sink: BinaryIO, header: dict[str, Any], blob: bytes = b"") -> None:
    sink.write(pack(header, blob))
    sink.flush()


def _step_back() -> None:
    """Leave the cores to whoever wants them more."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    # Linux gives each session a share of its own (sched(7), "The autogroup feature"): among sessions only this counts.
    with contextlib.suppress(OSError):  # another kernel, or one without it
        Path("/proc/self/autogroup").write_text(f"{NICENESS}")


def main() -> None:
    """The program; it ends with the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl+c in the terminal is the parent's to handle
    _step_back()
    source, sink = take_pipes()
    try:
        serve(source, sink)
    except BrokenPipeError:  # whoever asked has gone in the middle
        os._exit(0)


if __name__ == "__main__":
    main()
