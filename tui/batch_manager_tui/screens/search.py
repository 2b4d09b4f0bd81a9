"""Search: a question in plain words, the nearest items, the passage that answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static

from batch_manager.documents import KINDS, Kind
from batch_manager.errors import BatchManagerError
from batch_manager.pricing import show_usd
from batch_manager_tui.display import shown
from batch_manager_tui.places import bindings_of
from batch_manager_tui.screens.base import PlaceScreen
from batch_manager_tui.screens.details import DetailsScreen
from batch_manager_tui.widgets.hits import Hits, QueryBox, nothing_near, unasked
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.pick_list import PickList
from batch_manager_tui.widgets.strips import Line
from batch_manager_tui.widgets.text_pane import TextPane
from batch_manager_tui.workers import begin

if TYPE_CHECKING:
    from batch_manager.engine import SearchHit

LIMIT = 20
NEAREST = "Nearest items"
NO_TEXT = "The text that answers stands here."
TYPING_PAUSE = 0.35
"""Seconds without a key after which a search that costs nothing starts by itself."""


class SearchScreen(PlaceScreen):
    """Ask the index."""

    PLACE = "search"
    PANES = ("#query", "#hits", "#passage")
    BINDINGS: ClassVar = bindings_of(PLACE)

    def __init__(self) -> None:
        super().__init__()
        self._kind: Kind | None = None
        self._source: str | None = None
        self._schema: str | None = None
        self._timer: Timer | None = None
        self._asked = ""
        self._sought = ""
        self._stale = False
        self._under_way = False
        self._free = False
        self._local = False
        self._told_where = False

    def body(self) -> ComposeResult:
        """The box with its price, the results, the passage."""
        with Horizontal(id="ask") as ask:
            ask.border_title = "Ask in plain words"
            yield QueryBox(placeholder="which customers pay late", id="query")
            yield Static("", id="query-price", markup=False)
        with Container(id="found"):
            hits = Hits(id="hits")
            hits.border_title = NEAREST
            yield hits
            passage = TextPane(id="passage")
            passage.add_class("pane", update=False)
            passage.border_title = "Matching text"
            yield passage

    def on_mount(self) -> None:
        """Begin in the box."""
        super().on_mount()
        self.query_one("#hits", Hits).border_subtitle = "tables and relationships"
        self._show([])

    def footer(self) -> Keys:
        """What the keys do where the focus is: what is typed into the box is no key."""
        keys = super().footer()
        if isinstance(self.focused, Input):
            return [
                self.entry(one, "ask") if one == "search.open" else (one, key, label)
                for one, key, label in keys
                if one != "help"
            ]
        return [self.entry("search.open", "open"), self.entry("filter", "ask again"), *keys[1:]]

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Other keys elsewhere."""
        self.query_one(KeyLine).show_keys(self.footer())

    def on_input_changed(self, event: Input.Changed) -> None:
        """The price follows; a search that stays on this machine follows after a pause."""
        if self._timer is not None:
            self._timer.stop()
        if not event.value.strip():
            self._forget()
        begin(self, partial(self._price, event.value), exclusive=True, group="price")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Asking for it is the yes to its price."""
        if event.value.strip() and event.value == self._asked and not self._stale:
            self.query_one("#hits", Hits).focus()
        else:
            self._ask(focus=True)

    def on_key_line_pressed(self, message: KeyLine.Pressed) -> None:
        """A click on a key; in the box, enter's is the question."""
        message.prevent_default()  # Textual would do what the base does as well
        if message.command == "search.open" and self.query_one("#query").has_focus:
            self._ask(focus=True)
        else:
            super().on_key_line_pressed(message)

    def on_pick_list_moved(self, message: PickList.Moved) -> None:
        """The passage follows the results."""
        hit = self.query_one("#hits", Hits).current
        if hit is not None:
            self.query_one("#passage", TextPane).show(hit.document)

    def on_pick_list_opened(self, message: PickList.Opened) -> None:
        """A double click."""
        self.action_open()

    def action_edit(self) -> None:
        """Back to the box."""
        self.query_one("#query", Input).focus()

    def action_move(self, step: str) -> None:
        """In the passage: scroll; elsewhere through the results."""
        passage = self.query_one("#passage", TextPane)
        (passage if passage.has_focus else self.query_one("#hits", Hits)).move(step)

    def action_kind(self) -> None:
        """All, tables, relationships."""
        order: tuple[Kind | None, ...] = (None, *KINDS)
        self._kind = order[(order.index(self._kind) + 1) % len(order)]
        self._kept_to()

    async def action_source(self) -> None:
        """All sources, then one after another."""
        self._source = await self._next(self._source, self.batch_app.workspace.store.places.sources, "source")
        self._kept_to()

    async def action_schema(self) -> None:
        """All schemas, then one after another."""
        self._schema = await self._next(self._schema, self.batch_app.workspace.store.places.schemas, "schema")
        self._kept_to()

    async def _next(self, now: str | None, all_of: Callable[[], list[str]], noun: str) -> str | None:
        try:
            known = await self.batch_app.back.read(all_of)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return now
        if not known:
            self.say(f"No item tells of a {noun}.")
        order = [None, *known]
        return order[(order.index(now) + 1) % len(order)] if now in order else None

    def _kept_to(self) -> None:
        """Say what the search is kept to; one that costs nothing is made again."""
        words = f"{self._kind}s only" if self._kind else "tables and relationships"
        named = (("source", self._source), ("schema", self._schema))
        words = " · ".join([words, *(f"{noun} {shown(name)}" for noun, name in named if name is not None)])
        self.query_one("#hits", Hits).border_subtitle = Content(words)
        if self._under_way:
            return  # it is asked once more when its answer is there: to give it up would waste what it costs
        if self._asked:  # what is shown, whatever stands in the box by now: its vector is kept, so that nothing is paid
            self._stale = True
            begin(self, partial(self._search, self._asked, may_pay=False), exclusive=True, group="search")

    def action_open(self) -> None:
        """Jump to the item."""
        hit = self.query_one("#hits", Hits).current
        if hit is None:
            return
        try:
            item_id = self.batch_app.workspace.store.items.find(hit.kind, hit.name)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        if item_id is None:
            self.say("This item is in the index, but no longer in the store.", "warning")
            return
        self.batch_app.push_screen(DetailsScreen(item_id))

    def _ask(self, focus: bool = False) -> None:
        query = self.query_one("#query", Input).value
        if not query.strip():
            self.say('Say what you look for, such as "customers who pay late".', "warning")
            return
        if self._timer is not None:
            self._timer.stop()  # a search for what was typed would take the place of the one that enter asked for
        self._sought = query
        self._under_way = True
        begin(self, partial(self._search, query, focus, may_pay=focus), exclusive=True, group="search")

    def _forget(self) -> None:
        """Nothing is asked any more."""
        self._asked = self._sought = ""
        self._stale = self._under_way = False
        begin(self, self._nothing, exclusive=True, group="search")  # an answer that is on its way comes to nothing

    async def _nothing(self) -> None:
        self._show([])

    async def _search(self, query: str, focus: bool = False, *, may_pay: bool) -> None:
        app = self.batch_app
        box, kept = self.query_one("#hits", Hits), self._keeps
        box.border_title = "Searching…"
        try:
            find = partial(
                app.workspace.engine.index.search,
                sources=() if self._source is None else (self._source,),
                schemas=() if self._schema is None else (self._schema,),
                # A yes to a server that the settings don't name is one only once it was told beside the box.
                agreed=self._told_where or not may_pay,
                may_pay=may_pay,
            )
            hits = await app.back.do(find, query, self._kind, LIMIT)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            if not may_pay and query == self._asked:
                self._asked = ""
                self._show([])  # what stood there doesn't fit what the search is kept to by now
            return
        finally:
            box.border_title = NEAREST
            if query == self._sought:
                self._under_way = False
        if not self.query("#hits"):
            return  # left meanwhile
        self._asked, self._stale = query, False
        self._show(hits)
        if focus and hits:
            box.focus()
        begin(self, partial(self._price, self.query_one("#query", Input).value), exclusive=True, group="price")
        if kept != self._keeps:
            self._kept_to()  # it was kept to something else while the answer was on its way

    @property
    def _keeps(self) -> tuple[str | None, ...]:
        return self._kind, self._source, self._schema

    def _show(self, hits: list[SearchHit]) -> None:
        """These results, the best one's text; where there are none, what stands there and which key is next."""
        keys = {
            one: self.key(one) for one in ("search.open", "search.kind", "search.source", "search.schema", "filter")
        }
        kept = bool(self._kind or self._source or self._schema)

        def empty(width: int) -> list[Line]:
            return nothing_near(keys, kept, width) if self._asked else unasked(keys, self._local, width)

        self.query_one("#hits", Hits).show_hits(hits, empty)
        passage = self.query_one("#passage", TextPane)
        passage.show(hits[0].document if hits else "", None if hits else [[(NO_TEXT, "soft")]])

    async def _price(self, query: str) -> None:
        words, self._free, self._told_where = await self.batch_app.back.quote(self._price_words, query)
        for box in self.query("#query-price").results(Static):
            box.update(words)
        for hits in self.query("#hits").results(Hits):
            hits.refresh()  # what an empty one says depends on where a query goes
        if self._free and len(query.strip()) > 2 and query != self._sought:  # enter may have come first
            if self._timer is not None:
                self._timer.stop()
            self._timer = self.set_timer(TYPING_PAUSE, self._ask)

    def _price_words(self, query: str) -> tuple[str, bool, bool]:
        """The price; whether the query stays on this machine; whether it goes to a server that the settings don't name.

        That server is told with the price.
        """
        index = self.batch_app.workspace.engine.index
        try:
            asked = index.search_settings()
            self._local = asked.provider == "local"
            if not query.strip():
                return "", self._local, False
            price = show_usd(index.search_price(query))
            if index.keeps(query) and not self._local:
                return "$0, asked before", True, False
            if index.leaves_unnamed(asked):
                return f"{price} at {shown(asked.host)}", False, True
            return price, self._local, False
        except BatchManagerError as error:
            return error.code, False, False
