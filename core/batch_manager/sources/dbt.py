"""dbt's manifest.json: models, seeds, snapshots and sources, with what is said of them and what joins them.

Read as dbt-core 1.5 to 1.11 write it (schemas.getdbt.com, manifest versions 9 to 12). Tables are called by the name
that they have in the database (alias or identifier), so that they meet a scan; ephemeral models have none, and are
left out. Relationship tests and foreign key constraints both say what joins to what: of two that say the same, the
constraint counts. `catalog.json` beside the manifest adds the columns and types that the database really has.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from batch_manager.documents import Column, Constraint
from batch_manager.errors import InputError
from batch_manager.sources import Found, Unreadable
from batch_manager.sources.json_walk import walk
from batch_manager.sources.opening import Bytes
from batch_manager.sources.shown import shown
from batch_manager.sources.structure import MATERIALIZED_VIEW, VIEW, ForeignKey, Table, documents

VERSIONS = range(9, 13)
"""Versions of the manifest that are read."""

_RELATIONS = ("model", "seed", "snapshot", "source")
_FORMS = {"view": VIEW, "materialized_view": MATERIALIZED_VIEW}
_REF = re.compile(r"""\s*(ref|source)\s*\(\s*['"]([^'"]+)['"](?:\s*,\s*['"]([^'"]+)['"])?""")
_POINTS_AT = re.compile(r"\s*(?:references\s+)?(?P<table>[^()]+?)\s*\((?P<columns>[^()]*)\)", re.IGNORECASE)
_KINDS = {"unique": "unique", "check": "check", "primary_key": "primary key"}


@dataclass(slots=True)
class _Relation:
    """A node that is a table in the database."""

    uid: str
    name: str
    table: Table
    database: str
    relation_name: str
    in_target_schema: bool
    points_at: list[tuple[tuple[str, ...], str, tuple[str, ...], str]] = field(default_factory=list)
    """(columns, what it points at, columns there, name) of each foreign key constraint."""


@dataclass(frozen=True, slots=True)
class _Test:
    """A generic test; `uid` is the table that it is about, where the manifest says so."""

    kind: str
    uid: str | None
    arguments: Mapping[str, Any]
    column: str
    depends_on: tuple[str, ...]
    description: str


def read_manifest(chunks: Iterator[bytes], title: str, beside: Path | None) -> Iterator[Found | Unreadable]:
    """Yield the tables by name, then the relationships by name.

    Args:
        chunks: The manifest.
        title: What to call it.
        beside: Where `catalog.json` would be; it need not be there.

    Raises:
        InputError: `unknown_version`, `not_documentation` (another file of dbt's), or what `walk` raises.
    """
    relations: dict[str, _Relation] = {}
    tests: list[_Test] = []
    version = None
    for section, key, value in walk(chunks, title):
        if section == "metadata" and key == "dbt_schema_version":
            version = _version(value, title)
        elif section in ("nodes", "sources") and isinstance(value, dict):
            if value.get("resource_type") in _RELATIONS:
                if relation := _relation(str(key), value):
                    relations[relation.uid] = relation
            elif value.get("resource_type") == "test" and (test := _test(value)):
                tests.append(test)
    if version is None:
        raise InputError(
            f"{title} doesn't say which version of dbt's manifest it is.",
            next_step="Give the manifest.json that dbt writes into target/.",
            code="not_documentation",
        )
    if not relations:
        raise InputError(
            f"{title} has no models, seeds, snapshots or sources.",
            next_step="Check that it is the right project's manifest.json.",
            code="empty_file",
        )
    if beside is not None and beside.is_file():
        yield from _add_catalog(relations, beside)
    _qualify(relations)
    _link(relations, tests)
    default = next((one.table.key[0] for one in relations.values() if one.in_target_schema), "")
    yield from documents((one.table for one in relations.values()), default)


def _version(value: Any, title: str) -> int:
    words = str(value)
    match = re.fullmatch(r".*/dbt/([\w-]+)/v(\d+)\.json", words)
    if match is None or match[1] != "manifest":
        what = f"dbt's {shown(match[1], 40)}" if match else "a file of dbt's of an unknown kind"
        raise InputError(
            f"{title} is {what} and not its manifest.",
            next_step="Give the manifest.json beside it; a catalog.json there is read with it.",
            code="not_documentation",
        )
    if int(match[2]) not in VERSIONS:
        raise InputError(
            f"{title} is version {match[2]} of dbt's manifest; versions {VERSIONS[0]} to {VERSIONS[-1]} are read.",
            next_step="Have dbt-core 1.5 or later write it again (dbt parse), or update this program.",
            code="unknown_version",
        )
    return int(match[2])


def _relation(uid: str, node: Mapping[str, Any]) -> _Relation | None:
    config = _mapping(node.get("config"))
    if config.get("materialized") == "ephemeral":
        return None
    name = str(node.get("identifier") or node.get("alias") or node.get("name") or "")
    table = Table(
        (str(node.get("schema") or ""), name),
        _FORMS.get(str(config.get("materialized")), ""),
        documentation=str(node.get("description") or ""),
        where=shown(uid),
    )
    relation = _Relation(
        uid=uid,
        name=str(node.get("name") or ""),
        table=table,
        database=str(node.get("database") or ""),
        relation_name=str(node.get("relation_name") or ""),
        in_target_schema=node.get("resource_type") == "model" and not config.get("schema"),
    )
    for key, column in _mapping(node.get("columns")).items():
        facts = _mapping(column)
        column_name = str(facts.get("name") or key)
        constraints = [_mapping(one) for one in facts.get("constraints") or ()]
        table.columns.append(
            Column(
                column_name,
                type=str(facts.get("data_type") or ""),
                nullable=False if any(one.get("type") == "not_null" for one in constraints) else None,
                comment=str(facts.get("description") or ""),
            )
        )
        for one in constraints:
            _add_constraint(relation, one, (column_name,))
    for one in node.get("constraints") or ():
        _add_constraint(relation, _mapping(one), tuple(map(str, _mapping(one).get("columns") or ())))
    return relation


def _add_constraint(relation: _Relation, constraint: Mapping[str, Any], columns: tuple[str, ...]) -> None:
    kind = str(constraint.get("type"))
    name, expression = str(constraint.get("name") or ""), str(constraint.get("expression") or "")
    if kind == "foreign_key":
        target = str(constraint.get("to") or "")
        there = tuple(map(str, constraint.get("to_columns") or ()))
        if not target and (match := _POINTS_AT.match(expression)):  # as it was written before dbt 1.9
            target = match["table"]
            there = tuple(_bare(one) for one in match["columns"].split(",") if one.strip())
        if target:
            relation.points_at.append((columns, target, there, name))
        return
    if kind == "primary_key":
        relation.table.primary_key = columns
    elif kind == "unique":
        relation.table.unique.append(columns)
    if kind in _KINDS:
        relation.table.constraints.append(
            Constraint(_KINDS[kind], name, columns, expression if kind == "check" else "")  # type: ignore[arg-type]
        )


def _test(node: Mapping[str, Any]) -> _Test | None:
    metadata = _mapping(node.get("test_metadata"))
    arguments = _mapping(metadata.get("kwargs"))
    return _Test(
        kind=str(metadata.get("name")),
        uid=str(node["attached_node"]) if node.get("attached_node") else None,
        # A manifest has the arguments beside each other; dbt 1.10 may keep them in a member of their own.
        arguments={**arguments, **_mapping(arguments.get("arguments"))},
        column=str(node.get("column_name") or arguments.get("column_name") or ""),
        depends_on=tuple(map(str, _mapping(node.get("depends_on")).get("nodes") or ())),
        description=str(node.get("description") or ""),
    )


def _add_catalog(relations: dict[str, _Relation], path: Path) -> Iterator[Unreadable]:
    source = Bytes(path)
    try:
        with source.chunks() as chunks:
            for section, uid, entry in walk(chunks, source.title):
                if section in ("nodes", "sources") and (relation := relations.get(str(uid))):
                    _add_entry(relation.table, _mapping(entry))
    except InputError as error:
        # What it would add is types; the words are all in the manifest.
        yield Unreadable(shown(path.name), error.message)


def _add_entry(table: Table, entry: Mapping[str, Any]) -> None:
    table.comment = str(_mapping(entry.get("metadata")).get("comment") or "")
    said = {column.name.lower(): column for column in table.columns}
    there = [_mapping(one) for one in _mapping(entry.get("columns")).values()]
    columns = []
    for facts in sorted(there, key=lambda one: one["index"] if isinstance(one.get("index"), int) else 0):
        name = str(facts.get("name") or "")
        known = said.pop(name.lower(), Column(name))
        comment = known.comment or str(facts.get("comment") or "")
        columns.append(replace(known, name=name, type=str(facts.get("type") or known.type), comment=comment))
    table.columns = [*(one for one in columns if one.name), *said.values()]


def _qualify(relations: dict[str, _Relation]) -> None:
    """Tell apart tables that differ by their database alone."""
    count = Counter(one.table.key for one in relations.values())
    for one in relations.values():
        if count[one.table.key] > 1:
            one.table.key = (f"{one.database}.{one.table.key[0]}", one.table.key[1])


def _link(relations: dict[str, _Relation], tests: list[_Test]) -> None:
    by_relation_name = {one.relation_name: one for one in relations.values() if one.relation_name}
    for relation in relations.values():
        for columns, target, there, name in relation.points_at:
            referred = by_relation_name.get(target) or _referred(target, relations.values())
            key = referred.table.key if referred else ("", _bare(target.rpartition(".")[2]))
            relation.table.foreign_keys.append(ForeignKey(columns, key, there, name))
    for test in tests:
        about = _about(test, relations)
        if about is None:
            continue
        table = about.table
        if test.kind == "relationships" and test.column:
            referred = _referred(
                str(test.arguments.get("to")), (relations[uid] for uid in test.depends_on if uid in relations)
            )
            if referred is None:
                continue
            there = (str(test.arguments.get("field")),) if test.arguments.get("field") else ()
            known = {(one.columns, one.referred) for one in table.foreign_keys}
            if ((test.column,), referred.table.key) not in known:
                table.foreign_keys.append(
                    ForeignKey((test.column,), referred.table.key, there, comment=test.description)
                )
        elif test.kind == "unique" and test.column:
            table.unique.append((test.column,))
        elif test.kind == "unique_combination_of_columns":  # of the package dbt_utils
            table.unique.append(tuple(map(str, test.arguments.get("combination_of_columns") or ())))
        elif test.kind == "not_null" and test.column:
            table.columns = [replace(one, nullable=False) if one.name == test.column else one for one in table.columns]
        elif test.kind == "accepted_values":
            values = tuple(map(_text, test.arguments.get("values") or ()))
            table.columns = [replace(one, values=values) if one.name == test.column else one for one in table.columns]


def _about(test: _Test, relations: dict[str, _Relation]) -> _Relation | None:
    if test.uid:
        return relations.get(test.uid)
    # Tests of sources aren't attached: of what they depend on, the table is the one that they don't point at.
    there = [relations[uid] for uid in test.depends_on if uid in relations]
    pointed = _referred(str(test.arguments.get("to")), there) if test.kind == "relationships" else None
    others = [one for one in there if one is not pointed]
    if others:
        return others[0] if len(others) == 1 else None
    return pointed if len(test.depends_on) == 1 else None  # a table that points at itself


def _referred(written: str, among: Any) -> _Relation | None:
    """What `ref('x')`, `ref('package', 'x')` or `source('a', 'x')` means."""
    match = _REF.match(written)
    if match is None:
        return None
    name = match[3] or match[2]
    found = [one for one in among if one.name == name and (match[1] == "source") == one.uid.startswith("source.")]
    if len(found) > 1:  # the same name in two packages, or in two sources
        found = [one for one in found if f".{match[2]}." in one.uid]
    return found[0] if found else None


def _bare(name: str) -> str:
    return name.strip().strip('"`[]')


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
