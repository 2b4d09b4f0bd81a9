"""Embeddings in a server's answer: decoded and checked, in either of the two formats. Pure."""

from __future__ import annotations

import binascii
import math
import sys
from array import array
from collections.abc import Sequence

import pybase64

from batch_manager.embedding.classify import unusable
from batch_manager.errors import RequestRefused

_LARGE = (b"\x7f", b"\xff")
"""The last byte of a float32, little endian, that isn't finite (IEEE 754: an exponent of ones), or is above 1e38."""


def decode_vectors(values: Sequence[object]) -> list[bytes]:
    """Embeddings, each as base64 of little-endian float32 or as a list of numbers; float32, little endian.

    Raises:
        RequestRefused: One is no list of finite numbers.
    """
    vectors = [_raw(value) for value in values]
    if any(not vector or len(vector) % 4 for vector in vectors):
        raise RequestRefused(unusable("broken_vector", "An embedding in the answer can't be decoded."))
    if not all_finite(b"".join(vectors)):
        raise RequestRefused(unusable("broken_vector", "An embedding in the answer isn't a list of finite numbers."))
    return vectors


def all_finite(numbers: bytes) -> bool:
    """Whether each of these float32, little endian, is finite.

    Without numpy, which takes a tenth of a second to load behind the first answer, and 20 MB from then on.
    """
    last = numbers[3::4]
    return not any(byte in last for byte in _LARGE) or all(map(math.isfinite, _turned(array("f", numbers))))


def _turned(floats: array[float]) -> array[float]:
    """From this machine's order of bytes to little endian, or back."""
    if sys.byteorder == "big":
        floats.byteswap()
    return floats


def _raw(value: object) -> bytes:
    try:
        if isinstance(value, str):
            # The standard library's takes twenty times as long, which was a fifth of a request's time.
            return pybase64.b64decode(value, validate=True)
        floats = array("f", value) if isinstance(value, list) else array("f")  # what is too large becomes infinite
    except (ValueError, TypeError, OverflowError, binascii.Error):
        raise RequestRefused(unusable("broken_vector", "An embedding in the answer can't be decoded.")) from None
    return _turned(floats).tobytes()


def read_one(body: object, dimensions: int | None) -> tuple[bytes, int | None]:
    """The answer to one input: its vector, and the tokens that it is billed for (None when that isn't told).

    Args:
        body: The answer, as JSON values.
        dimensions: Numbers that the vector must have; None when nobody knows.

    Raises:
        RequestRefused: It is no such answer.
    """
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or len(data) != 1 or not isinstance(data[0], dict):
        raise RequestRefused(unusable("wrong_count", "The answer has not one embedding for its input."))
    (vector,) = decode_vectors([data[0].get("embedding")])
    size = len(vector) // 4
    if dimensions is not None and size != dimensions:
        raise RequestRefused(
            unusable("wrong_size", f"The answer has a vector of {size} numbers instead of {dimensions}.")
        )
    usage = body.get("usage") if isinstance(body, dict) else None
    told = usage.get("total_tokens") if isinstance(usage, dict) else None
    tokens = told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else None
    return vector, tokens
