"""The full-screen app: shows what the core says, and sends it commands. No business logic of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batch_manager_tui.app import BatchManagerApp, run

__all__ = ["BatchManagerApp", "run"]

# How often a second Textual draws what has changed, at the most; it reads this when it is loaded. A key waits for the
# next picture half as long as at its own 60, and since nothing here moves by itself there are no more pictures.
os.environ.setdefault("TEXTUAL_FPS", "120")


def __getattr__(name: str) -> Any:
    # Textual is loaded when the app is wanted, not when the package is looked at.
    if name in __all__:
        from batch_manager_tui import app

        return getattr(app, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
