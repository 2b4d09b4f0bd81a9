"""Lines of batch files: a request written, a result read and checked. Pure.

A `custom_id` is the text's id and the beginning of its hash, so that an answer can't be taken for another text's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from batch_manager.embedding.answers import read_one
from batch_manager.embedding.classify import classify, one_line
from batch_manager.errors import Refusal, RequestRefused, Verdict

ENDPOINT = "/v1/embeddings"
HASH = 16
"""Characters of a text's hash in its `custom_id`."""

MAX_LINE = 4_000_000
"""Bytes of the longest line that is waited for: a vector of 3,072 numbers in full takes 70,000."""

NOT_DONE = frozenset({"batch_expired", "batch_cancelled"})
"""Error codes of requests whose turn never came."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a line of an output or error file says.

    Attributes:
        text_id: Of the text; 0 when the line's `custom_id` is none of ours.
        digest: The hash's beginning, from the `custom_id`.
        vector: float32, little endian, when there is one.
        tokens: Billed for it, as the server said; None when it said nothing that can be true.
        refusal: Why there is no vector; None also for a request whose turn never came.
    """

    custom_id: str
    text_id: int
    digest: str
    vector: bytes | None = None
    tokens: int | None = None
    refusal: Refusal | None = None


class BrokenLine(ValueError):
    """A line that no sound output file has; the words say what is wrong."""


def custom_id(text_id: int, digest: str) -> str:
    """The id that joins an answer to its text."""
    return f"{text_id}-{digest[:HASH]}"


def request_line(text_id: int, digest: str, text: str, model: str, dimensions: int | None) -> bytes:
    """One request, as a batch file has it."""
    body: dict[str, Any] = {"model": model, "input": text, "encoding_format": "base64"}
    if dimensions is not None:
        body["dimensions"] = dimensions
    value = {"custom_id": custom_id(text_id, digest), "method": "POST", "url": ENDPOINT, "body": body}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def read_line(raw: bytes, dimensions: int | None, now: datetime) -> Line:
    """Read a line of an output or error file, and check it as a whole.

    Args:
        raw: The line.
        dimensions: Numbers that a vector must have; None when nobody knows.
        now: The time, for what a refusal says of waiting.

    Raises:
        BrokenLine: It isn't what such a file has.
    """
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise BrokenLine("compressed" if raw[:2] == b"\x1f\x8b" else "not JSON") from None
    name = value.get("custom_id") if isinstance(value, dict) else None
    if not isinstance(name, str):
        raise BrokenLine("a line without a custom_id")
    text_id, digest = _split(name)
    error, response = value.get("error"), value.get("response")
    if isinstance(error, dict) and not isinstance(response, dict):
        code, words = str(error.get("code") or "batch_error"), str(error.get("message") or "No reason was given.")
        if code in NOT_DONE:
            return Line(name, text_id, digest)
        step = "Retry what failed; the server's words say why."
        return Line(name, text_id, digest, refusal=Refusal(Verdict.RETRY, one_line(code, 60), one_line(words), step))
    status = response.get("status_code") if isinstance(response, dict) else None
    body = response.get("body") if isinstance(response, dict) else None
    if status != 200:
        return Line(name, text_id, digest, refusal=_refused(status, body, now))
    try:
        vector, tokens = read_one(body, dimensions)
    except RequestRefused as broken:
        return Line(name, text_id, digest, tokens=_usage(body), refusal=broken.refusal)
    return Line(name, text_id, digest, vector, tokens)


def _split(name: str) -> tuple[int, str]:
    number, _, digest = name.partition("-")
    return (int(number), digest) if number.isascii() and number.isdigit() and len(number) < 19 else (0, "")


def _refused(status: object, body: object, now: datetime) -> Refusal:
    inner = body.get("error") if isinstance(body, dict) else None
    error = inner if isinstance(inner, dict) else {}
    code = error.get("code") or error.get("type")
    words = error.get("message")
    number = status if isinstance(status, int) and 300 <= status <= 599 else 500
    message = words if isinstance(words, str) else f"HTTP {number} without an explanation."
    return classify(number, code if isinstance(code, str) else None, message, {}, now)


def _usage(body: object) -> int | None:
    usage = body.get("usage") if isinstance(body, dict) else None
    told = usage.get("total_tokens") if isinstance(usage, dict) else None
    return told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else None
