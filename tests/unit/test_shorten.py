"""Shorter vectors cut from longer ones: what OpenAI documents of `dimensions`, as the rehearsal server answers it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from batch_manager.embedding.shorten import can_be_cut_for, shorten
from batch_manager.quote import Space
from batch_manager.rehearsal.vectors import expected_vector, make_embedder

SMALL, LARGE, ADA = "text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"
OPENAI = "https://api.openai.com/v1"


@pytest.mark.parametrize(("model", "native"), [(SMALL, 1536), (LARGE, 3072)])
@pytest.mark.parametrize("dimensions", [1, 8, 256, 1024])
def test_a_cut_vector_is_what_the_server_answers(model: str, native: int, dimensions: int) -> None:
    texts = [f"Holds case {number} of many." for number in range(20)]
    whole = [expected_vector(text, model, None, 7).tobytes() for text in texts]
    answered = np.stack([expected_vector(text, model, dimensions, 7) for text in texts])
    cut = np.stack([np.frombuffer(one, "<f4") for one in shorten(whole, dimensions)])
    # Not to the bit: the server cuts before it rounds to float32 for the first time.
    np.testing.assert_allclose(cut, answered, rtol=0, atol=5e-7)
    np.testing.assert_allclose(np.linalg.norm(cut.astype(np.float64), axis=1), 1, atol=1e-6)
    assert len(whole[0]) == 4 * native


def test_the_server_s_vectors_with_meaning_are_cut_the_same_way() -> None:
    texts = ["orders that customers placed", "what the warehouse holds"]
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    embedder = make_embedder("meaning", 7)
    whole = [one.tobytes() for one in embedder.embed(texts, digests, SMALL, 1536, 1536)]
    answered = embedder.embed(texts, digests, SMALL, 1536, 512)
    for mine, theirs in zip(shorten(whole, 512), answered, strict=True):
        np.testing.assert_allclose(np.frombuffer(mine, "<f4"), theirs, atol=5e-7)


def test_nothing_is_cut_where_nobody_says_that_it_may_be() -> None:
    assert can_be_cut_for(Space("openai", OPENAI, SMALL, 512))
    assert can_be_cut_for(Space("openai", "rehearsal", LARGE, 1024))
    assert not can_be_cut_for(Space("openai", OPENAI, SMALL, 1536))  # the whole
    assert not can_be_cut_for(Space("openai", OPENAI, SMALL, None))
    assert not can_be_cut_for(Space("openai", OPENAI, ADA, 512))  # it can't be shortened
    assert not can_be_cut_for(Space("openai", "https://gateway.example/v1", SMALL, 512))  # whatever it does
    assert not can_be_cut_for(Space("local", "local", SMALL, 128))


def test_zeros_have_no_direction() -> None:
    vector = np.array([0, 0, 1], dtype="<f4").tobytes()
    assert shorten([vector], 2) == [bytes(8)]
    assert shorten([], 2) == []
