"""The main screen: items, cost and batches at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Vertical
from textual.content import Content
from textual.timer import Timer

from batch_manager.errors import BatchManagerError
from batch_manager.events import Notice, RunView
from batch_manager.store.items import ItemRow
from batch_manager_tui.bridge import TICK, Bridge
from batch_manager_tui.commands import BY_ID, COMMANDS
from batch_manager_tui.desk import Desk
from batch_manager_tui.display import clip, shown
from batch_manager_tui.screens.base import AppScreen, too_small
from batch_manager_tui.screens.deeds import Deeds
from batch_manager_tui.situation import PANES, Pane, Situation
from batch_manager_tui.widgets.batch_bars import BatchBars
from batch_manager_tui.widgets.cost_panel import CostPanel
from batch_manager_tui.widgets.detail_lines import failure_lines
from batch_manager_tui.widgets.filter_box import FilterBox
from batch_manager_tui.widgets.guide import empty_lines, idle_lines
from batch_manager_tui.widgets.item_list import ColumnHeads, ItemList
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.preview import Preview
from batch_manager_tui.widgets.strips import Lines, LineView
from batch_manager_tui.widgets.words import SORT

PAUSE = 0.06
"""Seconds without a change after which a filter is applied, a quote made, a preview read."""

MOST_REASONS = 6
"""Lines under the list that say why the item under the cursor failed."""

RUN_PAUSE = 1.0
"""Seconds between two readings of the rows in sight while a run changes them."""


class MainScreen(AppScreen):
    """Three panes, and the one table of commands."""

    BINDINGS: ClassVar = [
        Binding(",".join(command.keys), f"command('{command.id}')", command.label, show=False, id=command.id)
        for command in COMMANDS
    ]

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.deeds = Deeds(self)
        self._bridge: Bridge | None = None
        self._pauses: dict[str, Timer] = {}
        self._composed = False
        self._next_reading = 0
        self._last_state = "idle"

    def body(self) -> ComposeResult:
        """The panes."""
        with Container(id="panes"):
            with Vertical(id="items-pane", classes="pane"):
                yield ColumnHeads()
                yield ItemList(self.desk.selection, id="items")
                yield Lines(id="guide")
                yield Lines(id="why")
                yield FilterBox(id="filter")
            cost = CostPanel(id="cost", classes="pane")
            yield cost
            batches = BatchBars(id="batches")
            batches.add_class("pane")
            yield batches
            preview = Preview(id="preview")
            preview.add_class("pane")
            preview.border_title = "Text under the cursor"
            yield preview

    def on_mount(self) -> None:
        """The list has the focus; the engine is looked at from now on."""
        super().on_mount()
        self._composed = True
        self.add_class("-at-items")
        self.items.focus()
        for name in ("#guide", "#why"):
            self.query_one(name, Lines).can_focus = False
        self.query_one("#preview").can_focus = False
        self.set_interval(TICK, self._tick)
        if self.batch_app.opened is not None:
            self.adopt()
        else:
            self.redraw()

    def on_resize(self) -> None:
        """Lines that wrap follow the width."""
        super().on_resize()
        self.call_after_refresh(self.redraw)

    # What stands on the screen

    @property
    def items(self) -> ItemList:
        """The list."""
        return self.query_one("#items", ItemList)

    @property
    def pane(self) -> Pane:
        """The pane that has the focus."""
        focused = self.focused.id if self.focused is not None else None
        return focused if focused in PANES else "items"

    @property
    def gone(self) -> bool:
        """The app is closing: what was asked for before has nowhere to be shown."""
        return not self.query("#items")

    def situation(self) -> Situation:
        """The moment, as commands judge it."""
        return self.desk.situation(self.pane)

    def adopt(self) -> None:
        """Work with the app's workspace from now on."""
        if not self._composed:
            return  # it happens on mount
        workspace = self.batch_app.workspace
        if self._bridge is not None:
            self._bridge.close()
        self.desk.adopt(workspace)
        self._bridge = Bridge(workspace.engine, self._view_changed, self._noticed)
        self.items.read_with(self._rows)
        self.query_one(FilterBox).leave()
        self.show_header()
        self.reload()

    def redraw(self) -> None:
        """Titles, panels, guide and keys, as things stand."""
        desk, now = self.desk, self.situation()
        empty = not now.listed
        self.query_one(ColumnHeads).display = not empty
        self.query_one("#items-pane").set_class(empty, "-empty")
        guide = self.query_one("#guide", Lines)
        guide.display = empty
        if empty:
            guide.show_lines(empty_lines(now, max(20, guide.line_width)))
        pane = self.query_one("#items-pane")
        tabs = self.has_class("-tabs")
        pane.border_title = _title("Items", self._filter_words(now), tabs)
        self.query_one("#cost").border_title = _title("Cost", "", tabs)
        self.query_one("#batches").border_title = _title("Batches", "", tabs)
        pane.border_subtitle = Content(self._list_words(now))
        self.query_one("#cost", CostPanel).show(desk.cost_state())
        batches = self.query_one("#batches", BatchBars)
        batches.show(desk.view)
        batches.show_idle(idle_lines(now, desk.unfinished, desk.runs, max(20, batches.line_width)))
        self.query_one(KeyLine).show_keys(self.footer())

    def footer(self) -> Keys:
        """What works now, the weightiest first."""
        now = self.situation()
        ranked = sorted((c for c in COMMANDS if c.rank is not None), key=lambda c: c.rank or 0)
        return [
            (c.id, c.shown_key, "resume" if c.id == "pause" and now.view.state == "paused" else c.label)
            for c in ranked
            if c.available(now) is None
        ]

    def _list_words(self, now: Situation) -> str:
        words = [f"{now.listed:,} of {now.counts.total():,}"]
        if now.marked:
            words.append(f"{now.marked:,} marked")
        if now.wanted.sort != "added":
            words.append(SORT[now.wanted.sort])
        if self.items.range_from is not None:
            words.append("range: v marks it")
        return " · ".join(words)

    def _filter_words(self, now: Situation) -> str:
        words = [self.desk.selection.words()]
        if now.wanted.text:
            words.append("/" + clip(shown(now.wanted.text), 24))
        return " ".join(word for word in words if word)

    # Commands

    def action_command(self, name: str) -> None:
        """Do what the table says, or say why not."""
        if too_small(self.batch_app) and name != "quit":
            return
        command = BY_ID[name]
        self.query_one(KeyLine).clear()
        reason = command.available(self.situation())
        if reason is not None:
            self.say(f"{command.shown_key} {command.label}: {reason}", "warning")
            return
        if command.group == "Move":
            self._move(name)
        else:
            getattr(self.deeds, name if name != "import" else "import_")()
        self.query_one(KeyLine).show_keys(self.footer())

    def _move(self, name: str) -> None:
        if name in PANES:
            self.to_pane(name)
        elif name in ("next_pane", "previous_pane"):
            by = 1 if name == "next_pane" else -1
            self.to_pane(PANES[(PANES.index(self.pane) + by) % len(PANES)])
        else:
            view = self.query_one(f"#{self.pane}", LineView)
            view.move(name)

    def to_pane(self, pane: Pane) -> None:
        """Give a pane the focus; where only one fits, it is that one."""
        for one in PANES:
            self.set_class(one == pane, f"-at-{one}")
        self.query_one(f"#{pane}").focus()

    def on_descendant_focus(self) -> None:
        """A click may have moved the focus."""
        for one in PANES:
            self.set_class(one == self.pane, f"-at-{one}")

    def on_key_line_pressed(self, message: KeyLine.Pressed) -> None:
        """A click on a key."""
        self.action_command(message.command)

    # What the widgets tell

    def on_item_list_cursor_moved(self, message: ItemList.CursorMoved) -> None:
        """The preview follows, a moment later."""
        self._soon("preview", self._preview)

    def on_item_list_marks_changed(self) -> None:
        """A click marked something."""
        self.marks_changed()

    def on_item_list_item_opened(self) -> None:
        """A double click."""
        self.action_command("details")

    def on_filter_box_typed(self, message: FilterBox.Typed) -> None:
        """The list follows what is typed."""
        self.deeds.filter_by(message.text)

    def on_filter_box_left(self) -> None:
        """Back to the list."""
        self.to_pane("items")

    # Reading and pricing, beside the app's thread

    def marks_changed(self) -> None:
        """New marks: new price."""
        self.items.refresh()
        self.redraw()
        self._soon("quote", self._price)

    def reload(self) -> None:
        """Read the list anew, at once."""
        if self.desk.workspace is not None:
            self.run_worker(self._reload(), exclusive=True, group="list")

    def reload_soon(self) -> None:
        """Read the list anew when nothing has changed for a moment."""
        self._soon("list", self.reload)

    async def _reload(self) -> None:
        try:
            ids = await self.desk.read(self.batch_app.back)
        except BatchManagerError as error:
            self.batch_app.say(shown(str(error)), "error")
            return
        if self.gone:
            return
        self.items.show(ids)
        self.redraw()
        self._price()

    def _rows(self, ids: Sequence[int]) -> list[ItemRow]:
        # It is called while lines are drawn, where nobody could handle an error.
        try:
            return self.batch_app.workspace.store.items.rows(ids)
        except BatchManagerError as error:
            self.call_later(self.batch_app.say, shown(str(error)), "error")
            return []

    def _price(self) -> None:
        if self.desk.workspace is not None and not self.desk.view.active:
            self.run_worker(self._price_now(), exclusive=True, group="quote")

    async def _price_now(self) -> None:
        await self.desk.price(self.batch_app.back)
        if self.gone:
            return
        self.query_one("#cost", CostPanel).show(self.desk.cost_state())

    def _preview(self) -> None:
        self.run_worker(self._preview_now(), exclusive=True, group="preview")

    async def _preview_now(self) -> None:
        item_id = self.items.current_id
        workspace = self.desk.workspace
        if workspace is None:
            return
        detail = None
        try:
            if item_id is not None:
                detail = await self.batch_app.back.read(workspace.store.items.detail, item_id)
        except BatchManagerError as error:
            self.batch_app.say(shown(str(error)), "error")
        if self.gone:
            return
        if item_id != self.items.current_id:
            return
        preview = self.query_one("#preview", Preview)
        preview.show_item(detail)
        why = self.query_one("#why", Lines)
        troubled = detail is not None and bool(detail.row.code or detail.row.problem) and not preview.display
        why.display = troubled
        if detail is not None and troubled:
            lines = failure_lines(detail, max(20, self.items.line_width - 2))[:MOST_REASONS]
            why.styles.height = len(lines) + 1
            why.show_lines(lines)

    def _soon(self, name: str, work: Callable[[], None]) -> None:
        if name in self._pauses:
            self._pauses[name].stop()
        self._pauses[name] = self.set_timer(PAUSE, work)

    # The engine

    def _tick(self) -> None:
        if self._bridge is not None:
            self._bridge.tick()
        if self.desk.view.active:
            self._next_reading -= 1
            if self._next_reading <= 0:
                self._next_reading = round(RUN_PAUSE / TICK)
                self.run_worker(self._read_while_running(), exclusive=True, group="list")

    async def _read_while_running(self) -> None:
        wanted = self.desk.selection.wanted
        try:
            await self.desk.read_counts(self.batch_app.back)
            if wanted.status is not None or wanted.sort == "status":
                ids = await self.desk.read(self.batch_app.back)
                if not self.gone:
                    self.items.show(ids)
        except BatchManagerError as error:
            self.batch_app.say(shown(str(error)), "error")
        if self.gone:
            return
        self.items.rows_changed()
        self.redraw()

    def _view_changed(self, view: RunView) -> None:
        active_before, self.desk.view = self.desk.view.active, view
        self.query_one("#batches", BatchBars).show(view)
        self.query_one("#cost", CostPanel).show(self.desk.cost_state())
        if view.active != active_before:
            self.redraw()
            if not view.active:
                self.items.rows_changed()
                self.reload()
                self._say_end(view)
        elif view.state != self._last_state:
            self.redraw()
        self._last_state = view.state

    def _say_end(self, view: RunView) -> None:
        failed = f", {view.failed:,} failed" if view.failed else ""
        if view.state == "done":
            self.say(f"Done: {view.indexed:,} indexed{failed}.", "warning" if view.failed else "info")
        else:
            self.say(shown(f"{view.reason} {view.next_step}"), "error" if view.state == "stopped" else "warning")

    def _noticed(self, notice: Notice) -> None:
        if notice.level == "error":
            self.say(notice.message, notice.level)
        # Retries and the like come by the dozen: they must not take the keys' line.
        self.query_one("#batches", BatchBars).note(notice.message)


_TITLES = (("1", "Items"), ("2", "Cost"), ("3", "Batches"))


def _title(name: str, more: str = "", tabs: bool = False) -> Content:
    """A pane's title with its key; where one pane fits, the others' titles beside it."""
    parts: list[tuple[str, str]] = []
    for key, title in _TITLES:
        if title == name:
            parts += [(f"{key} ", "$soft"), (title, "bold"), (f"  {more}" if more else "", "$warning")]
            parts.append((" ─ ", "$soft"))
        elif tabs:
            parts.append((f"{key} {title} ─ ", "$soft"))
    last, style = parts.pop()
    return Content.assemble(*parts, (last.removesuffix(" ─ "), style))
