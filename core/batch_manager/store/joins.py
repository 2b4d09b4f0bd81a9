"""Joins: the relationships that a table takes part in."""

from __future__ import annotations

import json

from batch_manager.documents import Document, merge
from batch_manager.store.database import translated
from batch_manager.store.dialect import Database
from batch_manager.store.item_row import read_document


def joins(database: Database, table: str) -> list[Document]:
    """Documents of the relationships with this table at either end, in the order in which they came."""
    # The payloads are JSON with the two names in an array; ASCII escapes make the name's own text comparable.
    part = f"%{_escaped(json.dumps(table))}%"
    with translated():
        rows = database.execute_sql(
            "SELECT structure, words FROM item JOIN brought ON item_id = id"
            " WHERE kind = 'relationship' AND stage != 'gone'"
            " AND (structure LIKE ? ESCAPE '!' OR words LIKE ? ESCAPE '!') ORDER BY id",
            (part, part),
        ).fetchall()
    found = (merge(*map(read_document, row)) for row in rows)
    return [document for document in found if table in document.tables]


def _escaped(text: str) -> str:
    for sign in "!%_":
        text = text.replace(sign, f"!{sign}")
    return text
