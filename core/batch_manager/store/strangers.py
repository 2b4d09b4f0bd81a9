"""Strangers: names in a file of words that no scanned database has, or that one no longer has.

A misspelled name makes an item of its own, which nobody would look for; words of a table that is gone, or of a column
that its table hasn't, are kept and serve nobody. All are right to be taken in, and wrong to be taken in without a word.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import cast

from batch_manager.documents import KINDS, Kind
from batch_manager.ellipsis import cut
from batch_manager.plural import are
from batch_manager.store.dialect import Database

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
class StrangeColumn:
    """A column that words speak of and the scanned table hasn't; `nearest` is the one that may have been meant."""

    table: str
    name: str
    nearest: str | None = None


@dataclass(frozen=True, slots=True)
class Strangers:
    """Words that speak of nothing that is there; the first `NAMED` of each sort are named.

    Attributes:
        unknown: Names that no scan has brought, out of `unknown_count`.
        departed: Kind and name of what a scan has found gone, out of `departed_count`.
        columns: Columns that their tables haven't, out of `column_count`.
    """

    unknown: tuple[Stranger, ...] = ()
    unknown_count: int = 0
    departed: tuple[tuple[Kind, str], ...] = ()
    departed_count: int = 0
    columns: tuple[StrangeColumn, ...] = ()
    column_count: int = 0


NONE = Strangers()

SCANNED = "EXISTS (SELECT 1 FROM item scanned WHERE scanned.structure_from IS NOT NULL)"
"""Whether anything was scanned here, as SQL: else no name can be strange."""


def is_unknown(item: str) -> str:
    """Words of something that no scanned database has, as SQL on the table `item` under that alias.

    A relationship that no key declares is one all the same, as long as both of its tables are there.
    """
    return (
        f"{item}.structure_from IS NULL AND ({item}.kind = 'table' OR NOT EXISTS (SELECT 1 FROM brought joined"
        f" WHERE joined.item_id = {item}.id AND {_joins_known('joined.words')}))"
    )


def _joins_known(payload: str) -> str:
    """Whether words are of a relationship between two tables that are there, as SQL."""
    return (
        f"json_array_length({payload}, '$.tables') = 2"
        f" AND NOT EXISTS (SELECT 1 FROM json_each({payload}, '$.tables') side WHERE NOT EXISTS"
        " (SELECT 1 FROM item known"
        " WHERE known.kind = 'table' AND known.name = side.value AND known.structure_from IS NOT NULL))"
    )


_STAGED_UNKNOWN = (
    "FROM staged s WHERE NOT EXISTS"
    " (SELECT 1 FROM item i WHERE i.kind = s.kind AND i.name = s.name AND i.structure_from IS NOT NULL)"
    f" AND NOT (s.kind = 'relationship' AND {_joins_known('s.payload')})"
)
_STAGED_DEPARTED = "FROM staged s JOIN item i ON i.id = s.item_id WHERE i.stage = 'gone' AND NOT s.back"

_KEPT_UNKNOWN = f"FROM item s WHERE {is_unknown('s')} AND s.stage NOT IN ('gone', 'skipped')"
_KEPT_DEPARTED = "FROM item s WHERE s.stage = 'gone' AND s.structure_from IS NOT NULL AND s.words_from IS NOT NULL"


class StrangeColumns:
    """Gathers columns that words speak of and their tables haven't, while a source is read."""

    def __init__(self) -> None:
        self.found: list[StrangeColumn] = []
        self.count = 0

    def look(self, table: str, scanned: str | None, said: str | None) -> None:
        """Compare what a scan and a file of words say of one table; a scan that told no columns refutes none.

        Args:
            table: Its name.
            scanned: The scan's payload.
            said: The words' payload.
        """
        if not scanned or not said or '"columns"' not in said:
            return
        there = _column_names(scanned)
        for name in [one for one in _column_names(said) if one not in there] if there else ():
            self.count += 1
            if len(self.found) < NAMED:
                meant = nearest(name, there) if len(self.found) < GUESSED else None
                self.found.append(StrangeColumn(table, name, meant))


def strangers_of(database: Database, columns: StrangeColumns) -> Strangers:
    """Those among what is staged from a file of words; none in a home that has scanned nothing."""
    return _strangers(database, _STAGED_UNKNOWN, _STAGED_DEPARTED, "s.seq", columns)


