"""What tables are called: by their bare name wherever that says enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

Key = tuple[str, str]
"""Schema and table, both exactly as the database has them."""


def table_names(keys: Iterable[Key], default_schema: str) -> dict[Key, str]:
    """Give every table a name.

    The bare name, compared exactly. When several schemas have a table of that name, those outside the default
    schema are called `schema.table`; the default schema's keep the bare one.
    """
    known = set(keys)
    count = Counter(name for _, name in known)
    return {
        (schema, name): name if schema == default_schema or count[name] == 1 else f"{schema}.{name}"
        for schema, name in known
    }


def outside(key: Key, names: dict[Key, str], default_schema: str) -> str:
    """What to call a table that wasn't read, without taking the name of one that was."""
    schema, name = key
    if not schema or (schema == default_schema and name not in names.values()):
        return name
    return f"{schema}.{name}"
