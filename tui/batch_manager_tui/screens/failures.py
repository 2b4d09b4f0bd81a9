"""The failure desk: what failed, by cause, with the server's words, the price of trying again, and what helps."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Vertical

from batch_manager.errors import BatchManagerError
from batch_manager.quote import Scope
from batch_manager.sources.rows import write_rows
from batch_manager.store.failures import RECORD_COLUMNS, FailureGroup
from batch_manager.store.items import ItemRow
from batch_manager_tui.commands import may_change
from batch_manager_tui.display import clip, count, fit, shown
from batch_manager_tui.screens.base import AppScreen
from batch_manager_tui.screens.details import DetailsScreen
from batch_manager_tui.screens.save_file import SaveFile
from batch_manager_tui.spending import ask_and_start
from batch_manager_tui.widgets.failure_words import Priced, group_heads, group_line, group_words, remedies
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.pages import RowPages
from batch_manager_tui.widgets.pick_list import PickList
from batch_manager_tui.widgets.strips import Line, Lines, LineView
from batch_manager_tui.widgets.words import KIND

_FIRST: dict[str, tuple[str, str, str]] = {
    "retry": ("retry", "r", "retry"),
    "open": ("open", "enter", "open"),
    "skip": ("skip", "-", "skip"),
    "save": ("save", "w", "write list"),
}


class FailuresScreen(AppScreen):
    """Causes, their items, and remedies."""

    BINDINGS: ClassVar = [
        Binding("escape,q", "back", "back", show=False),
        Binding("tab,shift+tab", "other_pane", "other pane", show=False),
        Binding("j,down", "move('down')", "down", show=False),
        Binding("k,up", "move('up')", "up", show=False),
        Binding("pagedown,ctrl+d", "move('page_down')", "page down", show=False),
        Binding("pageup,ctrl+u", "move('page_up')", "page up", show=False),
        Binding("g,home", "move('top')", "top", show=False),
        Binding("G,end", "move('bottom')", "bottom", show=False),
        Binding("enter", "open", "open", show=False),
        Binding("space", "mark", "mark", show=False),
        Binding("r", "retry", "retry", show=False),
        Binding("minus", "skip", "skip", show=False),
        Binding("u", "undo", "undo", show=False),
        Binding("w", "save", "write list", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[FailureGroup] = []
        self.marks: set[int] = set()
        self._priced: dict[str, Priced] = {}
        self._marked = Priced()
        self._ids: array[int] = array("q")
        self._pages = RowPages(self._rows)
        self._skipped: list[int] = []

    def body(self) -> ComposeResult:
        """The causes, all about one of them, its items."""
        with Container(id="failures"):
            with Vertical(id="causes-pane", classes="pane") as pane:
                pane.border_title = "What failed, by cause"
                yield Lines(id="cause-heads")
                causes = PickList(id="causes")
                causes.remove_class("pane")
                yield causes
            words = Lines(id="cause", classes="pane")
            words.border_title = "This cause"
            yield words
            items = PickList(id="failed-items")
            items.border_title = "Its items"
            yield items

    def footer(self) -> Keys:
        """The remedies that fit, the best first."""
        keys: Keys = []
        if self.group is not None:
            keys += [_FIRST[one] for one in remedies(self.group) if one != "retry" or not self.group.lasting]
            keys.append(("mark", "space", "mark"))
        if self._skipped:
            keys.append(("undo", "u", "undo skip"))
        return [*keys, ("other_pane", "tab", "other pane"), ("back", "esc", "back")]

    def on_mount(self) -> None:
        """Read what failed."""
        super().on_mount()
        for name in ("#cause", "#cause-heads"):
            self.query_one(name, Lines).can_focus = name == "#cause"
        self.query_one("#causes").focus()
        self.reload()

    def on_resize(self) -> None:
        """Words follow the width."""
        super().on_resize()
        self.call_after_refresh(self._show)

    @property
    def group(self) -> FailureGroup | None:
        """The cause under the cursor."""
        if not self.groups:
            return None
        cursor = self.query_one("#causes", PickList).cursor
        return self.groups[cursor] if cursor < len(self.groups) else None

    @property
    def current_id(self) -> int | None:
        """The item under the cursor of the items' list."""
        cursor = self.query_one("#failed-items", PickList).cursor
        return self._ids[cursor] if cursor < len(self._ids) else None

    def reload(self) -> None:
        """Read causes, items and prices anew."""
        self.run_worker(self._reload(), exclusive=True, group="list")

    # Keys

    def on_key_line_pressed(self, message: KeyLine.Pressed) -> None:
        """A click on a key."""
        self.call_later(self.run_action, f"screen.{message.command}")

    def action_back(self) -> None:
        """From the items to the causes, then to the screen before."""
        causes = self.query_one("#causes", PickList)
        if self.query_one("#failed-items").has_focus:
            causes.focus()
        else:
            self.dismiss(None)
            self.batch_app.main.reload()

    def action_other_pane(self) -> None:
        """Causes, items, words, and round again."""
        order = [self.query_one(name) for name in ("#causes", "#failed-items", "#cause")]
        position = order.index(self.focused) if self.focused in order else -1
        order[(position + 1) % len(order)].focus()

    def action_move(self, step: str) -> None:
        """In the list that has the focus."""
        focused = self.focused
        (focused if isinstance(focused, LineView) else self.query_one("#causes", PickList)).move(step)

    def action_open(self) -> None:
        """To the cause's items; there, the item."""
        items = self.query_one("#failed-items", PickList)
        item_id = self.current_id
        if item_id is None:
            self.say("Nothing has failed.")
        elif items.has_focus:
            self.batch_app.push_screen(DetailsScreen(item_id, tuple(self._ids)))
        else:
            items.focus()

    def action_mark(self) -> None:
        """Mark the item, so that remedies are for the marked alone."""
        items = self.query_one("#failed-items", PickList)
        item_id = self.current_id
        if item_id is None:
            return
        if not items.has_focus:
            items.focus()
            return
        self.marks ^= {item_id}
        items.move("down")
        self._show()
        self._price_soon()

    def action_retry(self) -> None:
        """Price it and ask, as always; the rest stays as it is."""
        group = self.group
        if group is None or not self._may_change():
            return
        if group.unsendable:
            self.say("r retry: there is nothing to send; change the text and import it again, or - skips.", "warning")
            return
        self.run_worker(self._retry(group), exclusive=True, group="spend")

    def action_skip(self) -> None:
        """Leave the marked, else the whole group, out."""
        if self.group is not None and self._may_change():
            self.run_worker(self._skip(list(self._chosen())), exclusive=True, group="skip")

    def action_undo(self) -> None:
        """The last skip never was."""
        if not self._skipped:
            self.say("u undo: nothing was skipped here.", "warning")
        elif self._may_change():
            self.run_worker(self._undo(), exclusive=True, group="skip")

    def action_save(self) -> None:
        """Write the marked, else the whole group, to a file."""
        if self.group is None:
            return
        chosen = list(self._chosen())
        records = self.batch_app.workspace.store.items.failure_records

        def write(place: str) -> int:
            return write_rows(records(chosen), RECORD_COLUMNS, place)

        def saved(written: int | None) -> None:
            if written is not None:
                self.say(f"{count(written, 'failed item')} written.")

        hint = "One row an item, with its reason. The name's ending says how: .csv, .json, else JSON Lines."
        self.batch_app.push_screen(SaveFile("Write the list", hint, "failed.jsonl", write), saved)

    # What the lists tell

    def on_pick_list_moved(self, message: PickList.Moved) -> None:
        """Another cause: its words and items."""
        if message.picks.id == "causes":
            self.marks.clear()
            self.run_worker(self._read_items(), exclusive=True, group="detail")
            self._show()

    def on_pick_list_opened(self, message: PickList.Opened) -> None:
        """A double click."""
        message.picks.focus()
        self.action_open()

    # Inside

    def _chosen(self) -> Sequence[int]:
        """The marked, else all of the group."""
        return sorted(self.marks) or self._ids

    def _may_change(self) -> bool:
        reason = may_change(self.batch_app.main.situation())
        if reason is not None:
            self.say(reason, "warning")
        return reason is None

    def _rows(self, ids: Sequence[int]) -> list[ItemRow]:
        # It is called while lines are drawn, where nobody could handle an error.
        try:
            return self.batch_app.workspace.store.items.rows(ids)
        except BatchManagerError as error:
            self.call_later(self.say, shown(str(error)), "error")
            return []

    async def _reload(self) -> None:
        app = self.batch_app
        causes = self.query_one("#causes", PickList)
        try:
            self.groups = await app.back.read(app.workspace.store.items.failure_groups)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        if not self.query("#causes"):
            return  # left meanwhile
        self.marks.clear()
        self._priced = {}
        self._show_causes()
        await self._read_items()
        for group in self.groups:
            ids = await app.back.read(app.workspace.store.items.failed_ids, group.code)
            self._priced[group.code] = await self._price(ids)
            if not self.query("#causes"):
                return
            causes.refresh()
            self._show()

    async def _read_items(self) -> None:
        group, app = self.group, self.batch_app
        ids: array[int] = array("q")
        if group is not None:
            try:
                ids = await app.back.read(app.workspace.store.items.failed_ids, group.code)
            except BatchManagerError as error:
                self.say(shown(str(error)), "error")
                return
        if self.query("#failed-items") and group == self.group:
            self._ids = ids
            self._pages.show(ids)
            items = self.query_one("#failed-items", PickList)
            items.show(len(ids), self._item_line)
            items.border_subtitle = count(len(ids), "item") if ids else None
            self._show()

    async def _price(self, ids: Sequence[int]) -> Priced:
        app = self.batch_app
        try:
            return Priced(await app.back.quote(app.workspace.engine.quote, Scope("failed", ids=tuple(ids))))
        except BatchManagerError as error:
            return Priced(None, error)

    def _price_soon(self) -> None:
        self.run_worker(self._price_marked(), exclusive=True, group="quote")

    async def _price_marked(self) -> None:
        group = self.group
        if group is not None:
            priced = await self._price(self._chosen())
            if self.query("#causes") and group == self.group:
                self._marked = priced
                self._show()

    async def _retry(self, group: FailureGroup) -> None:
        words = f"Retry {shown(group.code)}"
        if await ask_and_start(self.batch_app, Scope("failed", ids=tuple(self._chosen())), words):
            self.dismiss(None)  # the run is seen on the main screen
            self.batch_app.main.reload()

    async def _skip(self, chosen: list[int]) -> None:
        app = self.batch_app
        try:
            changed = await app.back.read(app.workspace.store.items.skip, chosen)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        self._skipped = chosen
        self.say(f"{count(changed, 'item')} left out of indexing; u undoes it.")
        self.reload()

    async def _undo(self) -> None:
        app = self.batch_app
        try:
            changed = await app.back.read(app.workspace.store.items.unskip_as_failed, self._skipped)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        self._skipped = []
        self.say(f"{count(changed, 'item')} failed again, as before.")
        self.reload()

    # Drawing

    def _show_causes(self) -> None:
        causes = self.query_one("#causes", PickList)
        total = sum(group.items for group in self.groups)

        def draw(index: int, width: int) -> Line:
            group = self.groups[index]
            return group_line(group, total, self._priced.get(group.code, Priced()), width)

        causes.show(len(self.groups), draw, causes.cursor)
        words = f"{total:,} of {self.batch_app.main.desk.counts.total():,} items"
        self.query_one("#causes-pane").border_subtitle = words if total else None
        self._show()

    def _show(self) -> None:
        if not self.query("#cause"):
            return
        words, heads = self.query_one("#cause", Lines), self.query_one("#cause-heads", Lines)
        width, group = max(20, words.line_width - 1), self.group
        heads.show_lines([group_heads(max(20, heads.line_width))] if self.groups else [])
        if group is None:
            words.show_lines([[("Nothing has failed.", "success")], [], [("esc", "accent"), ("  back", "")]])
        else:
            priced = self._marked if self.marks else self._priced.get(group.code, Priced())
            words.show_lines(group_words(group, priced, len(self.marks), width))
        self.query_one("#failed-items").refresh()
        self.query_one(KeyLine).show_keys(self.footer())

    def _item_line(self, index: int, width: int) -> Line:
        row = self._pages.row(index)
        if row is None:
            return [("   no longer there, or not readable", "soft")]
        name = max(12, min(34, width - 24))
        marked = row.id in self.marks
        return [
            (" ● " if marked else "   ", "accent"),
            (fit(KIND[row.kind][:8], 9), "soft"),
            (fit(clip(shown(row.name), name - 1), name), "strong" if marked else ""),
            (shown(row.purpose if self.group and self.group.messages == 1 else row.message or ""), "soft"),
        ]