def strangers_kept(database: Database) -> Strangers:
    """Those among all words that are kept, whenever they came; what is skipped was somebody's choice."""
    columns = StrangeColumns()
    rows = database.execute_sql(
        "SELECT i.name, b.structure, b.words FROM brought b JOIN item i ON i.id = b.item_id WHERE i.kind = 'table'"
        " AND i.stage NOT IN ('gone', 'skipped') AND b.structure IS NOT NULL"
        " AND instr(b.words, '\"columns\"') > 0 ORDER BY i.id"
    )
    for name, scanned, said in rows:
        columns.look(name, scanned, said)
    return _strangers(database, _KEPT_UNKNOWN, _KEPT_DEPARTED, "s.id", columns)


def departing_words(database: Database, missing: str, values: Sequence[str]) -> Strangers:
    """What is about to be gone and has words, which are kept.

    Args:
        database: The store's.
        missing: What is about to be gone, as SQL on the table `item`.
        values: That condition's.
    """
    of = f"FROM item WHERE words_from IS NOT NULL AND {missing}"
    rows = database.execute_sql(f"SELECT kind, name {of} ORDER BY id LIMIT ?", [*values, NAMED]).fetchall()
    total = database.execute_sql(f"SELECT count(*) {of}", values).fetchone()[0]
    return Strangers(departed=tuple((row[0], row[1]) for row in rows), departed_count=int(total))


def nearest_of(database: Database, kind: Kind, name: str) -> str | None:
    """The name of what was scanned that is most like this one; None when none is."""
    return nearest(name, _scanned_names(database)[kind])


def _strangers(database: Database, unknown_of: str, departed_of: str, order: str, columns: StrangeColumns) -> Strangers:
    def rows(sql: str) -> list[tuple[str, str]]:
        found = database.execute_sql(f"SELECT s.kind, s.name {sql} ORDER BY {order} LIMIT ?", (NAMED,)).fetchall()
        return [(row[0], row[1]) for row in found]

    def number(sql: str, named: int) -> int:
        return named if named < NAMED else int(database.execute_sql(f"SELECT count(*) {sql}").fetchone()[0])

    if not database.execute_sql(f"SELECT {SCANNED}").fetchone()[0]:
        return NONE
    unknown, departed = rows(unknown_of), rows(departed_of)
    known = _scanned_names(database) if unknown else {kind: [] for kind in KINDS}
    guessed = min(GUESSED, COMPARISONS // max(1, *map(len, known.values())))
    return Strangers(
        tuple(
            Stranger(cast(Kind, kind), name, nearest(name, known[cast(Kind, kind)]) if at < guessed else None)
            for at, (kind, name) in enumerate(unknown)
        ),
        number(unknown_of, len(unknown)),
        tuple((cast(Kind, kind), name) for kind, name in departed),
        number(departed_of, len(departed)),
        tuple(columns.found),
        columns.count,
    )


def _column_names(payload: str) -> list[str]:
    """Names of a table's columns as a payload has them; reading all of it would cost an import a good deal."""
    return [column["name"] for column in json.loads(payload).get("schema", {}).get("columns", ())]


def _scanned_names(database: Database) -> dict[Kind, list[str]]:
    known: dict[Kind, list[str]] = {kind: [] for kind in KINDS}
    rows = database.execute_sql("SELECT kind, name FROM item WHERE structure_from IS NOT NULL AND stage != 'gone'")
    for kind, name in rows.fetchall():
        known[kind].append(name)
    return known


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
    if strangers.column_count:
        named = [
            f"{_cut(one.table)}.{_cut(one.name)}" + (f" (nearest: {_cut(one.nearest)})" if one.nearest else "")
            for one in strangers.columns
        ]
        told.append(
            f"{are(strangers.column_count, 'column')} not in the scanned table, so the words are kept and not indexed:"
            f" {_listed(named, strangers.column_count)}."
        )
    return told


def _listed(names: Sequence[str], number: int) -> str:
    more = f" and {number - SHOWN:,} more" if number > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _cut(name: str) -> str:
    return cut(name, LONG)


def _last(name: str) -> str:
    return name.rpartition(".")[2]
