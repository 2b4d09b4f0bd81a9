"""What the server refuses, and how fast it lets requests through. Pure: the clock is an argument.

The numbers and words are those of OpenAI's embeddings endpoint; each can be made smaller by the options.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

NATIVE_DIMENSIONS: Mapping[str, int] = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
"""Models that the server knows, with the length of their own vectors."""

SHORTENING_PREFIX = "text-embedding-3-"
"""Only these models take the parameter ``dimensions``."""

LONGEST_TOKEN = 128
"""Bytes of the longest token of cl100k_base: a text of more than n times this has more than n tokens."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that the server answers with.

    Attributes:
        status: HTTP status.
        message: For people; never contains a key.
        type: The error body's type.
        code: The error body's code, which programs go by; often None for bad input.
        param: The parameter that was wrong.
        headers: Further headers, such as retry-after.
    """

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def outcome(self) -> str:
        """The ledger's word for it: the code, or failing that the type."""
        return self.code or self.type


def check_key(authorization: str | None, key: str | None) -> Refusal | None:
    """Whether the ``Authorization`` header lets the request in; any bearer token does unless `key` is set."""
    scheme, _, given = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        words = "You didn't provide an API key. Send it in an Authorization header: Bearer YOUR_KEY."
    elif key is not None and given.strip() != key:
        # The real server repeats part of the key here. A rehearsal must not: logs keep error messages.
        words = "Incorrect API key provided."
    else:
        return None
    return Refusal(401, words, code="invalid_api_key")


def check_dimensions(model: str, native: int, dimensions: object) -> Refusal | None:
    """Whether the parameter ``dimensions`` fits the model; None stands for an absent parameter."""
    if dimensions is None:
        return None
    if isinstance(dimensions, bool) or not isinstance(dimensions, int):
        words = "Invalid type for 'dimensions': expected an integer."
    elif not model.startswith(SHORTENING_PREFIX):
        words = "This model does not support specifying dimensions."
    elif dimensions < 1:
        words = f"Invalid value for 'dimensions' = {dimensions}. Must be at least 1."
    elif dimensions > native:
        words = f"Invalid value for 'dimensions' = {dimensions}. Must be less than or equal to {native}."
    else:
        return None
    return Refusal(400, words, param="dimensions")


def check_count(count: int, max_inputs: int) -> Refusal | None:
    """Whether a request may have this many inputs."""
    if count == 0:
        return Refusal(400, "'$.input' is invalid: it must not be empty.", param="input")
    if count > max_inputs:
        return Refusal(400, f"'$.input' is invalid: array length must be {max_inputs} or less.", param="input")
    return None


def check_sizes(
    sizes: Sequence[int], tokens: Sequence[int] | None, max_input_tokens: int, max_request_tokens: int
) -> Refusal | None:
    """Whether the inputs are short enough, each and together.

    The sum is metered by the larger of tokens and UTF-8 bytes / 4. Without token counts only what the bytes
    alone decide is refused, so that a huge text is turned away before anyone counts it.

    Args:
        sizes: UTF-8 bytes of each input.
        tokens: Tokens of each input, or None when they were not counted yet.
        max_input_tokens: Most tokens of one input.
        max_request_tokens: Most of the larger meter, summed.
    """
    if tokens is None:
        too_long = any(size > max_input_tokens * LONGEST_TOKEN for size in sizes)
    else:
        too_long = any(count > max_input_tokens for count in tokens)
    if too_long:
        words = f"Invalid 'input': maximum context length is {max_input_tokens} tokens."
        return Refusal(400, words, param="input")
    metered = max(math.ceil(sum(sizes) / 4), sum(tokens or ()))
    if metered > max_request_tokens:
        words = f"Requested {metered} tokens, max {max_request_tokens} tokens per request"
        return Refusal(400, words, type="max_tokens_per_request", code="max_tokens_per_request")
    return None


def duration(seconds: float) -> str:
    """Writes a duration as the rate headers do: ``12ms``, ``1s``, ``1.5s``, ``6m0s``, ``1h2m0s``."""
    milliseconds = math.ceil(max(seconds, 0.0) * 1000 - 1e-6)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    tail = f"{rest / 1000:g}s"
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes_left}m{tail}"
    return f"{minutes}m{tail}" if minutes else tail


