"""Staging: what a source brings is read once, compared with what is kept, counted, and laid ready in temporary tables.

Nothing of the store changes here, so that a source that breaks off has changed nothing. What is laid ready is taken
in by `intake`, in SQL alone.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from batch_manager.documents import Document, from_payload, merge, payload_text, render
from batch_manager.ellipsis import cut
from batch_manager.sources import Found, Source, Unreadable
from batch_manager.sources.watch import Watch
from batch_manager.store.dialect import Database
from batch_manager.store.names import Names
from batch_manager.store.places import schema_of
from batch_manager.store.staged import Fate, Row, empty, lay_ready
from batch_manager.store.strangers import StrangeColumns
from batch_manager.store.words import words_of
from batch_manager.tokens import split_texts

Key = tuple[str, str]
"""An item's kind and name."""

CHUNK = 500
"""Documents that are held at a time."""

GROUP = 250
"""Keys that are asked for at once; SQLite takes some hundred of values, and finds no plan for very many."""

AHEAD = 2
"""Chunks whose tokens are counted, in a thread beside, while the next one is read."""

LONG = 60
"""Characters of a name that a message repeats."""

KEPT_MESSAGES = 200
"""Bad lines and warnings that are kept whole; more of them are only counted."""


@dataclass(slots=True)
class _Chunk:
    """Documents that were compared, while the tokens of their texts are counted; texts are by `seq`."""

    rows: dict[Key, Row]
    texts: dict[int, str]
    counts: Future[list[list[tuple[str, int]]]] | None = None


