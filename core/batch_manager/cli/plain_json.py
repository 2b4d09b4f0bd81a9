"""JSON for people and scripts: money as plain decimal literals, never `1.6e-05`, never a binary tail."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

INDENT = "  "


def lines_of(value: Any) -> Iterator[str]:
    """The lines of one JSON document.

    Text is plain ASCII, since JSON's escapes make every hostile character harmless and carry even half a
    surrogate pair.

    Raises:
        TypeError: Something that JSON doesn't have.
        ValueError: A number that is none.
    """
    yield from "".join(_pieces(value, "\n")).split("\n")


def number(value: Decimal | float) -> str:
    """A number as a plain literal with all of its digits: `0.000016`, `1`, `0.667`."""
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not exact.is_finite():
        raise ValueError(f"{value!r} is no number in JSON")
    text = format(exact, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _pieces(value: Any, newline: str) -> Iterator[str]:
    if isinstance(value, Decimal | float):
        yield number(value)
    elif value is None or isinstance(value, str | bool | int):
        yield json.dumps(value)
    elif isinstance(value, Mapping):
        yield from _nested("{}", [(f"{json.dumps(str(key))}: ", one) for key, one in value.items()], newline)
    elif isinstance(value, list | tuple):
        yield from _nested("[]", [("", one) for one in value], newline)
    else:
        raise TypeError(f"{type(value).__name__} is not JSON")


def _nested(brackets: str, members: list[tuple[str, Any]], newline: str) -> Iterator[str]:
    if not members:
        yield brackets
        return
    inner = newline + INDENT
    for position, (key, one) in enumerate(members):
        yield (brackets[0] if position == 0 else ",") + inner + key
        yield from _pieces(one, inner)
    yield newline + brackets[1]
