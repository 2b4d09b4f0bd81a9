"""Strangers: names in a file of words that no scanned database has, or that one no longer has.

A misspelled name makes an item of its own, which nobody would look for; words of a table that is gone are kept and
serve nobody. Both are right to be taken in, and wrong to be taken in without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, cast

from batch_manager.documents import KINDS, Kind
from batch_manager.ellipsis import cut
from batch_manager.plural import are

if TYPE_CHECKING:
    import peewee

NAMED = 200
"""Names of each sort that are kept; more of them are only counted."""

GUESSED = 20
COMPARISONS = 300_000
"""Names that a nearest one is looked for, and comparisons of two names at the most: some take a second."""

ALIKE = 0.7
"""How much of two names is the same, at the least, for one to be taken for the other misspelled; 1 is all of it."""

SHOWN = 3
LONG = 60
"""Names that a sentence has, and characters of each."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A name in no scanned database; `nearest` is the one that may have been meant."""

    kind: Kind
    name: str
    nearest: str | None = None


@dataclass(frozen=True, slots=True)
class Strangers:
    """What of a file of words speaks of nothing that is there; the first `NAMED` of each sort are named.

    Attributes:
        unknown: Names that no scan has brought, out of `unknown_count`.
        departed: Kind and name of what a scan has found gone, out of `departed_count`.
    """

    unknown: tuple[Stranger, ...] = ()
    unknown_count: int = 0
    departed: tuple[tuple[Kind, str], ...] = ()
    departed_count: int = 0


NONE = Strangers()

_UNKNOWN = (
    "FROM staged s WHERE NOT EXISTS"
    " (SELECT 1 FROM item i WHERE i.kind = s.kind AND i.name = s.name AND i.structure_from IS NOT NULL)"
)
_DEPARTED = "FROM staged s JOIN item i ON i.id = s.item_id WHERE i.stage = 'gone' AND NOT s.back"


def strangers_of(database: peewee.SqliteDatabase) -> Strangers:
    """Those among what is staged from a file of words; none in a home that has scanned nothing."""

    def rows(sql: str, *values: object) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in database.execute_sql(sql, values).fetchall()]

    def number(sql: str) -> int:
        return int(database.execute_sql(f"SELECT count(*) {sql}").fetchone()[0])

    scanned = database.execute_sql("SELECT 1 FROM item WHERE structure_from IS NOT NULL LIMIT 1").fetchone()
    if scanned is None:
        return NONE
    unknown = rows(f"SELECT s.kind, s.name {_UNKNOWN} ORDER BY s.seq LIMIT ?", NAMED)
    departed = rows(f"SELECT s.kind, s.name {_DEPARTED} ORDER BY s.seq LIMIT ?", NAMED)
    known: dict[str, list[str]] = {kind: [] for kind in KINDS}
    if unknown:
        for kind, name in rows("SELECT kind, name FROM item WHERE structure_from IS NOT NULL AND stage != 'gone'"):
            known[kind].append(name)
    guessed = min(GUESSED, COMPARISONS // max(1, *map(len, known.values())))
    return Strangers(
        tuple(
            Stranger(cast(Kind, kind), name, nearest(name, known[kind]) if at < guessed else None)
            for at, (kind, name) in enumerate(unknown)
        ),
        number(_UNKNOWN) if len(unknown) == NAMED else len(unknown),
        tuple((cast(Kind, kind), name) for kind, name in departed),
        number(_DEPARTED) if len(departed) == NAMED else len(departed),
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one, whatever its case and its schema; None when none is like it. Pure."""
    plain: dict[str, str] = {}
    for one in known:
        plain.setdefault(one.casefold(), one)
        plain.setdefault(_last(one.casefold()), one)
    asked = name.casefold()
    for wanted in (asked, _last(asked)):
        found = get_close_matches(wanted, plain, 1, ALIKE)
        if found:
            return plain[found[0]]
    return None


def stranger_words(strangers: Strangers) -> list[str]:
    """The same as sentences, with names as they are: whoever shows them escapes them. Pure."""
    told = []
    if strangers.unknown_count:
        named = [
            f"{_cut(one.name)} (nearest: {_cut(one.nearest)})" if one.nearest else _cut(one.name)
            for one in strangers.unknown
        ]
        told.append(
            f"{are(strangers.unknown_count, 'name')} in no scanned database: {_listed(named, strangers.unknown_count)}."
        )
    if strangers.departed_count:
        named = [_cut(name) for _, name in strangers.departed]
        told.append(
            f"{are(strangers.departed_count, 'name')} gone from the database, so the words are kept and"
            f" not indexed: {_listed(named, strangers.departed_count)}."
        )
    return told


def _listed(names: Sequence[str], number: int) -> str:
    more = f" and {number - SHOWN:,} more" if number > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _cut(name: str) -> str:
    return cut(name, LONG)


def _last(name: str) -> str:
    return name.rpartition(".")[2]
