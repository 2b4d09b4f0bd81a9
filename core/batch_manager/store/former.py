"""What a text was before it changed, for whoever wants to see the difference before paying for the new one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from batch_manager.store.dialect import Database, Dialect


@dataclass(frozen=True, slots=True)
class Former:
    """A former text; `indexed` when it was in the index, where it stays until the new one is."""

    text: str
    indexed: bool


def keep_former(changed: str, dialect: Dialect) -> Iterator[str]:
    """Statements that keep the texts of items that are about to get others; before anything of them is changed.

    One that is in the index is kept over those that came and went since. When the new text is the former one again,
    there is no difference any more. Pure.

    Args:
        changed: SQL that selects item_id and seq of the items that change, with their new parts in `staged_part`.
        dialect: Whose SQL.
    """
    # Each former text is looked at with its own item alone, and not with all that change: that would be their square.
    mine = f"({changed}) c {dialect.join} former_text f ON f.item_id = c.item_id"
    yield (
        f"DELETE FROM former_text WHERE item_id IN (SELECT f.item_id FROM {mine}"
        f" {dialect.join} item i ON i.id = c.item_id WHERE i.stage = 'indexed' OR NOT f.indexed)"
    )
    yield (
        # Parts in order, put together again: a long text is cut anywhere.
        "INSERT INTO former_text (item_id, body, indexed)"
        f" SELECT p.item_id, {dialect.put_together('p.body', 'p.no')}, max(p.stage) = 'indexed'"
        " FROM (SELECT part.item_id, part.no, t.body, i.stage FROM part JOIN text t ON t.id = part.text_id"
        f" JOIN item i ON i.id = part.item_id JOIN ({changed}) c ON c.item_id = part.item_id"
        " ORDER BY part.item_id, part.no) p GROUP BY p.item_id ON CONFLICT DO NOTHING"
    )
    yield (
        f"DELETE FROM former_text WHERE item_id IN (SELECT f.item_id FROM {mine}"
        f" WHERE f.body = (SELECT {dialect.put_together('n.body', 'n.no')}"
        " FROM (SELECT no, body FROM staged_part WHERE seq = c.seq ORDER BY no) n))"
    )


def former_of(database: Database, item_id: int) -> Former | None:
    """The text that an item had before its last change; None when nothing is known of one."""
    row = database.execute_sql("SELECT body, indexed FROM former_text WHERE item_id = ?", (item_id,)).fetchone()
    return None if row is None else Former(str(row[0]), bool(row[1]))
