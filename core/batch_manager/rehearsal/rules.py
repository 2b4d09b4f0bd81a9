"""What rules of ordered faults have in common: JSON objects in a list, each with a known fault and known keys. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any


def read_rules(
    rules: Iterable[Mapping[str, Any]], setting: str, known: Collection[str], keys: Collection[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each rule's place, in words for messages, and its values; `at` is a tuple.

    Args:
        rules: As they were given.
        setting: Name of the option that they stand in, such as `faults`.
        known: The faults that there are.
        keys: The keys that a rule may have.

    Raises:
        ValueError: It is no list of objects, or a fault or a key is unknown; the message says which.
    """
    if isinstance(rules, Mapping | str | bytes):
        raise ValueError(f"{setting} must be a list of rules")
    for number, rule in enumerate(rules, start=1):
        where = f"{setting.removesuffix('s').replace('_', ' ')} rule {number}"
        if not isinstance(rule, Mapping):
            raise ValueError(f"{where}: must be an object, not {type(rule).__name__}")
        fault = rule.get("fault")
        if not isinstance(fault, str) or fault not in known:
            raise ValueError(f"{where}: unknown fault {fault!r}; allowed: {', '.join(known)}")
        where = f"{where} ({fault})"
        unknown = sorted(str(key) for key in rule if key not in keys)
        if unknown:
            raise ValueError(f"{where}: unknown key {unknown[0]!r}; allowed: {', '.join(sorted(keys))}")
        at = rule.get("at", ())
        yield where, {**rule, "at": tuple(at) if isinstance(at, list | tuple) else (at,)}
