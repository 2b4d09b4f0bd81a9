"""OpenAI's client against the rehearsal server: what is usable is taken whole, all else is refused with a reason."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.embedding import Answer, RateLimits, make_embedder
from batch_manager.embedding import openai_api as wire
from batch_manager.embedding.local import LocalEmbedder
from batch_manager.embedding.openai_api import OpenAIEmbedder, without_key
from batch_manager.errors import Refusal, RequestRefused, SettingError, Verdict
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer, expected_vector
from batch_manager.settings import Settings, load_settings
from batch_manager.tokens import count_tokens

MODEL = "text-embedding-3-small"
KEY = "sk-proj-Tr0ub4dor-and-3-horses"
TEXTS = ["users: who may log in", "orders: what was bought", "<|endoftext|> \x1b[31m nul\0 \u202e 😀", "漢字" * 50]
PLAIN: dict[str, Any] = {"latency_ms": 0, "requests_per_minute": None, "tokens_per_minute": None, "key": None}


@pytest.fixture(scope="module")
def running() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(RehearsalOptions(seed=3, **PLAIN)) as server:
        yield server


@pytest.fixture
def server(running: RehearsalServer) -> RehearsalServer:
    running.set_options(faults=[], refuse_base64=False, refuse_lists=False, rate_headers=True, **PLAIN)
    running.clear()
    return running


def settings_for(url: str, **flags: Any) -> Settings:
    given = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url, "BATCH_MANAGER_HOME": "/nowhere", **flags}
    return load_settings(given, environment={})


Embed = Callable[..., Awaitable[Answer]]


@pytest.fixture
async def embed(server: RehearsalServer) -> AsyncIterator[Embed]:
    embedder = OpenAIEmbedder(settings_for(server.base_url))

    async def send(texts: list[str] = TEXTS, tried: int = 1) -> Answer:
        return await embedder.embed(texts, tried=tried, expected_tokens=sum(map(count_tokens, texts)))

    yield send
    await embedder.close()


async def refusal_of(sending: Awaitable[Answer]) -> Refusal:
    with pytest.raises(RequestRefused) as caught:
        await sending
    refusal = caught.value.refusal
    for words in (refusal.message, refusal.next_step, refusal.code, str(caught.value), repr(caught.value)):
        assert KEY not in words
        assert KEY[3:12] not in words
    assert refusal.message
    assert "\n" not in refusal.message
    return refusal


def check(answer: Answer, texts: list[str] = TEXTS, dimensions: int = 1536) -> None:
    assert answer.dimensions == dimensions
    assert len(answer.vectors) == len(texts)
    for vector, text in zip(answer.vectors, texts, strict=True):
        np.testing.assert_array_equal(np.frombuffer(vector, "<f4"), expected_vector(text, MODEL, dimensions, seed=3))


async def test_vectors_usage_and_limits(server: RehearsalServer, embed: Embed) -> None:
    server.set_options(requests_per_minute=3000, tokens_per_minute=1_000_000)
    answer = await embed()
    check(answer)
    assert answer.tokens == sum(map(count_tokens, TEXTS)) == server.totals()["billed_tokens"]
    assert answer.limits == RateLimits(3000, 2999, 1_000_000, 1_000_000 - (answer.tokens or 0))


async def test_no_rate_headers(server: RehearsalServer, embed: Embed) -> None:
    server.set_options(rate_headers=False)
    assert (await embed()).limits is None


async def test_shorter_vectors(server: RehearsalServer) -> None:
    embedder = OpenAIEmbedder(settings_for(server.base_url, OPENAI_EMBEDDING_DIMENSIONS="256"))
    check(await embedder.embed(TEXTS, tried=1, expected_tokens=100), dimensions=256)
    await embedder.close()


async def test_where_base64_is_refused_floats_bring_the_same(server: RehearsalServer, embed: Embed) -> None:
    server.set_options(refuse_base64=True)
    check(await embed())
    check(await embed())
    assert [row["status"] for row in server.ledger()] == [400, 200, 200], "asked once, then remembered"


async def test_shuffled_answers_are_put_in_order(server: RehearsalServer, embed: Embed) -> None:
    server.set_faults([{"fault": "shuffled"}])
    check(await embed())


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1]], ids=["many", "one"])
@pytest.mark.parametrize("base64", [True, False], ids=["base64", "floats"])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"fault": "short"}, "wrong_count"),
        ({"fault": "doubled"}, None),
        ({"fault": "wrong_size"}, "wrong_size"),
        ({"fault": "nan"}, "broken_vector"),
        ({"fault": "not_json"}, "not_json"),
        ({"fault": "broken_base64"}, "broken_vector"),
        ({"fault": "html", "status": 200}, "not_json"),
    ],
)
async def test_nothing_of_a_broken_answer_is_used(
    server: RehearsalServer, embed: Embed, fault: dict[str, Any], code: str | None, base64: bool, texts: list[str]
) -> None:
    server.set_options(refuse_base64=not base64)
    if not base64:
        await embed()
    server.set_faults([fault])
    refusal = await refusal_of(embed(texts))
    assert refusal.verdict is Verdict.RETRY
    assert refusal.maybe_billed, "the server may have done the work"
    assert refusal.status == 200
    assert refusal.code in ([code] if code else ["wrong_index", "wrong_count"])


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"fault": "no_usage"}, None),
        ({"fault": "absurd_usage", "factor": 1000}, None),
        ({"fault": "absurd_usage", "factor": 0}, None),
        ({"fault": "absurd_usage", "factor": -1}, None),
        ({"fault": "absurd_usage", "factor": 0.01}, None),
        ({"fault": "absurd_usage", "factor": 1.5}, 1.5),
    ],
)
async def test_usage_that_cannot_be_true_is_not_believed(
    server: RehearsalServer, embed: Embed, fault: dict[str, Any], told: float | None
) -> None:
    server.set_faults([fault])
    answer = await embed()
    check(answer)
    expected = sum(map(count_tokens, TEXTS))
    assert answer.tokens == (None if told is None else int(expected * told))


@pytest.mark.parametrize(
    ("fault", "verdict", "code", "billed"),
    [
        ({"fault": "rate_limit"}, Verdict.RETRY, "rate_limit_exceeded", False),
        ({"fault": "overloaded"}, Verdict.RETRY, "server_is_overloaded", False),
        ({"fault": "status", "status": 500}, Verdict.RETRY, "server_error", False),
        ({"fault": "status", "status": 408}, Verdict.RETRY, "invalid_request_error", False),
        ({"fault": "status", "status": 409}, Verdict.RETRY, "invalid_request_error", False),
        ({"fault": "status", "status": 504}, Verdict.RETRY, "server_error", True),
        ({"fault": "html"}, Verdict.RETRY, "http_502", True),
        ({"fault": "html", "status": 403}, Verdict.STOP, "http_403", False),
        ({"fault": "money"}, Verdict.STOP, "insufficient_quota", False),
        ({"fault": "money", "code": "credit_balance_exhausted"}, Verdict.STOP, "credit_balance_exhausted", False),
        ({"fault": "status", "status": 404, "code": "model_not_found"}, Verdict.STOP, "model_not_found", False),
        ({"fault": "poison", "contains": "bought"}, Verdict.SPLIT, "invalid_request_error", False),
        ({"fault": "reset"}, Verdict.RETRY, "connection_lost", True),
        ({"fault": "reset_after"}, Verdict.RETRY, "connection_lost", True),
        ({"fault": "stall", "seconds": 0.05}, Verdict.RETRY, "connection_lost", True),
    ],
)
async def test_refusals(
    server: RehearsalServer, embed: Embed, fault: dict[str, Any], verdict: Verdict, code: str, billed: bool
) -> None:
    server.set_faults([fault])
    refusal = await refusal_of(embed())
    assert (refusal.verdict, refusal.code, refusal.maybe_billed) == (verdict, code, billed)
    assert refusal.next_step
    assert len(server.ledger()) == 1, "no retry of the client's own"


@pytest.mark.parametrize(
    ("fault", "low", "high"),
    [
        ({"retry_after": 7}, 7, 7),
        ({"retry_after": 0.25}, 0.25, 0.25),
        ({"retry_after": None}, None, None),
        ({"retry_after": 30, "retry_after_date": True}, 27, 31),
        ({"retry_after": 100_000}, 600, 600),
    ],
)
@pytest.mark.parametrize("name", ["rate_limit", "overloaded"])
async def test_the_wait_that_is_asked_for(
    server: RehearsalServer, embed: Embed, name: str, fault: dict[str, Any], low: float | None, high: float | None
) -> None:
    server.set_faults([{"fault": name, **fault}])
    asked = (await refusal_of(embed())).retry_after
    if low is None or high is None:
        assert asked is None
    else:
        assert asked is not None
        assert low <= asked <= high


async def test_a_real_limit_says_when(server: RehearsalServer, embed: Embed) -> None:
    server.set_options(requests_per_minute=60, burst_seconds=1)
    await embed()
    refusal = await refusal_of(embed())
    assert refusal.slow_down
    assert refusal.retry_after is not None
    assert 0 < refusal.retry_after <= 2


async def test_too_large_for_the_minute_is_split(server: RehearsalServer, embed: Embed) -> None:
    server.set_options(tokens_per_minute=10)
    refusal = await refusal_of(embed())
    assert refusal.verdict is Verdict.SPLIT
    assert "EMBEDDING_BATCH_SIZE" in refusal.next_step


async def test_each_limit_of_the_server_splits(server: RehearsalServer, embed: Embed) -> None:
    server.set_options(max_inputs=2)
    try:
        assert (await refusal_of(embed())).verdict is Verdict.SPLIT
        server.set_options(max_inputs=2048, max_input_tokens=5)
        assert (await refusal_of(embed())).verdict is Verdict.SPLIT
        server.set_options(max_input_tokens=8192, max_request_tokens=20)
        assert (await refusal_of(embed())).verdict is Verdict.SPLIT
        server.set_options(max_request_tokens=300_000, max_body_bytes=1_000)
        refusal = await refusal_of(embed(["word " * 1_000]))
        assert (refusal.verdict, refusal.status) == (Verdict.SPLIT, 413)
    finally:
        server.set_options(
            max_inputs=2048, max_input_tokens=8192, max_request_tokens=300_000, max_body_bytes=50_000_000
        )


async def test_the_timeout_grows_with_each_try(
    server: RehearsalServer, embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "timeout", lambda tried: 0.15 if tried == 1 else 20.0)
    server.set_faults([{"fault": "stall", "seconds": 0.6, "billed": True}])
    refusal = await refusal_of(embed(tried=1))
    assert (refusal.verdict, refusal.code, refusal.maybe_billed) == (Verdict.RETRY, "timeout", True)
    check(await embed(tried=2))


async def test_a_wrong_key_stops(server: RehearsalServer, embed: Embed) -> None:
    server.set_options(key="another")
    refusal = await refusal_of(embed())
    assert (refusal.verdict, refusal.code) == (Verdict.STOP, "invalid_api_key")
    assert "OPENAI_API_KEY" in refusal.next_step


@pytest.mark.parametrize(
    "words",
    [
        f"Incorrect API key provided: {KEY}.",
        f"Incorrect API key provided: {KEY[:8]}*****************{KEY[-4:]}. You can find your key at the site.",
        f"Key {KEY[:14]}... is not known",
        f"Authorization: Bearer {KEY[4:]}",
    ],
)
@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_a_server_that_repeats_the_key(server: RehearsalServer, embed: Embed, words: str, status: int) -> None:
    server.set_faults([{"fault": "status", "status": status, "message": words, "code": words}])
    refusal = await refusal_of(embed())
    assert "(key)" in refusal.message


async def test_an_unknown_model_stops(server: RehearsalServer) -> None:
    embedder = OpenAIEmbedder(settings_for(server.base_url, OPENAI_EMBEDDING_MODEL="no-such-model"))
    refusal = await refusal_of(embedder.embed(TEXTS, tried=1, expected_tokens=100))
    assert refusal.verdict is Verdict.STOP
    assert "model" in refusal.next_step
    await embedder.close()


async def test_an_unlisted_model_has_the_size_that_it_has(server: RehearsalServer) -> None:
    server.set_options(extra_models={"house-model": 8})
    embedder = OpenAIEmbedder(settings_for(server.base_url, OPENAI_EMBEDDING_MODEL="house-model"))
    answer = await embedder.embed(TEXTS, tried=1, expected_tokens=200)
    assert answer.dimensions == 8
    await embedder.close()


async def test_a_model_of_another_size_is_refused(server: RehearsalServer) -> None:
    server.set_options(extra_models={"house-model": 8})
    settings = settings_for(
        server.base_url, OPENAI_EMBEDDING_MODEL="text-embedding-3-large", OPENAI_EMBEDDING_DIMENSIONS="4000"
    )
    embedder = OpenAIEmbedder(settings)
    assert (await refusal_of(embedder.embed(TEXTS, tried=1, expected_tokens=200))).verdict is Verdict.SPLIT
    await embedder.close()


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/v1", "https://127.0.0.1:{port}/v1", "http://no.invalid/v1"])
async def test_a_server_that_is_not_there_bills_nothing(url: str) -> None:
    embedder = OpenAIEmbedder(settings_for(url.format(port=closed_port())))
    refusal = await refusal_of(embedder.embed(TEXTS, tried=1, expected_tokens=100))
    assert (refusal.verdict, refusal.code, refusal.maybe_billed) == (Verdict.RETRY, "unreachable", False)
    assert "OPENAI_BASE_URL" in refusal.next_step
    await embedder.close()


async def test_a_server_that_speaks_no_tls(server: RehearsalServer) -> None:
    embedder = OpenAIEmbedder(settings_for(server.base_url.replace("http:", "https:")))
    refusal = await refusal_of(embedder.embed(TEXTS, tried=1, expected_tokens=100))
    assert (refusal.verdict, refusal.maybe_billed) == (Verdict.RETRY, False)
    await embedder.close()


async def test_a_wrong_path_stops(server: RehearsalServer) -> None:
    embedder = OpenAIEmbedder(settings_for(server.base_url + "/v2"))
    refusal = await refusal_of(embedder.embed(TEXTS, tried=1, expected_tokens=100))
    assert (refusal.verdict, refusal.status) == (Verdict.STOP, 404)
    await embedder.close()


def test_without_a_key_nothing_is_made() -> None:
    with pytest.raises(SettingError) as caught:
        make_embedder(Settings(home=settings_for("http://x").home))
    assert caught.value.code == "no_api_key"
    assert "--provider local" in caught.value.next_step
    assert isinstance(make_embedder(load_settings({"EMBEDDING_PROVIDER": "local"}, {})), LocalEmbedder)


def read(content: bytes, count: int = 1, expected: int | None = 2) -> Answer:
    return wire._read(content, count, expected, 10, None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"data": null}',
        b'{"data": {"0": 1}}',
        b'{"data": [null]}',
        b'{"data": [[1, 2]]}',
        b'{"data": [{"index": 0}]}',
        b'{"data": [{"index": "0", "embedding": [1, 2]}]}',
        b'{"data": [{"index": -1, "embedding": [1, 2]}]}',
        b'{"data": [{"index": 1, "embedding": [1, 2]}]}',
        b'{"data": [{"index": 1e0, "embedding": [1, 2]}]}',
        b'{"data": [{"index": 0, "embedding": []}]}',
        b'{"data": [{"index": 0, "embedding": ""}]}',
        b'{"data": [{"index": 0, "embedding": null}]}',
        b'{"data": [{"index": 0, "embedding": 7}]}',
        b'{"data": [{"index": 0, "embedding": {"a": 1}}]}',
        b'{"data": [{"index": 0, "embedding": ["a", "b"]}]}',
        b'{"data": [{"index": 0, "embedding": [[1], [2]]}]}',
        b'{"data": [{"index": 0, "embedding": [1, [2]]}]}',
        b'{"data": [{"index": 0, "embedding": [1, null]}]}',
        b'{"data": [{"index": 0, "embedding": [1, Infinity]}]}',
        b'{"data": [{"index": 0, "embedding": [1, 1e60]}]}',
        b'{"data": [{"index": 0, "embedding": [1, 1' + b"0" * 400 + b"]}]}",
        b'{"data": [{"index": 0, "embedding": [1, 2, 3]}]}',
        b'{"data": [{"index": 0, "embedding": "AAAA"}]}',
        '{"data": [{"index": 0, "embedding": "ÄÄÄÄ"}]}'.encode(),
    ],
)
def test_whatever_a_server_sends_is_refused_not_raised(content: bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        read(content)
    assert caught.value.refusal.verdict is Verdict.RETRY
    assert len(caught.value.refusal.message) <= 300


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "index", "embedding", "usage", "total_tokens"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(data=json_values, usage=json_values, vector=json_values, index=json_values)
def test_any_json_is_an_answer_or_a_refusal(data: object, usage: object, vector: object, index: object) -> None:
    for body in ({"data": data}, {"data": [{"index": index, "embedding": vector}], "usage": usage}):
        try:
            answer = read(json.dumps(body).encode())
        except RequestRefused:
            continue
        assert len(answer.vectors) == 1
        assert np.isfinite(np.frombuffer(answer.vectors[0], "<f4")).all()
        assert answer.tokens is None or answer.tokens > 0


@pytest.mark.parametrize(("value", "number"), [("-1", -1), ("0", 0), ("5000", 5000), ("many", None), ("1e3", None)])
def test_limits_that_make_no_sense(value: str, number: int | None) -> None:
    limits = wire._limits({"x-ratelimit-limit-tokens": value})
    assert limits == (None if number is None else RateLimits(tokens_per_minute=number))


@given(before=st.text(max_size=20), after=st.text(max_size=20), start=st.integers(0, 20), length=st.integers(8, 40))
def test_no_piece_of_a_key_is_left(before: str, after: str, start: int, length: int) -> None:
    piece = KEY[start : start + length]
    cleaned = without_key(before + piece + after, KEY)
    assert not any(KEY[at : at + 8] in cleaned for at in range(len(KEY) - 7))


def test_words_without_a_key_stay_as_they_are() -> None:
    words = "Rate limit reached for text-embedding-3-small: Limit 3, Used 3. See https://platform.openai.com/risk-ask"
    assert without_key(words, KEY) == words
    assert without_key(words, "short") == words
