"""What the server answers: bodies good, bad and garbled, as bytes."""

from __future__ import annotations

import binascii
import json
import math
from collections.abc import Sequence

import numpy as np

from batch_manager.rehearsal.faults import Rule, seeded_fraction
from batch_manager.rehearsal.limits import Refusal, retry_after
from batch_manager.rehearsal.request import EmbeddingRequest
from batch_manager.rehearsal.vectors import Vector

HTML_PAGE = (
    b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head>"
    b"<body><center><h1>502 Bad Gateway</h1></center><hr><center>proxy</center></body></html>"
)

_WORDS = {
    "rate_limit": "Rate limit reached. Please try again later.",
    "overloaded": "The server is overloaded at the moment. Please try again later.",
    "status": "The server had an error while processing your request.",
    "money": "You exceeded your current quota, please check your plan and billing details.",
    "poison": "The request could not be processed: an input was rejected.",
}


def refusal_of(rule: Rule) -> Refusal:
    """The error that a refusing fault answers with; a date is for the caller to add, who knows the time."""
    words = rule.message or _WORDS[rule.fault]
    wait = () if rule.retry_after is None or rule.retry_after_date else retry_after(rule.retry_after)
    if rule.fault == "rate_limit":
        code = rule.code or "rate_limit_exceeded"
        return Refusal(429, words, type="requests", code=code, headers=wait)
    if rule.fault == "overloaded":
        code = rule.code or "server_is_overloaded"
        return Refusal(503, words, type="server_error", code=code, headers=wait)
    if rule.fault == "money":
        code = rule.code or "insufficient_quota"
        return Refusal(429, words, type=code, code=code, headers=wait)
    if rule.fault == "poison":
        return Refusal(400, words, code=rule.code, headers=wait)
    status = rule.status or 500
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return Refusal(status, words, type=kind, code=rule.code, headers=wait)


def error_body(refusal: Refusal) -> bytes:
    """The error object around a refusal."""
    error = {
        "message": refusal.message,
        "type": refusal.type,
        "param": refusal.param,
        "code": refusal.code,
    }
    return json.dumps({"error": error}).encode()


def embeddings_body(
    request: EmbeddingRequest, vectors: Sequence[Vector], rule: Rule | None, seed: int, number: int
) -> bytes:
    """The answer to a request, as a fault leaves it.

    Args:
        request: What was asked.
        vectors: One for each input, in order.
        rule: The fault, or None for a sound answer.
        seed: Source of chance: which item is hit, and in which order.
        number: The request's number.
    """
    fault = rule.fault if rule else None
    vectors = list(vectors)
    indexes = list(range(len(vectors)))
    hit = int(seeded_fraction(seed, "item", number) * len(vectors))
    if fault == "wrong_size":
        vectors[hit] = vectors[hit][:-1]
    elif fault == "nan":
        vectors[hit] = vectors[hit].copy()
        vectors[hit][0] = np.nan
    written = [write_vector(vector, request.base64) for vector in vectors]
    if fault == "broken_base64":
        written[hit] = _broken(vectors[hit])
    elif fault == "doubled":
        if len(indexes) > 1:
            indexes[hit] = (hit + 1) % len(indexes)
        else:
            indexes, written = [0, 0], written * 2
    data = list(zip(indexes, written, strict=True))
    if fault == "short":
        del data[hit]
    elif fault == "shuffled":
        data.sort(key=lambda item: seeded_fraction(seed, "order", number, item[0]))
        if len(data) > 1 and [index for index, _ in data] == indexes:
            data.reverse()
    items = b",".join(b'{"object":"embedding","index":%d,"embedding":%b}' % (index, vector) for index, vector in data)
    tail = json.dumps({"model": request.model, **_usage(request.total_tokens, rule)}).encode()
    body = b'{"object":"list","data":[%b],%b' % (items, tail[1:])
    return body[: len(body) // 2] if fault == "not_json" else body


def _usage(tokens: int, rule: Rule | None) -> dict[str, dict[str, int]]:
    if rule is not None and rule.fault == "no_usage":
        return {}
    if rule is not None and rule.fault == "absurd_usage":
        tokens = int(tokens * rule.factor)
    return {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def write_vector(vector: Vector, base64: bool) -> bytes:
    """A vector as JSON: a string of base64 over little-endian float32, or an array of numbers."""
    if base64:
        return b'"%b"' % binascii.b2a_base64(vector.astype("<f4", copy=False).tobytes(), newline=False)
    # Nine significant digits bring back every float32; a NaN is written as Python and JavaScript would.
    return b"[%b]" % b",".join(b"NaN" if math.isnan(number) else b"%.9g" % number for number in vector.tolist())


def _broken(vector: Vector) -> bytes:
    text = binascii.b2a_base64(vector.tobytes(), newline=False).rstrip(b"=")
    # One character more than a multiple of four can be no base64, however lenient the reader.
    return b'"%b"' % text[: (len(text) - 1) // 4 * 4 + 1]
