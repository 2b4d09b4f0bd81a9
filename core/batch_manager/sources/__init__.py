"""Where documents come from: a database, a file, the sample, another store.

A source only reads. It yields what it found and what it could not read, in order, without keeping it;
the store compares and keeps (`batch_manager.store`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from batch_manager.documents import Document

Brings = Literal["structure", "words"]


@dataclass(frozen=True, slots=True)
class Found:
    """A document and where it stood, such as `line 12`; empty when a place says nothing."""

    document: Document
    where: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that could not be read; the rest goes on.

    Attributes:
        where: Such as `line 12` or `table orders`.
        message: One plain line: what is wrong.
        table: The table or view that is there and could not be read, by its bare name; it isn't taken for gone.
    """

    where: str
    message: str
    table: str = ""


class Source(Protocol):
    """Anything that documents can be read from."""

    @property
    def brings(self) -> Brings:
        """Whether its documents are structure (a scan) or words (an import)."""

    @property
    def title(self) -> str:
        """What to call it on a screen; never with a password in it."""

    @property
    def key(self) -> str:
        """What tells it from every other source, however it is written this time; never with a password in it."""

    @property
    def label(self) -> str:
        """A short name for it, for items whose own name another source has already."""

    def covers(self, schema: str) -> bool:
        """Whether it told all that there is of a schema, so that what it left out is gone; asked after reading."""

    def read(self) -> Iterator[Found | Unreadable]:
        """Yield documents one by one.

        Raises:
            InputError: When the source as a whole can't be read.
        """
