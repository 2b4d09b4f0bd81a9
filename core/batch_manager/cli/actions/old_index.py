"""--drop-old-index: give up the indexes that are kept beside the one that serves, and their room on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_manager.cli import terminal
from batch_manager.cli.ask import agree_to_lose
from batch_manager.cli.index_sizes import index_sizes
from batch_manager.cli.opening import for_work
from batch_manager.cli.plain_json import lines_of
from batch_manager.index_change import megabytes
from batch_manager.sources.shown import shown

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags


def drop_old_index(flags: Flags) -> int:
    """Say what would go, ask, and let it go.

    Raises:
        DeclinedError: No yes, or nobody to ask.
        VectorStoreError: Chroma doesn't answer.
    """
    with for_work(flags) as workspace:
        kept = [one for one in index_sizes(workspace.settings, workspace.store) if one.generation.state == "kept"]
        size = sum(one.bytes or 0 for one in kept)
        if kept:
            for one in kept:
                terminal.say(f"{shown(one.generation.title)}: {one.words}")
            terminal.say("What was paid for stays in the store: such an index can be built again for $0.")
            agree_to_lose("Drop it?", "dropped", yes=flags.yes)
            workspace.engine.index.drop_kept()
        if flags.json:
            terminal.result(lines_of({"dropped": [one.generation.title for one in kept], "bytes": size}))
        elif kept:
            noun = "old index" if len(kept) == 1 else "old indexes"
            terminal.result([f"{len(kept):,} {noun} dropped, {megabytes(size)} of vectors freed"])
        else:
            terminal.result(["No old index is kept."])
    return 0
