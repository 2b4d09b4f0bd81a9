"""Differences: what a source now says of an item that it said otherwise before, in a few words. Pure.

The words have the database's own names in them: whoever shows them escapes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields

from batch_manager.documents import Column, Document
from batch_manager.ellipsis import cut
from batch_manager.plural import counted

MOST = 4
"""Columns that are named of each sort; more of them are only counted."""

NAME = 40
"""Characters of a name, a type or a line that are repeated."""

FIELDS = {
    "business_purpose": "purpose",
    "comment": "comment",
    "type": "type",
    "form": "form",
    "constraints": "rules",
    "joins": "joins",
}
"""Fields that are short or have no parts of their own, as they are called."""


def difference(before: Document, after: Document) -> str:
    """What changed between two documents of one item; empty when it is nothing of what is compared."""
    told = [*_columns(before.columns, after.columns)]
    if _ends(before) != _ends(after):
        told.append(f"joins {_cut(_ends(before)) or 'nothing'} → {_cut(_ends(after)) or 'nothing'}")
    changed = [word for field, word in FIELDS.items() if getattr(before, field) != getattr(after, field)]
    if changed:
        told.append(f"{', '.join(changed)} changed")
    told += _lines(before.documentation, after.documentation)
    return "; ".join(told)


def _columns(before: Sequence[Column], after: Sequence[Column]) -> Iterator[str]:
    was, now = ({column.name: column for column in columns} for columns in (before, after))
    signs = (
        ("+", [_cut(name) for name in now if name not in was]),
        ("-", [_cut(name) for name in was if name not in now]),
        ("~", [_column(was[name], column) for name, column in now.items() if name in was and was[name] != column]),
    )
    told = [f"{sign} {_named(names)}" for sign, names in signs if names]
    if told:
        yield f"columns {' '.join(told)}"
    elif [*was] != [*now]:
        yield "columns in another order"


def _column(before: Column, after: Column) -> str:
    names = [field.name for field in fields(Column)]
    what = [name.replace("_", " ") for name in names if getattr(before, name) != getattr(after, name)]
    if what == ["type"]:
        return f"{_cut(after.name)} ({_cut(before.type) or 'no type'} → {_cut(after.type) or 'no type'})"
    return f"{_cut(after.name)} ({', '.join(what)})"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST:,} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


def _ends(document: Document) -> str:
    if len(document.tables) != 2:
        return ""
    sides = zip(document.tables, (document.constrained, document.referred), strict=True)
    return " to ".join(f"{table}({', '.join(columns)})" if columns else table for table, columns in sides)


def _lines(before: str, after: str) -> Iterator[str]:
    """Lines that came and went, and the first that came, else the first that went."""
    if before == after:
        return
    was, now = ([line.strip() for line in text.splitlines() if line.strip()] for text in (before, after))
    came, went = Counter(now) - Counter(was), Counter(was) - Counter(now)
    if not came and not went:
        yield "documentation: lines in another order"
        return
    sizes = [f"{sign}{counted(lines.total(), 'line')}" for sign, lines in (("+", came), ("-", went)) if lines]
    first = next(one for one in now if one in came) if came else next(one for one in was if one in went)
    yield f"documentation {' '.join(sizes)}: {'+' if came else '-'} {_cut(first)}"


def _cut(text: str) -> str:
    return cut(text, NAME)
