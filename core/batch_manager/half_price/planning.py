"""Planning: which texts travel in which file, within every limit of the Batch API. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

MAX_REQUESTS = 50_000
"""Most requests of one file, and most embedding inputs of one batch (OpenAI's API reference); here a request has one
input, so that a refused input fails alone."""

MAX_BYTES = 200_000_000
"""Most bytes of one file (OpenAI's API reference)."""

LINE_BYTES = 220
"""About what a line has beside its text; for a forecast only, since files are planned by their real lines."""

_LIMIT = re.compile(r"limit:?\s*([\d,._]+)\s*(?:enqueued\s*)?tokens", re.IGNORECASE)


class Sized(NamedTuple):
    """A text with what it takes of a file: its id in the store, its tokens, the bytes of its line."""

    text_id: int
    tokens: int
    bytes: int


@dataclass(frozen=True, slots=True)
class FileLimits:
    """Ceilings of one file.

    Attributes:
        tokens: Most tokens that the account may have under way, as far as the server told; None for none.
    """

    requests: int = MAX_REQUESTS
    bytes: int = MAX_BYTES
    tokens: int | None = None


def plan(texts: Iterable[Sized], limits: FileLimits) -> Iterator[list[Sized]]:
    """Yield files, each under every ceiling, in order. A text that is too large by itself travels alone."""
    file: list[Sized] = []
    size = tokens = 0
    for one in texts:
        full = len(file) >= limits.requests or size + one.bytes > limits.bytes
        if file and (full or (limits.tokens is not None and tokens + one.tokens > limits.tokens)):
            yield file
            file, size, tokens = [], 0, 0
        file.append(one)
        size += one.bytes
        tokens += one.tokens
    if file:
        yield file


def files_needed(texts: Iterable[Sized], limits: FileLimits) -> int:
    """How many files that takes."""
    return sum(1 for _ in plan(texts, limits))


def enqueued_limit(message: str) -> int | None:
    """The account's limit of tokens under way, from the server's words; None when they don't name one."""
    found = _LIMIT.search(message)
    digits = re.sub(r"\D", "", found[1]) if found else ""
    return int(digits) if digits and int(digits) > 0 else None


def interval(looks: int, longest: float) -> float:
    """Seconds until the next look at the server: 1 s at first, growing by half, up to the longest."""
    return float(min(longest, 1.5 ** min(looks, 40)))
