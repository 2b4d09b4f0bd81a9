"""Work beside the keys: how a screen or the app begins what takes its time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

from textual.app import ScreenStackError
from textual.css.query import NoMatches

if TYPE_CHECKING:
    from textual.dom import DOMNode


def begin(
    node: DOMNode, work: Callable[[], Coroutine[Any, Any, object]], *, group: str = "default", exclusive: bool = False
) -> None:
    """Begin work in the app's loop.

    What comes back while the app ends or the screen closes has nowhere to be shown: widgets go one after the other.
    The work is a function and no coroutine yet: what is replaced before its turn then leaves nothing behind that nobody
    ever awaited.

    Args:
        node: The screen or app whose work it is; it ends with it.
        work: What to do.
        group: Work of one kind.
        exclusive: Replaces what is under way in its group.
    """

    async def shown() -> None:
        try:
            await work()
        except (NoMatches, ScreenStackError):
            if node.app.is_running and node.is_attached:
                raise

    # The types of `run_worker` take a function of a coroutine for two things at once.
    node.run_worker(cast("Callable[[], None]", shown), group=group, exclusive=exclusive)
