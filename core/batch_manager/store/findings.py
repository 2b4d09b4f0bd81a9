"""Findings: what would make a wasted embedding, found before paying, as conditions on items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from batch_manager.documents import PROBLEMS
from batch_manager.store.database import translated
from batch_manager.store.dialect import Database, Dialect
from batch_manager.store.strangers import SCANNED, is_unknown

_KEPT = "stage NOT IN ('gone', 'skipped')"

_BODY = "EXISTS (SELECT 1 FROM part fp JOIN text ft ON ft.id = fp.text_id WHERE fp.item_id = item.id AND {})"

_FILLERS = ("the", "a", "of", "for", "all", "table", "tables", "data")
"""Words that add nothing to a name."""

_ENDINGS = "'', 's', 'es'"
"""What may be left of a plural."""

LONGEST_SAID_AGAIN = 40
"""Characters that a text of nothing but its name has beside four times the name, at most; others aren't looked at."""

_CP1252 = "€‚ƒ„…†‡ˆ‰Š‹Œ\u017d‘’“”•–—˜™š›œ\u017eŸ"
"""What Windows' code page has from 80 to 9F: the second character of UTF-8 that was read as that code page."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sort of finding; `items` of those that aren't skipped have it."""

    code: str
    items: int


def _plain(sql: str) -> str:
    """A text in small letters, its words parted by single spaces, without fillers, as SQL."""
    for mark in ("'_'", "'.'", "':'", "'-'", "'\n'"):
        sql = f"replace({sql}, {mark}, ' ')"
    sql = f"' ' || lower({sql}) || ' '"
    for word in _FILLERS:
        sql = f"replace({sql}, ' {word} ', ' ')"
    for _ in range(3):
        sql = f"replace({sql}, '  ', ' ')"
    return f"trim({sql})"


def _said_again() -> str:
    # The text begins with the name, so nothing but the name said again is left when the name is taken out of it.
    short = f"length(ft.body) BETWEEN length(item.name) + 1 AND 4 * length(item.name) + {LONGEST_SAID_AGAIN}"
    left = f"trim(replace({_plain('ft.body')}, {_plain('item.name')}, ''))"
    return f"problem IS NULL AND parts = 1 AND {_BODY.format(f'{short} AND {left} IN ({_ENDINGS})')}"


def _same_words() -> str:
    # A text begins with its item's name; of what follows, the first of those that are alike stays. All bodies are
    # compared whole: about a second for a hundred thousand of them, so nobody waits for this.
    return (
        "id IN (SELECT sw.id FROM (SELECT i.id, row_number() OVER (PARTITION BY i.kind,"
        " substr(t.body, length(i.name) + 1) ORDER BY i.id) AS nth FROM item i JOIN part p ON p.item_id = i.id"
        " JOIN text t ON t.id = p.text_id WHERE i.stage NOT IN ('gone', 'skipped') AND i.problem IS NULL"
        " AND i.parts = 1) sw WHERE sw.nth > 1)"
    )


def _mojibake(dialect: Dialect) -> str:
    second = f"[{chr(0x80)}-{chr(0xBF)}{_CP1252}]"
    patterns = (f"Ã{second}", f"Â{second}", "â€", "ï¿½", chr(0xFFFD))
    found = " OR ".join(dialect.has_pattern("ft.body", pattern) for pattern in patterns)
    return _BODY.format(f"({found})")


CONDITIONS: Mapping[str, str | Callable[[Dialect], str]] = {
    **{code: f"problem = '{code}'" for code in PROBLEMS},
    "name_again": _said_again(),
    # The first of those that are alike stays, since one of them is worth its price.
    "duplicate": (
        f"text_hash IN (SELECT text_hash FROM item WHERE {_KEPT} AND problem IS NULL"
        " GROUP BY text_hash HAVING count(*) > 1)"
        f" AND id NOT IN (SELECT min(id) FROM item WHERE {_KEPT} AND problem IS NULL GROUP BY text_hash)"
    ),
    "same_words": _same_words(),
    "mojibake": _mojibake,
    "parts": "parts > 1",
    "stranger": f"{SCANNED} AND {is_unknown('item')}",
}
"""Code → SQL over `item`. `duplicate`: the same text as an earlier item; `same_words`: the same but for the name;
`parts`: too long for one input; `stranger`: words for a name that is in no scanned database."""

