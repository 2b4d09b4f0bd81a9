"""Opening the app: only on a real terminal, and the screen's code is loaded only here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from batch_manager.cli import terminal
from batch_manager.errors import UsageError

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags
    from batch_manager.workspace import Workspace


def open_app(flags: Flags) -> int:
    """Open the app, and return its exit code.

    Raises:
        UsageError: There is no terminal.
    """
    if not terminal.app_fits():
        raise UsageError(
            "The app needs a terminal, and standard input or output is none.",
            next_step="Run it in a terminal, or use a flag that works without one: --status, --estimate-costs,"
            " --batch-index --yes, --search (see --help).",
            code="no_terminal",
        )
    from batch_manager.cli.stand_in import can_split, split

    stand_in = None
    if can_split():
        stand_in = os.getpid()
        if (code := split()) is not None:
            return code
    import logging

    from batch_manager.cli.opening import settings_of
    from batch_manager_tui import run

    settings = settings_of(flags)
    # The screen is the app's: until there is a file for the log, it goes nowhere.
    logging.getLogger().addHandler(logging.NullHandler())

    def open_workspace() -> Workspace:
        # In the thread that opens it, after the first paint.
        from batch_manager.cli.logs import log_to_file
        from batch_manager.workspace import Workspace

        workspace = Workspace.open(
            settings, demo=flags.demo, rehearse=flags.rehearse, reset=flags.reset, look_when_busy=True, lend=True
        )
        workspace.cap = flags.max_cost
        if workspace.busy is None:
            log_to_file(workspace.settings)
        return workspace

    return run(open_workspace, stand_in)
