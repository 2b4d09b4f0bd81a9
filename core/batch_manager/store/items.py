"""Items as they are shown: counted, listed, looked at, skipped. No list of theirs is ever read whole."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from batch_manager.documents import Document, Kind, merge, text_hash
from batch_manager.store.database import translated
from batch_manager.store.dialect import AMONG, Database
from batch_manager.store.failures import (
    FailureGroup,
    failed_ids,
    failure_groups,
    failure_records,
)
from batch_manager.store.findings import Finding, findings, findings_of, same_words_as, saved_tokens, with_findings
from batch_manager.store.item_row import ROW, Counts, ItemDetail, ItemRow, PartRow, detail_of, read_document
from batch_manager.store.joins import joins
from batch_manager.store.listing import STATUSES, ItemFilter, Status, ids_of, place_of
from batch_manager.store.scopes import AWAITED
from batch_manager.store.strangers import Strangers, nearest_of, strangers_kept

if TYPE_CHECKING:
    from batch_manager.sources import Source
    from batch_manager.sources.watch import Watch
    from batch_manager.store.intake import Brought

__all__ = ["STATUSES", "Counts", "ItemDetail", "ItemFilter", "ItemRow", "Items", "PartRow", "Status"]

EVERY = ItemFilter()
"""All items, in the order in which they came."""


class Items:
    """Queries and small changes on items."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def counts(self) -> Counts:
        """Items by kind and status."""
        # One walk along an index that has the stages in order; grouping by kind as well would have to sort.
        rows = self._all("SELECT stage, count(*), count(*) FILTER (WHERE kind = 'table') FROM item GROUP BY stage")
        by: dict[tuple[str, str], int] = {}
        for stage, number, tables in rows:
            status = "pending" if stage == "answered" else stage
            for kind, of_kind in (("table", tables), ("relationship", number - tables)):
                if of_kind and stage != "gone":
                    by[kind, status] = by.get((kind, status), 0) + of_kind
        return Counts(by)

    def ids(self, wanted: ItemFilter = EVERY) -> array[int]:
        """Ids of the items that fit, in order; 8 bytes each."""
        return ids_of(self._db, wanted)

    def first_ids(self, wanted: ItemFilter, limit: int, start: int = 0) -> array[int]:
        """Some of `ids`, from a place on, much sooner: what a list shows while the others are read (`ids_of`)."""
        return ids_of(self._db, wanted, limit, start)

    def place(self, wanted: ItemFilter, item_id: int) -> int | None:
        """Where an item stands in `ids`, or would stand (`place_of`)."""
        return place_of(self._db, wanted, item_id)

    def rows(self, ids: Sequence[int]) -> list[ItemRow]:
        """The rows of these ids, in this order; ids that are gone are left out."""
        found = self._all(f"SELECT {ROW}, {AWAITED} FROM item WHERE id {AMONG}", [json.dumps(list(ids))])
        by_id = {row[0]: ItemRow(*row) for row in found}
        return [by_id[one] for one in ids if one in by_id]

    def find(self, kind: Kind, name: str) -> int | None:
        """The id of an item, by its exact name."""
        if not text_hash(name) or self._db.dialect.refusal(Document(kind, name)):
            return None  # half a character can't be kept in a column, so nothing has such a name
        row = self._one("SELECT id FROM item WHERE kind = ? AND name = ?", [kind, name])
        return None if row is None else int(row[0])

    def detail(self, item_id: int) -> ItemDetail | None:
        """All that is known of an item; None when it is gone."""
        with translated():
            return detail_of(self._db, item_id)

    def mean_bytes(self) -> float:
        """UTF-8 bytes of an item's text, on average."""
        return float(self._one("SELECT coalesce(avg(bytes), 0) FROM item WHERE stage != 'gone'", [])[0])

    def failures(self, limit: int = 1000) -> list[ItemRow]:
        """Failed items, oldest first."""
        rows = self._all(f"SELECT {ROW} FROM item WHERE stage = 'failed' ORDER BY id LIMIT ?", [limit])
        return [ItemRow(*row) for row in rows]

    def failure_groups(self) -> list[FailureGroup]:
        """All failed items by cause, the largest group first."""
        return failure_groups(self._db)

    def failed_ids(self, code: str | None = None) -> array[int]:
        """Ids of the failed items, of one cause where it is given."""
        return failed_ids(self._db, code)

    def retryable(self) -> int:
        """Failed items that trying again may cure: not what can't be sent, nor what was refused for good."""
        curable = "SELECT count(*) FROM item WHERE stage = 'failed' AND problem IS NULL AND NOT lasting"
        return int(self._one(curable, [])[0])

    def failure_records(self, ids: Sequence[int]) -> Iterator[Mapping[str, object]]:
        """The failed ones of these items, each with its reason, as rows for a file."""
        return failure_records(self._db, ids)

    def findings(self) -> tuple[Finding, ...]:
        """What would make wasted embeddings, by sort; only sorts that some item has."""
        return findings(self._db)

    def findings_of(self, item_id: int) -> tuple[str, ...]:
        """The codes of an item's own findings, without those for which all texts have to be compared."""
        return findings_of(self._db, item_id)

    def same_words_as(self, item_id: int) -> str | None:
        """The name of the first item that has the very words of this one; all texts are compared."""
        return same_words_as(self._db, item_id)

    def with_findings(self, *, payable: bool = False) -> int:
        """Items that have any finding; `payable` only those that are pending and can be sent."""
        return with_findings(self._db, payable=payable)

    def strangers(self) -> Strangers:
        """Words that are kept and speak of nothing that is there."""
        with translated():
            return strangers_kept(self._db)

    def nearest(self, kind: Kind, name: str) -> str | None:
        """The scanned name that may have been meant by one that no scanned database has."""
        with translated():
            return nearest_of(self._db, kind, name)

    def saved_tokens(self, code: str, space_id: int) -> int:
        """Tokens that needn't be sent when the pending items with this finding are left out."""
        return saved_tokens(self._db, code, space_id)

    def unsendable(self, limit: int = 1000) -> list[ItemRow]:
        """Pending or failed items that can't be sent, oldest first."""
        rows = self._all(
            f"SELECT {ROW} FROM item WHERE problem IS NOT NULL AND stage IN ('pending', 'failed') ORDER BY id LIMIT ?",
            [limit],
        )
        return [ItemRow(*row) for row in rows]

    def of_run(self, run_id: int) -> Iterator[tuple[Kind, str, str, str | None, str | None, str | None]]:
        """(kind, name, stage, code, message, next step) of each item that belongs to a run."""
        yield from self._cursor(
            "SELECT kind, name, stage, code, message, next_step FROM item WHERE run_id = ? ORDER BY id", [run_id]
        )

    def indexed(self, kind: Kind, after: int, limit: int) -> list[tuple[int, str, int]]:
        """(id, name, parts) of indexed items of a kind, a page at a time."""
        return self._all(
            "SELECT id, name, indexed_parts FROM item WHERE kind = ? AND stage = 'indexed' AND id > ?"
            " ORDER BY id LIMIT ?",
            [kind, after, limit],
        )

    def part_hashes(self, item_id: int) -> list[tuple[int, str]]:
        """(part's number, hash of its text) of an item."""
        return self._all(
            "SELECT p.no, t.hash FROM part p JOIN text t ON t.id = p.text_id WHERE p.item_id = ? ORDER BY p.no",
            [item_id],
        )

    def indexed_ids(self, kind: Kind, names: Sequence[str]) -> dict[str, int]:
        """Parts in the index, of each of these names that has any."""
        rows = self._all(
            "SELECT name, indexed_parts FROM item WHERE kind = ? AND indexed_parts > 0"
            " AND name IN (SELECT value FROM json_each(?))",
            [kind, json.dumps(list(names))],
        )
        return dict(rows)

    def joins(self, table: str) -> list[Document]:
        """The relationships that a table takes part in, in the order in which they came."""
        return joins(self._db, table)

    def documents(self) -> Iterator[Document]:
        """Every item's document, structure and words joined, in the order in which they came."""
        for structure, words in self._cursor(
            "SELECT structure, words FROM item JOIN brought ON item_id = id WHERE stage != 'gone' ORDER BY id", []
        ):
            yield merge(read_document(structure), read_document(words))

    def pending(self, kind: Kind) -> Iterator[tuple[int, str, Document]]:
        """(id, name, document) of each pending item of that kind."""
        rows = self._cursor(
            "SELECT id, name, structure, words FROM item JOIN brought ON item_id = id"
            " WHERE kind = ? AND stage IN ('pending', 'answered')"
            " ORDER BY id",
            [kind],
        )
        for item_id, name, structure, words in rows:
            yield item_id, name, merge(read_document(structure), read_document(words))

    def skippable(self, ids: Sequence[int]) -> list[int]:
        """Those of these items that can be left out."""
        return self._among("stage IN ('pending', 'failed')", ids)

    def skipped_among(self, ids: Sequence[int]) -> list[int]:
        """Those of these items that are left out."""
        return self._among("stage = 'skipped'", ids)

    def skip(self, ids: Sequence[int]) -> int:
        """Leave items out by the user's choice; indexed ones stay. Returns how many changed."""
        return self._change(
            f"UPDATE item SET stage = 'skipped' WHERE stage IN ('pending', 'failed') AND id {AMONG}",
            [json.dumps(list(ids))],
        )

    def unskip(self, ids: Sequence[int]) -> int:
        """Take items in again as what they were: failed with their reason, or pending. Returns how many changed."""
        return self._change(
            "UPDATE item SET stage = CASE WHEN code IS NULL THEN 'pending' ELSE 'failed' END"
            f" WHERE stage = 'skipped' AND id {AMONG}",
            [json.dumps(list(ids))],
        )

    def bring(
        self,
        source: Source,
        watch: Watch | None = None,
        *,
        whole: bool = False,
        agree_gone: bool = False,
        same_as: str | None = None,
    ) -> Brought:
        """Compare a source with what is kept, and keep what is new (see `intake.bring`)."""
        from batch_manager.store.intake import bring

        return bring(self._db, source, watch, whole=whole, agree_gone=agree_gone, same_as=same_as)

    def plan(self, source: Source, *, whole: bool = False) -> Brought:
        """What `bring` would change; nothing is kept (see `intake.foresee`)."""
        from batch_manager.store.intake import foresee

        return foresee(self._db, source, whole=whole)

    def _among(self, condition: str, ids: Sequence[int]) -> list[int]:
        rows = self._all(
            f"SELECT id FROM item WHERE {condition} AND id {AMONG} ORDER BY id",
            [json.dumps(list(ids))],
        )
        return [row[0] for row in rows]

    def _cursor(self, sql: str, values: Sequence[Any]) -> Iterator[Any]:
        with translated():
            yield from self._db.stream(sql, values)

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with translated():
            return list(self._db.execute_sql(sql, values).fetchall())

    def _one(self, sql: str, values: Sequence[Any]) -> Any:
        with translated():
            return self._db.execute_sql(sql, values).fetchone()

    def _change(self, sql: str, values: Sequence[Any]) -> int:
        with translated():
            return int(self._db.execute_sql(sql, values).rowcount)
