"""--trim: forget answers that were paid for and that no item has a use for any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_manager.cli import terminal
from batch_manager.cli.ask import agree_to_lose
from batch_manager.cli.opening import for_work
from batch_manager.cli.plain_json import lines_of

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags


def trim(flags: Flags) -> int:
    """Say what would go, ask, and let it go.

    Raises:
        DeclinedError: No yes, or nobody to ask.
        StoreError: The store can't be written.
    """
    with for_work(flags) as workspace:
        answers = workspace.store.answers
        unused, size = answers.unused()
        if unused:
            terminal.say(
                f"{unused:,} kept answers ({size / 1_000_000:,.1f} MB) are of texts that no item has any more."
            )
            terminal.say("Should such a text come back, it would have to be paid for again.")
            agree_to_lose("Forget them?", "forgotten", yes=flags.yes)
            answers.trim()
        if flags.json:
            terminal.result(lines_of({"trimmed": unused, "bytes": size}))
        else:
            terminal.result([f"{terminal.counted(unused, 'answer')} forgotten, {size / 1_000_000:,.1f} MB freed"])
    return 0
