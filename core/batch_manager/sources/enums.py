"""Types that list their values: `enum('a','b')` of MySQL, `ENUM('a', 'b')` of DuckDB."""

from __future__ import annotations

import re

_ENUM = re.compile(r"\s*enum\s*\((.*)\)", re.IGNORECASE | re.DOTALL)
_VALUE = re.compile(r"'((?:[^']|'')*)'")


def values_of_type(declared: str) -> tuple[str, ...]:
    """The values of an enum that are written in its type; empty for every other type."""
    match = _ENUM.match(declared)
    if match is None:
        return ()
    return tuple(one.replace("''", "'") for one in _VALUE.findall(match[1]))
