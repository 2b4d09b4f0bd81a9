"""A change of the index to another model or size: what a person is told before and while it is made. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from batch_manager.pricing import show_usd
from batch_manager.quote import Quote

ROW_BASE = 1_200
ROW_PER_NUMBER = 5.6
ROW_PER_TEXT_BYTE = 8
"""Bytes of a row in Chroma 1.5.9, measured at 256 and 1,536 numbers and texts of 200 to 3,000 bytes: the vector is in
the HNSW file and partly in SQLite; the text with its metadata and its full text index takes several times its size."""

ANSWER_PER_NUMBER = 4.4
"""Bytes of a kept answer in the store, for each number of its vector."""


@dataclass(frozen=True, slots=True)
class IndexChange:
    """Where an index of another model stands beside the one that serves.

    Attributes:
        step: `begins` with this run; `goes on`; `back` to an index that is kept.
        serving: Title of the index that serves until the last item is in.
        to: Title of the index that is built.
        returns: The settings went back to the index that serves, before another was done: nothing is swapped.
        items: Items that are still to go in.
        disk: Bytes that it will take on disk, about.
        free: Bytes that are free there; None where that can't be known (a server).
        failed: Items that failed and keep the new index from serving.
    """

    step: Literal["begins", "goes on", "back"]
    serving: str
    to: str
    returns: bool
    items: int
    disk: int
    free: int | None
    failed: int = 0

    @property
    def ready(self) -> bool:
        """A run would be the last step, even if it has nothing to send."""
        return self.step != "goes on" or not self.failed

    @property
    def short_of_room(self) -> bool:
        """The disk hasn't that much."""
        return self.free is not None and self.disk > self.free


def disk_need(items: int, text_bytes: int, dimensions: int, unpaid: int) -> int:
    """Bytes on disk, about, of that many rows and of the answers that are still to be paid for."""
    rows = items * (ROW_BASE + ROW_PER_NUMBER * dimensions) + ROW_PER_TEXT_BYTE * text_bytes
    return round(rows + unpaid * ANSWER_PER_NUMBER * dimensions)


def change_words(quote: Quote, change: IndexChange) -> tuple[str, ...]:
    """What a yes to this quote does to the index, in one line each."""
    if change.returns:
        return (f"back to {change.to}, which serves as before; what was built beside it is kept",)
    items = f"{change.items:,} {'item' if change.items == 1 else 'items'}"
    cost = show_usd(quote.cost)
    first = {
        "begins": f"{items} under {change.to}, {cost}, about {megabytes(change.disk)} of disk",
        "goes on": f"{items} left under {change.to}, {cost}, about {megabytes(change.disk)} of disk",
        "back": f"back to {change.to}, which is kept: {items} changed since, {cost}",
    }[change.step]
    lines = [first, f"the index of {change.serving} serves until the last item is in, and is kept then"]
    if change.failed:
        lines.append(f"{change.failed:,} failed under {change.to} and hold it up: try them again, or skip them")
    if change.short_of_room and change.free is not None:
        lines.append(f"the disk has only {megabytes(change.free)} free")
    return tuple(lines)


def megabytes(size: int) -> str:
    """Bytes for people: `0.2 MB`, `14 MB`, `1.3 GB`."""
    if size >= 1_000_000_000:
        return f"{size / 1_000_000_000:,.1f} GB"
    return f"{size / 1_000_000:,.0f} MB" if size >= 10_000_000 else f"{max(size, 0) / 1_000_000:,.1f} MB"
