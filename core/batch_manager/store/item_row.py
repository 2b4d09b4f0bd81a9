"""An item's row: as a list shows it, and all that is known of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from batch_manager.documents import PROBLEMS, Document, Kind, from_payload, merge, render
from batch_manager.documents import sections as sections_of
from batch_manager.store.dialect import Database
from batch_manager.store.failures import Attempt, attempts
from batch_manager.store.former import Former, former_of
from batch_manager.store.listing import Status
from batch_manager.store.scopes import AWAITED
from batch_manager.tokens import shares

# What is paid for but not yet in Chroma isn't indexed, so it shows as pending.
STATUS_SQL = "CASE stage WHEN 'answered' THEN 'pending' ELSE stage END"

ROW = f"id, kind, name, {STATUS_SQL}, tokens, parts, problem, code, message, purpose"


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item in a list.

    Attributes:
        awaited: Whether a text of it is handed over at half the price, and not back; lists of failures don't ask.
    """

    id: int
    kind: Kind
    name: str
    status: Status
    tokens: int
    parts: int
    problem: str | None
    code: str | None
    message: str | None
    purpose: str
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class PartRow:
    """One input of an item."""

    no: int
    tokens: int
    bytes: int
    hash: str


@dataclass(frozen=True, slots=True)
class ItemDetail:
    """All that is known of an item; `text` is exactly what is sent (its parts joined)."""

    row: ItemRow
    document: Document
    text: str
    text_hash: str | None
    parts: tuple[PartRow, ...]
    next_step: str | None
    tries: int
    attempts: tuple[Attempt, ...]
    changed_at: str
    structure_from: str | None
    structure_at: str | None
    words_from: str | None
    words_at: str | None
    model: str | None
    former: Former | None = None

    @property
    def status(self) -> Status:
        """The item's status."""
        return self.row.status

    @property
    def breaks(self) -> tuple[int, ...]:
        """Characters of the text before each of its parts but the first."""
        if len(self.parts) < 2:
            return ()
        whole, places, at, characters = self.text.encode("utf-8"), [], 0, 0
        for part in self.parts[:-1]:
            characters += len(whole[at : at + part.bytes].decode("utf-8", "replace"))
            at += part.bytes
            places.append(characters)
        return tuple(places)

    def shares(self) -> tuple[tuple[str, int], ...]:
        """(section, tokens) of what is sent: name and purpose, documentation, columns, …

        It takes a while for a long text. Empty when nothing is sent, or an earlier version's layout made the text.
        """
        sections = sections_of(self.document)
        if not self.parts or "\n".join(words for _, words in sections) != self.text:
            return ()
        whole, parts, at = self.text.encode("utf-8"), [], 0
        for part in self.parts:
            parts.append(whole[at : at + part.bytes].decode("utf-8"))
            at += part.bytes
        counted = shares(parts, [words for _, words in sections])
        return tuple((label, tokens) for (label, _), tokens in zip(sections, counted, strict=True))


@dataclass(frozen=True, slots=True)
class Counts:
    """Items by kind and status."""

    by: dict[tuple[str, str], int]

    def of(self, kind: Kind, status: Status) -> int:
        """Items of that kind with that status."""
        return self.by.get((kind, status), 0)

    def total(self, status: Status | None = None, kind: Kind | None = None) -> int:
        """Items, of that status and kind where given."""
        return sum(n for (k, s), n in self.by.items() if kind in (None, k) and status in (None, s))


def detail_of(database: Database, item_id: int) -> ItemDetail | None:
    """All that is known of an item; None when it is gone."""
    ask: Callable[..., Any] = database.execute_sql
    row = ask(
        f"SELECT {ROW}, {AWAITED}, structure, words, text_hash, next_step, tries, changed_at, structure_from,"
        " structure_at, words_from, words_at, space_id FROM item LEFT JOIN brought ON item_id = id WHERE id = ?",
        [item_id],
    ).fetchone()
    if row is None:
        return None
    item = ItemRow(*row[:11])
    structure, words, digest, next_step, tries, changed_at, s_from, s_at, w_from, w_at, space = row[11:]
    document = merge(read_document(structure), read_document(words))
    parts = ask(
        "SELECT p.no, t.tokens, t.bytes, t.hash, t.body FROM part p JOIN text t ON t.id = p.text_id"
        " WHERE p.item_id = ? ORDER BY p.no",
        [item_id],
    ).fetchall()
    model = ask("SELECT model FROM space WHERE id = ?", [space]).fetchone() if item.status == "indexed" else None
    if item.problem and not next_step:
        next_step = PROBLEMS[item.problem][1]
    return ItemDetail(
        row=item,
        document=document,
        text="".join(part[4] for part in parts) if parts else render(document).text,
        text_hash=digest,
        parts=tuple(PartRow(*part[:4]) for part in parts),
        next_step=next_step,
        tries=tries,
        attempts=attempts(database, item_id),
        changed_at=changed_at,
        structure_from=s_from,
        structure_at=s_at,
        words_from=w_from,
        words_at=w_at,
        model=model[0] if model else None,
        former=former_of(database, item_id),
    )


def read_document(payload: str | None) -> Document | None:
    """What a source brought, as it is kept."""
    return None if payload is None else from_payload(json.loads(payload))
