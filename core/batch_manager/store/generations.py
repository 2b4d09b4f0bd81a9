"""Generations: indexes of several models beside one another, and which of them serves.

`item` tells of one of them: the one that is being built, or else the one that serves. What it said of each other one
is kept in `standing`, so that going back needs nothing that was paid for again.

    (none) → serving          the first index
    (new), kept → building    a run of another model was agreed to
    building → swapping → serving, and the one that served → kept
    building → kept           the settings went back before it was done
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from batch_manager.documents import Kind
from batch_manager.errors import UsageError
from batch_manager.quote import Space
from batch_manager.store.database import now, translated
from batch_manager.store.dialect import AMONG, Database

State = Literal["serving", "building", "swapping", "kept"]

_SELECT = (
    "SELECT g.id, g.model, g.dimensions, g.state, g.begun_at, g.served_at, s.provider, s.server"
    " FROM generation g LEFT JOIN space s ON s.id = g.space_id"
)
_ACTIVE = "ORDER BY g.state = 'serving' LIMIT 1"

_FAILURE = "code, message, next_step, tries, lasting, failed_at"


@dataclass(frozen=True, slots=True)
class Generation:
    """An index of one model and size.

    Attributes:
        dimensions: Numbers a vector; 0 where the model's own number isn't known beforehand.
        provider: Whose vectors they are, with `server`; None where the store can't tell any more.
    """

    id: int
    model: str
    dimensions: int
    state: State
    begun_at: str
    served_at: str | None
    provider: str | None
    server: str | None

    @property
    def suffix(self) -> str:
        """What its collections are called by, behind `tables--`, while it doesn't serve."""
        return suffix_of(self.model, self.dimensions)

    @property
    def title(self) -> str:
        """For people: `text-embedding-3-small (1,536 dimensions)`."""
        return title_of(self.model, self.dimensions)

    @property
    def space(self) -> Space:
        """The space of its newest answers."""
        return Space(self.provider or "openai", self.server or "", self.model, self.dimensions or None)

    def is_of(self, space: Space) -> bool:
        """Whether vectors of that space have a place in it. Whoever made them: one model's vectors are alike."""
        return (self.model, self.dimensions) == (space.model, space.dimensions or 0)


@dataclass(frozen=True, slots=True)
class Blocked:
    """What keeps a built index from serving.

    Attributes:
        pending: Items that are not in yet.
        failed: Items that failed and may do better when they are tried again.
    """

    pending: int
    failed: int

    @property
    def free(self) -> bool:
        """Nothing does."""
        return not self.pending and not self.failed


def title_of(model: str, dimensions: int | None) -> str:
    """A model and its size, for people."""
    return f"{model} ({dimensions:,} dimensions)" if dimensions else model


def suffix_of(model: str, dimensions: int | None) -> str:
    """A name for a model's collections that Chroma takes (letters, digits, `.`, `_`, `-`), one for each model and size.

    The same in every store, so that a store that is made anew finds the collections of the one before.
    """
    plain = re.sub(r"[^a-zA-Z0-9._-]+", "-", model)[:80].strip("-._")
    if plain != model:
        plain = f"{plain}-{hashlib.sha256(model.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}".lstrip("-")
    return f"{plain}-{dimensions or 'own'}"


def seen_stage(generation: Generation | None) -> str:
    """SQL over `item AS i`: the stage as it would be if that generation were the one that is worked on."""
    kept = (
        "NULL"
        if generation is None
        else "(SELECT s.stage FROM standing s WHERE s.stage IN ('indexed', 'failed')"
        f" AND s.generation_id = {generation.id:d} AND s.item_id = i.id AND s.text_hash = i.text_hash)"
    )
    return f"CASE WHEN i.stage IN ('skipped', 'gone') THEN i.stage ELSE coalesce({kept}, 'pending') END"


def seen_lasting(generation: Generation | None) -> str:
    """SQL over `item AS i`: whether its failure would be for good if that generation were the one that is worked on."""
    if generation is None:
        return "FALSE"
    return (
        "coalesce((SELECT s.lasting FROM standing s WHERE s.stage = 'failed'"
        f" AND s.generation_id = {generation.id:d} AND s.item_id = i.id AND s.text_hash = i.text_hash), FALSE)"
    )


def is_served(alias: str) -> str:
    """SQL over an `item`: whether it stands in the index that serves, so that a search can find it."""
    return (
        f"({alias}.stage != 'gone' AND CASE"
        " WHEN EXISTS (SELECT 1 FROM generation WHERE state IN ('building', 'swapping'))"
        " THEN EXISTS (SELECT 1 FROM standing s JOIN generation g ON g.id = s.generation_id AND g.state = 'serving'"
        f" WHERE s.item_id = {alias}.id AND s.stage = 'indexed') ELSE {alias}.stage = 'indexed' END)"
    )


