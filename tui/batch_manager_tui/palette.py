"""The palette's commands: the table again, by typing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from textual import work
from textual.command import CommandList, CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.css.query import NoMatches

from batch_manager_tui.commands import Command
from batch_manager_tui.screens.settling import Settling

if TYPE_CHECKING:
    from batch_manager_tui.app import BatchManagerApp

GATHER: Final[Any] = CommandPalette._gather_commands.__wrapped__  # type: ignore[attr-defined]
"""The search itself, without the worker around it."""


class Palette(CommandPalette, Settling[None]):
    """Textual's palette, which may be closed at any moment.

    Its own search may end after its list is gone, when it is closed in that moment, and would take the app with it.
    """

    def on_resize(self) -> None:
        """Another size."""
        self.settle()

    @work(exclusive=True, group=CommandPalette._GATHER_COMMANDS_GROUP)
    async def _gather_commands(self, search_value: str) -> None:
        try:
            await GATHER(self, search_value)
        except NoMatches:
            if self.query(CommandList):
                raise


class TablePalette(Provider):
    """Offers every command that makes sense to pick by name, with its key."""

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for command, title, run in self._offers():
            yield DiscoveryHit(title, run, text=title, help=command.help)

    async def search(self, query: str) -> Hits:
        """Those that fit what is typed."""
        matcher = self.matcher(query)
        for command, title, run in self._offers():
            score = max(matcher.match(title), matcher.match(command.help))
            if score > 0:
                yield Hit(score, matcher.highlight(title), run, text=title, help=command.help)

    def _offers(self) -> Iterator[tuple[Command, str, partial[None]]]:
        app = cast("BatchManagerApp", self.app)
        for command in app.keys.commands:
            if not command.action and command.group != "Move" and command.id != "palette":
                yield command, f"{command.label}  ({command.shown_keys})", partial(app.run_command, command.id)
