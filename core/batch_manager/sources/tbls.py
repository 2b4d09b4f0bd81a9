"""tbls's schema.json: tables, what is said of them, and relations, those that tbls was only told of included.

Read as tbls 1 writes it (github k1LoW/tbls, `schema/`). Comments count as words, since tbls joins those of the database
with those of its own configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from batch_manager.documents import Column, Constraint
from batch_manager.errors import InputError
from batch_manager.sources import Found, Unreadable
from batch_manager.sources.enums import values_of_type
from batch_manager.sources.json_walk import walk
from batch_manager.sources.naming import Key
from batch_manager.sources.relationships import MANY_TO_ONE, ONE_TO_ONE
from batch_manager.sources.shown import shown
from batch_manager.sources.structure import FOREIGN_TABLE, MATERIALIZED_VIEW, PARTITIONED_TABLE, VIEW, ForeignKey, Table
from batch_manager.sources.structure import documents as documents_of

_FORMS = {
    "VIEW": VIEW,
    "MATERIALIZED VIEW": MATERIALIZED_VIEW,
    "FOREIGN TABLE": FOREIGN_TABLE,
    "PARTITIONED TABLE": PARTITIONED_TABLE,
}
_TYPES = {"zero_or_one": ONE_TO_ONE, "exactly_one": ONE_TO_ONE, "zero_or_more": MANY_TO_ONE, "one_or_more": MANY_TO_ONE}
_GENERATED = re.compile(
    r"GENERATED ALWAYS AS (?P<expression>\(.*\)|.+?)(?: STORED| VIRTUAL)?", re.IGNORECASE | re.DOTALL
)


def read_schema(chunks: Iterator[bytes], title: str) -> Iterator[Found | Unreadable]:
    """Yield the tables by name, then the relationships by name.

    Raises:
        InputError: `empty_file`, or what `walk` raises.
    """
    found: list[Mapping[str, Any]] = []
    relations: list[Mapping[str, Any]] = []
    enums: dict[str, tuple[str, ...]] = {}
    current = ""
    for section, key, value in walk(chunks, title):
        if section == "tables" and isinstance(value, Mapping) and value.get("name"):
            found.append(value)
        elif section == "relations" and isinstance(value, Mapping):
            relations.append(value)
        elif section == "enums" and isinstance(value, Mapping):
            enums[str(value.get("name"))] = tuple(map(str, value.get("values") or ()))
        elif section == "driver" and key == "meta" and isinstance(value, Mapping):
            current = str(value.get("current_schema") or "")
    if not found:
        raise InputError(
            f"{title} has no tables.", next_step="Give the schema.json that tbls writes.", code="empty_file"
        )
    tables = {str(one["name"]): _table(one, current, enums) for one in found}
    for relation in relations:
        _add_relation(relation, tables, current)
    yield from documents_of(tables.values(), current)


def _key(name: str, current: str) -> Key:
    """tbls writes `schema.table` where the driver has schemas, and says then which one is the current one."""
    schema, dot, table = name.partition(".")
    return (schema, table) if current and dot else (current, name)


def _table(found: Mapping[str, Any], current: str, enums: Mapping[str, tuple[str, ...]]) -> Table:
    key = _key(str(found["name"]), current)
    table = Table(
        key,
        _FORMS.get(str(found.get("type")).upper(), ""),
        documentation=str(found.get("comment") or ""),
        where=f"table {shown(str(found['name']))}",
    )
    for column in found.get("columns") or ():
        table.columns.append(_column(column, key[0], enums))
    for constraint in found.get("constraints") or ():
        columns = tuple(map(str, constraint.get("columns") or ()))
        name, comment = str(constraint.get("name") or ""), str(constraint.get("comment") or "")
        kind = str(constraint.get("type")).upper()
        if kind == "PRIMARY KEY":
            table.primary_key = columns
            table.constraints.append(Constraint("primary key", "" if name == "PRIMARY" else name, columns, "", comment))
        elif kind in ("UNIQUE", "UNIQUE KEY"):
            table.unique.append(columns)
            table.constraints.append(Constraint("unique", name, columns, "", comment))
        elif kind == "CHECK":
            rule = re.sub(r"^CHECK\s*", "", str(constraint.get("def") or ""), flags=re.IGNORECASE)
            table.constraints.append(Constraint("check", name, columns, rule, comment))
        elif kind == "FOREIGN KEY":
            there = tuple(map(str, constraint.get("referenced_columns") or ()))
            referred = _key(str(constraint.get("referenced_table") or ""), current)
            table.foreign_keys.append(ForeignKey(columns, referred, there, name, comment))
    return table


def _column(found: Mapping[str, Any], schema: str, enums: Mapping[str, tuple[str, ...]]) -> Column:
    type_, extra = str(found.get("type") or ""), str(found.get("extra_def") or "")
    generated = _GENERATED.fullmatch(extra.strip())
    nullable = found.get("nullable")
    default = found.get("default")
    return Column(
        name=str(found.get("name") or ""),
        type=type_,
        nullable=nullable if isinstance(nullable, bool) else None,
        comment=str(found.get("comment") or ""),
        default="" if default is None else str(default),
        generated=generated["expression"] if generated else "",
        identity="by default" if "auto_increment" in extra.lower() else "",
        values=values_of_type(type_) or enums.get(type_) or enums.get(f"{schema}.{type_}", ()),
    )


def _add_relation(relation: Mapping[str, Any], tables: Mapping[str, Table], current: str) -> None:
    """Add what no constraint says: relations that tbls was told of, or worked out from names."""
    table = tables.get(str(relation.get("table")))
    if table is None:
        return
    columns = tuple(map(str, relation.get("columns") or ()))
    referred = _key(str(relation.get("parent_table") or ""), current)
    if any((one.columns, one.referred) == (columns, referred) for one in table.foreign_keys):
        return
    table.foreign_keys.append(
        ForeignKey(
            columns,
            referred,
            tuple(map(str, relation.get("parent_columns") or ())),
            type=_TYPES.get(str(relation.get("cardinality")), ""),
        )
    )