class Generations:
    """Which indexes there are, and the way from one to another."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # Looking

    def all(self) -> list[Generation]:
        """Every one, in the order in which they came."""
        return self._read("ORDER BY g.id")

    def serving(self) -> Generation | None:
        """The one in `tables` and `relationships`, for searches; None before the first row of the first."""
        return self._first("WHERE g.state = 'serving' LIMIT 1")

    def active(self) -> Generation | None:
        """The one that `item` tells of: what a run fills."""
        return self._first(f"WHERE g.state IN ('serving', 'building', 'swapping') {_ACTIVE}")

    def beside(self) -> Generation | None:
        """The one that is being built beside the one that serves, if any."""
        return self._first("WHERE g.state IN ('building', 'swapping') LIMIT 1")

    def kept(self) -> list[Generation]:
        """Those that neither serve nor are being built."""
        return self._read("WHERE g.state = 'kept' ORDER BY g.id")

    def find(self, space: Space) -> Generation | None:
        """The one of that model and size."""
        return self._first("WHERE g.model = ? AND g.dimensions = ?", [space.model, space.dimensions or 0])

    def other_than(self, space: Space) -> Generation | None:
        """The one that is worked on, when it is of another model or size than this."""
        active = self.active()
        return None if active is None or active.is_of(space) else active

    def blocked(self) -> Blocked:
        """What keeps the one that is being built from serving; an item that can't ever be in doesn't."""
        with translated():
            row = self._db.execute_sql(
                "SELECT count(*) FILTER (WHERE stage IN ('pending', 'answered')),"
                " count(*) FILTER (WHERE stage = 'failed' AND NOT lasting) FROM item"
            ).fetchone()
        return Blocked(int(row[0]), int(row[1]))

    def items(self, generation: Generation) -> int:
        """Items that stand in it."""
        active = self.active()
        with translated():
            if active is not None and active.id == generation.id:
                row = self._db.execute_sql("SELECT count(*) FROM item WHERE stage = 'indexed'").fetchone()
            else:
                row = self._db.execute_sql(
                    "SELECT count(*) FROM standing WHERE generation_id = ? AND stage = 'indexed'", (generation.id,)
                ).fetchone()
        return int(row[0])

    def searchable(self) -> int:
        """Items that a search can find: those of the index that serves."""
        if self.beside() is None:
            return int(self._rows("SELECT count(*) FROM item WHERE stage = 'indexed'", [])[0][0])
        return int(self._rows(f"SELECT count(*) FROM item i WHERE {is_served('i')}", [])[0][0])

    # The way from one to another

    def begin(self, space: Space, space_id: int) -> None:
        """Turn to the index of that space; inside the transaction in which it was agreed to.

        From here on `item` tells of that index. Nothing is lost of what it said of the one before.

        Raises:
            UsageError: A swap is half done, and has to be finished first.
        """
        active = self.active()
        if active is None or active.is_of(space):
            return
        if active.state == "swapping":
            raise half_done(active)
        target = self.find(space)
        if target is None:
            self._db.execute_sql(
                "INSERT INTO generation (model, dimensions, space_id, state, begun_at) VALUES (?, ?, ?, 'kept', ?)",
                (space.model, space.dimensions or 0, space_id, now()),
            )
            target = self.find(space)
        assert target is not None
        self._stash(active)
        self._restore(target)
        if active.state == "building":
            self._set(active, "kept")
        if target.state == "kept":
            self._set(target, "building")

    def claim(self, space: Space, space_id: int) -> None:
        """The first row of a run is about to go in: the first index of all serves from its first row on."""
        with translated(), self._db.atomic("IMMEDIATE"):
            if self.active() is None:
                self._db.execute_sql(
                    "INSERT INTO generation (model, dimensions, space_id, state, begun_at, served_at)"
                    " VALUES (?, ?, ?, 'serving', ?, ?)",
                    (space.model, space.dimensions or 0, space_id, now(), now()),
                )
            else:
                self._db.execute_sql(
                    "UPDATE generation SET space_id = ? WHERE model = ? AND dimensions = ?",
                    (space_id, space.model, space.dimensions or 0),
                )

    def begin_swap(self, generation: Generation) -> None:
        """Written down before Chroma's collections are renamed, so that a kill in between is finished later."""
        with translated(), self._db.atomic("IMMEDIATE"):
            self._set(generation, "swapping")

    def end_swap(self) -> None:
        """The collections have their new names."""
        with translated(), self._db.atomic("IMMEDIATE"):
            self._db.execute_sql("UPDATE generation SET state = 'kept' WHERE state = 'serving'")
            self._db.execute_sql(
                "UPDATE generation SET state = 'serving', served_at = ? WHERE state = 'swapping'", (now(),)
            )

    def drop(self, generation: Generation) -> None:
        """Forget one that is kept; what was paid for it stays among the answers."""
        with translated(), self._db.atomic("IMMEDIATE"):
            self._db.execute_sql("DELETE FROM standing WHERE generation_id = ?", (generation.id,))
            self._db.execute_sql("DELETE FROM generation WHERE id = ? AND state = 'kept'", (generation.id,))

    def all_lost(self) -> None:
        """All of Chroma is gone: only the one that is worked on is left, to be filled again where it serves."""
        with translated(), self._db.atomic("IMMEDIATE"):
            active = self.active()
            self._db.execute_sql("DELETE FROM standing")
            if active is not None:
                self._db.execute_sql("DELETE FROM generation WHERE id != ?", (active.id,))
                self._set(active, "serving")

    # What stands in one that is not worked on

    def gone(self, generation: Generation, limit: int) -> list[tuple[int, str, str, int]]:
        """(id, kind, name, parts) of items that stand in it and are gone from their source."""
        return self._rows(
            "SELECT i.id, i.kind, i.name, s.parts FROM standing s JOIN item i ON i.id = s.item_id"
            " WHERE s.generation_id = ? AND s.parts > 0 AND i.stage = 'gone' ORDER BY i.id LIMIT ?",
            [generation.id, limit],
        )

    def removed(self, generation: Generation, item_ids: Sequence[int]) -> None:
        """These items' vectors are out of it."""
        with translated():
            self._db.execute_sql(
                f"DELETE FROM standing WHERE generation_id = ? AND item_id {AMONG}",
                (generation.id, json.dumps(list(item_ids))),
            )

    def indexed(self, generation: Generation, kind: Kind, after: int, limit: int) -> list[tuple[int, str, int]]:
        """(id, name, parts) of items that stand in it with the text that they have now, a page at a time."""
        return self._rows(
            "SELECT i.id, i.name, s.parts FROM standing s JOIN item i ON i.id = s.item_id AND i.text_hash = s.text_hash"
            " WHERE s.generation_id = ? AND s.stage = 'indexed' AND i.kind = ? AND i.id > ? ORDER BY i.id LIMIT ?",
            [generation.id, kind, after, limit],
        )

    def indexed_ids(self, generation: Generation, kind: Kind, names: Sequence[str]) -> dict[str, int]:
        """Parts in it, of each of these names that has any."""
        rows = self._rows(
            "SELECT i.name, s.parts FROM item i JOIN standing s ON s.item_id = i.id AND s.generation_id = ?"
            " WHERE i.kind = ? AND s.parts > 0 AND i.name IN (SELECT value FROM json_each(?))",
            [generation.id, kind, json.dumps(list(names))],
        )
        return dict(rows)

    # Inside

    def _stash(self, generation: Generation) -> None:
        """Keep what `item` says of the index. Of a row whose item has another text by now only the parts are known."""
        self._db.execute_sql("DELETE FROM standing WHERE generation_id = ?", (generation.id,))
        self._db.execute_sql(
            f"INSERT INTO standing (generation_id, item_id, stage, space_id, text_hash, parts, {_FAILURE})"
            " SELECT ?, id, CASE WHEN stage IN ('indexed', 'failed') THEN stage ELSE 'pending' END, space_id,"
            f" CASE WHEN stage IN ('indexed', 'failed') THEN text_hash END, indexed_parts, {_FAILURE}"
            " FROM item WHERE indexed_parts > 0 OR stage = 'failed'",
            (generation.id,),
        )

    def _restore(self, generation: Generation) -> None:
        """Let `item` say what was kept of the index; what changed since is pending."""
        self._db.execute_sql(
            "UPDATE item SET indexed_parts = 0, space_id = NULL, code = NULL, message = NULL, next_step = NULL,"
            # A run for another index moves nothing here.
            " tries = 0, lasting = FALSE, failed_at = NULL, run_id = NULL,"
            " stage = CASE WHEN stage IN ('skipped', 'gone') THEN stage ELSE 'pending' END"
        )
        self._db.execute_sql(
            "UPDATE item SET indexed_parts = s.parts, space_id = s.space_id FROM standing s"
            " WHERE s.generation_id = ? AND s.item_id = item.id",
            (generation.id,),
        )
        copied = ", ".join(f"{name} = s.{name}" for name in ("stage", *_FAILURE.split(", ")))
        self._db.execute_sql(
            f"UPDATE item SET {copied} FROM standing s WHERE s.generation_id = ? AND s.item_id = item.id"
            " AND item.stage = 'pending' AND s.stage != 'pending' AND s.text_hash = item.text_hash",
            (generation.id,),
        )
        self._db.execute_sql("DELETE FROM standing WHERE generation_id = ?", (generation.id,))

    def _set(self, generation: Generation, state: State) -> None:
        self._db.execute_sql("UPDATE generation SET state = ? WHERE id = ?", (state, generation.id))

    def _first(self, where: str, values: Sequence[Any] = ()) -> Generation | None:
        found = self._read(where, values)
        return found[0] if found else None

    def _read(self, where: str, values: Sequence[Any] = ()) -> list[Generation]:
        return [Generation(*row) for row in self._rows(f"{_SELECT} {where}", values)]

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        with translated():
            return list(self._db.execute_sql(sql, values).fetchall())


def half_done(generation: Generation) -> UsageError:
    """The error of a swap that was broken off, for whoever may only look."""
    return UsageError(
        f"The change of the index to {generation.title} was broken off in its last step.",
        next_step="Any command that writes finishes it, for $0: run --verify --repair.",
        code="swap_half_done",
    )
