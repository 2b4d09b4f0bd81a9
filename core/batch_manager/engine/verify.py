"""Verify: store and Chroma compared both ways, a page at a time; and what can be mended for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from batch_manager.documents import KINDS, Kind
from batch_manager.plural import counted
from batch_manager.sources.watch import Watch
from batch_manager.store import DocumentationStore
from batch_manager.store.generations import Generation
from batch_manager.vectors import RowState, VectorStore, row_id

PAGE = 1_000
NAMED = 200

Untruth = Literal["missing", "outdated", "wrong_text", "wrong_model", "wrong_dimensions", "orphaned"]


@dataclass(slots=True)
class VerifyReport:
    """What doesn't agree. Names are `kind name`; at most some hundreds are named, all are counted.

    An item counts once, by the first that is wrong with it.

    Attributes:
        missing: Indexed in the store, not (or not whole) in Chroma.
        outdated: In Chroma with the hash of another text.
        wrong_text: In Chroma with the right hash, and another text.
        wrong_model: In Chroma with vectors of another model, by what the row says.
        wrong_dimensions: In Chroma with vectors of another size.
        orphaned: In Chroma, unknown to the store or not indexed there.
        repaired: How many of them were mended: items that wait for delivery now, orphans that are gone.
        pending: Items that could not be mended, since no answer is kept of them: they are pending again.
    """

    missing: int = 0
    outdated: int = 0
    wrong_text: int = 0
    wrong_model: int = 0
    wrong_dimensions: int = 0
    orphaned: int = 0
    repaired: int = 0
    pending: int = 0
    names: list[str] = field(default_factory=list)

    @property
    def found(self) -> int:
        """All that didn't agree."""
        return self.missing + self.outdated + self.wrong_text + self.wrong_model + self.wrong_dimensions + self.orphaned

    @property
    def untrue(self) -> int:
        """What remains untrue or undone."""
        return self.found - self.repaired

    def add(self, what: Untruth, kind: Kind, name: str) -> None:
        """Count one, and name it while there is room."""
        setattr(self, what, getattr(self, what) + 1)
        if len(self.names) < NAMED:
            self.names.append(f"{what.replace('_', ' ')}: {kind} {name}")


class Verifier:
    """Compares one index with what the store says of it.

    Args:
        store: The store.
        vectors: The index.
        generation: What it should be of; None where the store knows of no index yet.
        active: It is the one that is worked on, so that it can be mended.
        watch: Told how far it is, and able to end it.
    """

    def __init__(
        self,
        store: DocumentationStore,
        vectors: VectorStore,
        generation: Generation | None,
        *,
        active: bool,
        watch: Watch | None = None,
    ) -> None:
        self._store = store
        self._vectors = vectors
        self._generation = generation
        self._active = active
        self._watch = watch or Watch()

    async def compare(self, report: VerifyReport, *, repair: bool) -> None:
        """Compare both ways, into the report.

        With `repair`, items that Chroma lacks or has wrong go back to "answered" when their answers are kept (the
        caller delivers them), else to "pending"; rows that belong to no indexed item are deleted.
        """
        for kind in KINDS:
            await self._from_store(kind, report, repair and self._active)
        for kind in KINDS:
            await self._from_chroma(kind, report, repair)

    async def _from_store(self, kind: Kind, report: VerifyReport, repair: bool) -> None:
        size, last, seen = await self._vectors.dimensions(kind), 0, 0
        while items := self._indexed(kind, last):
            last = items[-1][0]
            seen += len(items)
            self._watch.step(f"{counted(seen, kind)} of the store looked up in Chroma")
            wanted: dict[int, tuple[str, dict[str, str]]] = {
                item_id: (name, {row_id(name, no): hashed for no, hashed in self._store.items.part_hashes(item_id)})
                for item_id, name, _ in items
            }
            found = await self._vectors.states(kind, [one for _, ids in wanted.values() for one in ids])
            wrong: dict[int, list[str]] = {}
            for item_id, (name, ids) in wanted.items():
                if untruth := self._untruth(ids, found, size):
                    report.add(untruth, kind, name)
                    wrong[item_id] = [one for one in ids if one in found]
            if repair and wrong:
                # First the mark, then the rows: a kill in between must not leave an item indexed that isn't there.
                mended = self._store.answers.redeliver(list(wrong))
                await self._vectors.delete(kind, [one for ids in wrong.values() for one in ids])
                report.repaired += mended
                report.pending += len(wrong) - mended

    def _untruth(self, ids: Mapping[str, str], found: Mapping[str, RowState], size: int | None) -> Untruth | None:
        """What is wrong with an item's rows first of all; None when all is as it should be."""
        if any(one not in found for one in ids):
            return "missing"
        rows = [(found[one], hashed) for one, hashed in ids.items()]
        if any(row.hash != hashed for row, hashed in rows):
            return "outdated"
        if any(row.text_hash != hashed for row, hashed in rows):
            return "wrong_text"
        if self._generation is None:
            return None
        if any(row.model != self._generation.model for row, _ in rows):
            return "wrong_model"
        right = self._generation.dimensions or size
        return "wrong_dimensions" if size != right or any(row.dimensions != right for row, _ in rows) else None

    async def _from_chroma(self, kind: Kind, report: VerifyReport, repair: bool) -> None:
        offset = 0
        while ids := await self._vectors.ids(kind, offset, PAGE):
            known = self._indexed_ids(kind, [_name(one) for one in ids])
            orphans = [one for one in ids if not _belongs(one, known)]
            for one in orphans:
                report.add("orphaned", kind, one)
            if repair and orphans:
                await self._vectors.delete(kind, orphans)
                report.repaired += len(orphans)
            self._watch.step(f"{counted(offset + len(ids), 'row')} of {kind}s in Chroma looked up in the store")
            offset += len(ids) - (len(orphans) if repair else 0)

    def _indexed(self, kind: Kind, after: int) -> list[tuple[int, str, int]]:
        if self._active or self._generation is None:
            return self._store.items.indexed(kind, after, PAGE)
        return self._store.generations.indexed(self._generation, kind, after, PAGE)

    def _indexed_ids(self, kind: Kind, names: list[str]) -> dict[str, int]:
        if self._active or self._generation is None:
            return self._store.items.indexed_ids(kind, names)
        return self._store.generations.indexed_ids(self._generation, kind, names)


async def verify(
    store: DocumentationStore, vectors: VectorStore, *, repair: bool, watch: Watch | None = None
) -> VerifyReport:
    """Compare the index that serves, and the one that is being built beside it, with the store (see `Verifier`).

    Raises:
        DeclinedError: The watch was told to stop.
    """
    report = VerifyReport()
    serving, beside = store.generations.serving(), store.generations.beside()
    await Verifier(store, vectors, serving, active=beside is None, watch=watch).compare(report, repair=repair)
    if beside is not None:
        await Verifier(store, vectors.beside(beside.suffix), beside, active=True, watch=watch).compare(
            report, repair=repair
        )
    return report


def _name(chroma_id: str) -> str:
    """The item's name behind an id: doubled `#` are one, a single `#` begins the part's number."""
    name, _, part = chroma_id.rpartition("#")
    if name and part.isdigit() and (len(name) - len(name.rstrip("#"))) % 2 == 0:
        return name.replace("##", "#")
    return chroma_id.replace("##", "#")


def _belongs(chroma_id: str, known: dict[str, int]) -> bool:
    name = _name(chroma_id)
    return any(row_id(name, no) == chroma_id for no in range(1, known.get(name, 0) + 1))
