"""What a refusal means, for every status and code that servers are known to send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.embedding.classify import LONGEST_WAIT, MONEY_CODES, classify, one_line, retry_after, unusable
from batch_manager.errors import Verdict

NOW = datetime(2026, 11, 5, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("code", sorted(MONEY_CODES))
@pytest.mark.parametrize("status", [429, 403, 400])
def test_one_money_code_stops_everything(code: str, status: int) -> None:
    refusal = classify(status, code, "You exceeded your current quota.", {"retry-after": "1"}, NOW)
    assert refusal.verdict is Verdict.STOP
    assert refusal.code == code
    assert "billing" in refusal.next_step


def test_payment_required_is_about_money() -> None:
    refusal = classify(402, None, "Insufficient credits", {}, NOW)
    assert refusal.verdict is Verdict.STOP
    assert "billing" in refusal.next_step


@pytest.mark.parametrize(
    ("status", "code", "message", "verdict", "step"),
    [
        (401, "invalid_api_key", "Incorrect API key provided.", Verdict.STOP, "OPENAI_API_KEY"),
        (403, None, "Country not supported", Verdict.STOP, "OPENAI_API_KEY"),
        (404, "model_not_found", "The model does not exist", Verdict.STOP, "model"),
        (405, None, "", Verdict.STOP, "OPENAI_BASE_URL"),
        (418, None, "", Verdict.STOP, "OPENAI_BASE_URL"),
        (408, None, "", Verdict.RETRY, "later"),
        (409, None, "", Verdict.RETRY, "later"),
        (429, "rate_limit_exceeded", "Rate limit reached, try again in 1s.", Verdict.RETRY, "EMBEDDING_CONCURRENCY"),
        (429, "slow_down", "Slow down", Verdict.RETRY, "later"),
        (429, "rate_limit_exceeded", "Request too large on tokens per min", Verdict.SPLIT, "EMBEDDING_BATCH_SIZE"),
        (500, None, "", Verdict.RETRY, "later"),
        (502, None, "", Verdict.RETRY, "later"),
        (503, "server_is_overloaded", "", Verdict.RETRY, "later"),
        (504, None, "", Verdict.RETRY, "later"),
        (529, None, "", Verdict.RETRY, "later"),
        (400, None, "maximum context length is 8192 tokens", Verdict.SPLIT, "document"),
        (413, None, "", Verdict.SPLIT, "document"),
        (422, None, "", Verdict.SPLIT, "document"),
    ],
)
def test_verdicts(status: int, code: str | None, message: str, verdict: Verdict, step: str) -> None:
    refusal = classify(status, code, message, {}, NOW)
    assert refusal.verdict is verdict
    assert step in refusal.next_step
    assert refusal.code == (code or f"http_{status}")
    assert refusal.status == status
    assert refusal.message


@pytest.mark.parametrize(("status", "billed"), [(502, True), (504, True), (500, False), (503, False), (429, False)])
def test_only_a_gateway_may_hide_a_bill(status: int, billed: bool) -> None:
    assert classify(status, None, "", {}, NOW).maybe_billed is billed


@pytest.mark.parametrize(("status", "slow"), [(429, True), (503, True), (500, False), (408, False)])
def test_who_else_is_slowed(status: int, slow: bool) -> None:
    assert classify(status, None, "", {}, NOW).slow_down is slow


def test_an_answer_that_is_no_use_may_be_billed() -> None:
    refusal = unusable("wrong_count", "two\nlines")
    assert refusal.verdict is Verdict.RETRY
    assert refusal.maybe_billed
    assert refusal.message == "two lines"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, LONGEST_WAIT),
        ({"retry-after": "86400"}, LONGEST_WAIT),
        ({"retry-after": "later"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=30), usegmt=True)}, 30.0),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=30), usegmt=True)}, None),
        ({"retry-after": "Thu, 05 Nov 2026 12:00:30"}, 30.0),
        ({"retry-after": "Thu, 05 Nov 2026 14:00:30 +0200"}, 30.0),
        ({"retry-after": "Thu, 05 Nov 99999 12:00:30 GMT"}, None),
        ({"retry-after": "Thu, 05 Nov 2026 12:00:30 +99999999999999"}, None),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


hostile_dates = st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d{1,3}:\d{1,3}:\d{1,3} ?[+-]?\d{0,20}")


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text() | hostile_dates))
def test_no_header_breaks_anything(headers: dict[str, str]) -> None:
    seconds = retry_after(headers, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT


@given(status=st.integers(300, 599), code=st.none() | st.text(), message=st.text())
def test_every_refusal_is_one_clean_line(status: int, code: str | None, message: str) -> None:
    refusal = classify(status, code, message, {}, NOW)
    assert refusal.message.strip()
    assert len(refusal.message) <= 300
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in refusal.message)
    assert refusal.code
    assert set(refusal.code) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
    assert refusal.next_step


def test_words_of_a_server_are_harmless() -> None:
    assert one_line("a\x1b[31m\r\n  b\x9b0m\tc") == "a [31m b 0m c"
    assert one_line("x" * 1000) == "x" * 299 + "…"
