"""Embeddings in a server's answer: decoded and checked, in either of the two formats. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from batch_manager.embedding.classify import unusable
from batch_manager.errors import RequestRefused

if TYPE_CHECKING:
    import numpy as np


def decode_vector(value: object) -> np.ndarray[Any, np.dtype[np.float32]]:
    """An embedding, as base64 of little-endian float32 or as a list of numbers.

    Raises:
        RequestRefused: It is no list of finite numbers.
    """
    import numpy as np  # a fifth of a second, and the half-price lane's lines are known to every start

    try:
        if isinstance(value, str):
            vector = np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4")
        else:
            with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and is told below
                vector = np.asarray(value, dtype="<f4")
    except (ValueError, TypeError, OverflowError, binascii.Error):
        raise RequestRefused(unusable("broken_vector", "An embedding in the answer can't be decoded.")) from None
    if vector.ndim != 1 or vector.size == 0 or not np.isfinite(vector).all():
        raise RequestRefused(unusable("broken_vector", "An embedding in the answer isn't a list of finite numbers."))
    return vector


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
    vector = decode_vector(data[0].get("embedding"))
    if dimensions is not None and vector.size != dimensions:
        raise RequestRefused(
            unusable("wrong_size", f"The answer has a vector of {vector.size} numbers instead of {dimensions}.")
        )
    usage = body.get("usage") if isinstance(body, dict) else None
    told = usage.get("total_tokens") if isinstance(usage, dict) else None
    tokens = told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else None
    return vector.astype("<f4", copy=False).tobytes(), tokens
