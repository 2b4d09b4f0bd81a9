"""Foreign keys become relationships: what each is called, and how many rows may join how many.

The rules depend on the set of foreign keys alone, never on the order in which a database lists them, so
that a second scan finds every relationship under the name that it had.

Name:
    The constraint's own name. A foreign key without one is called `<table>_<columns joined by _>_fk`.
    When several would have the same name, all of them (not only the later ones) are called
    `<table>.<name>`; if that isn't enough, `<table>.<name>.<referred table>`; and for what is still the
    same, everything that is known of it, as a JSON list.
Type:
    `one-to-one` when a primary key or a unique constraint lies within the constrained columns, otherwise
    `many-to-one`. It reads from the constrained table to the referred one: orders(user_id) references
    users(id), many-to-one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

ONE_TO_ONE = "one-to-one"
MANY_TO_ONE = "many-to-one"


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """One foreign key; tables by the names that they are documented under.

    Attributes:
        table: The constrained table.
        columns: Its columns, in the key's order.
        referred_table: The table that the key points at.
        referred_columns: The columns there; empty when the database doesn't know them.
        name: The constraint's name; empty when it has none.
        comment: The database's comment on the constraint.
    """

    table: str
    columns: tuple[str, ...]
    referred_table: str
    referred_columns: tuple[str, ...]
    name: str = ""
    comment: str = ""


def named(links: Iterable[Link]) -> list[tuple[str, Link]]:
    """Give every foreign key a name of its own; sorted by it. Exact doubles become one."""
    candidates = {link: _candidates(link) for link in set(links)}
    step = dict.fromkeys(candidates, 0)
    while True:
        names = {link: candidates[link][step[link]] for link in candidates}
        count = Counter(names.values())
        # The last candidate is unique by itself, so whoever stands there makes the others move.
        clashing = [link for link, name in names.items() if count[name] > 1 and step[link] + 1 < len(candidates[link])]
        if not clashing:
            return sorted((name, link) for link, name in names.items())
        for link in clashing:
            step[link] += 1


def cardinality(columns: Iterable[str], unique: Iterable[Iterable[str]]) -> str:
    """How many rows of the constrained table may point at one row of the referred table.

    Args:
        columns: The constrained columns.
        unique: Sets of columns, each of which is unique as a whole (the primary key among them).
    """
    constrained = set(columns)
    whole = any(constrained.issuperset(key) for key in map(frozenset, unique) if key)
    return ONE_TO_ONE if whole else MANY_TO_ONE


def joined(links: Iterable[Link], unique: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """The two tables that a table joins many-to-many; empty when it does something else.

    Args:
        links: The table's own foreign keys.
        unique: As in `cardinality`.
    """
    keys = [frozenset(key) for key in unique if key]
    pairs = set()
    # The columns decide, not the constraints: two foreign keys over the same columns are one end of the join.
    ends = {(link.columns, link.referred_table) for link in links if cardinality(link.columns, keys) == MANY_TO_ONE}
    for (columns, table), (others, other) in combinations(sorted(ends), 2):
        if set(columns).isdisjoint(others) and frozenset((*columns, *others)) in keys:
            pairs.add((table, other))
    return next(iter(pairs)) if len(pairs) == 1 else ()


def _candidates(link: Link) -> tuple[str, ...]:
    name = link.name if link.name.strip() else f"{link.table}_{'_'.join(link.columns)}_fk"
    everything = [link.table, list(link.columns), link.referred_table, list(link.referred_columns), link.name]
    return (
        name,
        f"{link.table}.{name}",
        f"{link.table}.{name}.{link.referred_table}",
        json.dumps(everything, ensure_ascii=False),
    )
