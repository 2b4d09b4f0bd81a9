"""A screen that is drawn once its parts have found their place.

Textual draws a screen whenever it is laid out. One that opens, or has another size, is laid out two or three times in
a row: its parts learn their width only from the first time, and some have other lines then. Each picture is most of
what a key waits for, and all but the last are gone before they could be seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from textual.message_pump import MessagePump
from textual.screen import Screen, ScreenResultType

TURN = 0.01
"""Seconds until the loop has looked at what else there is."""


def in_a_turn(node: MessagePump, work: Callable[[], None], turns: int = 1) -> None:
    """Do this once the loop has looked at what else there is.

    By the loop's own clock: a timer of Textual's that fires once doesn't when it begins late by its whole time, and
    a screen would stay undrawn.
    """
    asyncio.get_running_loop().call_later(turns * TURN, node.call_later, work)


class Settling(Screen[ScreenResultType]):
    """Draws nothing of its own while it settles.

    Attributes:
        SETTLES: Whether it does; what has no parts that follow a width is drawn at once.
    """

    SETTLES: ClassVar = True

    _settling = False
    _held = False
    _has_moved = False
    _after_picture: tuple[Callable[[], None], ...] = ()

    def settle(self, moved: bool = False) -> None:
        """Hold the picture back until the parts have heard of what is new, and the loop of what else there is.

        Args:
            moved: Its parts get another place, or a first one; see `placed`.
        """
        self._has_moved = self._has_moved or moved
        if not self._settling or self._held:
            self._settling, self._held = self.SETTLES, False
            in_a_turn(self, self._settled)

    def hold(self) -> None:
        """Hold the picture back until it is told to settle, or comes to the front again."""
        if not self._settling:
            self._settling = self._held = self.SETTLES

    def placed(self) -> None:
        """The parts have another place: what depends on their width can be made."""

    def once_drawn(self, work: Callable[[], None]) -> None:
        """Do this behind the next picture: what is read meanwhile would take a core from it."""
        self._after_picture += (work,)
        self.refresh()

    def on_screen_resume(self) -> None:
        """It comes to the front."""
        self.settle()

    def _settled(self) -> None:
        self._settling = False
        if self._has_moved:
            self._has_moved = False
            self.placed()
        self.refresh()

    def _compositor_refresh(self) -> None:
        # Textual's own, for which it has no public name. What is to be drawn again stays noted where it is.
        if self._settling and self.is_current:
            return
        if self._repaint_required:  # asked for as well: Textual would draw the new layout, and then all of it again
            self._repaint_required = False
            self._compositor.update_widgets({self})
        super()._compositor_refresh()
        if self.is_current:  # below another one nothing was drawn
            waiting, self._after_picture = self._after_picture, ()
            for work in waiting:
                self.call_later(work)
