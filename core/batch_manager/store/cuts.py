"""Cuts: answers of a model's shorter vectors that are to be had, for $0, from longer ones that were paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from batch_manager.quote import Space
from batch_manager.store.database import translated
from batch_manager.store.dialect import Database


@dataclass(frozen=True, slots=True)
class Longer:
    """An answer that a shorter one can be cut from."""

    text_id: int
    request_id: int | None
    vector: bytes


class Cuts:
    """Questions about longer answers, and the keeping of what was cut from them."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def longer(self, space: Space) -> list[int]:
        """Ids of the spaces of the same model and server with longer vectors, the longest first."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT id FROM space WHERE provider = ? AND server = ? AND model = ? AND dimensions > ?"
                " ORDER BY dimensions DESC",
                (space.provider, space.server, space.model, space.dimensions or 0),
            ).fetchall()
        return [int(row[0]) for row in rows]

    def waiting(self, longer_id: int, space_id: int, after: int, limit: int) -> list[Longer]:
        """The next longer answers of texts that some item has, and that have no answer in the space itself."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT a.text_id, a.request_id, a.vector FROM answer a WHERE a.space_id = ? AND a.text_id > ?"
                " AND NOT EXISTS (SELECT 1 FROM answer b WHERE b.text_id = a.text_id AND b.space_id = ?)"
                " AND EXISTS (SELECT 1 FROM part p WHERE p.text_id = a.text_id) ORDER BY a.text_id LIMIT ?",
                (longer_id, after, space_id, limit),
            ).fetchall()
        return [Longer(*row) for row in rows]

    def keep(self, space_id: int, cut: Sequence[tuple[int, int | None, bytes]]) -> None:
        """Keep (text, request that the longer one came with, vector), all or none."""
        with translated(), self._db.atomic("IMMEDIATE"):
            for text_id, request_id, vector in cut:
                self._db.execute_sql(
                    "INSERT INTO answer (text_id, space_id, request_id, vector) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (text_id, space_id) DO NOTHING",
                    (text_id, space_id, request_id, vector),
                )
