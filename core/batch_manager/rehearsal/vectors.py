"""Vectors that depend on nothing but the text, the model, the size and the seed."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from batch_manager.rehearsal.limits import NATIVE_DIMENSIONS

Vector = npt.NDArray[np.float32]

_PROJECTION_SEED = 20_260_101


def expected_vector(text: str, model: str, dimensions: int | None = None, seed: int = 0) -> Vector:
    """The vector that the server answers with for a text, in mode ``hash``.

    A Philox generator keyed by SHA-256 of seed, model and SHA-256 of the text yields `native` whole
    numbers of 32 bits, which are scaled to length 1; a shorter vector is the native one cut off and scaled
    again. Only the raw bit stream is used, which numpy keeps the same from release to release.

    Args:
        text: The input, as sent.
        model: One of `NATIVE_DIMENSIONS`; other models need `dimensions`.
        dimensions: Length wanted, or None for the model's own.
        seed: The server's seed.

    Returns:
        A float32 array of shape (dimensions,) and length 1, read-only since it is cached.

    Raises:
        KeyError: The model is unknown and no dimensions are given.
    """
    if dimensions is None:
        dimensions = NATIVE_DIMENSIONS[model]
    native = NATIVE_DIMENSIONS.get(model, dimensions)
    return hash_vector(hashlib.sha256(text.encode()).digest(), model, native, dimensions, seed)


@lru_cache(maxsize=4096)
def hash_vector(digest: bytes, model: str, native: int, dimensions: int, seed: int) -> Vector:
    """`expected_vector` for a text whose SHA-256 is known; float32 of shape (dimensions,), read-only."""
    key = hashlib.sha256(f"{seed}\n{model}\n".encode() + digest).digest()
    stream = np.random.Philox(key=np.frombuffer(key[:16], dtype="<u8"))
    raw = stream.random_raw((native + 1) // 2).astype("<u8", copy=False).view("<i4")
    vector = _unit(raw[:dimensions].astype(np.float32))
    vector.flags.writeable = False
    return vector


def _unit(vector: Vector) -> Vector:
    # Sizes of 1e9 squared stay far below float32's largest number, and a vector of zeros is out of reach.
    length = np.float32(np.sqrt(np.dot(vector, vector)))
    return np.asarray(vector / length, dtype=np.float32)


class Embedder(Protocol):
    """Turns the inputs of one request into vectors."""

    def embed(self, texts: list[str], digests: list[bytes], model: str, native: int, dimensions: int) -> list[Vector]:
        """One float32 vector of shape (dimensions,) and length 1 for each text, in order."""


class HashEmbedder:
    """Reproducible noise: see `expected_vector`."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def embed(self, texts: list[str], digests: list[bytes], model: str, native: int, dimensions: int) -> list[Vector]:
        """See `Embedder`."""
        return [hash_vector(digest, model, native, dimensions, self.seed) for digest in digests]


class MeaningEmbedder:
    """The small local model's 256 numbers, turned, and zeros behind them up to the model's own size.

    The matrix that turns them has orthonormal columns, so angles stay what they are; it depends on the size alone and
    not on the seed, so that vectors of two rehearsals can be searched together. A shorter vector is the whole one, cut
    off behind and scaled to length 1 again, as OpenAI documents its `dimensions`; below 256 angles are only near.
    """

    def __init__(self, seed: int) -> None:
        import wordllama

        self._spare = HashEmbedder(seed)
        self._model: Any = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)

    def embed(self, texts: list[str], digests: list[bytes], model: str, native: int, dimensions: int) -> list[Vector]:
        """See `Embedder`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            means = np.asarray(self._model.embed(texts, norm=False), dtype=np.float32)
        inner = means.shape[1]
        carried = np.zeros((len(texts), max(native, dimensions)), dtype=np.float32)
        carried[:, :inner] = means @ _projection(inner, min(inner, carried.shape[1]))
        carried = carried[:, :dimensions]
        lengths = np.linalg.norm(carried, axis=1)
        # A text without a token that the model knows has no mean: noise is better than NaN.
        spare = self._spare.embed(texts, digests, model, native, dimensions)
        return [
            np.asarray(row / length, dtype=np.float32) if np.isfinite(length) and length > 1e-6 else noise
            for row, length, noise in zip(carried, lengths, spare, strict=True)
        ]


@lru_cache(maxsize=8)
def _projection(inner: int, outer: int) -> Vector:
    wide = max(inner, outer)
    noise = np.random.Generator(np.random.Philox(_PROJECTION_SEED)).standard_normal((wide, min(inner, outer)))
    columns, _ = np.linalg.qr(noise)
    matrix = columns.T if outer >= inner else columns
    return np.ascontiguousarray(matrix, dtype=np.float32)


def make_embedder(mode: str, seed: int) -> Embedder:
    """The embedder of a mode of `RehearsalOptions.vectors`."""
    return MeaningEmbedder(seed) if mode == "meaning" else HashEmbedder(seed)
