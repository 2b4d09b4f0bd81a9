"""Embeddings in an answer: what is taken, what is refused, as numpy would judge it."""

from __future__ import annotations

import base64
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.embedding.answers import all_finite, decode_vectors
from batch_manager.errors import RequestRefused

WORDS = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0x7F800000, 0xFF800000, 0x7FC00000, 0x7F7FFFFF]))


@given(st.lists(WORDS, max_size=40))
def test_finite_is_what_numpy_calls_finite(words: list[int]) -> None:
    numbers = struct.pack(f"<{len(words)}I", *words)
    assert all_finite(numbers) == bool(np.isfinite(np.frombuffer(numbers, dtype="<f4")).all())


@given(st.lists(st.one_of(st.floats(width=64, allow_nan=False), st.integers(-(2**40), 2**40)), min_size=1, max_size=8))
def test_lists_of_numbers_become_float32_as_numpy_has_them(numbers: list[float]) -> None:
    with np.errstate(over="ignore"):
        expected = np.asarray(numbers, dtype="<f4")
    if not np.isfinite(expected).all():
        with pytest.raises(RequestRefused, match="finite"):
            decode_vectors([numbers])
        return
    assert decode_vectors([numbers]) == [expected.tobytes()]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_base64_stays_as_it_came(numbers: list[float]) -> None:
    raw = np.asarray(numbers, dtype="<f4").tobytes()
    assert decode_vectors([base64.b64encode(raw).decode()]) == [raw]


@pytest.mark.parametrize(
    "value",
    [None, 1.5, {}, [], "", ["1.0"], [[1.0]], [None], [10**400], "====", "AAA=", "AAAAAAA=", b"AAAA", {"0": 1.0}],
)
def test_what_is_no_vector_is_refused(value: object) -> None:
    with pytest.raises(RequestRefused) as caught:
        decode_vectors([[1.0], value])
    assert caught.value.refusal.code == "broken_vector"


def test_numpy_is_not_needed() -> None:
    """It would be loaded behind the first answer, which is a tenth of a second in which nothing else is sent."""
    code = (
        "import sys, batch_manager.embedding.openai_api, batch_manager.embedding.answers as a\n"
        "a.decode_vectors([[1.0, 2.0], 'AACAPwAAAEA='])\n"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
