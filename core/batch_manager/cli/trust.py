"""Whose word the server's address is: a `.env` of the working folder must not lure a key away unnoticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_manager.errors import DeclinedError

if TYPE_CHECKING:
    from batch_manager.settings import Settings


def is_lure(settings: Settings) -> bool:
    """Whether a key from elsewhere would go to an address that comes from the folder's `.env`. Pure."""
    return (
        settings.provider == "openai"
        and settings.mode != "rehearsal"
        and settings.origins.get("OPENAI_BASE_URL") == ".env"
        and settings.origins.get("OPENAI_API_KEY") in ("environment", "flag")
    )


def warning(settings: Settings) -> str:
    """What a person has to know before a yes."""
    return f"The address {settings.host} comes from this folder's .env, and your key from elsewhere."


def refuse_lure(settings: Settings, trusted: bool) -> None:
    """Stop where nobody reads a warning.

    Raises:
        DeclinedError: The key would go to the `.env`'s address, and `--trust-dotenv` wasn't given.
    """
    if is_lure(settings) and not trusted:
        raise DeclinedError(
            f"{warning(settings)} Nothing was sent.",
            next_step="If that is meant, add --trust-dotenv, or set OPENAI_BASE_URL in the environment.",
            code="untrusted_server",
        )
