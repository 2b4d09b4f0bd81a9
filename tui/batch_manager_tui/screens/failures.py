"""The failure desk: what failed, by cause, with the server's words, the price of trying again, and what helps."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container, Vertical

from batch_manager.errors import BatchManagerError
from batch_manager.quote import Scope
from batch_manager.sources.rows import write_rows
from batch_manager.store.failures import RECORD_COLUMNS, FailureGroup
from batch_manager.store.items import ItemRow
from batch_manager_tui.display import count, shown
from batch_manager_tui.places import bindings_of
from batch_manager_tui.retry_prices import RetryPrices
from batch_manager_tui.screens.base import PlaceScreen
from batch_manager_tui.screens.details import DetailsScreen
from batch_manager_tui.screens.save_file import SaveFile, Written
from batch_manager_tui.spending import ask_and_start
from batch_manager_tui.undo import Skipped
from batch_manager_tui.widgets.failed_items import FailedItems
from batch_manager_tui.widgets.failure_words import group_heads, group_line, group_words, remedies
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.pick_list import PickList
from batch_manager_tui.widgets.strips import Line, Lines
from batch_manager_tui.workers import begin


class FailuresScreen(PlaceScreen):
    """Causes, their items, and remedies."""

    PLACE = "failures"
    PANES = ("#causes", "#failed-items", "#cause")
    TABS = ("Causes", "Items", "This cause")
    BINDINGS: ClassVar = bindings_of(PLACE)

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[FailureGroup] = []
        self.prices = RetryPrices()

    def body(self) -> ComposeResult:
        """The causes, all about one of them, its items."""
        with Container(id="failures"):
            with Vertical(id="causes-pane", classes="pane"):
                yield Lines(id="cause-heads")
                yield PickList(id="causes", classes=None)
            yield Lines(id="cause", classes="pane")
            yield FailedItems(id="failed-items")
        for name, title in zip(self.PANES, ("What failed, by cause", "Its items", "This cause"), strict=True):
            self.entitle(name, title)

    def footer(self) -> Keys:
        """The remedies that fit, the best first."""
        keys: Keys = []
        if self.group is not None:
            fitting = [one for one in remedies(self.group) if one != "retry" or not self.group.lasting]
            keys += [self.entry(f"failures.{one}") for one in (*fitting, "mark")]
        if self.batch_app.main.deeds.steps.skips:
            keys.append(self.entry("failures.undo"))
        return self.with_panes(keys)

    def on_mount(self) -> None:
        """Read what failed."""
        super().on_mount()
        self.query_one("#cause-heads", Lines).can_focus = False
        self.items.read_with(self._rows)
        self.reload()

    def placed(self) -> None:
        """Words follow the width."""
        self._show()

    def refit(self) -> None:
        """Words follow the width."""
        self._show()

    @property
    def group(self) -> FailureGroup | None:
        """The cause under the cursor."""
        if not self.groups:
            return None
        cursor = self.query_one("#causes", PickList).cursor
        return self.groups[cursor] if cursor < len(self.groups) else None

    @property
    def items(self) -> FailedItems:
        """The cause's items."""
        return self.query_one("#failed-items", FailedItems)

    def reload(self) -> None:
        """Read causes, items and prices anew."""
        begin(self, self._reload, exclusive=True, group="list")

    # Keys

    def action_back(self) -> None:
        """To the screen before, where counts may be others now."""
        self.dismiss(None)
        self.batch_app.main.reload()

    def action_open(self) -> None:
        """To the cause's items; there, the item."""
        item_id = self.items.current_id
        if item_id is None:
            self.say("Nothing has failed.")
        elif self.items.has_focus:
            self.batch_app.push_screen(DetailsScreen(item_id, tuple(self.items.ids)))
        else:
            self.to_pane("#failed-items")

    def action_mark(self) -> None:
        """Mark the item, so that remedies are for the marked alone."""
        if self.items.current_id is None:
            self.say("Nothing has failed.")
        elif not self.items.has_focus:
            self.to_pane("#failed-items")
        else:
            self.items.mark()
            self._price_soon()

    def action_retry(self) -> None:
        """Price it and ask, as always; the rest stays as it is."""
        group = self.group
        if group is None or not self.may_change():
            return
        if group.unsendable:
            self.say(
                f"{self.key('failures.retry')} retry: there is nothing to send; change the text and import it again,"
                f" or {self.key('failures.skip')} skips.",
                "warning",
            )
            return
        begin(self, partial(self._retry, group), exclusive=True, group="spend")

    def action_skip(self) -> None:
        """Leave the marked, else the whole group, out."""
        if self.group is not None and self.may_change():
            begin(self, partial(self._skip, list(self.items.chosen)), exclusive=True, group="skip")

    def action_undo(self) -> None:
        """The last skip never was; then the one before it."""
        if not self.batch_app.main.deeds.steps.skips:
            self.say(f"{self.key('failures.undo')} undo: there is no skip to undo.", "warning")
        elif self.may_change():
            begin(self, self._undo, group="skip")  # one after the other, none lost

    def action_save(self) -> None:
        """Write the marked, else the whole group, to a file."""
        if self.group is None:
            return
        chosen = list(self.items.chosen)
        records = self.batch_app.workspace.store.items.failure_records

        def write(place: str) -> int:
            return write_rows(records(chosen), RECORD_COLUMNS, place)

        def saved(written: Written | None) -> None:
            if written is not None:
                self.say(f"{count(written.rows, 'failed item')} written to {written.place}.")

        hint = "One row an item, with its reason. The name's ending says how: .csv, .json, else JSON Lines."
        self.batch_app.push_screen(SaveFile("Write the list", hint, "failed.jsonl", write), saved)

    # What the lists tell

    def on_pick_list_moved(self, message: PickList.Moved) -> None:
        """Another cause: its words and items."""
        if message.picks.id == "causes":
            self.items.marks.clear()
            begin(self, self._read_items, exclusive=True, group="detail")
            self._show()

    def on_pick_list_opened(self, message: PickList.Opened) -> None:
        """A double click."""
        self.to_pane(f"#{message.picks.id}")
        self.action_open()

    # Inside

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
        self.items.marks.clear()
        self.prices.forget()
        self._show_causes()
        await self._read_items()
        for group in self.groups:
            await self.prices.ask(app, group)
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
            self.items.show_ids(ids, by_message=group is not None and group.messages > 1)
            self._show()

    def _price_soon(self) -> None:
        self.prices.forget_marked()
        self._show()
        begin(self, self._price_marked, exclusive=True, group="quote")

    async def _price_marked(self) -> None:
        group = self.group
        if group is not None:
            await self.prices.ask_marked(self.batch_app, self.items.chosen)
            if self.query("#causes") and group == self.group:
                self._show()

    async def _retry(self, group: FailureGroup) -> None:
        words = f"Retry {shown(group.code)}"
        if await ask_and_start(self.batch_app, Scope("failed", ids=tuple(self.items.chosen)), words):
            self.dismiss(None)  # the run is seen on the main screen
            self.batch_app.main.reload()

    async def _skip(self, chosen: list[int]) -> None:
        items = self.batch_app.workspace.store.items
        try:
            changed = await self.batch_app.back.do(self.batch_app.workspace.alone(items.skip), chosen)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        self.batch_app.main.deeds.steps.skipped(Skipped(tuple(chosen), out=True))
        self.say(f"{count(changed, 'item')} left out of indexing; {self.key('failures.undo')} undoes it.")
        self.reload()

    async def _undo(self) -> None:
        deeds = self.batch_app.main.deeds
        last = deeds.steps.take_skip()
        if last is None:
            return
        try:
            self.say(await deeds.undo_skip(last, self.key("failures.undo")))
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        self.reload()

    # Drawing

    def _show_causes(self) -> None:
        causes = self.query_one("#causes", PickList)
        total = sum(group.items for group in self.groups)

        def draw(index: int, width: int) -> Line:
            group = self.groups[index]
            return group_line(group, total, self.prices.of(group), width)

        causes.show(len(self.groups), draw, causes.cursor)
        of_all = f"{total:,} of {self.batch_app.main.desk.counts.total():,} items"
        self.query_one("#causes-pane").border_subtitle = of_all if total else None
        self._show()

    def _show(self) -> None:
        if not self.query("#cause"):
            return
        words, heads = self.query_one("#cause", Lines), self.query_one("#cause-heads", Lines)
        width, group = max(20, words.line_width - 1), self.group
        heads.show_lines([group_heads(max(20, heads.line_width))] if self.groups else [])
        if group is None:
            words.show_lines([[("Nothing has failed.", "success")], [], [(self.key("back"), "accent"), ("  back", "")]])
        else:
            marks = len(self.items.marks)
            priced = self.prices.of(group, marked=bool(marks))
            keys = {one: self.key(f"failures.{one}") for one in (*remedies(group), "undo")}
            words.show_lines(group_words(group, priced, marks, width, keys))
        self.items.refresh()
        self.query_one(KeyLine).show_keys(self.footer())
