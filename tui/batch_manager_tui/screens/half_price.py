"""The half-price lane: a bar for each batch that is under way, and what can be done about it."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical

from batch_manager.errors import BatchManagerError
from batch_manager.half_price import JobView
from batch_manager.pricing import show_usd
from batch_manager_tui.display import count, shown
from batch_manager_tui.places import bindings_of
from batch_manager_tui.screens.ask_yes import AskYes
from batch_manager_tui.screens.base import PlaceScreen
from batch_manager_tui.screens.confirm_spend import ConfirmSpend
from batch_manager_tui.widgets.job_lines import empty_lines, job_heads, job_line, job_words
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.pick_list import PickList
from batch_manager_tui.widgets.strips import Line, Lines
from batch_manager_tui.workers import begin

FRESH = 1.0
"""Seconds between two readings of the store; the server is asked at the lane's own intervals."""


class HalfPriceScreen(PlaceScreen):
    """Batches, and all about one."""

    PLACE = "half_price"
    PANES = ("#jobs", "#job")
    BINDINGS: ClassVar = bindings_of(PLACE)

    def __init__(self) -> None:
        super().__init__()
        self.jobs: tuple[JobView, ...] = ()

    def body(self) -> ComposeResult:
        """The batches over one of them."""
        with Vertical(id="jobs-pane", classes="pane") as pane:
            pane.border_title = "At half the price"
            yield Lines(id="job-heads")
            yield PickList(id="jobs", classes=None)
        words = Lines(id="job", classes="pane")
        words.border_title = "This batch"
        yield words

    def footer(self) -> Keys:
        """What does something with the batch under the cursor."""
        job = self._job if self.is_mounted and self.query("#jobs") else None
        dead = set() if job is not None else {"half_price.cancel", "half_price.move"}
        dead |= set() if job is not None and job.unseen else {"half_price.give_up"}
        dead |= set() if self.jobs else {"half_price.look"}
        return [one for one in super().footer() if one[0] not in dead]

    def on_mount(self) -> None:
        """Read what is under way, again and again."""
        super().on_mount()
        self.query_one("#job-heads", Lines).can_focus = False
        self.reload()
        self.set_interval(FRESH, self.reload)

    def placed(self) -> None:
        """Words follow the width."""
        self._show()

    def reload(self) -> None:
        """Read the batches from the store."""
        begin(self, self._read, exclusive=True, group="list")

    def on_pick_list_moved(self, message: PickList.Moved) -> None:
        """Another batch."""
        self._show()

    def action_look(self) -> None:
        """Ask the server now."""
        begin(self, partial(self._look, "Asking the server…"), exclusive=True, group="deed")

    def action_cancel(self) -> None:
        """End the batch under the cursor."""
        job = self._job
        if job is None:
            self.say("No batch is under way.", "warning")
        else:
            begin(self, partial(self._cancel, job), exclusive=True, group="deed")

    def action_shift(self) -> None:
        """Price what the batch has not brought in the fast lane, and ask."""
        job = self._job
        if job is None:
            self.say("No batch is under way.", "warning")
        else:
            begin(self, partial(self._move, job), exclusive=True, group="deed")

    def action_give_up(self) -> None:
        """Wait no longer for a batch that the server doesn't show, after asking."""
        job = self._job
        if job is None:
            self.say("No batch is under way.", "warning")
        elif not job.unseen:
            self.say("There is nothing to give up: the server shows this batch, or was not asked yet.", "warning")
        else:
            begin(self, partial(self._give_up, job), exclusive=True, group="deed")

    @property
    def _job(self) -> JobView | None:
        at = self.query_one("#jobs", PickList).cursor
        job = self.jobs[at] if at < len(self.jobs) else None
        return None if job is None or job.over else job

    async def _read(self) -> None:
        app = self.batch_app
        try:
            jobs = await app.back.read(app.workspace.half_price.jobs)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        if self.query("#jobs") and (jobs != self.jobs or not self.jobs):
            self.jobs = jobs
            self._show_list()
            self._show()

    async def _look(self, words: str) -> None:
        app = self.batch_app
        self.say(words)
        try:
            await app.back.do(app.workspace.hold)
            found = await app.back.do(app.workspace.half_price.collect)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        if found.fatal is not None:
            self.say(shown(f"{found.fatal[1]} {found.fatal[2]}"), "error")
        else:
            came = (
                f"{count(found.answered, 'result')} came; {count(len(found.under_way), 'batch', 'batches')} under way."
            )
            self.say(" ".join((came, *found.left_over)), "warning" if found.left_over else "info")
        self.reload()
        app.main.reload()

    async def _cancel(self, job: JobView) -> None:
        left = count(max(0, job.total - job.done), "request")
        words = f"Batch {job.run_id}.{job.number}: {left} not done yet. What is done is kept, and paid for."
        if not await self.batch_app.push_screen_wait(AskYes("Cancel this batch?", words, "cancel it")):
            self.say("Nothing was cancelled.")
            return
        try:
            await self.batch_app.back.do(self.batch_app.workspace.hold)
            await self.batch_app.back.do(self.batch_app.workspace.half_price.cancel, (job.id,))
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        await self._look("Cancelling: what is done is kept and paid.")

    async def _give_up(self, job: JobView) -> None:
        app, half = self.batch_app, self.batch_app.workspace.half_price
        try:
            items = count(await app.back.read(half.items_of, (job.id,)), "item")
            words = (
                f"Batch {job.run_id}.{job.number}: {items} would be pending again, and {show_usd(job.estimated)} would"
                " stay held: it may have been done and billed. Indexing them again may then pay for them twice."
            )
            if not await app.push_screen_wait(AskYes("Give up this batch?", words, "give it up")):
                self.say("Nothing was given up.")
                return
            await app.back.do(app.workspace.hold)
            given_up = await app.back.do(half.give_up, (job.id,))
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        self.say(
            f"{items} pending again; the money stays held." if given_up else "It is known by now: nothing given up."
        )
        self.reload()
        app.main.reload()

    async def _move(self, job: JobView) -> None:
        app, half = self.batch_app, self.batch_app.workspace.half_price
        try:
            await app.back.do(app.workspace.hold)
            await app.back.do(half.collect)  # what is back by now needn't be moved
            quote = await app.back.do(half.quote_move, (job.id,), app.workspace.cap)
            if quote.nothing_to_do:
                self.say("Nothing of it is left to move.", "warning")
                return
            warning = "What the batch still brings is kept, and paid for as well."
            agreed = await app.push_screen_wait(ConfirmSpend(quote, "Index now what is left", warning))
            if agreed is None:
                self.say("Nothing was moved.")
                return
            await app.back.do(half.move, agreed, (job.id,))
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        half.watch()
        self.dismiss(None)

    def _show_list(self) -> None:
        jobs = self.query_one("#jobs", PickList)
        jobs.show(len(self.jobs), lambda index, width: _aired(job_line(self.jobs[index], width - 2)), jobs.cursor)

    def _show(self) -> None:
        if not self.query("#job"):
            return
        heads, words = self.query_one("#job-heads", Lines), self.query_one("#job", Lines)
        width = max(20, words.line_width - 1)
        self.query_one(KeyLine).show_keys(self.footer())
        at = self.query_one("#jobs", PickList).cursor
        heads.show_lines([_aired(job_heads(max(20, heads.line_width - 2)))] if self.jobs else [])
        words.show_lines(job_words(self.jobs[at], width) if at < len(self.jobs) else empty_lines(width))


def _aired(line: Line) -> Line:
    """With a cell of air before it; the cell after it is left by the width."""
    return [(" ", ""), *line]
