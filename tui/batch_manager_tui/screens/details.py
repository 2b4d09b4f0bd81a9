"""Details: the exact text of an item, and all that is known of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container

from batch_manager.errors import BatchManagerError
from batch_manager.store.items import ItemDetail
from batch_manager_tui.display import count, shown
from batch_manager_tui.screens.base import AppScreen
from batch_manager_tui.widgets.detail_lines import detail_lines, neighbour_lines
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.strips import Lines, LineView
from batch_manager_tui.widgets.text_pane import TextPane

if TYPE_CHECKING:
    from batch_manager.engine import SearchHit
    from batch_manager_tui.app import BatchManagerApp

NEIGHBOURS = 8

REST = 0.25
"""Seconds that an item must be looked at before its neighbours are asked for."""


class DetailsScreen(AppScreen):
    """One item."""

    BINDINGS: ClassVar = [
        Binding("escape,q,enter", "back", "back", show=False),
        Binding("tab,shift+tab", "other_pane", "other pane", show=False),
        Binding("n,right,l", "turn(1)", "next", show=False),
        Binding("b,left,h", "turn(-1)", "before", show=False),
        Binding("j,down", "move('down')", "down", show=False),
        Binding("k,up", "move('up')", "up", show=False),
        Binding("pagedown,space,ctrl+d", "move('page_down')", "page down", show=False),
        Binding("pageup,ctrl+u", "move('page_up')", "page up", show=False),
        Binding("g,home", "move('top')", "top", show=False),
        Binding("G,end", "move('bottom')", "bottom", show=False),
    ]

    def __init__(self, item_id: int, among: Sequence[int] | None = None) -> None:
        """One item.

        Args:
            item_id: Which.
            among: The items that `next` and `before` go through; those of the main list when it isn't given.
        """
        super().__init__()
        self._item_id = item_id
        self._among = among
        self._near: list[SearchHit] | None = None
        self._near_error = ""
        self._detail: ItemDetail | None = None

    def body(self) -> ComposeResult:
        """The text, and what is known beside it."""
        with Container(id="details"):
            facts = Lines(id="facts", classes="pane")
            facts.border_title = "Item"
            yield facts
            text = TextPane(id="exact-text")
            text.add_class("pane")
            text.border_title = "Exactly this text is sent"
            yield text

    def footer(self) -> Keys:
        """Keys of this screen."""
        return [
            ("move('down')", "j k", "scroll"),
            ("other_pane", "tab", "other pane"),
            ("turn(1)", "n", "next item"),
            ("turn(-1)", "b", "item before"),
            ("back", "esc", "back"),
        ]

    def on_mount(self) -> None:
        """Read the item beside the app's thread."""
        super().on_mount()
        self.query_one("#exact-text", TextPane).focus()
        self._read()

    def on_resize(self) -> None:
        """The facts follow the width."""
        super().on_resize()
        self.call_after_refresh(self._show_facts)

    def on_key_line_pressed(self, message: KeyLine.Pressed) -> None:
        """A click on a key."""
        self.call_later(self.run_action, f"screen.{message.command}")

    def action_back(self) -> None:
        """Back to the list."""
        self.dismiss(None)

    def action_other_pane(self) -> None:
        """From the text to the facts, and back."""
        facts = self.query_one("#facts", Lines)
        (self.query_one("#exact-text", TextPane) if facts.has_focus else facts).focus()

    def action_turn(self, by: int) -> None:
        """To the list's next item, or the one before."""
        if self._among is not None:
            self._turn_among(self._among, by)
            return
        items = self.batch_app.main.items
        before = items.cursor
        items.go(before + by)
        if items.cursor == before or items.current_id is None:
            self.say("There is no other item in that direction.", "warning")
            return
        self._item_id = items.current_id
        self._read()

    def _turn_among(self, among: Sequence[int], by: int) -> None:
        place = among.index(self._item_id) + by
        if not 0 <= place < len(among):
            self.say("There is no other item in that direction.", "warning")
            return
        self._item_id = among[place]
        self._read()

    def action_move(self, step: str) -> None:
        """Scroll the pane that has the focus."""
        focused = self.focused
        pane = focused if isinstance(focused, LineView) else self.query_one("#exact-text", TextPane)
        pane.move(step)

    def _read(self) -> None:
        self.run_worker(self._read_and_show(self._item_id), exclusive=True, group="detail")

    async def _read_and_show(self, item_id: int) -> None:
        app = self.batch_app
        try:
            detail = await app.back.read(app.workspace.store.items.detail, item_id)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        if not self.query("#exact-text"):
            return  # left meanwhile
        text = self.query_one("#exact-text", TextPane)
        if detail is None:
            self.say("This item is no longer in the store.", "warning")
            text.show("")
            return
        self._detail = detail
        self._near, self._near_error = None, ""
        sent = detail.row.problem is None
        text.border_title = "Exactly this text is sent" if sent else "This text can't be sent"
        text.border_subtitle = f"{count(len(detail.text), 'character')}"
        text.show(detail.text)
        self._show_facts()
        if _has_neighbours(detail, app):
            await self._ask_for_neighbours(detail)

    async def _ask_for_neighbours(self, detail: ItemDetail) -> None:
        await asyncio.sleep(REST)  # who turns pages quickly wants the next item, and not this one's neighbours
        app, row = self.batch_app, detail.row
        try:
            self._near = await app.back.do(app.workspace.engine.neighbours, row.kind, row.name, NEIGHBOURS)
        except BatchManagerError as error:
            self._near_error = error.message
        if self._detail is detail and self.query("#facts"):
            self._show_facts()

    def _show_facts(self) -> None:
        if self._detail is None:
            return
        facts = self.query_one("#facts", Lines)
        price = None
        try:
            price = self.batch_app.workspace.engine.price().cost(self._detail.row.tokens)
        except BatchManagerError as error:
            self.say(shown(str(error)), "warning")
        lines = detail_lines(self._detail, price, facts.line_width)
        if _has_neighbours(self._detail, self.batch_app):
            lines += neighbour_lines(self._near, self._near_error, facts.line_width)
        facts.show_lines(lines)


def _has_neighbours(detail: ItemDetail, app: BatchManagerApp) -> bool:
    """Whether the index can be asked: not while another process writes it."""
    return detail.status == "indexed" and app.workspace.busy is None
