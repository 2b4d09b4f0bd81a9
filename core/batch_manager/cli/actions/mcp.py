"""--mcp: the index for assistants, over the Model Context Protocol. stdout carries the protocol and nothing else."""

from __future__ import annotations

import contextlib
from importlib.util import find_spec
from typing import TYPE_CHECKING

from batch_manager.cli import terminal, trust
from batch_manager.cli.opening import for_looking
from batch_manager.errors import BatchManagerError, UsageError
from batch_manager.pricing import show_usd
from batch_manager.sources.shown import shown

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags
    from batch_manager.cli.opening import Look


def serve(flags: Flags) -> int:
    """Answer an assistant until it closes stdin.

    Raises:
        UsageError: The SDK isn't installed.
        DeclinedError: The key would go to a server that only this folder's `.env` names.
        StoreError: The store can't be read.
    """
    if find_spec("mcp") is None:
        raise UsageError(
            "--mcp needs the official SDK of the Model Context Protocol, which is not installed.",
            next_step="Install it: python -m pip install 'batch-manager[mcp]'.",
            code="no_mcp",
        )
    with for_looking(flags) as look:
        settings = look.settings
        words, refused = _asked_words(look)
    trust.refuse_lure(settings, flags.trust_dotenv)
    from batch_manager.assistant.purse import DEFAULT_CAP, Purse
    from batch_manager.assistant.server import serve as serve_stdio

    purse = Purse(DEFAULT_CAP if flags.max_cost is None else flags.max_cost)
    terminal.say(
        f"Answering over MCP on stdin and stdout; the queries of this session cost {show_usd(purse.cap)} at most"
        f" ({words})."
    )
    if refused and flags.max_cost is None:
        terminal.say(
            "The settings name the model on this machine, so searches there are refused; --max-cost allows them."
        )
    # A cap that a person gave is the yes to queries that leave this machine though the settings name the model on it.
    serve_stdio(settings, purse, agreed=flags.max_cost is not None)
    return 0


def _asked_words(look: Look) -> tuple[str, bool]:
    """The model and the server that queries go to, as things are now; and whether the settings name no server."""
    asked = look.settings
    with contextlib.suppress(BatchManagerError):  # each search says it, for as long as it is so
        asked = look.engine.index.search_settings()
    return f"{shown(asked.model)}, {shown(asked.host)}", look.engine.index.leaves_unnamed(asked)
