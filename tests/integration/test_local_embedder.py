"""The embedded local model: offline, the same whatever travels with a text, and honest about what it can't do."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import numpy as np
import pytest

from batch_manager.embedding.local import LONG, LocalEmbedder
from batch_manager.errors import RequestRefused, UsageError, Verdict
from batch_manager.settings import LOCAL_DIMENSIONS

TEXTS = [
    "invoices: what customers owe, and when they paid it late",
    "employees: who works here",
    "<|endoftext|> \x1b[31m nul\0 \u202e 😀",
    "漢字" * 50,
    "word " * 5_000,
]


def embed(texts: list[str], embedder: LocalEmbedder | None = None) -> np.ndarray[Any, np.dtype[np.float32]]:
    answer = asyncio.run((embedder or LocalEmbedder()).embed(texts, tried=1, expected_tokens=1))
    assert answer.dimensions == LOCAL_DIMENSIONS
    assert answer.tokens == 0
    assert answer.limits is None
    return np.stack([np.frombuffer(vector, "<f4") for vector in answer.vectors])


def test_unit_vectors_in_order() -> None:
    vectors = embed(TEXTS)
    assert vectors.shape == (len(TEXTS), LOCAL_DIMENSIONS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_texts_vector_does_not_depend_on_its_company() -> None:
    embedder = LocalEmbedder()
    together = embed(TEXTS, embedder)
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(embed([text], embedder)[0], vector, atol=1e-5)
    np.testing.assert_allclose(embed(TEXTS[::-1], embedder)[::-1], together, atol=1e-5)


def test_long_texts_are_taken_whole() -> None:
    embedder = LocalEmbedder()
    start = "alpha " * (LONG // 6 + 10)
    first, second = embed([start, start + "zebra elephant giraffe " * 400], embedder)
    assert float(first @ second) < 0.999, "the end of the text counts as well"


def test_it_finds_what_is_meant() -> None:
    vectors = embed([*TEXTS[:2], "which customers pay late"])
    assert vectors[0] @ vectors[2] > vectors[1] @ vectors[2] + 0.1


def test_a_text_without_a_vector_is_refused() -> None:
    with pytest.raises(RequestRefused) as caught:
        embed([""])
    refusal = caught.value.refusal
    assert (refusal.verdict, refusal.code, refusal.maybe_billed) == (Verdict.SPLIT, "no_vector", False)
    assert refusal.next_step
    with pytest.raises(RequestRefused):
        embed([TEXTS[0], ""])


def test_many_requests_at_once() -> None:
    embedder = LocalEmbedder()

    async def all_at_once() -> list[bytes]:
        answers = await asyncio.gather(*(embedder.embed(TEXTS[:2], tried=1, expected_tokens=1) for _ in range(16)))
        return [answer.vectors[0] for answer in answers]

    assert len(set(asyncio.run(all_at_once()))) == 1


def test_no_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the local model asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    embed(TEXTS[:1])


def test_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordllama", None)
    with pytest.raises(UsageError, match="isn't installed") as caught:
        embed(TEXTS[:1])
    assert "--provider openai" in caught.value.next_step


def test_closing_twice() -> None:
    embedder = LocalEmbedder()
    embed(TEXTS[:1], embedder)
    asyncio.run(embedder.close())
    asyncio.run(embedder.close())
    embed(TEXTS[:1], embedder)