SLOW = frozenset({"same_words"})
"""Findings for which all texts have to be compared; they are no part of what is told of one item."""


def condition(code: str, dialect: Dialect) -> str:
    """A finding as SQL over `item`.

    Args:
        code: A key of `CONDITIONS`.
        dialect: Whose SQL.
    """
    found = CONDITIONS[code]
    return found if isinstance(found, str) else found(dialect)


def findings(database: Database) -> tuple[Finding, ...]:
    """Every sort of finding that some item has, in the order of `CONDITIONS`; one query."""
    sums = ", ".join(f"count(*) FILTER (WHERE {condition(code, database.dialect)})" for code in CONDITIONS)
    with translated():
        row = database.execute_sql(f"SELECT {sums} FROM item WHERE {_KEPT}").fetchone()
    return tuple(Finding(code, number) for code, number in zip(CONDITIONS, row, strict=True) if number)


def with_findings(database: Database, *, payable: bool = False) -> int:
    """Items that have any finding, each counted once, without those that are skipped.

    Args:
        database: The store's.
        payable: Only those that are pending and can be sent.
    """
    codes = [code for code in CONDITIONS if not (payable and code in PROBLEMS)]
    any_of_them = " OR ".join(f"({condition(code, database.dialect)})" for code in codes)
    which = "stage = 'pending' AND problem IS NULL" if payable else _KEPT
    with translated():
        row = database.execute_sql(f"SELECT count(*) FROM item WHERE {which} AND ({any_of_them})").fetchone()
    return int(row[0])


def findings_of(database: Database, item_id: int) -> tuple[str, ...]:
    """The codes of an item's own findings, in the order of `CONDITIONS`; without those that are `SLOW`."""
    codes = [code for code in CONDITIONS if code not in SLOW]
    marks = ", ".join(f"CASE WHEN {condition(code, database.dialect)} THEN 1 ELSE 0 END" for code in codes)
    with translated():
        row = database.execute_sql(f"SELECT {marks} FROM item WHERE id = ?", [item_id]).fetchone()
    return tuple(code for code, found in zip(codes, row or (), strict=False) if found)


def same_words_as(database: Database, item_id: int) -> str | None:
    """The name of the first item of whose words these are nothing but a copy; None where there is none before it."""
    with translated():
        row = database.execute_sql(
            "SELECT o.name FROM item i JOIN part p ON p.item_id = i.id JOIN text t ON t.id = p.text_id"
            " JOIN item o ON o.kind = i.kind AND o.id < i.id AND o.parts = 1 AND o.problem IS NULL"
            " AND o.stage NOT IN ('gone', 'skipped')"
            " JOIN part op ON op.item_id = o.id JOIN text ot ON ot.id = op.text_id"
            " WHERE i.id = ? AND i.parts = 1 AND i.problem IS NULL AND i.stage NOT IN ('gone', 'skipped')"
            " AND substr(ot.body, length(o.name) + 1) = substr(t.body, length(i.name) + 1) ORDER BY o.id LIMIT 1",
            [item_id],
        ).fetchone()
    return None if row is None else str(row[0])


def saved_tokens(database: Database, code: str, space_id: int) -> int:
    """Tokens that needn't be sent when the pending items with this finding are left out.

    A text that another pending item has too is sent all the same, and one that was paid for costs nothing anyway.

    Args:
        database: The store's.
        code: A key of `CONDITIONS`.
        space_id: The space that is paid for; 0 when the store has never seen it.
    """
    with translated():
        row = database.execute_sql(
            f"WITH found AS (SELECT id FROM item WHERE {condition(code, database.dialect)})"
            " SELECT coalesce(sum(tokens), 0) FROM ("
            "  SELECT t.tokens FROM item i JOIN part p ON p.item_id = i.id JOIN text t ON t.id = p.text_id"
            "  WHERE i.stage = 'pending' AND i.problem IS NULL AND NOT EXISTS"
            "  (SELECT 1 FROM answer a WHERE a.text_id = t.id AND a.space_id = ?)"
            "  GROUP BY t.id HAVING count(*) FILTER (WHERE i.id NOT IN (SELECT id FROM found)) = 0) x",
            [space_id],
        ).fetchone()
    return int(row[0])
