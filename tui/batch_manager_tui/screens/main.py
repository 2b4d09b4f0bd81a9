"""The main screen: items, cost and batches at once."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Vertical
from textual.content import Content

from batch_manager.store.items import ItemFilter
from batch_manager_tui.bridge import TICK
from batch_manager_tui.commands import BY_ID, COMMANDS
from batch_manager_tui.desk import Desk
from batch_manager_tui.display import clip, shown
from batch_manager_tui.screens.base import AppScreen, too_small
from batch_manager_tui.screens.deeds import Deeds
from batch_manager_tui.screens.readings import Readings
from batch_manager_tui.situation import PANES, Pane, Situation
from batch_manager_tui.widgets.batch_bars import BatchBars
from batch_manager_tui.widgets.border_titles import entitle
from batch_manager_tui.widgets.columns import ColumnHeads
from batch_manager_tui.widgets.cost_panel import CostPanel
from batch_manager_tui.widgets.filter_box import FilterBox
from batch_manager_tui.widgets.guide import guide_lines, idle_lines
from batch_manager_tui.widgets.item_list import ItemList
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.pane_titles import pane_at, pane_title
from batch_manager_tui.widgets.preview import Preview
from batch_manager_tui.widgets.strips import Lines, LineView
from batch_manager_tui.widgets.words import SORT

SEARCH_FIRST = 12
"""The search's place in the key line when nothing is pending; behind what a run has there."""


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
        self.readings = Readings(self)
        self._composed = False
        self._waiting = ""

    def body(self) -> ComposeResult:
        """The panes."""
        with Container(id="panes"):
            with Vertical(id="items-pane", classes="pane"):
                yield ColumnHeads()
                yield ItemList(self.desk.selection, id="items")
                yield Lines(id="why")
                yield FilterBox(id="filter")
            cost = CostPanel(id="cost", classes="pane")
            yield cost
            batches = BatchBars(id="batches")
            batches.add_class("pane", update=False)
            yield batches
            preview = Preview(id="preview")
            preview.add_class("pane", update=False)
            preview.border_title = "Text under the cursor"
            yield preview

    def on_mount(self) -> None:
        """The list has the focus; the engine is looked at from now on."""
        super().on_mount()
        self._composed = True
        self._at("items")
        self.items.focus()
        self.query_one("#why", Lines).can_focus = False
        self.query_one("#preview").can_focus = False
        self.set_interval(TICK, self.readings.tick)
        if self.batch_app.opened is not None:
            self.batch_app.adopt(self.batch_app.opened)
        else:
            self.redraw()

    def on_resize(self, event: events.Resize) -> None:
        """Another shape; the text under the cursor may have room now."""
        super().on_resize(event)
        self.readings.preview_soon()  # it may have got its room just now

    def placed(self) -> None:
        """Lines that wrap follow the width."""
        self.redraw()

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
        return not self.app.is_running

    def situation(self) -> Situation:
        """The moment, as commands judge it."""
        return self.desk.situation(self.pane, self.batch_app.keys.first)

    def adopt(self, wanted: ItemFilter | None = None) -> None:
        """Work with the app's workspace from now on.

        Args:
            wanted: The filter and the order that were left there.
        """
        if not self._composed:
            return  # it happens on mount
        self.readings.adopt(self.batch_app.workspace)
        self.deeds.forget()
        selection = self.desk.selection
        selection.wanted = wanted or ItemFilter()
        self.query_one(FilterBox).show(selection.wanted.text)
        if selection.narrowed:
            words = self._filter_words(self.situation())
            self.say(f"As you left it: {words}. {self.situation().key('clear')} shows all again.")
        if troubles := self.batch_app.keys.troubles:
            self.say(f"keys.toml: {'; '.join(troubles)}.", "warning")
        self.show_header()
        self.reload()

    def first_read(self) -> None:
        """The list is there: do what was asked for while the home was being opened."""
        self.batch_app.collector.settle("home")
        waiting, self._waiting = self._waiting, ""
        if waiting:
            self.action_command(waiting)

    def redraw(self) -> None:
        """Titles, panels, guide and keys, as things stand."""
        if self.gone:
            return
        desk, now = self.desk, self.situation()
        self.show_header()
        empty = not now.listed
        self.query_one(ColumnHeads).rest(empty)
        self.items.show_guide(partial(guide_lines, now) if empty else None)
        tabs = self.has_class("-tabs")
        # As long as it holds, and not only in a notice: it may be a filter of days ago.
        filtered, way_out = self._filter_words(now), f"{now.key('clear')} shows all"
        if filtered and not tabs:
            filtered = f"filter: {filtered} - {way_out}"
        words = {"items-pane": ("Items", filtered), "cost": ("Cost", ""), "batches": ("Batches", "")}
        for pane, (name, more) in words.items():
            entitle(self.query_one(f"#{pane}"), pane_title(name, more, tabs))
        # Among the titles of all three panes there is no room for the way out.
        below = [f"filter: {way_out}"] if filtered and tabs else []
        listed = Content(" · ".join([*below, self._list_words(now)]))
        entitle(self.query_one("#items-pane"), listed, "border_subtitle")
        self.query_one("#cost", CostPanel).show(desk.cost_state())
        batches = self.query_one("#batches", BatchBars)
        batches.keys = (now.key("pause"), now.key("cancel"))
        batches.key = self.batch_app.keys.key
        batches.show(desk.view)
        batches.show_idle(partial(idle_lines, now, desk.unfinished, desk.runs, jobs=desk.jobs))
        self.query_one(KeyLine).show_keys(self.footer())

    def footer(self) -> Keys:
        """What works now, the weightiest first."""
        now = self.situation()
        # Where all is indexed, a search is what one goes on with.
        done = bool(now.searchable) and not now.counts.total("pending")
        ranked = sorted(
            (c for c in self.batch_app.keys.commands if c.rank is not None and not c.action),
            key=lambda c: SEARCH_FIRST if done and c.id == "search" else c.rank or 0,
        )
        return [
            (c.id, c.shown_key, "resume" if c.id == "pause" and now.view.state == "paused" else c.label)
            for c in ranked
            if c.available(now) is None
        ]

    def _list_words(self, now: Situation) -> str:
        words = [f"{now.listed:,} of {now.counts.total():,}"]
        if now.marked:
            # Counted here and not with each key: of a long list it takes a while.
            hidden = self.desk.selection.hidden
            words.append(f"{now.marked:,} marked" + (f", {hidden:,} of them hidden" if hidden else ""))
        if now.wanted.sort != "added":
            words.append(SORT[now.wanted.sort])
        if self.items.range_from is not None:
            words.append(f"range: {now.key('range')} marks it")
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
        if reason is not None and self.desk.workspace is None:
            self._waiting = name
            self.say(f"{reason} {self.situation().key(name)} {command.label} comes right after.")
            return
        if reason is not None:
            self.say(f"{self.situation().key(name)} {command.label}: {reason}", "warning")
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
        self._at(pane)
        self.query_one(f"#{pane}").focus()

    def on_descendant_focus(self) -> None:
        """A click may have moved the focus."""
        self._at(self.pane)

    def _at(self, pane: Pane) -> None:
        # Only where one pane fits does the look depend on it; elsewhere all would be styled anew for nothing.
        self.update_classes({f"-at-{one}": one == pane for one in PANES}, update=self.has_class("-tabs"))

    def on_click(self, event: events.Click) -> None:
        """Where one pane fits, the titles of all three stand in its border: a click on one shows that pane."""
        pane = self.query_one("#items-pane" if self.pane == "items" else f"#{self.pane}")
        if not self.has_class("-tabs") or event.screen_y != pane.region.y:
            return
        named = pane_at(Content.from_markup(pane.border_title or "").plain, event.screen_x - pane.region.x)
        if named is not None:
            self.to_pane(named)

    def on_key_line_pressed(self, message: KeyLine.Pressed) -> None:
        """A click on a key."""
        self.action_command(message.command)

    # What the widgets tell

    def on_item_list_cursor_moved(self, message: ItemList.CursorMoved) -> None:
        """The preview follows, a moment later."""
        self.readings.preview_soon()

    def on_item_list_columns_changed(self, message: ItemList.ColumnsChanged) -> None:
        """The heads stand over their columns."""
        self.query_one(ColumnHeads).follow(message.names_alone)

    def on_column_heads_pressed(self, message: ColumnHeads.Pressed) -> None:
        """A click put the list in order."""
        self.deeds.head(message.head)

    def on_item_list_marks_changed(self, message: ItemList.MarksChanged) -> None:
        """A click marked something."""
        self.deeds.clicked(message.item_id)
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

    # What deeds and readings ask for

    def run_is_past(self) -> None:
        """Something else was done since the run: what it said stands in the way of what there is now."""
        if not self.desk.view.active:
            self.desk.past_run = self.desk.view.run_id
            self.query_one("#batches", BatchBars).put_by()
            self.redraw()

    def marks_changed(self, *, drawn: bool = False) -> None:
        """New marks: new price, once they are seen.

        Args:
            drawn: What is marked in the list is drawn already.
        """
        if not drawn:
            self.items.refresh()
        self.redraw()
        self.call_after_refresh(self.readings.price_soon)

    def reload(self) -> None:
        """Read the list anew, at once."""
        self.readings.reload()

    def reload_soon(self) -> None:
        """Read the list anew when nothing has changed for a moment."""
        self.readings.reload_soon()
