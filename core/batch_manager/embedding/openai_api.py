"""OpenAI's embeddings, and every server that speaks the same wire, through the `openai` async client.

The client's own retries are off: there is one layer of retries, the engine's. The raw response is read, since
decoding base64 here takes half the time of the client's own model objects, and since a proxy's page must be
told from an answer.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import openai
import orjson

from batch_manager.embedding import Answer, RateLimits, space_of
from batch_manager.embedding.answers import decode_vectors
from batch_manager.embedding.backoff import timeout
from batch_manager.embedding.classify import classify, one_line, unusable
from batch_manager.errors import Refusal, RequestRefused, SettingError, Verdict

if TYPE_CHECKING:
    from batch_manager.settings import Settings

PIECE = 8
"""Characters of the key that are taken out wherever they stand together."""

_LIKE_A_KEY = re.compile(r"\bsk-[\w*.…-]+|[\w-]*\*{2,}[\w*-]*")

ABSURD = 10
"""A usage that is this many times off our own count can't be true."""


class OpenAIEmbedder:
    """Sends requests; keeps connections open between them."""

    def __init__(self, settings: Settings) -> None:
        """Make the client; nothing is sent.

        Raises:
            SettingError: No key is set.
        """
        self._client = make_client(settings)
        _load(self._client)
        self._key = settings.api_key or ""
        self._model = settings.model
        self._dimensions = settings.dimensions
        self._expected = space_of(settings).dimensions
        self._format: Literal["base64", "float"] = "base64"

    async def embed(self, texts: Sequence[str], *, tried: int, expected_tokens: int) -> Answer:
        """Send one request (see `Embedder.embed`)."""
        try:
            return await self._once(texts, tried, expected_tokens)
        except RequestRefused as error:
            if self._format == "base64" and _refuses_base64(error.refusal):
                # Nothing was billed for a refused format, so asking again in the other is the same try.
                self._format = "float"
                return await self._once(texts, tried, expected_tokens)
            raise

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _once(self, texts: Sequence[str], tried: int, expected_tokens: int) -> Answer:
        try:
            raw = await self._client.embeddings.with_raw_response.create(
                # As a part of the body that the client takes as it is: its look through every input costs as much CPU
                # as all the rest of a request.
                input="",
                extra_body={"input": list(texts)},
                model=self._model,
                encoding_format=self._format,
                dimensions=self._dimensions if self._dimensions is not None else openai.omit,
                timeout=openai.Timeout(timeout(tried), connect=15.0),
            )
        except openai.APIStatusError as error:
            raise RequestRefused(judge(error, self._key)) from None
        except openai.APIConnectionError as error:
            raise RequestRefused(judge_connection(error, self._client.base_url.host, self._key)) from None
        headers = raw.headers
        return _read(raw.content, len(texts), self._expected, expected_tokens, _limits(headers))


def make_client(settings: Settings) -> openai.AsyncOpenAI:
    """The client of these settings, with no retries of its own; nothing is sent.

    Raises:
        SettingError: No key is set.
    """
    if not settings.api_key:
        raise SettingError(
            "No OPENAI_API_KEY is set, so nothing can be sent to the embedding API.",
            next_step="Set OPENAI_API_KEY in the environment or in .env, or use --provider local.",
            code="no_api_key",
        )
    return openai.AsyncOpenAI(
        api_key=settings.api_key,
        base_url=settings.base_url,
        max_retries=0,
        # Documents go to the host that was shown, and to no other that it may name.
        http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        timeout=openai.Timeout(timeout(1), connect=15.0),
    )


def _load(client: openai.AsyncOpenAI) -> None:
    """What the client would load when the first request leaves, which stops the engine's loop."""
    _ = client.embeddings.with_raw_response
    with contextlib.suppress(ImportError):  # not ours to name: it would be loaded later then
        importlib.import_module("anyio._backends._asyncio")


def judge(error: openai.APIStatusError, key: str) -> Refusal:
    """What a response that isn't a success means; the key is taken out of its words."""
    body = error.body if isinstance(error.body, Mapping) else {}
    inner = body.get("error") if isinstance(body.get("error"), Mapping) else body
    code = inner.get("code") or inner.get("type") if isinstance(inner, Mapping) else None
    message = inner.get("message") if isinstance(inner, Mapping) else None
    if not isinstance(message, str):
        message = f"HTTP {error.status_code} without an explanation."
    headers = {name.lower(): value for name, value in error.response.headers.items()}
    return classify(
        error.status_code,
        without_key(code, key) if isinstance(code, str) else None,
        without_key(message, key),
        headers,
        datetime.now(UTC),
    )


