"""Journeys: the requests that brought an item's answers."""

from __future__ import annotations

from dataclasses import dataclass

from batch_manager.store.database import translated
from batch_manager.store.dialect import Database


@dataclass(frozen=True, slots=True)
class Travelled:
    """A request that an item's text was sent with.

    Attributes:
        batch: Its batch's number in the run; `tried` says which request for that batch it was.
        inputs: Texts in it.
        sent_at: ISO 8601, UTC.
    """

    run_id: int
    batch: int
    tried: int
    inputs: int
    sent_at: str


def travelled(database: Database, item_id: int, space_id: int) -> tuple[Travelled, ...]:
    """The requests that the answers of an item came with, in this space, oldest first; its parts may have several."""
    with translated():
        rows = database.execute_sql(
            "SELECT DISTINCT r.id, r.run_id, r.batch, r.try, r.inputs, r.sent_at FROM part p"
            " JOIN answer a ON a.text_id = p.text_id AND a.space_id = ? JOIN request r ON r.id = a.request_id"
            " WHERE p.item_id = ? ORDER BY r.id",
            [space_id, item_id],
        ).fetchall()
    return tuple(Travelled(*row[1:]) for row in rows)