class Staging:
    """One reading of one source.

    Attributes:
        bad: What could not be read; the first of `bad_count`.
        warnings: Items that stand twice; the first of them.
        spared: Tables that are there and could not be read.
        strange_columns: Columns that words speak of and their tables haven't.
        is_whole: Whether all that could not be read is known by name, so that the rest can be counted on.
    """

    def __init__(self, database: Database, source: Source, names: Names) -> None:
        self._names = names
        self._db = database
        self._source = source
        self._side = "structure" if source.brings == "structure" else "words"
        self._seq = 0
        self._counting: deque[_Chunk] = deque()
        self.bad: list[Unreadable] = []
        self.bad_count = 0
        self.warnings: list[str] = []
        self.spared: list[str] = []
        self.strange_columns = StrangeColumns()
        self.is_whole = True

    def read(self, watch: Watch) -> None:
        """Read the source to its end.

        Args:
            watch: Told once a chunk how many documents are through, and able to end it.

        Raises:
            InputError: The source as a whole can't be read.
            DeclinedError: The watch was told to stop.
        """
        empty(self._db)
        entries = iter(self._source.read())
        done = 0
        with ThreadPoolExecutor(1, "batch-manager-counter") as counter:
            while chunk := list(islice(entries, CHUNK)):
                found = self._sort_out(chunk)
                with self._db.atomic():
                    compared = self._compare(found)
                    if compared.texts:
                        # The counting needs no interpreter lock, so it goes on while the next chunk is read.
                        compared.counts = counter.submit(split_texts, list(compared.texts.values()))
                    self._counting.append(compared)
                    self._lay_ready(AHEAD)
                done += len(found)
                if found:
                    watch.step(f"{done:,} read")
            with self._db.atomic():
                self._lay_ready(0)

    def clear(self) -> None:
        """Nothing is laid ready any more."""
        empty(self._db)

    def _sort_out(self, chunk: Sequence[Found | Unreadable]) -> list[Found]:
        found = []
        for entry in chunk:
            if isinstance(entry, Found):
                if reason := self._db.dialect.refusal(entry.document):
                    self._refuse(entry, reason)
                else:
                    found.append(entry)
                continue
            self._note_bad(entry)
            if entry.table:
                self.spared.append(entry.table)
            else:
                self.is_whole = False
        return found

    def _refuse(self, entry: Found, reason: str) -> None:
        """What this store can't keep is told of like a line that can't be read, and nothing of it is changed."""
        document = entry.document
        place = entry.where or document.kind
        self._note_bad(Unreadable(place, f"{document.kind} {cut(document.name, LONG)!r}: {reason}"))
        if document.kind == "table" and not self._db.dialect.refusal(Document("table", document.name)):
            self.spared.append(document.name)

    def _note_bad(self, entry: Unreadable) -> None:
        self.bad_count += 1
        if len(self.bad) < KEPT_MESSAGES:
            self.bad.append(entry)

    def _compare(self, found: Sequence[Found]) -> _Chunk:
        """What becomes of these."""
        chunk = _Chunk({}, {})
        rows = chunk.rows
        documents = [self._names.told_apart(entry.document) for entry in found]
        keys = list({(document.kind, document.name) for document in documents})
        places = self._places(keys)
        kept = self._kept(keys)
        for entry, document in zip(found, documents, strict=True):
            key = (document.kind, document.name)
            if key in places:
                self._warn(key, places[key], entry.where)
            if key in rows:
                chunk.texts.pop(rows.pop(key).seq, None)
            places[key] = entry.where
            self._seq += 1
            row, text = self._judge(self._seq, document, entry.where, kept.get(key))
            rows[key] = row
            if text is not None:
                chunk.texts[row.seq] = text
        return chunk

    def _places(self, keys: Sequence[Key]) -> dict[Key, str]:
        """Where those of these stood that an earlier chunk has."""
        if self._seq == 0:
            return {}
        staged = self._in_groups(
            f"SELECT kind, name, place FROM asked {self._db.dialect.join} staged ON kind = k AND name = n", keys
        )
        places: dict[Key, str] = {(kind, name): place for kind, name, place in staged}
        for chunk in self._counting:
            places.update((key, chunk.rows[key].place) for key in keys if key in chunk.rows)
        return places

    def _kept(self, keys: Sequence[Key]) -> dict[Key, tuple[Any, ...]]:
        """What the store has of these: id, stage, hash of the text, problem, this side's payload, the other's."""
        other = "words" if self._side == "structure" else "structure"
        rows = self._in_groups(
            f"SELECT kind, name, id, stage, text_hash, problem, {self._side}, {other}"
            f" FROM asked {self._db.dialect.join} item ON kind = k AND name = n LEFT JOIN brought ON item_id = id",
            keys,
        )
        return {(row[0], row[1]): row[2:] for row in rows}

    def _in_groups(self, select: str, keys: Sequence[Key]) -> list[Any]:
        """The rows of these keys. One question for many of them is a fifth of the work of one for each."""
        rows: list[Any] = []
        for start in range(0, len(keys), GROUP):
            group = keys[start : start + GROUP]
            marks = ", ".join(["(?, ?)"] * len(group))
            values = [part for key in group for part in key]
            asked = f"WITH asked (k, n) AS (VALUES {marks}) {select}"
            rows += self._db.execute_sql(asked, values).fetchall()
        return rows

    def _warn(self, key: Key, earlier: str, later: str) -> None:
        if len(self.warnings) < KEPT_MESSAGES:
            self.warnings.append(f"{key[0]} {key[1]!r} stands twice: {earlier} and {later}; the later one counts.")

    def _judge(self, seq: int, document: Document, place: str, kept: tuple[Any, ...] | None) -> tuple[Row, str | None]:
        """Compare a document with the item of its name; with the text when it has to be counted."""
        payload = payload_text(document)
        item_id, stage, digest, problem, mine, theirs = kept or (None, "", None, None, None, None)
        if self._side == "words":
            self.strange_columns.look(document.name, theirs, payload)
        elif mine != payload:
            self.strange_columns.look(document.name, payload, theirs)
        # Words alone don't bring back what its database no longer has.
        back = stage == "gone" and (self._side == "structure" or theirs is None)
        if mine == payload:
            return Row(seq, document.kind, document.name, place, "same", item_id, back, payload), None
        whole = document
        if theirs:
            their = from_payload(json.loads(theirs))
            whole = merge(document, their) if self._side == "structure" else merge(their, document)
        rendered = render(whole)
        fate: Fate = "changed" if kept else "new"
        if kept and (digest, problem) == (rendered.hash, rendered.problem):
            fate = "reworded"
        row = Row(
            seq,
            document.kind,
            document.name,
            place,
            fate,
            item_id,
            back,
            payload,
            # A lone surrogate can't be kept in a column; the payload has it whole.
            whole.business_purpose.encode("utf-8", "replace").decode("utf-8"),
            " ".join(words_of(document.name)),
            schema_of(whole),
            rendered.hash,
            rendered.layout,
            rendered.problem,
        )
        return row, None if fate == "reworded" or rendered.problem else rendered.text

    def _lay_ready(self, ahead: int) -> None:
        """Stage what is counted, in the order in which it came, until so many chunks are still under way."""
        while len(self._counting) > ahead:
            chunk = self._counting.popleft()
            parts = dict(zip(chunk.texts, chunk.counts.result(), strict=True)) if chunk.counts else {}
            lay_ready(self._db, chunk.rows.values(), parts)
