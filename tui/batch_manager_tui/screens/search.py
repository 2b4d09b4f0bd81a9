"""Search: a question in plain words, the nearest items, the passage that answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.strip import Strip
from textual.timer import Timer
from textual.widgets import Input, Static

from batch_manager.documents import KINDS, Kind
from batch_manager.errors import BatchManagerError, UsageError
from batch_manager.pricing import show_usd
from batch_manager_tui.display import clip, fit, shown
from batch_manager_tui.screens.base import AppScreen
from batch_manager_tui.screens.details import DetailsScreen
from batch_manager_tui.widgets.box import Box
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.strips import Line, LineView, strip_of
from batch_manager_tui.widgets.text_pane import TextPane
from batch_manager_tui.widgets.words import KIND

if TYPE_CHECKING:
    from batch_manager.engine import SearchHit

LIMIT = 20
TYPING_PAUSE = 0.35
"""Seconds without a key after which a search that costs nothing starts by itself."""


class Hits(LineView):
    """The results, best first."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.hits: list[SearchHit] = []
        self.cursor = 0

    def show(self, hits: list[SearchHit]) -> None:
        """Show these; the cursor on the best."""
        self.hits, self.cursor = hits, 0
        self.fit_lines()
        self.scroll_to(y=0, animate=False)

    @property
    def current(self) -> SearchHit | None:
        """The hit under the cursor."""
        return self.hits[self.cursor] if self.hits else None

    def line_count(self) -> int:
        """One each."""
        return len(self.hits)

    def move(self, step: str) -> None:
        """Move the cursor."""
        last = len(self.hits) - 1
        page = max(1, self.size.height - 1)
        to = {
            "down": self.cursor + 1,
            "up": self.cursor - 1,
            "page_down": self.cursor + page,
            "page_up": self.cursor - page,
            "top": 0,
            "bottom": last,
        }[step]
        self.cursor = max(0, min(to, last))
        self.scroll_to_region_of(self.cursor)
        self.refresh()

    def scroll_to_region_of(self, index: int) -> None:
        """Keep a line in sight."""
        top, height = int(self.scroll_offset.y), self.size.height
        if index < top or index >= top + height:
            self.scroll_to(y=max(0, index - height // 2), animate=False, immediate=True)

    def draw_line(self, index: int, width: int) -> Strip:
        """Score as figure and bar, kind, name."""
        hit = self.hits[index]
        base = self.get_component_rich_style("line--cursor") if index == self.cursor else self.rich_style
        full = round(hit.score * 8)
        line: Line = [
            (f" {hit.score:.2f} ", "strong"),
            ("━" * full, "accent"),
            ("─" * (8 - full) + "  ", "soft"),
            (fit(KIND[hit.kind], 10), "soft"),
            (clip(shown(hit.name), max(8, width - 26)), ""),
        ]
        return strip_of(((text, self.part(name)) for text, name in line), width, base)

    def on_click(self, event: events.Click) -> None:
        """Click: cursor."""
        offset = event.get_content_offset(self)
        if offset is not None and offset.y + int(self.scroll_offset.y) < len(self.hits):
            self.cursor = offset.y + int(self.scroll_offset.y)
            self.refresh()
            self.screen.query_one(SearchScreen.PASSAGE, TextPane).show(self.hits[self.cursor].document)


class SearchScreen(AppScreen):
    """Ask the index."""

    PASSAGE = "#passage"

    BINDINGS: ClassVar = [
        Binding("escape", "back", "back", show=False),
        Binding("tab,shift+tab", "other_pane", "other pane", show=False),
        Binding("down", "move('down')", "down", show=False),
        Binding("up", "move('up')", "up", show=False),
        Binding("j", "move('down')", "down", show=False),
        Binding("k", "move('up')", "up", show=False),
        Binding("pagedown", "move('page_down')", "page down", show=False),
        Binding("pageup", "move('page_up')", "page up", show=False),
        Binding("g,home", "move('top')", "top", show=False),
        Binding("G,end", "move('bottom')", "bottom", show=False),
        Binding("ctrl+k", "kind", "kind", show=False, priority=True),  # the box has a meaning of its own for it
        Binding("t", "kind", "kind", show=False),
        Binding("ctrl+r", "source", "source", show=False, priority=True),
        Binding("o", "source", "source", show=False),
        Binding("ctrl+t", "schema", "schema", show=False, priority=True),
        Binding("m", "schema", "schema", show=False),
        Binding("slash", "edit", "edit", show=False),
        Binding("enter", "open", "open", show=False),
        Binding("q", "back", "back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._kind: Kind | None = None
        self._source: str | None = None
        self._schema: str | None = None
        self._timer: Timer | None = None
        self._asked = ""
        self._stale = False

    def body(self) -> ComposeResult:
        """The box with its price, the results, the passage."""
        with Horizontal(id="ask") as ask:
            ask.border_title = "Ask in plain words"
            yield Box(placeholder="which customers pay late", id="query")
            yield Static("", id="query-price", markup=False)
        with Container(id="found"):
            hits = Hits(id="hits")
            hits.add_class("pane")
            hits.border_title = "Nearest items"
            yield hits
            passage = TextPane(id="passage")
            passage.add_class("pane")
            passage.border_title = "Matching text"
            yield passage

    def footer(self) -> Keys:
        """Keys of this screen."""
        return [
            ("submit", "enter", "ask, then open"),
            ("other_pane", "tab", "results"),
            ("edit", "/", "ask again"),
            ("kind", "^k", "kind"),
            ("source", "^r", "source"),
            ("schema", "^t", "schema"),
            ("back", "esc", "back"),
        ]

    def on_mount(self) -> None:
        """Begin in the box."""
        super().on_mount()
        self.query_one("#query", Input).focus()
        hits = self.query_one("#hits", Hits)
        hits.border_subtitle = "tables and relationships"

    def on_input_changed(self, event: Input.Changed) -> None:
        """The price follows; a search that costs nothing follows after a pause."""
        if self._timer is not None:
            self._timer.stop()
        self.run_worker(self._price(event.value), exclusive=True, group="price")
        if self.batch_app.workspace.settings.provider == "local" and len(event.value.strip()) > 2:
            self._timer = self.set_timer(TYPING_PAUSE, self._ask)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Asking for it is the yes to its price."""
        if event.value.strip() and event.value == self._asked and not self._stale:
            self.query_one("#hits", Hits).focus()
        else:
            self._ask(focus=True)

    def on_key_line_pressed(self, message: KeyLine.Pressed) -> None:
        """A click on a key."""
        if message.command == "submit":
            self._ask(focus=True)
        else:
            self.call_later(self.run_action, f"screen.{message.command}")

    def action_back(self) -> None:
        """From the results to the box's screen before: one step out."""
        self.dismiss(None)

    def action_edit(self) -> None:
        """Back to the box."""
        self.query_one("#query", Input).focus()

    def action_other_pane(self) -> None:
        """Box, results, passage, and round again."""
        order = [self.query_one("#query"), self.query_one("#hits"), self.query_one(self.PASSAGE)]
        position = order.index(self.focused) if self.focused in order else -1
        order[(position + 1) % len(order)].focus()

    def action_move(self, step: str) -> None:
        """Through the results; in the passage: scroll."""
        passage = self.query_one(self.PASSAGE, TextPane)
        if passage.has_focus:
            passage.move(step)
            return
        hits = self.query_one("#hits", Hits)
        hits.move(step)
        if hits.current is not None:
            passage.show(hits.current.document)

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
        self._stale = bool(self._asked)
        if self._asked and self.batch_app.workspace.settings.provider == "local":
            self._ask()
        elif self._asked:
            self.say(f"{words}: enter in the box asks again, for the price beside it.")

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
        self.run_worker(self._search(query, focus), exclusive=True, group="search")

    async def _search(self, query: str, focus: bool) -> None:
        app = self.batch_app
        box = self.query_one("#hits", Hits)
        box.border_title = "Searching…"
        try:
            find = partial(
                app.workspace.engine.search,
                sources=() if self._source is None else (self._source,),
                schemas=() if self._schema is None else (self._schema,),
            )
            hits = await app.back.do(find, query, self._kind, LIMIT)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        finally:
            box.border_title = "Nearest items"
        if not self.query("#hits"):
            return  # left meanwhile
        self._asked, self._stale = query, False
        box.show(hits)
        self.query_one(self.PASSAGE, TextPane).show(hits[0].document if hits else "")
        if not hits:
            self.say("Nothing is near that. Is anything of this kind indexed?", "warning")
        elif focus:
            box.focus()

    async def _price(self, query: str) -> None:
        words = await self.batch_app.back.quote(self._price_words, query)
        for box in self.query("#query-price").results(Static):
            box.update(words)

    def _price_words(self, query: str) -> str:
        if not query.strip():
            return ""
        try:
            return show_usd(self.batch_app.workspace.engine.search_price(query))
        except UsageError as error:
            return error.code
