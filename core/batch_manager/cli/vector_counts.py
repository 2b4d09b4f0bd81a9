"""How many vectors the index has, told without waking Chroma where that is possible.

Opening an embedded Chroma takes a second and rewrites files of its folder (1.5.9, tried), and a status must write
nothing. Its SQLite file knows the rows of each collection as soon as they are written.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from batch_manager.documents import KINDS, Kind
from batch_manager.vectors import COLLECTIONS

if TYPE_CHECKING:
    from batch_manager.cli.opening import Look

ROWS = (
    "SELECT c.name, count(e.id) FROM collections c JOIN segments s ON s.collection = c.id AND s.scope = 'METADATA'"
    " LEFT JOIN embeddings e ON e.segment_id = s.id GROUP BY c.name"
)
"""Rows of each collection in Chroma's own schema (1.x)."""


def vector_counts(look: Look) -> dict[Kind, int]:
    """Vectors in each collection; an index that was never made counts 0 and is left unmade.

    Raises:
        VectorStoreError: Chroma doesn't answer, or its folder can't be read.
    """
    if look.settings.chroma_url is not None:
        return look.engine.index.counts()
    database = look.settings.vectors_directory / "chroma.sqlite3"
    if not database.exists():
        return dict.fromkeys(KINDS, 0)
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            rows = dict(connection.execute(ROWS).fetchall())
    except sqlite3.Error:  # damaged, locked or of another version: Chroma itself can say more
        return look.engine.index.counts()
    return {kind: int(rows.get(COLLECTIONS[kind], 0)) for kind in KINDS}
