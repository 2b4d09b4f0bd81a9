"""Names of items when several sources are in one home: the first keeps its names, a later one's are told apart.

An item belongs to the source that brought its structure. What another source calls the same is another item, called
`<label>.<name>`, and keeps that name from then on, whatever becomes of the first. Words belong to a name, whoever
brings them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from batch_manager.documents import Document
from batch_manager.sources.database_url import key_of
from batch_manager.sources.shown import shown
from batch_manager.store.dialect import Database

if TYPE_CHECKING:
    from batch_manager.sources import Source

ALIKE = 3
"""A new source that shares more than one name in so many with another may be that one at another address."""

OTHERS = "structure_from IS NOT NULL AND origin NOT IN (SELECT value FROM json_each(?))"
"""Items whose structure another source brought."""


class Names:
    """What the items of one source are called here.

    Args:
        database: The store's; nothing in it is changed before `remember`.
        source: Whose.
        same_as: The title of a source that is this one at its former address.
    """

    def __init__(self, database: Database, source: Source, same_as: str | None = None) -> None:
        self._db = database
        self._source = source
        self._same_as = same_as
        self._active = source.brings == "structure"
        self._former = self._former_keys() if same_as else []
        self._titles = self._old_titles() if self._active else []
        self.keys = json.dumps([source.key, source.title, *self._titles, *self._former])
        # What it was called before is forgotten when it is taken for another: it goes by that one's names.
        self._renamed: dict[tuple[str, str], str] = {
            (kind, plain): name
            for kind, plain, name in database.execute_sql(
                "SELECT kind, plain, name FROM alias WHERE source IN (SELECT value FROM json_each(?))",
                (json.dumps(self._former or [source.key]),),
            ).fetchall()
        }
        self._given = {(kind, name) for (kind, _), name in self._renamed.items()}
        self._bare: set[tuple[str, str]] = set()
        self._tables = 0
        self._alike: Counter[str] = Counter()
        self._is_known = bool(
            database.execute_sql(
                "SELECT 1 FROM item WHERE origin IN (SELECT value FROM json_each(?)) LIMIT 1", (self.keys,)
            ).fetchone()
        )

    def told_apart(self, document: Document) -> Document:
        """The document under its name here, with the tables that it speaks of under theirs."""
        if not self._active:
            return document
        self._tables += document.kind == "table"
        name = self._name(document.kind, document.name)
        tables = tuple(self._name("table", one) for one in document.tables)
        joins = tuple(self._name("table", one) for one in document.joins)
        if (name, tables, joins) == (document.name, document.tables, document.joins):
            return document
        return replace(document, name=name, tables=tables, joins=joins)

    def resemblance(self) -> str | None:
        """What to say of a source that nobody has seen before and that is much like another one; None otherwise."""
        if self._is_known or not self._alike:
            return None
        title, shared = self._alike.most_common(1)[0]
        if shared * ALIKE <= self._tables:
            return None
        return (
            f"{shared:,} of {self._tables:,} tables have names that {shown(title)} has too; here they are called"
            f" {shown(self._source.label, 40)}.<name>. If it is the same database at another address, scan it once"
            f" with --source {shown(title)!r}."
        )

    def remember(self) -> None:
        """Keep the names that were given, and whose they are now; inside the caller's transaction."""
        key = self._source.key
        if self._same_as is not None:
            self._db.execute_sql("DELETE FROM alias WHERE source = ?", (key,))
            for former in self._former:
                self._db.execute_sql("DELETE FROM alias WHERE source = ?", (former,))
                self._db.execute_sql(
                    "UPDATE item SET origin = ?, structure_from = ? WHERE origin = ?", (key, self._source.title, former)
                )
        for title in self._titles:
            self._db.execute_sql("UPDATE item SET origin = ? WHERE origin = ?", (key, title))
        for (kind, plain), name in self._renamed.items():
            self._db.execute_sql(
                "INSERT INTO alias (source, kind, plain, name) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (key, kind, plain, name),
            )

    def _old_titles(self) -> list[str]:
        """What this source's items are known by that are of before there were keys: its title, as written then."""
        rows = self._db.execute_sql(
            "SELECT DISTINCT origin FROM item WHERE origin IS NOT NULL AND origin != ?", (self._source.key,)
        ).fetchall()
        # With another user or driver, or a path that is relative, it is still the same database.
        return [row[0] for row in rows if row[0] == self._source.title or key_of(row[0]) == self._source.key]

    def _former_keys(self) -> list[str]:
        rows = self._db.execute_sql(
            "SELECT DISTINCT origin FROM item WHERE structure_from = ? AND origin IS NOT NULL", (self._same_as,)
        ).fetchall()
        return [row[0] for row in rows if row[0] != self._source.key]

    def _name(self, kind: str, plain: str) -> str:
        key = (kind, plain)
        if key in self._renamed:
            return self._renamed[key]
        if key in self._bare:
            return plain
        other = self._other(kind, plain)
        if other is not None and kind == "table":
            self._alike[other] += 1
        # A name that was given once may be one that the source has itself by now.
        if other is None and key not in self._given:
            self._bare.add(key)
            return plain
        name = next(one for one in self._candidates(plain) if self._is_free((kind, one)))
        self._renamed[key] = name
        self._given.add((kind, name))
        return name

    def _candidates(self, plain: str) -> Iterator[str]:
        label = self._source.label
        yield f"{label}.{plain}"
        yield from (f"{label}{number}.{plain}" for number in count(2))

    def _is_free(self, key: tuple[str, str]) -> bool:
        return key not in self._given and key not in self._bare and self._other(*key) is None

    def _other(self, kind: str, name: str) -> str | None:
        """The title of another source that has the name."""
        row = self._db.execute_sql(
            f"SELECT structure_from FROM item WHERE kind = ? AND name = ? AND {OTHERS}", (kind, name, self.keys)
        ).fetchone()
        return None if row is None else str(row[0])
