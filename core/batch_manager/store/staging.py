"""Staging: what a source brings is read once, compared with what is kept, counted, and laid ready in temporary tables.

Nothing of the store changes here, so that a source that breaks off has changed nothing. What is laid ready is taken
in by `intake`, in SQL alone.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, Literal, NamedTuple

from batch_manager.documents import Document, from_payload, merge, render, text_hash, to_payload
from batch_manager.ellipsis import cut
from batch_manager.sources import Found, Source, Unreadable
from batch_manager.sources.watch import Watch
from batch_manager.store.dialect import Database, Differs
from batch_manager.store.names import Names
from batch_manager.store.places import schema_of
from batch_manager.store.strangers import StrangeColumns
from batch_manager.store.words import words_of
from batch_manager.tokens import split_texts

Fate = Literal["new", "changed", "reworded", "same"]
"""What becomes of an item: `reworded` has other words that make the same text, so there is nothing to send."""

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

TABLES = (
    # Where SQLite is built to write zeros over what is deleted, that is a tenth of an import; nobody sees this file.
    Differs("PRAGMA temp.secure_delete = 0"),
    """
    CREATE TEMP TABLE IF NOT EXISTS staged (
        seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, place TEXT NOT NULL, fate TEXT NOT NULL,
        item_id INTEGER, back INTEGER NOT NULL, payload TEXT NOT NULL, purpose TEXT NOT NULL, name_words TEXT NOT NULL,
        schema TEXT NOT NULL, text_hash TEXT, layout INTEGER, problem TEXT, UNIQUE (kind, name)
    )
    """,
    """
    CREATE TEMP TABLE IF NOT EXISTS staged_part (
        seq INTEGER NOT NULL, no INTEGER NOT NULL, hash TEXT NOT NULL, tokens INTEGER NOT NULL, bytes INTEGER NOT NULL,
        body TEXT NOT NULL, PRIMARY KEY (seq, no)
    ) WITHOUT ROWID
    """,
    "DELETE FROM staged",
    "DELETE FROM staged_part",
)


class _Row(NamedTuple):
    """A row of `staged`."""

    seq: int
    kind: str
    name: str
    place: str
    fate: Fate
    item_id: int | None
    back: bool
    payload: str
    purpose: str = ""
    name_words: str = ""
    schema: str = ""
    text_hash: str | None = None
    layout: int | None = None
    problem: str | None = None


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
        self._counting: deque[tuple[dict[int, tuple[str, str]], Future[list[list[tuple[str, int]]]]]] = deque()
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
        self._empty()
        entries = iter(self._source.read())
        done = 0
        with ThreadPoolExecutor(1, "batch-manager-counter") as counter:
            while chunk := list(islice(entries, CHUNK)):
                found = self._sort_out(chunk)
                with self._db.atomic():
                    texts = self._lay_ready(found)
                    if texts:
                        # The counting needs no interpreter lock, so it goes on while the next chunk is read.
                        future = counter.submit(split_texts, [text for text, _ in texts.values()])
                        self._counting.append((texts, future))
                    self._take_counts(AHEAD)
                done += len(found)
                if found:
                    watch.step(f"{done:,} read")
            with self._db.atomic():
                self._take_counts(0)

    def clear(self) -> None:
        """Nothing is laid ready any more."""
        self._empty()

    def _empty(self) -> None:
        for statement in TABLES:
            for one in self._db.dialect.ddl(statement):
                self._db.execute_sql(one)

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

    def _lay_ready(self, found: Sequence[Found]) -> dict[int, tuple[str, str]]:
        """Stage these; returns the texts to be counted with their hashes, by `seq`."""
        rows: dict[Key, _Row] = {}
        texts: dict[int, tuple[str, str]] = {}
        documents = [self._names.told_apart(entry.document) for entry in found]
        keys = list({(document.kind, document.name) for document in documents})
        places: dict[Key, str] = {(kind, name): place for kind, name, place in self._staged(keys)}
        kept = self._kept(keys)
        for entry, document in zip(found, documents, strict=True):
            key = (document.kind, document.name)
            if key in places:
                self._warn(key, places[key], entry.where)
            if key in rows:
                texts.pop(rows.pop(key).seq, None)
            places[key] = entry.where
            self._seq += 1
            row, text = self._judge(self._seq, document, entry.where, kept.get(key))
            rows[key] = row
            if text is not None:
                texts[row.seq] = (text, row.text_hash or "")
        marks = ", ".join("?" for _ in _Row._fields)
        # Of two lines for one item the later one counts.
        self._db.execute_many(
            f"INSERT INTO staged ({', '.join(_Row._fields)}) VALUES ({marks}) ON CONFLICT (kind, name) DO UPDATE SET"
            f" {', '.join(f'{name} = excluded.{name}' for name in _Row._fields)}",
            rows.values(),
        )
        return texts

    def _staged(self, keys: Sequence[Key]) -> list[tuple[str, str, str]]:
        """(kind, name, place) of those of these that an earlier chunk has."""
        if self._seq == 0:
            return []
        return self._in_groups(
            f"SELECT kind, name, place FROM asked {self._db.dialect.join} staged ON kind = k AND name = n", keys
        )

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

    def _judge(self, seq: int, document: Document, place: str, kept: tuple[Any, ...] | None) -> tuple[_Row, str | None]:
        """Compare a document with the item of its name; with the text when it has to be counted."""
        # ASCII escapes keep lone surrogates, which SQLite could not hold otherwise.
        payload = json.dumps(to_payload(document))
        item_id, stage, digest, problem, mine, theirs = kept or (None, "", None, None, None, None)
        if self._side == "words":
            self.strange_columns.look(document.name, theirs, payload)
        elif mine != payload:
            self.strange_columns.look(document.name, payload, theirs)
        # Words alone don't bring back what its database no longer has.
        back = stage == "gone" and (self._side == "structure" or theirs is None)
        if mine == payload:
            return _Row(seq, document.kind, document.name, place, "same", item_id, back, payload), None
        whole = document
        if theirs:
            their = from_payload(json.loads(theirs))
            whole = merge(document, their) if self._side == "structure" else merge(their, document)
        rendered = render(whole)
        fate: Fate = "changed" if kept else "new"
        if kept and (digest, problem) == (rendered.hash, rendered.problem):
            fate = "reworded"
        row = _Row(
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

    def _take_counts(self, ahead: int) -> None:
        """Stage the parts that are counted, until so many chunks are still under way."""
        while len(self._counting) > ahead:
            texts, future = self._counting.popleft()
            self._db.execute_many(
                "INSERT INTO staged_part (seq, no, hash, body, tokens, bytes) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (seq, no, whole if len(parts) == 1 else text_hash(body), body, tokens, len(body.encode()))
                    for (seq, (_, whole)), parts in zip(texts.items(), future.result(), strict=True)
                    for no, (body, tokens) in enumerate(parts, start=1)
                ),
            )
