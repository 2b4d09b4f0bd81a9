"""The embedded local model: offline, the same whatever travels with a text, and honest about what it can't do."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch_manager.embedding import Answer
from batch_manager.embedding.local import LocalEmbedder
from batch_manager.embedding.local_model import LONG
from batch_manager.errors import RequestRefused, UsageError, Verdict
from batch_manager.settings import LOCAL_DIMENSIONS

TEXTS = [
    "invoices: what customers owe, and when they paid it late",
    "employees: who works here",
    "<|endoftext|> \x1b[31m nul\0 \u202e 😀",
    "漢字" * 50,
    "word " * 5_000,
]


async def embed_once(texts: list[str]) -> Answer:
    embedder = LocalEmbedder()
    try:
        return await embedder.embed(texts, tried=1, expected_tokens=1)
    finally:
        await embedder.close()


def embed(texts: list[str], embedder: LocalEmbedder | None = None) -> np.ndarray[Any, np.dtype[np.float32]]:
    answer = asyncio.run(embed_once(texts) if embedder is None else embedder.embed(texts, tried=1, expected_tokens=1))
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


def test_no_socket_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    hook = f"""
import os, sys
file = os.open({str(seen)!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
os.write(file, b"watched ")
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        os.write(file, event.encode())
sys.addaudithook(watch)
"""
    (tmp_path / "sitecustomize.py").write_text(hook)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    embed(TEXTS[:1])
    assert seen.read_text() == "watched "


def test_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wordllama.py").write_text("raise ImportError('no such release')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(UsageError, match="isn't installed") as caught:
        embed(TEXTS[:1])
    assert "--provider openai" in caught.value.next_step


def test_a_process_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wordllama.py").write_text("import os\nos._exit(9)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(UsageError, match="can't be started: ended with exit code 9"):
        LocalEmbedder().load()


def test_a_kill_is_told_and_the_next_request_starts_it_again() -> None:
    embedder = LocalEmbedder()
    first = embed(TEXTS[:2], embedder)
    killed = embedder.pid
    assert killed is not None

    async def in_the_middle() -> None:
        working = asyncio.create_task(embedder.embed(["word " * 400_000] * 4, tried=1, expected_tokens=1))
        await asyncio.sleep(0.2)
        os.kill(killed, signal.SIGKILL)
        await working

    with pytest.raises(RequestRefused, match="was ended by SIGKILL") as caught:
        asyncio.run(in_the_middle())
    assert (caught.value.refusal.verdict, caught.value.refusal.code) == (Verdict.RETRY, "local_model_ended")
    assert not caught.value.refusal.maybe_billed
    np.testing.assert_array_equal(embed(TEXTS[:2], embedder), first)
    assert embedder.pid not in (None, killed)
    asyncio.run(embedder.close())


def test_a_text_that_the_model_chokes_on() -> None:
    embedder = LocalEmbedder()
    with pytest.raises(RequestRefused, match="The local model failed") as caught:
        embed(["half a character: \ud800"], embedder)
    assert caught.value.refusal.verdict is Verdict.SPLIT
    embed(TEXTS, embedder)
    asyncio.run(embedder.close())


def test_no_secret_reaches_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-everyone")
    embedder = LocalEmbedder()
    embedder.load()
    assert b"sk-not" not in Path(f"/proc/{embedder.pid}/environ").read_bytes()
    asyncio.run(embedder.close())


def test_nothing_is_left_behind() -> None:
    embedder = LocalEmbedder()
    embedder.load()
    pid = embedder.pid
    assert pid is not None
    asyncio.run(embedder.close())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_closing_twice() -> None:
    embedder = LocalEmbedder()
    embed(TEXTS[:1], embedder)
    asyncio.run(embedder.close())
    asyncio.run(embedder.close())
    embed(TEXTS[:1], embedder)
