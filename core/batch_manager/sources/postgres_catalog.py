"""What PostgreSQL knows of its tables, in five statements for any number of them.

Read from the system catalogs (PostgreSQL manual, "System Catalogs"), in one snapshot. Types are `format_type`'s, so
those of extensions keep their own words (`vector(1536)`, `geometry(Point,4326)`). A partition is a part of its table
and no table of its own. Needs PostgreSQL 12 (`attgenerated`); what is older or only similar is left to the inspector.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from batch_manager.documents import Column, Constraint
from batch_manager.sources.structure import (
    FOREIGN_TABLE,
    MATERIALIZED_VIEW,
    PARTITIONED_TABLE,
    VIEW,
    ForeignKey,
    Table,
)
from batch_manager.sources.watch import Watch

if TYPE_CHECKING:
    from sqlalchemy import Connection

_FORMS = {"r": "", "p": PARTITIONED_TABLE, "f": FOREIGN_TABLE, "v": VIEW, "m": MATERIALIZED_VIEW}
_IDENTITY = {"a": "always", "d": "by default"}

_WANTED = """
    wanted AS MATERIALIZED (
        SELECT c.oid, n.nspname, c.relname, c.relkind
        FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY (:schemas) AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND NOT c.relispartition
            AND NOT EXISTS (  -- an extension's own tables are not the user's
                SELECT 1 FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                    AND d.objid = c.oid AND d.deptype = 'e')
    )
"""

_RELATIONS = f"""
    WITH {_WANTED}
    SELECT w.oid, w.nspname, w.relname, w.relkind::text, d.description
    FROM wanted AS w LEFT JOIN pg_catalog.pg_description AS d
        ON d.objoid = w.oid AND d.objsubid = 0 AND d.classoid = 'pg_catalog.pg_class'::regclass
"""

_COLUMNS = f"""
    WITH {_WANTED}
    SELECT a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
        NOT (a.attnotnull OR coalesce(t.typnotnull, false)),
        pg_catalog.pg_get_expr(f.adbin, f.adrelid), a.attgenerated::text, a.attidentity::text, a.atttypid, d.description
    FROM wanted AS w
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
        LEFT JOIN pg_catalog.pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum AND a.atthasdef
        LEFT JOIN pg_catalog.pg_description AS d
            ON d.objoid = a.attrelid AND d.objsubid = a.attnum AND d.classoid = 'pg_catalog.pg_class'::regclass
    ORDER BY a.attrelid, a.attnum
"""

_CONSTRAINTS = f"""
    WITH {_WANTED}
    SELECT k.conrelid, k.conname, k.contype::text,
        ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u (num, place)
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.place),
        rn.nspname, r.relname,
        ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS u (num, place)
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.place),
        CASE WHEN k.contype = 'c' THEN pg_catalog.pg_get_expr(k.conbin, k.conrelid, true) END, d.description
    FROM wanted AS w
        JOIN pg_catalog.pg_constraint AS k ON k.conrelid = w.oid AND k.contype IN ('p', 'u', 'c', 'f')
        LEFT JOIN pg_catalog.pg_class AS r ON r.oid = k.confrelid AND k.contype = 'f'
        LEFT JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
        LEFT JOIN pg_catalog.pg_description AS d
            ON d.objoid = k.oid AND d.classoid = 'pg_catalog.pg_constraint'::regclass
    WHERE NOT (k.contype = 'f' AND k.conparentid <> 0)  -- one more for each partition of what is pointed at
    ORDER BY k.conrelid, k.conname
"""

_INDEXES = f"""
    WITH {_WANTED}
    SELECT i.indrelid, ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY AS u (num, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.num
        WHERE u.place <= i.indnkeyatts ORDER BY u.place)
    FROM wanted AS w JOIN pg_catalog.pg_index AS i ON i.indrelid = w.oid
    WHERE i.indisunique AND NOT i.indisprimary AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid
    ORDER BY i.indrelid, i.indexrelid
"""

_ENUMS = """
    SELECT e.enumtypid AS type, e.enumlabel, e.enumsortorder FROM pg_catalog.pg_enum AS e
    UNION ALL  -- and domains over them
    SELECT t.oid, e.enumlabel, e.enumsortorder
    FROM pg_catalog.pg_enum AS e JOIN pg_catalog.pg_type AS t ON t.typbasetype = e.enumtypid
    ORDER BY 1, 3
"""


def read_tables(connection: Connection, schemas: Sequence[str], watch: Watch) -> list[Table]:
    """Read the tables of some schemas.

    Raises:
        SQLAlchemyError: The server has other catalogs, or can't be read.
    """
    from sqlalchemy import text

    def ask(statement: str, what: str) -> Any:
        watch.step(f"{what} …")
        return connection.execute(text(statement), {"schemas": list(schemas)} if ":schemas" in statement else {})

    by_oid = {
        oid: Table((schema, name), _FORMS[kind], comment=comment or "")
        for oid, schema, name, kind, comment in ask(_RELATIONS, "tables")
    }
    enums: dict[int, list[str]] = defaultdict(list)
    for oid, label, _ in ask(_ENUMS, "enums"):
        enums[oid].append(label)
    values = {oid: tuple(labels) for oid, labels in enums.items()}
    columns = ask(_COLUMNS, f"columns of {len(by_oid):,} tables")
    for oid, name, type_, nullable, expression, generated, identity, type_oid, comment in columns:
        if oid in by_oid:
            by_oid[oid].columns.append(
                Column(
                    name=name,
                    type=type_,
                    nullable=nullable,
                    comment=comment or "",
                    default="" if generated else expression or "",
                    generated=(expression or "") if generated else "",
                    identity=_IDENTITY.get(identity, ""),
                    values=values.get(type_oid, ()),
                )
            )
    for row in ask(_CONSTRAINTS, "keys and constraints"):
        if row[0] in by_oid:
            _add_constraint(by_oid[row[0]], row)
    for oid, indexed in ask(_INDEXES, "indexes"):
        if oid in by_oid and tuple(indexed) not in by_oid[oid].unique:
            by_oid[oid].unique.append(tuple(indexed))
    return list(by_oid.values())


def _add_constraint(table: Table, row: Any) -> None:
    _, name, kind, columns, schema, referred, referred_columns, expression, comment = row
    own = tuple(columns)
    if kind == "f":
        table.foreign_keys.append(
            ForeignKey(own, (schema, referred), tuple(referred_columns), name=name, comment=comment or "")
        )
    elif kind == "c":
        table.constraints.append(Constraint("check", name, own, expression or "", comment or ""))
    elif kind == "u":
        table.unique.append(own)
        table.constraints.append(Constraint("unique", name, own, comment=comment or ""))
    else:
        table.primary_key = own
        table.constraints.append(Constraint("primary key", name, own, comment=comment or ""))
