"""Everything that can go wrong, as one tree.

    BatchManagerError                 exit code
    ├── UsageError                    2   wrong usage, settings or input
    │   ├── SettingError              2   a setting's value
    │   ├── InputError                2   a file or a database that can't be read
    │   ├── StoreError                2   the documentation store can't be used
    │   └── HomeBusy                  2   another process writes in this home
    ├── DeclinedError                 3   no yes, or no way to ask
    ├── QuoteChanged                  3   what was agreed is no longer what would be sent
    ├── StoppedError                  4   billing, authentication or the cap
    ├── VectorStoreError              2   Chroma is away, damaged or of another shape
    └── RequestRefused                    one request to the embedding API; carries a Refusal

Each carries what a person needs: a stable code, one plain line, and the next step.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BatchManagerError(Exception):
    """Base of every error that the program raises on purpose.

    Attributes:
        code: Stable, lower case with underscores; scripts may match on it.
        message: One plain line, no secret in it.
        next_step: What the reader can do about it; may be empty.
        exit_code: The process's exit code when nobody handles it.
    """

    exit_code = 2
    default_code = "error"

    def __init__(self, message: str, *, next_step: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.code = code or self.default_code

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()


class UsageError(BatchManagerError):
    """The call makes no sense: flags, settings or input."""

    default_code = "usage"


class SettingError(UsageError):
    """A setting has a value that isn't allowed."""

    default_code = "wrong_setting"


class InputError(UsageError):
    """A file or database can't be read, or isn't what it should be."""

    default_code = "bad_input"


class StoreError(UsageError):
    """The documentation store can't be opened, read or written."""

    default_code = "store"


class HomeBusy(UsageError):
    """Another process holds the writer's lock of this home."""

    default_code = "home_busy"


class DeclinedError(BatchManagerError):
    """Nobody said yes, or nobody could be asked."""

    exit_code = 3
    default_code = "declined"


class QuoteChanged(BatchManagerError):
    """The store, the model or the price changed between the quote and the yes."""

    exit_code = 3
    default_code = "quote_changed"


class StoppedError(BatchManagerError):
    """All sending stopped: the account, the key, or the cap."""

    exit_code = 4
    default_code = "stopped"


class VectorStoreError(BatchManagerError):
    """Chroma can't be reached, is damaged, or holds vectors of another shape."""

    default_code = "vector_store"


class Verdict(StrEnum):
    """What follows from a refusal."""

    RETRY = "retry"  # the same again, later
    SPLIT = "split"  # something in it is too large or poisonous: halves
    FAIL = "fail"  # this input can't be embedded
    STOP = "stop"  # no request can succeed until somebody acts


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request brought no answer, as a value to decide on.

    Attributes:
        verdict: What to do next.
        code: Stable code, the server's own where it has one.
        message: The server's words, one line, cleaned of secrets.
        next_step: What the user can do.
        status: HTTP status; None when no response came.
        retry_after: Seconds that the server asked to wait; None when it didn't.
        maybe_billed: True when the server may have done (and billed) the work.
        slow_down: True when other requests should be slowed as well.
    """

    verdict: Verdict
    code: str
    message: str
    next_step: str = ""
    status: int | None = None
    retry_after: float | None = None
    maybe_billed: bool = False
    slow_down: bool = False


class RequestRefused(BatchManagerError):
    """One request to the embedding API was refused or brought nothing usable."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message, next_step=refusal.next_step, code=refusal.code)
        self.refusal = refusal
