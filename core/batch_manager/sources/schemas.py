"""Which schemas are meant: names and globs against those that there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

SYSTEM = frozenset({"information_schema", "pg_catalog", "pg_toast", "mysql", "performance_schema", "sys"})
"""Schemas of the database itself (the servers' manuals)."""


def wanted_schemas(patterns: Sequence[str], known: Iterable[str]) -> tuple[list[str], list[str]]:
    """The schemas that the patterns name, and the patterns that name none.

    A system schema is found by its name alone and never by a glob. A name with `*`, `?` or `[` in it is first
    looked for as it is.

    Args:
        patterns: Names or globs (`*`, `?`, `[abc]`), compared exactly.
        known: The schemas that there are.
    """
    there = sorted(set(known))
    wanted: list[str] = []
    unmatched = []
    for pattern in patterns:
        found = [pattern] if pattern in there else [one for one in there if fnmatchcase(one, pattern)]
        found = [one for one in found if one == pattern or not is_system(one)]
        if not found:
            unmatched.append(pattern)
        wanted += found
    return list(dict.fromkeys(wanted)), unmatched


def is_system(schema: str) -> bool:
    """Whether a schema is the database's own; names with `pg_` in front are kept for PostgreSQL."""
    return schema in SYSTEM or schema.startswith("pg_")