def judge_connection(error: openai.APIConnectionError, host: str, key: str) -> Refusal:
    """What it means that no response came."""
    cause = error.__cause__
    kind = type(cause).__name__ if cause is not None else type(error).__name__
    words = without_key(str(cause) or kind, key) if cause is not None else kind
    # What never reached the server can't be billed; anything later can.
    unsent = kind in ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "LocalProtocolError")
    if isinstance(error, openai.APITimeoutError) and not unsent:
        return Refusal(
            Verdict.RETRY, "timeout", f"{host} gave no answer in time.", "Try again later.", maybe_billed=True
        )
    code = "unreachable" if unsent else "connection_lost"
    message = f"{host} can't be reached: {words}." if unsent else f"The connection to {host} broke: {words}."
    step = "Check the network and OPENAI_BASE_URL, then go on."
    return Refusal(Verdict.RETRY, code, one_line(message), step, maybe_billed=not unsent)


def without_key(words: str, key: str) -> str:
    """The words without the key, without any longer piece of it, and without anything else that looks like one.

    Servers repeat keys in part, such as `sk-ab****wxyz`, and a log would keep that.
    """
    words = _LIKE_A_KEY.sub("(key)", words.replace(key, "(key)"))
    pieces = {key[start : start + PIECE] for start in range(len(key) - PIECE + 1)}
    for piece in sorted(pieces):
        words = words.replace(piece, "(key)")
    return words


def _refuses_base64(refusal: Refusal) -> bool:
    words = f"{refusal.code} {refusal.message}".lower()
    return refusal.status in (400, 422) and ("encoding_format" in words or "base64" in words)


def _read(content: bytes, count: int, expected: int | None, expected_tokens: int, limits: RateLimits | None) -> Answer:
    """Check an answer as a whole before anything of it is used."""
    try:
        body = _parsed(content)
    except (ValueError, RecursionError):
        shown = "an HTML page" if content.lstrip()[:1] == b"<" else "something that isn't JSON"
        raise RequestRefused(unusable("not_json", f"The server answered with {shown}.")) from None
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        raise RequestRefused(unusable("no_data", "The answer has no list of embeddings."))
    if len(data) != count:
        raise RequestRefused(unusable("wrong_count", f"The answer has {len(data)} embeddings for {count} inputs."))
    values: list[object] = [None] * count
    told = bytearray(count)
    for entry in data:
        index = entry.get("index") if isinstance(entry, dict) else None
        if not isinstance(index, int) or not 0 <= index < count or told[index]:
            raise RequestRefused(unusable("wrong_index", "The answer names an input twice, or one that wasn't sent."))
        told[index] = True
        values[index] = entry.get("embedding")
    vectors = decode_vectors(values)
    sizes = {len(vector) // 4 for vector in vectors}
    if len(sizes) != 1 or (expected is not None and sizes != {expected}):
        found = ", ".join(str(size) for size in sorted(sizes))
        wanted = f" instead of {expected}" if expected else ""
        raise RequestRefused(unusable("wrong_size", f"The answer has vectors of {found} numbers{wanted}."))
    return Answer(
        vectors=vectors, dimensions=sizes.pop(), tokens=_usage(body.get("usage"), expected_tokens), limits=limits
    )


def _parsed(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return json.loads(content)  # it takes more: some servers write NaN, which is told as what it is


def _usage(usage: object, expected: int) -> int | None:
    told = usage.get("total_tokens") if isinstance(usage, dict) else None
    if not isinstance(told, int) or isinstance(told, bool):
        return None
    if told <= 0 or told > max(expected, 1) * ABSURD or told * ABSURD < expected:
        return None
    return told


def _limits(headers: Mapping[str, str]) -> RateLimits | None:
    def number(name: str) -> int | None:
        try:
            return int(headers.get(f"x-ratelimit-{name}", ""))
        except ValueError:
            return None

    limits = RateLimits(
        requests_per_minute=number("limit-requests"),
        requests_left=number("remaining-requests"),
        tokens_per_minute=number("limit-tokens"),
        tokens_left=number("remaining-tokens"),
    )
    return None if limits == RateLimits() else limits
