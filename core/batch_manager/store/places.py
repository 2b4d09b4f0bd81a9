"""Places: which sources and schemas items come from, and which items a filter lets through."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from batch_manager.documents import KINDS, Document, Kind
from batch_manager.errors import UsageError
from batch_manager.sources.shown import shown
from batch_manager.store.database import translated
from batch_manager.store.dialect import Database
from batch_manager.store.generations import is_served
from batch_manager.store.listed import Origin, origins

_PARTS_SERVED = (
    "coalesce((SELECT s.parts FROM standing s JOIN generation g ON g.id = s.generation_id AND g.state = 'serving'"
    " WHERE s.item_id = item.id), 0)"
)

_HAS_PLACE = "stage != 'gone'"


@dataclass(frozen=True, slots=True)
class Within:
    """What a search is kept to.

    Attributes:
        kinds: Kinds of item.
        sources: Titles of sources, exactly; empty lets all through. An item has up to two: one brought its
            structure, one its words.
        schemas: Schemas, exactly; empty lets all through.
    """

    kinds: tuple[Kind, ...] = KINDS
    sources: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()

    @property
    def everywhere(self) -> bool:
        """Whether no source and no schema is named."""
        return not (self.sources or self.schemas)

    def clause(self, item: str = "item") -> tuple[str, list[str]]:
        """The filter as SQL on the table `item` under that alias, with its values."""
        clauses = [f"{item}.kind IN (SELECT value FROM json_each(?))"]
        values = [json.dumps(self.kinds)]
        if self.sources:
            clauses.append(
                f"({item}.structure_from IN (SELECT value FROM json_each(?))"
                f" OR {item}.words_from IN (SELECT value FROM json_each(?)))"
            )
            values += [json.dumps(self.sources)] * 2
        if self.schemas:
            clauses.append(f"{item}.schema IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(self.schemas))
        return " AND ".join(clauses), values


def schema_of(document: Document) -> str:
    """The schema that an item is filed under: as its source says it, else what stands before the name's last dot."""
    name = document.name if document.kind == "table" else (document.tables or ("",))[0]
    return (document.schema or name.rpartition(".")[0]).encode("utf-8", "replace").decode()


def matching(patterns: Sequence[str], known: Sequence[str], noun: str, *, part: bool) -> tuple[str, ...]:
    """Which of the known ones the patterns mean. Pure.

    Args:
        patterns: Each a name, or a glob with `*`, `?` or `[…]`.
        known: All that there are.
        noun: `source` or `schema`, for the message.
        part: A pattern may also be a part of the name, whatever its case: titles of sources are long.

    Raises:
        UsageError: A pattern means none of them.
    """
    wanted: dict[str, None] = {}
    for pattern in patterns:
        found = [one for one in known if one == pattern] or [one for one in known if fnmatchcase(one, pattern)]
        if not found and part and pattern:
            found = [one for one in known if pattern.casefold() in one.casefold()]
        if not found:
            there = ", ".join(shown(one, 80) for one in known[:10]) or "none at all"
            raise UsageError(
                f"No item is of a {noun} {shown(pattern, 80)!r}.", next_step=f"There is: {there}.", code=f"no_{noun}"
            )
        wanted.update(dict.fromkeys(found))
    return tuple(wanted)


class Places:
    """Sources and schemas of the items in the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def sources(self) -> list[str]:
        """Titles of the sources that items come from, in alphabetical order."""
        return self._names(
            f"SELECT structure_from FROM item WHERE {_HAS_PLACE} UNION SELECT words_from FROM item WHERE {_HAS_PLACE}"
        )

    def origins(self) -> list[Origin]:
        """What items came from, with what each gave."""
        with translated():
            return origins(self._db)

    def schemas(self) -> list[str]:
        """Schemas that items are in, in alphabetical order."""
        return self._names(f"SELECT DISTINCT schema FROM item WHERE {_HAS_PLACE}")

    def within(self, kind: Kind | None, sources: Sequence[str] = (), schemas: Sequence[str] = ()) -> Within:
        """A filter of patterns (see `matching`).

        Raises:
            UsageError: A pattern means nothing that there is.
        """
        return Within(
            KINDS if kind is None else (kind,),
            matching(sources, self.sources(), "source", part=True) if sources else (),
            matching(schemas, self.schemas(), "schema", part=False) if schemas else (),
        )

    def indexed_names(self, within: Within, kind: Kind) -> list[tuple[str, int]]:
        """(name, parts in the index) of the indexed items of a kind that the filter lets through."""
        clause, values = Within((kind,), within.sources, within.schemas).clause()
        with translated():
            rows = self._db.execute_sql(
                f"SELECT name, {self._db.dialect.larger('indexed_parts', _PARTS_SERVED)}"
                f" FROM item WHERE {is_served('item')} AND {clause} ORDER BY id",
                values,
            ).fetchall()
        return [(row[0], row[1]) for row in rows]

    def _names(self, sql: str) -> list[str]:
        with translated():
            return sorted(row[0] for row in self._db.execute_sql(sql).fetchall() if row[0])
