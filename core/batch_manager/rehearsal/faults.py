"""Faults to order: rules that say which request goes wrong, and how.

Everything here is a pure function over values. A rule is written as a JSON object, for example
``{"fault": "overloaded", "at": [4]}``; its keys are the fields of `Rule`. Selectors that a rule does not
name match every request, the named ones must all match, and of several rules the first that matches wins.
Chance is a function of the seed, the rule and the request's number, so the same run meets the same faults
whatever else happened before.

Only sound requests meet faults: a wrong key or body is answered as such. Faults that do no work befall a
request even when the rate meters would have refused it; those that answer, and so bill, wait behind them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from batch_manager.rehearsal.rules import read_rules

FAULTS: Mapping[str, str] = {
    "rate_limit": "429 rate_limit_exceeded, with retry-after",
    "overloaded": "503 server_is_overloaded",
    "status": "any status, code and message",
    "money": "429 with a code that is about money (insufficient_quota)",
    "reset": "the connection is reset before anything is billed",
    "reset_after": "billed, then the connection is reset: the answer never arrives",
    "stall": "silence for `seconds`, then the connection closes; with `billed` the answer comes, late",
    "short": "one embedding is missing",
    "shuffled": "the data is out of order, each with its right index",
    "doubled": "one index comes twice and another is missing",
    "wrong_size": "one vector is shorter than the others",
    "nan": "one vector contains a NaN",
    "not_json": "200 with a body that ends in the middle",
    "broken_base64": "one embedding is no valid base64",
    "html": "a proxy's HTML page instead of JSON; `status` 502 unless told",
    "no_usage": "no usage in the answer",
    "absurd_usage": "the usage is the true one times `factor`",
    "poison": "400 that names no index, for a request in which an input contains `contains`",
}
"""Every fault's name and what it does."""

REFUSALS = frozenset({"rate_limit", "overloaded", "status", "money", "poison"})
"""Faults that answer with a proper error body instead of embeddings, and bill nothing."""

NEVER_BILLED = REFUSALS | {"reset"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault and the requests that it befalls.

    Attributes:
        fault: One of `FAULTS`.
        rate: Chance for each request, 0..1, drawn from the seed.
        at: Numbers of the requests (the first is 1) that it befalls; empty means any.
        contains: Only requests of which an input contains this text.
        times: At most this many requests; None means no limit.
        inputs_over: Only requests of more than this many inputs.
        retry_after: Seconds named in ``retry-after``; None sends no such header. 1 for ``rate_limit``.
        retry_after_date: Names the moment as an HTTP date (whole seconds) instead of a number.
        status: HTTP status, for ``status`` (500 unless told) and ``html`` (502 unless told).
        code: The error body's code, for faults that refuse.
        message: The error body's message, for faults that refuse.
        seconds: How long a ``stall`` lasts.
        billed: Overrides whether the server charges for the request.
        factor: What ``absurd_usage`` multiplies the true usage by: 0, -1, 1000…
    """

    fault: str
    rate: float = 1.0
    at: tuple[int, ...] = ()
    contains: str | None = None
    times: int | None = None
    inputs_over: int | None = None
    retry_after: float | None = None
    retry_after_date: bool = False
    status: int | None = None
    code: str | None = None
    message: str | None = None
    seconds: float = 30.0
    billed: bool | None = None
    factor: float = 1000.0

    def bills(self) -> bool:
        """Whether the server did the work, and so charges for the request."""
        if self.billed is not None:
            return self.billed
        if self.fault == "html":
            return self.status == 200
        return self.fault not in NEVER_BILLED and self.fault != "stall"


_FIELDS = frozenset(field.name for field in fields(Rule))


def parse_rules(rules: Iterable[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """Reads rules from JSON objects.

    Raises:
        ValueError: A rule has an unknown fault or key, or a value out of range; the message says which.
    """
    return tuple(_parse(where, values) for where, values in read_rules(rules, "faults", FAULTS, _FIELDS))


def _parse(where: str, values: dict[str, Any]) -> Rule:
    if values["fault"] == "rate_limit":
        values.setdefault("retry_after", 1.0)
    checks: dict[str, bool] = {
        "rate": _number(values.get("rate", 1.0)) and 0 <= values.get("rate", 1.0) <= 1,
        "at": all(_whole(n) and n >= 1 for n in values["at"]),
        "contains": isinstance(values.get("contains", ""), str) or values["contains"] is None,
        "times": values.get("times") is None or (_whole(values["times"]) and values["times"] >= 0),
        "inputs_over": values.get("inputs_over") is None or _whole(values["inputs_over"]),
        "retry_after": values.get("retry_after") is None
        or (_number(values["retry_after"]) and values["retry_after"] >= 0),
        "retry_after_date": isinstance(values.get("retry_after_date", False), bool),
        "status": values.get("status") is None or (_whole(values["status"]) and 200 <= values["status"] <= 599),
        "code": values.get("code") is None or isinstance(values["code"], str),
        "message": values.get("message") is None or isinstance(values["message"], str),
        "seconds": _number(values.get("seconds", 0)) and values.get("seconds", 0) >= 0,
        "billed": values.get("billed") is None or isinstance(values["billed"], bool),
        "factor": _number(values.get("factor", 0)),
    }
    wrong = [key for key, fine in checks.items() if not fine]
    if wrong:
        raise ValueError(f"{where}: wrong value for {wrong[0]!r}: {values[wrong[0]]!r}")
    if values["fault"] == "poison" and not values.get("contains"):
        raise ValueError(f"{where}: `contains` must say which text is refused")
    return Rule(**values)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def seeded_fraction(seed: int, *parts: object) -> float:
    """A number in [0, 1) that depends on the seed and the parts alone, in every process alike."""
    digest = hashlib.sha256("\x1f".join(map(str, (seed, *parts))).encode()).digest()
    return int.from_bytes(digest[:7], "big") / float(1 << 56)


def choose(rules: Sequence[Rule], fired: Sequence[int], seed: int, number: int, inputs: Sequence[str]) -> int | None:
    """Which rule befalls a request.

    Args:
        rules: In order; the first that matches wins.
        fired: How often each rule has won so far, for `Rule.times`.
        seed: Source of chance.
        number: The request's number, the first being 1.
        inputs: The request's texts.

    Returns:
        The index of the rule, or None when the request goes through untouched.
    """
    for index, rule in enumerate(rules):
        if rule.times is not None and fired[index] >= rule.times:
            continue
        if rule.at and number not in rule.at:
            continue
        if rule.inputs_over is not None and len(inputs) <= rule.inputs_over:
            continue
        if rule.rate < 1 and seeded_fraction(seed, "fault", index, number) >= rule.rate:
            continue
        wanted = rule.contains
        if wanted and not any(wanted in text for text in inputs):
            continue
        return index
    return None
