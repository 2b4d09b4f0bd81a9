"""Whose word the server's address is: a `.env` of the working folder must not lure a key away unnoticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_manager.errors import DeclinedError

if TYPE_CHECKING:
    from batch_manager.settings import Settings


def refuse_lure(settings: Settings, trusted: bool) -> None:
    """Stop where nobody reads a warning.

    Raises:
        DeclinedError: The key would go to the `.env`'s address, and `--trust-dotenv` wasn't given.
    """
    if settings.lure and not trusted:
        raise DeclinedError(
            f"{settings.lure} Nothing was sent.",
            next_step="If that is meant, add --trust-dotenv, or set OPENAI_BASE_URL in the environment.",
            code="untrusted_server",
        )
