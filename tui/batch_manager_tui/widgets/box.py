"""The box that a user types in: one line, with a cursor that stands still."""

from __future__ import annotations

from collections.abc import Iterator

from textual import events
from textual.binding import Binding
from textual.widgets import Input


class Box(Input):
    """An `Input` that neither blinks nor selects what is in it, and does what keys mean in their order."""

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(value, placeholder=placeholder, id=id, select_on_focus=False)
        self.cursor_blink = False
        self._meaning = dict(self._meanings())

    @classmethod
    def _meanings(cls) -> Iterator[tuple[str, str]]:
        """Key and action of the box's own bindings, those of a class nearer to it last."""
        for one in reversed(cls.__mro__):
            for binding in vars(one).get("BINDINGS", ()) if issubclass(one, Input) else ():
                if isinstance(binding, Binding):
                    yield from ((key.strip(), binding.action) for key in binding.key.split(","))

    async def _on_key(self, event: events.Key) -> None:
        """Do at once what a key of the box's own means.

        Otherwise it would go up through the screen first, and letters that were pasted or typed ahead would overtake
        it: ctrl+u and a path came out as the path's last letters.
        """
        action = self._meaning.get(event.key)
        if action is not None and await self.app.run_action(action, self):
            event.stop()
            event.prevent_default()
