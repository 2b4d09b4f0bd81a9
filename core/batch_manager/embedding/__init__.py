"""The embedding API, as the engine sees it: one protocol, OpenAI's client or the local model behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from batch_manager.errors import SettingError
from batch_manager.quote import Space

if TYPE_CHECKING:
    from batch_manager.settings import Settings


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The account's limits as one answer's headers told them; None where a header was missing or made no sense."""

    requests_per_minute: int | None = None
    requests_left: int | None = None
    tokens_per_minute: int | None = None
    tokens_left: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request brought, checked: as many vectors as inputs, in their order, finite, of one size.

    Attributes:
        vectors: float32, little endian; one for each input.
        dimensions: Numbers a vector.
        tokens: Billed tokens as the server said; None when it said nothing, or nothing that can be true.
        limits: Rate limits, when the server told any.
    """

    vectors: Sequence[bytes]
    dimensions: int
    tokens: int | None
    limits: RateLimits | None = None


class Embedder(Protocol):
    """Turns texts into vectors."""

    async def embed(self, texts: Sequence[str], *, tried: int, expected_tokens: int) -> Answer:
        """Send one request.

        Args:
            texts: Inputs; none empty.
            tried: 1 for the first try; the timeout grows with it.
            expected_tokens: Our count, against which an absurd usage is told.

        Raises:
            RequestRefused: It brought nothing usable; the refusal says why and what follows.
        """

    async def close(self) -> None:
        """Let connections go."""


def space_of(settings: Settings) -> Space:
    """The embedding space that these settings speak of."""
    from batch_manager.pricing import NATIVE_DIMENSIONS
    from batch_manager.settings import LOCAL_DIMENSIONS

    if settings.provider == "local":
        return Space("local", settings.server, settings.model, LOCAL_DIMENSIONS)
    dimensions = settings.dimensions or NATIVE_DIMENSIONS.get(settings.model)
    return Space("openai", settings.server, settings.model, dimensions)


def make_embedder(settings: Settings) -> Embedder:
    """The embedder of these settings, ready to embed; the heavy imports happen here.

    Raises:
        SettingError: No key, for a provider that needs one.
        UsageError: The local model isn't installed.
    """
    if settings.provider == "local":
        from batch_manager.embedding.local import LocalEmbedder

        local = LocalEmbedder()
        local.load()
        return local
    from batch_manager.embedding.openai_api import OpenAIEmbedder

    return OpenAIEmbedder(settings)


def require_key(settings: Settings) -> None:
    """Make sure that there is a key where one is needed.

    Raises:
        SettingError: There is none.
    """
    if settings.provider == "openai" and not settings.api_key:
        raise SettingError(
            "No OPENAI_API_KEY is set, so nothing can be sent to the embedding API.",
            next_step="Set OPENAI_API_KEY in the environment or in .env, or use --provider local.",
            code="no_api_key",
        )
