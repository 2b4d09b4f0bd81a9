"""Details: the exact text of an item, and all that is known of it: its journey, findings, tries and neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.containers import Container

from batch_manager.errors import BatchManagerError
from batch_manager.store.items import ItemDetail
from batch_manager_tui.display import count, shown
from batch_manager_tui.places import bindings_of
from batch_manager_tui.screens.base import PlaceScreen
from batch_manager_tui.widgets.detail_lines import Known, detail_lines, neighbour_line, no_neighbours
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.pick_list import PickList
from batch_manager_tui.widgets.strips import Line, Lines
from batch_manager_tui.widgets.text_pane import TextPane
from batch_manager_tui.workers import begin

if TYPE_CHECKING:
    from batch_manager.engine import SearchHit
    from batch_manager.engine.itinerary import Itinerary
    from batch_manager_tui.app import BatchManagerApp

NEIGHBOURS = 8

SHORT = 20_000
"""Characters of a text whose tokens are counted by section before it is shown; of a longer one afterwards."""

REST = 0.25
"""Seconds that an item must be looked at before the index, or the packing of all that is pending, is asked."""


class DetailsScreen(PlaceScreen):
    """One item."""

    PLACE = "details"
    PANES = ("#exact-text", "#facts", "#near")
    TABS = ("Text", "Item", "Nearest")
    BINDINGS: ClassVar = bindings_of(PLACE)

    def __init__(self, item_id: int, among: Sequence[int] | None = None) -> None:
        """One item.

        Args:
            item_id: Which.
            among: The items that `next` and `before` go through; those of the main list when it isn't given.
        """
        super().__init__()
        self._item_id = item_id
        self._among = among
        self._detail: ItemDetail | None = None
        self._known = Known()
        self._itinerary: Itinerary | None = None
        self._near: list[SearchHit] = []
        self._near_ids: list[int] = []

    def body(self) -> ComposeResult:
        """What is known, the nearest items, and the text."""
        with Container(id="details"):
            with Container(id="known"):
                yield Lines(id="facts", classes="pane")
                yield PickList(id="near", classes="pane -none")
            text = TextPane(id="exact-text")
            text.add_class("pane", update=False)
            yield text
        for name, title in zip(self.PANES, ("Exactly this text is sent", "Item", "Nearest items"), strict=True):
            self.entitle(name, title)

    def footer(self) -> Keys:
        """An item can be opened where there are some."""
        return [one for one in super().footer() if one[0] != "details.open" or self._near_ids]

    def on_mount(self) -> None:
        """Read the item beside the app's thread."""
        super().on_mount()
        self._read()

    def placed(self) -> None:
        """The facts follow the width."""
        self._show_facts()

    def turn(self) -> None:
        """What is known has no room beside the text where only one pane has."""
        for known in self.query("#known"):
            known.set_class(self._front == "#exact-text", "-behind")
        super().turn()

    def refit(self) -> None:
        """The facts follow the width."""
        self._show_facts()

    def on_pick_list_opened(self, message: PickList.Opened) -> None:
        """A double click."""
        self.action_open()

    def action_open(self) -> None:
        """The nearest item under the cursor; from the other panes back, as enter came here."""
        near = self.query_one("#near", PickList)
        if not near.has_focus:
            self.action_back()
        elif self._near_ids:
            self.batch_app.push_screen(DetailsScreen(self._near_ids[near.cursor], tuple(self._near_ids)))

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

    def _read(self) -> None:
        begin(self, partial(self._read_and_show, self._item_id), exclusive=True, group="detail")

    async def _read_and_show(self, item_id: int) -> None:
        app = self.batch_app
        store = app.workspace.store
        try:
            detail = await app.back.read(store.items.detail, item_id)
            findings = await app.back.read(store.items.findings_of, item_id)
            travelled = await app.back.read(app.workspace.engine.travelled, item_id)
            shares = await app.back.read(detail.shares) if detail is not None and len(detail.text) <= SHORT else ()
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
        self._known = Known(findings=findings, travelled=travelled, shares=shares)
        sent = detail.row.problem is None
        self.entitle("#exact-text", "Exactly this text is sent" if sent else "This text can't be sent")
        text.border_subtitle = f"{count(len(detail.text), 'character')}"
        text.show(detail.text, breaks=detail.breaks)
        self._show_facts()
        self._show_near([], [], "asking the index…" if _has_neighbours(detail, app) else "")
        await asyncio.sleep(REST)  # who turns pages quickly wants the next item, and not all about this one
        await self._count_by_section(detail)
        await self._ask_what_was_meant(detail)
        await self._ask_for_its_request(detail)
        await self._ask_for_neighbours(detail)
        await self._ask_for_the_same_words(detail)

    async def _count_by_section(self, detail: ItemDetail) -> None:
        if len(detail.text) <= SHORT:
            return  # shown already
        shares = await self.batch_app.back.quote(detail.shares)
        if self._detail is detail and self.query("#facts"):
            self._known = replace(self._known, shares=shares)
            self._show_facts()

    async def _ask_for_its_request(self, detail: ItemDetail) -> None:
        app = self.batch_app
        if detail.status != "pending" or detail.row.problem or app.main.desk.view.active:
            return
        try:
            if self._itinerary is None:
                self._itinerary = await app.back.quote(app.workspace.engine.itinerary)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        if self._detail is detail and self.query("#facts"):
            self._known = replace(self._known, itinerary=self._itinerary)
            self._show_facts()

    async def _ask_what_was_meant(self, detail: ItemDetail) -> None:
        app, row = self.batch_app, detail.row
        if "stranger" not in self._known.findings:
            return
        try:
            nearest = await app.back.quote(app.workspace.store.items.nearest, row.kind, row.name)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        if self._detail is detail and self.query("#facts"):
            self._known = replace(self._known, nearest=nearest)
            self._show_facts()

    async def _ask_for_the_same_words(self, detail: ItemDetail) -> None:
        app = self.batch_app
        try:
            same = await app.back.look(app.workspace.store.items.same_words_as, self._item_id)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        if same is not None and self._detail is detail and self.query("#facts"):
            self._known = replace(self._known, findings=(*self._known.findings, "same_words"), same=same)
            self._show_facts()

    async def _ask_for_neighbours(self, detail: ItemDetail) -> None:
        app, row = self.batch_app, detail.row
        if not _has_neighbours(detail, app):
            return
        hits: list[SearchHit] = []
        ids: list[int] = []
        why = "nothing else is indexed"
        try:
            hits = await app.back.do(app.workspace.engine.index.neighbours, row.kind, row.name, NEIGHBOURS)
            found = [await app.back.read(app.workspace.store.items.find, hit.kind, hit.name) for hit in hits]
            hits = [hit for hit, item_id in zip(hits, found, strict=True) if item_id is not None]
            ids = [item_id for item_id in found if item_id is not None]
        except BatchManagerError as error:
            hits, ids, why = [], [], error.message
        if self._detail is detail and self.query("#near"):
            self._show_near(hits, ids, why)

    def _show_near(self, hits: list[SearchHit], ids: list[int], why: str) -> None:
        """Show the nearest items, or why there are none; with nothing to say, no pane."""
        near = self.query_one("#near", PickList)
        gone = not hits and not why
        if gone and self._front == "#near":
            self.to_pane("#exact-text")
        if near.has_class("-none") != gone:
            near.set_class(gone, "-none")
            self.turn()
        self._near, self._near_ids = hits, ids
        if hits:
            near.show(len(hits), lambda index, width: neighbour_line(self._near[index], width))
        else:
            words = no_neighbours(why, max(20, near.line_width))
            near.show(len(words), lambda index, width: words[index])
        near.set_class(not hits, "-empty")
        self.query_one(KeyLine).show_keys(self.footer())

    def _show_facts(self) -> None:
        if self._detail is None or not self.query("#facts"):
            return
        facts = self.query_one("#facts", Lines)
        price = None
        try:
            price = self.batch_app.workspace.engine.price().cost(self._detail.row.tokens)
        except BatchManagerError as error:
            self.say(shown(str(error)), "warning")
        lines: list[Line] = detail_lines(self._detail, price, facts.line_width, self._known)
        facts.show_lines(lines)


def _has_neighbours(detail: ItemDetail, app: BatchManagerApp) -> bool:
    """Whether the index can be asked: not while another process writes it."""
    return detail.status == "indexed" and app.workspace.busy is None
