"""How long to wait before the next try. Pure; the random number is handed in."""

from __future__ import annotations

BASE = 0.5
CEILING = 60.0
FIRST_TIMEOUT = 60.0
LONGEST_TIMEOUT = 300.0


def backoff(tried: int, asked: float | None, random: float) -> float:
    """Seconds to wait.

    Args:
        tried: Tries so far, 1 or more.
        asked: What the server asked for (`retry-after`), or None.
        random: From 0 to 1; spreads requests that failed together.

    Returns:
        At least what was asked; else exponential, of which the upper half is jitter.
    """
    step: float = min(CEILING, BASE * 2.0 ** min(tried - 1, 16))
    if asked is not None:
        return asked + random * min(1.0, 0.1 * asked + 0.05)
    return step * (0.5 + 0.5 * random)


def timeout(tried: int) -> float:
    """Seconds that a try may take; it grows, since a slow server may need it."""
    return min(LONGEST_TIMEOUT, FIRST_TIMEOUT * 1.5 ** min(tried - 1, 16))
