"""Documents that are at hand already: from Python callers, or out of another store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from batch_manager.documents import Document, from_payload, to_payload
from batch_manager.sources import Brings, Found, Unreadable
from batch_manager.sources.shown import shown


class IterableSource:
    """A source over anything that can be iterated.

    Args:
        documents: Documents, or mappings in the import format's shape. A generator can be read once.
        brings: What the documents are to count as.
        title: What to call it.
    """

    def __init__(self, documents: Iterable[Document | Mapping[str, Any]], brings: Brings, title: str) -> None:
        self._documents = documents
        self._brings: Brings = brings
        self._title = shown(title)

    @property
    def brings(self) -> Brings:
        """Whether its documents are structure or words."""
        return self._brings

    @property
    def title(self) -> str:
        """As given, with control characters escaped."""
        return self._title

    @property
    def key(self) -> str:
        """The title: there is nothing else to know it by."""
        return self._title

    @property
    def label(self) -> str:
        """The title."""
        return self._title

    def covers(self, schema: str) -> bool:
        """Always: whoever has the documents at hand knows whether they are all."""
        return True

    def read(self) -> Iterator[Found | Unreadable]:
        """Yield the documents in order; `where` counts them from one."""
        for number, document in enumerate(self._documents, start=1):
            yield checked(document, f"document {number}")


def checked(document: Document | Mapping[str, Any], where: str) -> Found | Unreadable:
    """Let through what the import format can carry, since that is how it will be kept."""
    try:
        if isinstance(document, Document):
            from_payload(to_payload(document))
            return Found(document, where)
        return Found(from_payload(document), where)
    except ValueError as error:
        return Unreadable(where, str(error))
