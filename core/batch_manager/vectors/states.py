"""What stands in a row of Chroma, worked out where it is, so that no text has to travel for a comparison. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batch_manager.documents import text_hash


def state_of(document: str | None, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A row's `RowState` as values for the pipe; other programs may have put anything into the metadata."""
    dimensions = metadata.get("dimensions")
    return {
        "hash": str(metadata.get("hash", "")),
        "text_hash": text_hash(document or ""),
        "model": str(metadata.get("model", "")),
        "dimensions": dimensions if isinstance(dimensions, int) else 0,
    }
