"""What a refusal means: status, code and words of the server → one verdict. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from batch_manager.ellipsis import cut
from batch_manager.errors import Refusal, Verdict

MONEY_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
        "billing_not_active",
    }
)
"""Codes that are about money; they come with status 429, and no retry helps."""

RETRIED_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504})

LONGEST_WAIT = 600.0
"""Seconds; a server that asks for more is taken to mean this."""

_GATEWAY = frozenset({502, 504})
_TOO_LARGE = re.compile(r"too large|request too large|maximum context|max_tokens|too many inputs|array too long", re.I)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def classify(status: int, code: str | None, message: str, headers: Mapping[str, str], now: datetime) -> Refusal:
    """Judge a response that isn't a success.

    Args:
        status: HTTP status.
        code: `error.code` or `error.type` of the body; None when there was none.
        message: The server's words, cleaned of the key.
        headers: Response headers, keys in lower case.
        now: The time, for `retry-after` dates.
    """
    words = one_line(message) or f"HTTP {status}"
    name = _code(code) or f"http_{status}"
    wait = retry_after(headers, now)
    if name in MONEY_CODES or status == 402:
        step = "Add credit or raise the limit in the account's billing settings, then start again."
        return Refusal(Verdict.STOP, name, words, step, status)
    if status in (401, 403):
        step = "Check OPENAI_API_KEY and what the key is allowed to do, then start again."
        return Refusal(Verdict.STOP, name, words, step, status)
    if status == 404:
        step = "Check the model's name and OPENAI_BASE_URL, then start again."
        return Refusal(Verdict.STOP, name, words, step, status)
    if status == 429 and _TOO_LARGE.search(words):
        # "Request too large … tokens per min": waiting never helps, a smaller request does.
        return Refusal(Verdict.SPLIT, name, words, "Use a smaller EMBEDDING_BATCH_SIZE.", status, wait)
    if status in RETRIED_STATUSES:
        slow = status in (429, 503)
        step = "Try again later; a smaller EMBEDDING_CONCURRENCY helps." if slow else "Try again later."
        return Refusal(Verdict.RETRY, name, words, step, status, wait, maybe_billed=status in _GATEWAY, slow_down=slow)
    if status in (400, 413, 422):
        step = "Read the server's words, then change or leave out the document."
        return Refusal(Verdict.SPLIT, name, words, step, status)
    if status >= 500:
        return Refusal(Verdict.RETRY, name, words, "Try again later.", status, wait)
    step = "Check OPENAI_BASE_URL: this doesn't look like an embeddings API."
    return Refusal(Verdict.STOP, name, words, step, status)


def unusable(code: str, message: str) -> Refusal:
    """A success that brought nothing usable: it may be billed, nothing of it is kept."""
    return Refusal(Verdict.RETRY, code, one_line(message), "Try again later.", 200, maybe_billed=True)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the server asks to wait: `retry-after-ms`, or `retry-after` as seconds or as a date."""
    for name, factor in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        raw = headers.get(name)
        if raw is None:
            continue
        try:
            seconds = float(raw) * factor
        except ValueError:
            try:
                date = parsedate_to_datetime(raw)
            except (ValueError, OverflowError):
                continue
            seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
        if seconds == seconds and seconds >= 0:  # a NaN is not equal to itself
            return min(seconds, LONGEST_WAIT)
    return None


def one_line(text: str, limit: int = 300) -> str:
    """The server's words as one line without control characters."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    return cut(line, limit)


def _code(raw: str | None) -> str | None:
    if not raw:
        return None
    name = re.sub(r"[^a-z0-9]+", "_", raw.lower()).strip("_")[:60]
    return name or None