@dataclass(slots=True)
class Meter:
    """A bucket that refills without steps: `per_minute` units a minute, holding `burst_seconds` of them.

    A charge larger than the bucket passes when the bucket is full and leaves a debt, so that every charge
    up to `per_minute` gets through in the end.
    """

    per_minute: int
    burst_seconds: float = 60.0
    level: float = field(init=False)
    read_at: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.level = self.capacity

    @property
    def capacity(self) -> float:
        """Most units that can be there at once; at least one."""
        return max(self.per_minute * self.burst_seconds / 60, 1.0)

    def refill(self, now: float) -> None:
        """Brings the level up to the moment `now` (seconds of any clock that never goes back)."""
        if self.read_at is not None:
            gained = max(now - self.read_at, 0.0) * self.per_minute / 60
            self.level = min(self.level + gained, self.capacity)
        self.read_at = now

    def wait(self, amount: float) -> float:
        """Seconds until `amount` passes; 0 means now. Ask after `refill`."""
        missing = min(amount, self.capacity) - self.level
        return 0.0 if missing <= 1e-9 else missing * 60 / self.per_minute

    def used(self) -> int:
        """Units of the minute's limit that are not there now."""
        return max(math.floor(self.per_minute - self.level), 0)

    def reset(self) -> float:
        """Seconds until the bucket is full again."""
        return max(self.capacity - self.level, 0.0) * 60 / self.per_minute


class RateMeters:
    """Requests and tokens a minute for one caller; None stands for no limit."""

    def __init__(self, requests: int | None, tokens: int | None, burst_seconds: float = 60.0) -> None:
        self.requests = None if requests is None else Meter(requests, burst_seconds)
        self.tokens = None if tokens is None else Meter(tokens, burst_seconds)

    def charge(self, now: float, tokens: int, model: str) -> Refusal | None:
        """Lets a request through and charges it, or says why not.

        A request that is refused still costs one request (never below nothing), and no tokens.
        """
        for meter in (self.requests, self.tokens):
            if meter is not None:
                meter.refill(now)
        needs = (("requests", "RPM", self.requests, 1), ("tokens", "TPM", self.tokens, tokens))
        short_of = [need for need in needs if need[2] is not None and need[2].wait(need[3]) > 0]
        used = {name: meter.used() for name, _, meter, _ in needs if meter is not None}
        if self.requests is not None:
            self.requests.level = max(self.requests.level - 1, 0.0)
        for name, short, meter, amount in needs:
            if meter is not None and amount > meter.per_minute:
                words = (
                    f"Request too large for {model} on {name} per min ({short}): "
                    f"Limit {meter.per_minute}, Requested {amount}."
                )
                return Refusal(429, words, type=name, code="rate_limit_exceeded")
        if short_of:
            # Asked only now: the wait must cover the request that this very refusal has cost.
            wait = max(meter.wait(amount) for _, _, meter, amount in needs if meter is not None)
            name, short, meter, amount = short_of[0]
            assert meter is not None
            words = (
                f"Rate limit reached for {model} on {name} per min ({short}): Limit {meter.per_minute}, "
                f"Used {used[name]}, Requested {amount}. Please try again in {duration(wait)}."
            )
            return Refusal(429, words, type=name, code="rate_limit_exceeded", headers=retry_after(wait))
        if self.tokens is not None:
            self.tokens.level -= tokens
        return None

    def headers(self) -> list[tuple[str, str]]:
        """The ``x-ratelimit-*`` headers as of the last charge; none for a meter without a limit."""
        found = []
        for name, meter in (("requests", self.requests), ("tokens", self.tokens)):
            if meter is not None:
                found.append((f"x-ratelimit-limit-{name}", str(meter.per_minute)))
                found.append((f"x-ratelimit-remaining-{name}", str(max(math.floor(meter.level), 0))))
                found.append((f"x-ratelimit-reset-{name}", duration(meter.reset())))
        return found


def retry_after(seconds: float) -> tuple[tuple[str, str], ...]:
    """The two headers that tell when to come back: whole seconds, and milliseconds, both rounded up."""
    return (
        ("retry-after", str(math.ceil(seconds - 1e-9))),
        ("retry-after-ms", str(math.ceil(seconds * 1000 - 1e-6))),
    )
