"""Readings: what the main screen reads, prices and hears, beside the app's thread, and puts on its widgets."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from batch_manager.errors import BatchManagerError
from batch_manager.events import Notice, RunView
from batch_manager.store.items import ItemDetail, ItemFilter, ItemRow
from batch_manager_tui.bridge import TICK, Bridge
from batch_manager_tui.display import shown
from batch_manager_tui.widgets.batch_bars import CHANGED, BatchBars
from batch_manager_tui.widgets.cost_panel import CostPanel
from batch_manager_tui.widgets.detail_lines import failure_lines
from batch_manager_tui.widgets.preview import Preview
from batch_manager_tui.widgets.strips import Lines
from batch_manager_tui.workers import begin

if TYPE_CHECKING:
    from textual.timer import Timer

    from batch_manager.workspace import Workspace
    from batch_manager_tui.screens.main import MainScreen

PAUSE = 0.06
"""Seconds without a change after which what follows a first change closely is read or priced."""

AGAIN = 5.0
"""Seconds until what couldn't be read is tried again."""

RUN_PAUSE = 1.0
"""Seconds between two readings of the rows in sight while a run changes them."""

FINDINGS_REST = 1.5
"""Seconds after the list was read in which nobody wants all texts to be gone through for their findings."""

MOST_REASONS = 6
"""Lines under the list that say why the item under the cursor failed."""


