"""One function an action, each in the module of its noun; loaded only when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags

ACTIONS = {
    "app": ("batch_manager.cli.app", "open_app"),
    "scan": ("batch_manager.cli.actions.documents", "scan"),
    "import": ("batch_manager.cli.actions.documents", "import_file"),
    "export": ("batch_manager.cli.actions.documents", "export_file"),
    "move-store": ("batch_manager.cli.actions.move", "move"),
    "completion": ("batch_manager.cli.completion", "print_script"),
    "estimate-costs": ("batch_manager.cli.actions.estimate", "estimate_costs"),
    "batch-index": ("batch_manager.cli.actions.index", "index"),
    "individual-index": ("batch_manager.cli.actions.index", "index"),
    "retry-failed": ("batch_manager.cli.actions.index", "index"),
    "rebuild-indexes": ("batch_manager.cli.actions.index", "index"),
    "mcp": ("batch_manager.cli.actions.mcp", "serve"),
    "collect": ("batch_manager.cli.actions.half_price", "collect"),
    "worker": ("batch_manager.cli.actions.worker", "work"),
    "search": ("batch_manager.cli.actions.search", "search"),
    "status": ("batch_manager.cli.actions.status", "status"),
    "trim": ("batch_manager.cli.actions.trim", "trim"),
    "check": ("batch_manager.cli.actions.check", "check"),
    "drop-old-index": ("batch_manager.cli.actions.old_index", "drop_old_index"),
    "verify": ("batch_manager.cli.actions.verify", "verify"),
}


def do(flags: Flags) -> int:
    """Do what the flags say; returns the exit code.

    Raises:
        BatchManagerError: It can't be done.
    """
    module, name = ACTIONS[flags.action]
    code: int = getattr(import_module(module), name)(flags)
    return code
