"""Verify: store and Chroma compared both ways, a page at a time; and what can be mended for nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from batch_manager.documents import KINDS, Kind
from batch_manager.store import DocumentationStore
from batch_manager.vectors import VectorStore, row_id

PAGE = 1_000
NAMED = 200


@dataclass(slots=True)
class VerifyReport:
    """What doesn't agree. Names are `kind name`; at most some hundreds are named, all are counted.

    Attributes:
        missing: Indexed in the store, not (or not whole) in Chroma.
        outdated: In Chroma with another text.
        orphaned: In Chroma, unknown to the store or not indexed there.
        repaired: How many of them were mended: outdated and missing ones wait for delivery, orphans are gone.
    """

    missing: int = 0
    outdated: int = 0
    orphaned: int = 0
    repaired: int = 0
    names: list[str] = field(default_factory=list)

    @property
    def untrue(self) -> int:
        """What remains untrue."""
        return self.missing + self.outdated + self.orphaned - self.repaired

    def add(self, what: str, kind: Kind, name: str) -> None:
        """Count one, and name it while there is room."""
        setattr(self, what, getattr(self, what) + 1)
        if len(self.names) < NAMED:
            self.names.append(f"{what}: {kind} {name}")


async def verify(store: DocumentationStore, vectors: VectorStore, *, repair: bool) -> VerifyReport:
    """Compare both ways.

    With `repair`, items that Chroma lacks or has wrong go back to "answered" when their answers are kept (the
    caller delivers them), else to "pending"; rows that belong to no indexed item are deleted.
    """
    report = VerifyReport()
    for kind in KINDS:
        await _from_store(store, vectors, kind, report, repair)
        await _from_chroma(store, vectors, kind, report, repair)
    return report


async def _from_store(
    store: DocumentationStore, vectors: VectorStore, kind: Kind, report: VerifyReport, repair: bool
) -> None:
    last = 0
    while items := store.items.indexed(kind, last, PAGE):
        last = items[-1][0]
        wanted: dict[int, tuple[str, dict[str, str]]] = {
            item_id: (name, {row_id(name, no): hashed for no, hashed in store.items.part_hashes(item_id)})
            for item_id, name, _ in items
        }
        found = await vectors.hashes(kind, [one for _, ids in wanted.values() for one in ids])
        wrong = []
        for item_id, (name, ids) in wanted.items():
            if any(one not in found for one in ids):
                report.add("missing", kind, name)
            elif any(found[one] != hashed for one, hashed in ids.items()):
                report.add("outdated", kind, name)
            else:
                continue
            wrong.append(item_id)
        if repair and wrong:
            report.repaired += store.answers.redeliver(wrong)


async def _from_chroma(
    store: DocumentationStore, vectors: VectorStore, kind: Kind, report: VerifyReport, repair: bool
) -> None:
    offset = 0
    while ids := await vectors.ids(kind, offset, PAGE):
        known = store.items.indexed_ids(kind, [_name(one) for one in ids])
        orphans = [one for one in ids if not _belongs(one, known)]
        for one in orphans:
            report.add("orphaned", kind, one)
        if repair and orphans:
            await vectors.delete(kind, orphans)
            report.repaired += len(orphans)
        offset += len(ids) - (len(orphans) if repair else 0)


def _name(chroma_id: str) -> str:
    """The item's name behind an id: doubled `#` are one, a single `#` begins the part's number."""
    name, _, part = chroma_id.rpartition("#")
    if name and part.isdigit() and (len(name) - len(name.rstrip("#"))) % 2 == 0:
        return name.replace("##", "#")
    return chroma_id.replace("##", "#")


def _belongs(chroma_id: str, known: dict[str, int]) -> bool:
    name = _name(chroma_id)
    return any(row_id(name, no) == chroma_id for no in range(1, known.get(name, 0) + 1))
