"""A reply: what the server does for one request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from batch_manager.rehearsal.ledger import Entry

Headers = list[tuple[str, str]]


@dataclass(slots=True)
class Reply:
    """What to do for one request.

    Attributes:
        body: Bytes of the answer.
        status: HTTP status.
        headers: Headers of the answer, without content-length.
        delay: Seconds from arrival to the answer.
        cut: ``""`` answers; ``"reset"`` breaks the connection with a TCP reset after the delay;
            ``"close"`` closes it without an answer after the delay.
        entry: The request's line in the ledger, None for what is not metered.
        file: A file that is the body, in place of `body`; `start` is where in it the answer begins.
        cut_at: The connection breaks when that many bytes of the file are through.
    """

    body: bytes
    status: int = 200
    headers: Headers | None = None
    delay: float = 0.0
    cut: str = ""
    entry: Entry | None = None
    file: Path | None = None
    start: int = 0
    cut_at: int | None = None
