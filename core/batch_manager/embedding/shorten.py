"""Shorter vectors out of longer ones that were paid for: cut off behind, then scaled to length 1 again. Pure.

OpenAI documents the parameter `dimensions` of its text-embedding-3 models as this ("removing some numbers from the end
of the sequence", and the same in one's own code by cutting and normalising: its guide on embeddings, "Reducing
embedding dimensions"). That is a documented fact, which the rehearsal server follows and our tests compare with; no
answer of OpenAI's live server was compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from batch_manager.pricing import LISTED_HOSTS, NATIVE_DIMENSIONS
from batch_manager.quote import Space

SHORTENABLE = frozenset({"text-embedding-3-small", "text-embedding-3-large"})
"""Models that take `dimensions`, and of which it is documented what that does."""

REHEARSAL = "rehearsal"
"""What the store calls the server on this machine that rehearses OpenAI's."""


def can_be_cut_for(space: Space) -> bool:
    """Whether vectors of this space are the beginning of longer ones, as far as that is documented."""
    if space.provider != "openai" or space.model not in SHORTENABLE or not space.dimensions:
        return False
    if space.dimensions >= NATIVE_DIMENSIONS[space.model]:
        return False
    # What another server does under the same name is anybody's guess.
    return space.server == REHEARSAL or (urlsplit(space.server).hostname or "") in LISTED_HOSTS


def shorten(vectors: Sequence[bytes], dimensions: int) -> list[bytes]:
    """The first numbers of each vector, at length 1.

    Args:
        vectors: float32, little endian, each of at least `dimensions` numbers, all of one size.
        dimensions: Numbers that are wanted.

    Returns:
        float32, little endian. A vector that begins with nothing but zeros stays as it is: it has no direction.
    """
    import numpy as np

    if not vectors:
        return []
    whole = np.frombuffer(b"".join(vectors), dtype="<f4").reshape(len(vectors), -1)
    cut = whole[:, :dimensions].astype(np.float64)  # so that the sum of squares loses nothing
    lengths = np.linalg.norm(cut, axis=1, keepdims=True)
    scaled = np.divide(cut, lengths, out=cut, where=lengths > 0).astype("<f4")
    return [row.tobytes() for row in scaled]
