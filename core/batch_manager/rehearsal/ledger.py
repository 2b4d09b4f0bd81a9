"""The server's own record of what it was asked, what it charged and what it delivered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO


@dataclass(slots=True)
class Entry:
    """One request.

    Attributes:
        n: Its number; the first is 1.
        time: Wall clock at arrival, seconds since 1970.
        monotonic: The server's monotonic clock at arrival, seconds.
        model: The model asked for; empty when the request was refused unread.
        inputs: Number of inputs.
        hashes: SHA-256 (hex) of each input's UTF-8; empty when hashes are not kept.
        tokens: Exact tokens of all inputs; 0 when the request was refused before counting.
        billed: Whether the server charges for it. Decided at arrival: what reached the server whole was
            paid for, even if the client left before the answer.
        billed_tokens: Tokens charged for.
        status: HTTP status answered, or 0 when no answer is sent.
        outcome: ``ok``, the fault's name, or the code of the error.
        delivered: Whether the whole answer was handed to the network while the client was still there.
        finished: Whether the server is done with it.
        lane: ``now``, or ``batch`` for the work of a whole batch, of which a token costs half; `n` is then the
            batch's number.
    """

    n: int
    time: float
    monotonic: float
    model: str = ""
    inputs: int = 0
    hashes: list[str] = field(default_factory=list)
    tokens: int = 0
    billed: bool = False
    billed_tokens: int = 0
    status: int = 0
    outcome: str = "ok"
    delivered: bool = False
    finished: bool = False
    lane: str = "now"


class Ledger:
    """All entries in the order of arrival, in memory and, if asked for, in a JSON Lines file."""

    def __init__(self, path: str | Path | None = None) -> None:
        """Opens the ledger.

        Raises:
            OSError: The file cannot be opened for appending.
        """
        self.entries: list[Entry] = []
        self._file: TextIO | None = None
        if path is not None:
            self._file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115 - lives as long as the ledger

    def open(self, n: int, time: float, monotonic: float) -> Entry:
        """Begins the entry of a request that has just arrived."""
        entry = Entry(n=n, time=time, monotonic=monotonic)
        self.entries.append(entry)
        return entry

    def finish(self, entry: Entry, *, delivered: bool) -> None:
        """Ends an entry; it is written to the file, once."""
        if entry.finished:
            return
        entry.delivered = delivered
        entry.finished = True
        if self._file is not None:
            self._file.write(json.dumps(asdict(entry)) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Writes what is still open as undelivered and closes the file."""
        for entry in self.entries:
            self.finish(entry, delivered=False)
        if self._file is not None:
            self._file.close()
            self._file = None

    def clear(self) -> None:
        """Forgets all entries; what the file has stays there."""
        self.entries = []

    def rows(self) -> list[dict[str, Any]]:
        """The entries as JSON objects."""
        return [asdict(entry) for entry in self.entries]


def totals(entries: Sequence[Entry]) -> dict[str, Any]:
    """Sums over entries.

    Returns:
        ``requests``, ``billed_requests``, ``billed_tokens`` (``batch_tokens`` of them at half the price),
        ``inputs``, and counts of requests ``by_status`` (keys are text; "0" is no answer) and ``by_outcome``.
    """
    return {
        "requests": len(entries),
        "billed_requests": sum(entry.billed for entry in entries),
        "billed_tokens": sum(entry.billed_tokens for entry in entries),
        "batch_tokens": sum(entry.billed_tokens for entry in entries if entry.lane == "batch"),
        "inputs": sum(entry.inputs for entry in entries),
        "by_status": dict(Counter(str(entry.status) for entry in entries)),
        "by_outcome": dict(Counter(entry.outcome for entry in entries)),
    }