class Readings:
    """Everything that the main screen shows and didn't get from a key."""

    def __init__(self, screen: MainScreen) -> None:
        self._screen = screen
        self._bridge: Bridge | None = None
        self._pauses: dict[str, Timer] = {}
        self._next_reading = 0
        self._last_state = "idle"
        self._ended_run = 0
        self._listed: ItemFilter | None = None
        self._uncounted = True
        self._once_listed: list[Callable[[], None]] = []
        self._half_price_looks = 0

    def adopt(self, workspace: Workspace) -> None:
        """Listen to another engine, read another store."""
        self.hear_no_more()
        self._screen.desk.adopt(workspace)
        self._listed = None
        self._once_listed.clear()
        self._ended_run = 0 if workspace.engine.view().active else workspace.engine.view().run_id
        self._bridge = Bridge(workspace.engine, self.view_changed, self._noticed)
        self._screen.items.read_with(self._rows)
        if workspace.busy is None and not workspace.lends:
            workspace.half_price.watch()  # batches of an earlier day: what is back is taken in

    def hear_no_more(self) -> None:
        """Listen to no engine."""
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None

    # The list, its price, the item under the cursor

    def reload(self) -> None:
        """Read the list anew, at once."""
        if self._screen.desk.workspace is not None:
            begin(self._screen, self._reload, exclusive=True, group="list")

    def reload_soon(self) -> None:
        """Read the list anew when nothing has changed for a moment."""
        self._soon("list", self.reload)

    def price_soon(self) -> None:
        """Make a quote when nothing has changed for a moment."""
        self._soon("quote", self._price)

    def preview_soon(self) -> None:
        """Read the item under the cursor when it rests there."""
        self._soon("preview", self._preview)

    def once_listed(self, work: Callable[[], None]) -> None:
        """Do what means the whole list: now, or as soon as the list of the filter in force is read."""
        if self._listed == self._screen.desk.selection.wanted:
            work()
        else:
            self._once_listed.append(work)

    def _soon(self, name: str, work: Callable[[], None]) -> None:
        """The first time at once; what follows it closely, when there was a pause."""
        if name in self._pauses:
            self._pauses[name].stop()
            self._pauses[name] = self._screen.set_timer(PAUSE, lambda: self._after_pause(name, work))
        else:
            self._pauses[name] = self._screen.set_timer(PAUSE, lambda: self._pauses.pop(name, None))
            work()

    def _after_pause(self, name: str, work: Callable[[], None]) -> None:
        self._pauses.pop(name, None)
        work()

    async def _reload(self) -> None:
        # Texts may be others, not only what is shown of them; also when another list takes this one's place.
        self._uncounted |= self._listed is None or self._listed == self._screen.desk.selection.wanted
        if await self._read_list():
            if self._uncounted and not self._screen.desk.view.active:
                self._uncounted = False
                self._count_later()
            self._screen.batch_app.memory.keep_soon()
            self._screen.redraw()
            self._price()
            self._screen.first_read()

    async def _read_list(self) -> bool:
        """Read and show the list; False when nobody wants it any more."""
        screen, wanted = self._screen, self._screen.desk.selection.wanted
        try:
            if wanted != self._listed:
                at = screen.items.current_id if screen.items.cursor else None
                part = await screen.desk.part(screen.batch_app.back, at)
                if screen.gone or wanted != screen.desk.selection.wanted:
                    return False
                if part is not None:
                    if part.ids and self._listed is not None:
                        screen.items.show_guide(None)  # at the start, keys mean nothing before all else is read
                    if screen.items.show_part(part):
                        await self._seen()
                if screen.gone or wanted != screen.desk.selection.wanted:
                    return False
            ids = await screen.desk.ids(screen.batch_app.back)
            if screen.gone or wanted != screen.desk.selection.wanted:
                return False
            # Before what stands beside it is read: it is the list that somebody waits for.
            screen.items.show(ids)
            self._listed = wanted
            await screen.desk.read(screen.batch_app.back)
        except BatchManagerError as error:
            self._once_listed.clear()
            self._unread(error)
            return False
        screen.desk.unread = None
        if screen.gone or wanted != screen.desk.selection.wanted:
            return False
        waiting, self._once_listed = self._once_listed, []
        for work in waiting:
            work()
        return True

    def _unread(self, error: BatchManagerError) -> None:
        """Say why, and try again until it can be read: a server comes back, a file is put back."""
        screen, desk = self._screen, self._screen.desk
        if str(desk.unread) != str(error):
            self._complain(error)
        desk.unread = error
        if desk.quote is None:
            desk.error = error  # no quote follows, so that nobody need wait for one
        if not screen.gone:
            self._show_cost()
            screen.redraw()
            if (timer := self._pauses.pop("again", None)) is not None:
                timer.stop()
            self._pauses["again"] = screen.set_timer(AGAIN, self.reload)

    async def _seen(self) -> None:
        """Wait until what was shown is drawn: what is read next would take the interpreter from it."""
        drawn = asyncio.Event()
        self._screen.call_after_refresh(drawn.set)
        with contextlib.suppress(TimeoutError):  # below another screen nothing is drawn
            await asyncio.wait_for(drawn.wait(), PAUSE)

    def _rows(self, ids: Sequence[int]) -> list[ItemRow]:
        # It is called while lines are drawn, where nobody could handle an error.
        try:
            return self._screen.batch_app.workspace.store.items.rows(ids)
        except BatchManagerError as error:
            self._screen.call_later(self._complain, error)
            return []

    def _price(self) -> None:
        desk = self._screen.desk
        if desk.workspace is not None and not desk.view.active:
            begin(self._screen, self._price_now, exclusive=True, group="quote")

    async def _price_now(self) -> None:
        screen = self._screen
        await screen.desk.price(screen.batch_app.back, screen.batch_app.keys.first)
        self._show_cost()

    def _show_cost(self) -> None:
        screen = self._screen
        if not screen.gone:
            screen.query_one("#cost", CostPanel).show(screen.desk.cost_state())

    def _count_later(self) -> None:
        """Count the findings once nothing else has been done for a while: all texts are gone through for them."""
        if (timer := self._pauses.pop("findings", None)) is not None:
            timer.stop()
        self._pauses["findings"] = self._screen.set_timer(FINDINGS_REST, self._count_now)

    def _count_now(self) -> None:
        app = self._screen.batch_app
        typed = time.monotonic() - app.collector.stirred < FINDINGS_REST
        if typed or app.screen is not self._screen or self._screen.desk.view.active:
            self._count_later()
        elif not self._screen.gone:
            begin(self._screen, self._count_findings, exclusive=True, group="findings")

    async def _count_findings(self) -> None:
        screen, before = self._screen, self._screen.desk.findings
        try:
            await screen.desk.read_findings(screen.batch_app.back, screen.batch_app.keys.first)
        except BatchManagerError as error:
            self._complain(error)
        if screen.desk.findings != before:
            self._show_cost()

    def _preview(self) -> None:
        if self._screen.desk.workspace is not None:
            begin(self._screen, self._preview_now, exclusive=True, group="preview")

    async def _preview_now(self) -> None:
        screen = self._screen
        item_id, detail = screen.items.current_id, None
        try:
            if item_id is not None:
                read = screen.batch_app.workspace.store.items.detail
                detail = await screen.batch_app.back.read(read, item_id)
        except BatchManagerError as error:
            self._complain(error)
        if not screen.gone and item_id == screen.items.current_id:
            self._show_item(detail)

    def _show_item(self, detail: ItemDetail | None) -> None:
        screen = self._screen
        preview, why = screen.query_one("#preview", Preview), screen.query_one("#why", Lines)
        if preview.display:  # where it has no room, laying its text out would only cost time
            preview.show_item(detail)
        if detail is None or preview.display or not (detail.row.code or detail.row.problem):
            why.display = False
            return
        lines = failure_lines(detail, max(20, screen.items.line_width - 2))[:MOST_REASONS]
        why.styles.height = len(lines) + 1
        why.show_lines(lines)
        why.display = True

    # The engine

    def tick(self) -> None:
        """Look at the engine; while a run changes rows, read those in sight again now and then."""
        if self._bridge is not None:
            self._bridge.tick()
            looks = self._screen.batch_app.workspace.half_price.looks
            if (
                looks != self._half_price_looks and not self._screen.gone
            ):  # batches were looked at: their bars, and perhaps items, are others
                self._half_price_looks = looks
                self.reload()
        if self._screen.desk.view.active:
            self._next_reading -= 1
            if self._next_reading <= 0:
                self._next_reading = round(RUN_PAUSE / TICK)
                begin(self._screen, self._read_while_running, exclusive=True, group="rows")

    async def _read_while_running(self) -> None:
        screen, wanted = self._screen, self._screen.desk.selection.wanted
        try:
            await screen.desk.read_counts(screen.batch_app.back)
        except BatchManagerError as error:
            self._complain(error)
        if wanted.status is not None or wanted.sort == "status":
            await self._read_list()
        if not screen.gone:
            screen.items.rows_changed()
            screen.redraw()

    def view_changed(self, view: RunView) -> None:
        """The run's picture is another one."""
        screen, desk = self._screen, self._screen.desk
        before, desk.view = desk.view, view
        active_before = before.active
        if view.answered and not before.answered:
            screen.batch_app.collector.settle("run")  # its first answer: its model or its client is loaded
        screen.batch_app.title_bar.show(view)
        screen.query_one("#batches", BatchBars).show(view)
        # A short run may be over between two looks, so its end is told by its id as well.
        ended = not view.active and (active_before or view.run_id != self._ended_run)
        ended = ended and not (view.watched and desk.starting)  # it is only left for another that begins
        if ended:
            desk.quote = None  # it is of what was pending before, and a new one is on its way
        screen.query_one("#cost", CostPanel).show(desk.cost_state())
        if ended or view.active != active_before:
            screen.redraw()
            if ended:
                self._ended_run = view.run_id
                screen.items.rows_changed()
                self.reload()
                self._say_end(view)
        elif view.state != self._last_state:
            screen.redraw()
        self._last_state = view.state

    def _say_end(self, view: RunView) -> None:
        if self._screen.batch_app.bell_at_end:
            self._screen.batch_app.ring()
        failed = f", {view.failed:,} failed" if view.failed else ""
        if view.state == "done":
            words = f"{view.indexed:,} indexed{failed}" if view.items else CHANGED
            self._screen.say(f"Done: {words}.", "warning" if view.failed else "info")
        else:
            level = "error" if view.state == "stopped" else "warning"
            self._screen.say(shown(f"{view.reason} {view.next_step}"), level)

    def _noticed(self, notice: Notice) -> None:
        if notice.level == "error":
            self._screen.say(notice.message, notice.level)
        # Retries and the like come by the dozen: they must not take the keys' line.
        self._screen.query_one("#batches", BatchBars).note(notice.message)

    def _complain(self, error: BatchManagerError) -> None:
        self._screen.batch_app.say(shown(str(error)), "error")
