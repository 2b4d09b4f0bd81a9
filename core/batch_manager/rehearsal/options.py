"""Everything that can be told to the rehearsal server, as one frozen value."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from batch_manager.rehearsal.batch_faults import parse_batch_rules
from batch_manager.rehearsal.faults import parse_rules

VECTORS = ("hash", "meaning")

FIXED = ("port", "ledger_file", "batch_folder")
"""Options that only count at the start."""

DEMO_POISON = "REHEARSAL-POISON"


@dataclass(frozen=True)
class RehearsalOptions:
    """How the server behaves.

    Attributes:
        seed: Source of every choice: faults, jitter, vectors, request ids.
        port: Port on 127.0.0.1; 0 takes a free one.
        key: The only API key that is accepted; None accepts any.
        latency_ms: Milliseconds from the request's arrival to its answer.
        latency_jitter_ms: At most this many more or less, evenly spread.
        latency_ms_per_token: Milliseconds on top for every token of the request.
        faults: Rules of `batch_manager.rehearsal.faults`, as JSON objects.
        requests_per_minute: Rate limit; None means none.
        tokens_per_minute: Rate limit; None means none.
        burst_seconds: How many seconds' worth of the limits may be used at once.
        rate_headers: Whether answers carry ``x-ratelimit-*``.
        max_inputs: Most inputs of one request.
        max_input_tokens: Most tokens of one input.
        max_request_tokens: Most tokens of one request, by the larger of tokens and UTF-8 bytes / 4.
        max_body_bytes: Most bytes of a request's body; above it the answer is 413.
        refuse_base64: Refuses ``encoding_format: base64``, as some compatible servers do.
        refuse_token_arrays: Refuses inputs that are token numbers instead of text.
        refuse_lists: Refuses requests of more than one input.
        extra_models: Further models with the length of their vectors.
        vectors: ``hash``: reproducible noise, see `expected_vector`. ``meaning``: a small local model, so
            that a search over a rehearsal makes sense.
        keep_hashes: Whether the ledger keeps the SHA-256 of every input.
        ledger_file: JSON Lines file to which every finished request is appended.
        batch_api: Whether there are files and batches at all.
        batch_seconds: From a batch's creation to its completion; 0 completes it when it is next looked at.
        batch_faults: Rules of `batch_manager.rehearsal.batch_faults`, as JSON objects.
        batch_folder: Where files and batches are kept from one server to the next; None keeps them for this one.
        enqueued_token_limit: Most tokens in batches that are under way; None means no limit.
        max_batch_requests: Most requests of one batch file.
        max_batch_inputs: Most inputs of one batch.
        max_upload_bytes: Most bytes of a file.
    """

    seed: int = 0
    port: int = 0
    key: str | None = field(default=None, repr=False)
    latency_ms: float = 0.0
    latency_jitter_ms: float = 0.0
    latency_ms_per_token: float = 0.0
    faults: Sequence[Mapping[str, Any]] = ()
    requests_per_minute: int | None = 3000
    tokens_per_minute: int | None = 1_000_000
    burst_seconds: float = 60.0
    rate_headers: bool = True
    max_inputs: int = 2048
    max_input_tokens: int = 8192
    max_request_tokens: int = 300_000
    max_body_bytes: int = 50_000_000
    refuse_base64: bool = False
    refuse_token_arrays: bool = False
    refuse_lists: bool = False
    extra_models: Mapping[str, int] = field(default_factory=dict)
    vectors: str = "hash"
    keep_hashes: bool = True
    ledger_file: str | None = None
    batch_api: bool = True
    batch_seconds: float = 0.0
    batch_faults: Sequence[Mapping[str, Any]] = ()
    batch_folder: str | None = None
    enqueued_token_limit: int | None = None
    max_batch_requests: int = 50_000
    max_batch_inputs: int = 50_000
    max_upload_bytes: int = 200_000_000

    def __post_init__(self) -> None:
        parse_rules(self.faults)
        parse_batch_rules(self.batch_faults)
        for name in ("requests_per_minute", "tokens_per_minute", "enqueued_token_limit"):
            limit = getattr(self, name)
            if limit is not None and not _at_least(limit, 1, whole=True):
                raise ValueError(f"{name} must be a whole number from 1, or None, not {limit!r}")
        for name in (
            *("max_inputs", "max_input_tokens", "max_request_tokens", "max_body_bytes"),
            *("max_batch_requests", "max_batch_inputs", "max_upload_bytes"),
        ):
            if not _at_least(getattr(self, name), 1, whole=True):
                raise ValueError(f"{name} must be a whole number from 1, not {getattr(self, name)!r}")
        for name in ("latency_ms", "latency_jitter_ms", "latency_ms_per_token", "burst_seconds", "batch_seconds"):
            if not _at_least(getattr(self, name), 0, whole=False):
                raise ValueError(f"{name} must be a number from 0, not {getattr(self, name)!r}")
        for name in (
            *("rate_headers", "refuse_base64", "refuse_token_arrays", "refuse_lists", "keep_hashes", "batch_api"),
        ):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false, not {getattr(self, name)!r}")
        if not _at_least(self.port, 0, whole=True) or self.port > 65535:
            raise ValueError(f"port must be 0 to 65535, not {self.port!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ValueError(f"seed must be a whole number, not {self.seed!r}")
        if self.vectors not in VECTORS:
            raise ValueError(f"vectors must be one of {', '.join(VECTORS)}, not {self.vectors!r}")
        for model, size in self.extra_models.items():
            if not _at_least(size, 1, whole=True):
                raise ValueError(f"extra_models: {model!r} must have a length from 1, not {size!r}")

    def to_json(self) -> str:
        """The options as one line of JSON."""
        return json.dumps({f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    def changed(self, changes: Mapping[str, Any]) -> RehearsalOptions:
        """These options with some of them changed.

        Raises:
            ValueError: A name is unknown or counts only at the start, or a value is out of range.
        """
        known = {f.name for f in dataclasses.fields(self)}
        for name in changes:
            if name not in known:
                raise ValueError(f"unknown option {name!r}")
            if name in FIXED:
                raise ValueError(f"option {name!r} can only be given at the start")
        return dataclasses.replace(self, **changes)


def options_from_json(text: str | bytes) -> RehearsalOptions:
    """Reads options from a JSON object; what is not named has its default.

    Raises:
        ValueError: It is no JSON object, a name is unknown, or a value is out of range.
    """
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError("options must be a JSON object")
    known = {f.name for f in dataclasses.fields(RehearsalOptions)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"unknown option {unknown[0]!r}")
    return RehearsalOptions(**values)


def demo_options(poison: str = DEMO_POISON, *, seed: int = 7, vectors: str = "meaning") -> RehearsalOptions:
    """A lively quarter of a minute for a small job: waits, pacing, and one fault of each common kind.

    About 140 documents in requests of 20 meet a 429, a 503, a reset connection and a refused document. The
    limits hold back whoever sends everything at once, yet let a request of the largest allowed size through.

    Args:
        poison: A text that only one document contains; requests with it are refused.
        seed: Source of every choice.
        vectors: See `RehearsalOptions.vectors`.
    """
    return RehearsalOptions(
        seed=seed,
        latency_ms=350,
        latency_jitter_ms=250,
        requests_per_minute=300,
        tokens_per_minute=300_000,
        burst_seconds=3,
        vectors=vectors,
        faults=(
            {"fault": "rate_limit", "at": [2], "retry_after": 1},
            {"fault": "overloaded", "at": [4]},
            {"fault": "reset", "at": [5]},
            {"fault": "poison", "contains": poison},
        ),
        batch_seconds=20,
    )


def _at_least(value: object, least: int, *, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    return math.isfinite(value) and value >= least
