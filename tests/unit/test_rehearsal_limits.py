"""The rehearsal server's pure half: limits, meters, faults, options."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.rehearsal import RehearsalOptions, demo_options
from batch_manager.rehearsal.faults import FAULTS, choose, parse_rules, seeded_fraction
from batch_manager.rehearsal.limits import (
    LONGEST_TOKEN,
    RateMeters,
    check_count,
    check_dimensions,
    check_key,
    check_sizes,
    duration,
    retry_after,
)
from batch_manager.rehearsal.options import options_from_json

MODEL = "text-embedding-3-small"


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0ms"),
        (-3, "0ms"),
        (0.012, "12ms"),
        (0.0121, "13ms"),
        (0.9999, "1s"),
        (1, "1s"),
        (1.5, "1.5s"),
        (60, "1m0s"),
        (360, "6m0s"),
        (3725, "1h2m5s"),
    ],
)
def test_durations_are_written_as_the_rate_headers_do(seconds: float, written: str) -> None:
    assert duration(seconds) == written


@given(st.floats(min_value=0, max_value=100_000))
def test_a_duration_read_back_is_never_shorter(seconds: float) -> None:
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    parts = re.findall(r"([\d.]+)(ms|h|m|s)", duration(seconds))
    total = sum(float(number) * units[unit] for number, unit in parts)
    assert seconds - 1e-5 <= total <= seconds + 0.002


def test_retry_after_rounds_up() -> None:
    assert dict(retry_after(0.2501)) == {"retry-after": "1", "retry-after-ms": "251"}
    assert dict(retry_after(2)) == {"retry-after": "2", "retry-after-ms": "2000"}


@pytest.mark.parametrize(
    ("header", "key", "let_in"),
    [
        ("Bearer anything", None, True),
        ("bearer anything", None, True),
        ("Bearer right", "right", True),
        ("Bearer wrong-secret", "right", False),
        (None, None, False),
        ("", None, False),
        ("Bearer ", None, False),
        ("Basic abc", None, False),
    ],
)
def test_keys(header: str | None, key: str | None, let_in: bool) -> None:
    refusal = check_key(header, key)
    assert (refusal is None) is let_in
    if refusal is not None:
        assert (refusal.status, refusal.code) == (401, "invalid_api_key")
        assert "secret" not in refusal.message and "right" not in refusal.message


@pytest.mark.parametrize("wanted", [None, 1, 256, 1536])
def test_dimensions_that_fit(wanted: int | None) -> None:
    assert check_dimensions(MODEL, 1536, wanted) is None


@pytest.mark.parametrize("wanted", [0, -1, 1537, 1.5, "256", True])
def test_dimensions_that_do_not_fit(wanted: object) -> None:
    refusal = check_dimensions(MODEL, 1536, wanted)
    assert refusal is not None and (refusal.status, refusal.param) == (400, "dimensions")


def test_an_old_model_cannot_shorten() -> None:
    assert check_dimensions("text-embedding-ada-002", 1536, 1536) is not None


def test_the_number_of_inputs() -> None:
    assert check_count(1, 2048) is None
    assert check_count(2048, 2048) is None
    assert check_count(0, 2048) is not None
    assert check_count(2049, 2048) is not None


@given(st.lists(st.tuples(st.integers(1, 40_000), st.integers(1, 9_000)), min_size=1, max_size=60))
def test_sizes_are_refused_exactly_when_a_limit_is_passed(inputs: list[tuple[int, int]]) -> None:
    sizes = [size for size, _ in inputs]
    tokens = [count for _, count in inputs]
    refusal = check_sizes(sizes, tokens, 8192, 300_000)
    too_long = max(tokens) > 8192
    too_much = max(sum(tokens), sum(sizes) / 4) > 300_000
    assert (refusal is not None) is (too_long or too_much)
    if refusal is not None:
        assert refusal.code == (None if too_long else "max_tokens_per_request")


@given(st.lists(st.integers(1, 200_000), min_size=1, max_size=20))
def test_what_bytes_alone_refuse_counting_would_refuse_too(sizes: list[int]) -> None:
    # The fewest tokens that a text of so many bytes can have.
    fewest = [-(-size // LONGEST_TOKEN) for size in sizes]
    if check_sizes(sizes, None, 1000, 30_000) is not None:
        assert check_sizes(sizes, fewest, 1000, 30_000) is not None


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 600)), max_size=80),
    st.integers(1, 600),
    st.integers(600, 6000),
)
def test_no_more_passes_than_the_meters_allow(arrivals: list[tuple[float, int]], requests: int, tokens: int) -> None:
    meters = RateMeters(requests, tokens)
    now, passed, used, largest = 0.0, 0, 0, 0
    for pause, amount in arrivals:
        now += pause
        if meters.charge(now, amount, MODEL) is None:
            passed, used, largest = passed + 1, used + amount, max(largest, amount)
    assert passed <= requests + now * requests / 60 + 1e-6
    assert used <= tokens + now * tokens / 60 + largest + 1e-6


@given(st.integers(1, 1000), st.integers(1, 100_000), st.floats(0.1, 60), st.data())
def test_who_waits_as_told_gets_through(requests: int, tokens: int, burst: float, data: st.DataObject) -> None:
    meters = RateMeters(requests, tokens, burst)
    now = 1000.0
    for _ in range(30):
        amount = data.draw(st.integers(1, tokens))
        refusal = meters.charge(now, amount, MODEL)
        if refusal is not None:
            now += int(dict(refusal.headers)["retry-after-ms"]) / 1000
            assert meters.charge(now, amount, MODEL) is None


def test_the_wait_covers_what_the_refusal_itself_costs() -> None:
    meters = RateMeters(241, None, 0.25)  # holds 1.004 requests
    assert meters.charge(1000, 1, MODEL) is None
    refusal = meters.charge(1000, 1, MODEL)
    assert refusal is not None and dict(refusal.headers)["retry-after-ms"] == "249"
    assert meters.charge(1000.249, 1, MODEL) is None


def test_a_refused_request_counts_and_one_that_never_fits_says_so() -> None:
    meters = RateMeters(3, 100)
    assert meters.charge(0, 60, MODEL) is None
    refusal = meters.charge(0, 60, MODEL)
    assert refusal is not None
    assert (refusal.status, refusal.code, refusal.type) == (429, "rate_limit_exceeded", "tokens")
    assert dict(refusal.headers)["retry-after"] == "12"  # 20 tokens are missing, of 100 a minute
    assert meters.charge(0, 1, MODEL) is None
    refusal = meters.charge(0, 1, MODEL)  # two passed and one did not: that makes three
    assert refusal is not None and refusal.type == "requests"
    assert dict(refusal.headers)["retry-after"] == "20"
    too_large = RateMeters(3, 100).charge(0, 101, MODEL)
    assert too_large is not None and "too large" in too_large.message and not too_large.headers


def test_rate_headers() -> None:
    meters = RateMeters(60, None)
    assert meters.charge(5, 10, MODEL) is None
    assert meters.headers() == [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
    ]
    assert RateMeters(None, None).headers() == []


def test_a_clock_that_stands_still_fills_nothing() -> None:
    meters = RateMeters(1, None)
    assert meters.charge(7, 1, MODEL) is None
    assert all(meters.charge(7, 1, MODEL) is not None for _ in range(5))
    assert meters.charge(67, 1, MODEL) is None


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "poison"])
def test_every_fault_can_be_ordered_by_name_alone(fault: str) -> None:
    (rule,) = parse_rules([{"fault": fault}])
    assert choose([rule], [0], 1, 1, ["x"]) == 0


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "nonsense"},
        {},
        {"fault": "reset", "rates": 1},
        {"fault": "reset", "rate": 1.5},
        {"fault": "reset", "rate": float("nan")},
        {"fault": "reset", "at": [0]},
        {"fault": "reset", "at": ["1"]},
        {"fault": "reset", "times": -1},
        {"fault": "rate_limit", "retry_after": "soon"},
        {"fault": "status", "status": 99},
        {"fault": "poison"},
        "reset",
    ],
)
def test_a_wrong_rule_is_named(rule: object) -> None:
    with pytest.raises(ValueError, match="fault rule 1"):
        parse_rules([rule])  # type: ignore[list-item]


def test_selectors_must_all_match_and_the_first_rule_wins() -> None:
    rules = parse_rules(
        [
            {"fault": "reset", "at": [2, 3], "inputs_over": 1},
            {"fault": "poison", "contains": "bad", "times": 1},
            {"fault": "overloaded", "at": [3]},
        ]
    )
    assert choose(rules, [0, 0, 0], 0, 2, ["a", "b"]) == 0
    assert choose(rules, [0, 0, 0], 0, 2, ["a"]) is None
    assert choose(rules, [0, 0, 0], 0, 3, ["a"]) == 2
    assert choose(rules, [0, 0, 0], 0, 3, ["a", "b"]) == 0
    assert choose(rules, [0, 0, 0], 0, 9, ["so bad"]) == 1
    assert choose(rules, [0, 1, 0], 0, 9, ["so bad"]) is None


@given(st.integers(), st.floats(0, 1), st.integers(1, 10_000))
def test_chance_depends_on_seed_and_number_alone(seed: int, rate: float, number: int) -> None:
    rules = parse_rules([{"fault": "reset", "rate": rate}])
    first = choose(rules, [0], seed, number, ["a"])
    assert first == choose(rules, [17], seed, number, ["b", "c"])
    assert (first is not None) is (seeded_fraction(seed, "fault", 0, number) < rate)


def test_a_rate_is_about_kept() -> None:
    rules = parse_rules([{"fault": "reset", "rate": 0.2}])
    hits = sum(choose(rules, [0], 5, number, []) == 0 for number in range(1, 5001))
    assert 900 < hits < 1100


def test_billing_of_faults() -> None:
    billed = {name for name in FAULTS if parse_rules([{"fault": name, "contains": "x"}])[0].bills()}
    assert billed == {
        "reset_after", "short", "shuffled", "doubled", "wrong_size", "nan",
        "not_json", "broken_base64", "no_usage", "absurd_usage",
    }  # fmt: skip
    assert parse_rules([{"fault": "html", "status": 200}])[0].bills()
    assert parse_rules([{"fault": "stall", "billed": True}])[0].bills()


def test_options_survive_the_way_to_the_child() -> None:
    options = demo_options("poison text", seed=3)
    again = options_from_json(options.to_json())
    assert again.to_json() == options.to_json()
    assert "sk-hidden" not in repr(RehearsalOptions(key="sk-hidden"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests_per_minute": 0},
        {"tokens_per_minute": 1.5},
        {"latency_ms": -1},
        {"max_inputs": 0},
        {"vectors": "magic"},
        {"port": 70000},
        {"seed": "x"},
        {"refuse_lists": 1},
        {"extra_models": {"m": 0}},
        {"faults": [{"fault": "?"}]},
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        RehearsalOptions(**wrong)  # type: ignore[arg-type]


def test_only_some_options_change_later() -> None:
    options = RehearsalOptions()
    assert options.changed({"latency_ms": 5}).latency_ms == 5
    for name in ("port", "ledger_file", "nonsense"):
        with pytest.raises(ValueError, match=name):
            options.changed({name: 1})
