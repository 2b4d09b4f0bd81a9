"""The box that a user types in: one line, with a cursor that stands still."""

from __future__ import annotations

from textual.widgets import Input


class Box(Input):
    """An `Input` that neither blinks nor selects what is in it."""

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(value, placeholder=placeholder, id=id, select_on_focus=False)
        self.cursor_blink = False
