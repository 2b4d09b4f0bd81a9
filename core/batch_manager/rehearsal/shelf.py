"""The shelf: files and batches that the server keeps, in a folder, so that a later server finds them again."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

STATE = "shelf.json"


@dataclass(slots=True)
class StoredFile:
    """A file; its content is beside the shelf's state, under its id.

    Attributes:
        owner: Whose it is: nobody else's key sees it.
        created_at: Seconds since 1970.
    """

    id: str
    owner: str
    filename: str
    purpose: str
    bytes: int
    created_at: int

    def as_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }


@dataclass(slots=True)
class StoredBatch:
    """A batch.

    Attributes:
        number: Of its creation, the first being 1.
        began: The clock at its creation, in seconds.
        requests: How many it has; `tokens` of them all.
        model: Of its requests.
        status: OpenAI's word for where it is.
        done: Requests that are through, of which `failed` were refused.
        billed_tokens: Tokens that were charged for.
        at: When it reached each status, seconds since 1970.
        errors: Why it failed while it was validated.
        hidden: `vanished` or `unlisted`, by a fault.
    """

    id: str
    owner: str
    number: int
    began: float
    input_file_id: str
    endpoint: str
    metadata: dict[str, str] | None
    requests: int
    tokens: int
    model: str
    status: str = "validating"
    done: int = 0
    failed: int = 0
    billed_tokens: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None
    at: dict[str, int] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    hidden: str = ""

    def as_json(self, window: int) -> dict[str, Any]:
        """As the API shows it; `window` is the time that it is given, in seconds."""
        names = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "model": self.model,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": int(self.began),
            "expires_at": int(self.began) + window,
            **{f"{name}_at": self.at.get(name) for name in names},
            "request_counts": {
                "total": 0 if self.status == "validating" else self.requests,
                "completed": self.done - self.failed,
                "failed": self.failed,
            },
            "usage": {
                "input_tokens": self.billed_tokens,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 0,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": self.billed_tokens,
            },
            "metadata": self.metadata,
        }


class Shelf:
    """Files and batches, by id, in the order of their coming."""

    def __init__(self, folder: str | None) -> None:
        """Opens the shelf.

        Args:
            folder: Where it lies; None keeps it for this process alone.

        Raises:
            OSError: The folder can't be used.
        """
        self._own = tempfile.TemporaryDirectory(prefix="rehearsal-") if folder is None else None
        self.folder = Path(self._own.name if self._own is not None else str(folder))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.files: dict[str, StoredFile] = {}
        self.batches: dict[str, StoredBatch] = {}
        self.numbers = 0
        self.ahead = 0.0
        state = self.folder / STATE
        if state.exists():
            kept = json.loads(state.read_text(encoding="utf-8"))
            self.files = {one["id"]: StoredFile(**one) for one in kept["files"]}
            self.batches = {one["id"]: StoredBatch(**one) for one in kept["batches"]}
            self.numbers, self.ahead = kept["numbers"], kept["ahead"]

    def path(self, file_id: str) -> Path:
        """Where a file's content lies."""
        return self.folder / file_id

    def new_id(self, kind: str) -> str:
        """The next id, such as `file-000001`."""
        self.numbers += 1
        return f"{kind}{self.numbers:06d}"

    def drop(self, file_id: str) -> None:
        """Forgets a file."""
        del self.files[file_id]
        self.path(file_id).unlink(missing_ok=True)

    def save(self) -> None:
        """Writes down what there is; nothing for a shelf of this process alone."""
        if self._own is not None:
            return
        state = {
            "files": [asdict(one) for one in self.files.values()],
            "batches": [asdict(one) for one in self.batches.values()],
            "numbers": self.numbers,
            "ahead": self.ahead,
        }
        new = self.folder / f"{STATE}.new"
        new.write_text(json.dumps(state), encoding="utf-8")
        new.replace(self.folder / STATE)

    def clear(self) -> None:
        """Forgets all."""
        for file_id in list(self.files):
            self.drop(file_id)
        self.batches.clear()
        self.save()

    def close(self) -> None:
        """Lets a shelf of this process alone go."""
        if self._own is not None:
            self._own.cleanup()
