"""The bill: every run with what was estimated and billed, and the spend by model and by day."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container, Vertical

from batch_manager.errors import BatchManagerError
from batch_manager.sources.rows import write_rows
from batch_manager.store.bill import BILL_COLUMNS, Bill, Spent, bill_records
from batch_manager_tui.display import count, shown
from batch_manager_tui.places import bindings_of
from batch_manager_tui.screens.base import PlaceScreen
from batch_manager_tui.screens.save_file import SaveFile, Written
from batch_manager_tui.widgets.bill_lines import run_heads, run_line, run_words, spend_lines, total_line
from batch_manager_tui.widgets.pick_list import PickList
from batch_manager_tui.widgets.strips import Line, Lines

FRESH = 1.0
"""Seconds between two readings while a run is under way."""


class BillScreen(PlaceScreen):
    """Runs, sums, and all about one run."""

    PLACE = "bill"
    PANES = ("#runs", "#spend", "#run")
    BINDINGS: ClassVar = bindings_of(PLACE)

    def __init__(self) -> None:
        super().__init__()
        self.bill = Bill((), (), (), Spent())

    def body(self) -> ComposeResult:
        """The runs over the spend and one run."""
        with Container(id="bill"):
            with Vertical(id="runs-pane", classes="pane") as pane:
                pane.border_title = "Runs"
                yield Lines(id="run-heads")
                runs = PickList(id="runs")
                runs.remove_class("pane")
                yield runs
                yield Lines(id="run-total")
            spend = Lines(id="spend", classes="pane")
            spend.border_title = "Spend"
            yield spend
            run = Lines(id="run", classes="pane")
            run.border_title = "This run"
            yield run

    def on_mount(self) -> None:
        """Read the bill, and again while a run adds to it."""
        super().on_mount()
        for name in ("#run-heads", "#run-total"):
            self.query_one(name, Lines).can_focus = False
        self.reload()
        self.set_interval(FRESH, self._reload_while_running)

    def on_resize(self) -> None:
        """Figures follow the width."""
        super().on_resize()
        self.call_after_refresh(self._show)

    def reload(self) -> None:
        """Read the bill."""
        self.run_worker(self._read(), exclusive=True, group="list")

    def on_pick_list_moved(self, message: PickList.Moved) -> None:
        """Another run."""
        self._show()

    def action_save(self, ending: str) -> None:
        """Write the runs to a file."""
        if not self.bill.runs:
            self.say("There is nothing to write: no run yet.", "warning")
            return
        read = self.batch_app.workspace.store.ledger.bill

        def write(place: str) -> int:
            return write_rows(bill_records(read()), BILL_COLUMNS, place)

        def saved(written: Written | None) -> None:
            if written is not None:
                self.say(f"{count(written.rows, 'run')} written to {written.place}.")

        hint = "One row a run. The name's ending says how: .csv, .json, else JSON Lines. Money is in USD, exact."
        self.batch_app.push_screen(SaveFile("Write the bill", hint, f"bill.{ending}", write), saved)

    def _reload_while_running(self) -> None:
        if self.batch_app.main.desk.view.active:
            self.reload()

    async def _read(self) -> None:
        app = self.batch_app
        try:
            bill = await app.back.read(app.workspace.store.ledger.bill)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        if not self.query("#runs"):
            return  # left meanwhile
        self.bill = bill
        runs = self.query_one("#runs", PickList)
        runs.show(len(bill.runs), self._run_line, runs.cursor)
        self._show()

    def _run_line(self, index: int, width: int) -> Line:
        return run_line(self.bill.runs[index], width)

    def _show(self) -> None:
        if not self.query("#run"):
            return
        bill, runs = self.bill, self.query_one("#runs", PickList)
        heads, total = self.query_one("#run-heads", Lines), self.query_one("#run-total", Lines)
        spend, words = self.query_one("#spend", Lines), self.query_one("#run", Lines)
        if not bill.runs:
            words.show_lines([[("No run yet.", "strong")], [], [("esc", "accent"), ("  back; s there begins one", "")]])
            heads.show_lines([])
            total.show_lines([])
            spend.show_lines([[("$0", "accent"), (" spent so far", "")]])
            return
        width = max(20, runs.line_width)
        heads.show_lines([run_heads(width)])
        total.show_lines([total_line(bill, width)])
        spend.show_lines(spend_lines(bill, max(20, spend.line_width - 1)))
        words.show_lines(run_words(bill.runs[runs.cursor], max(20, words.line_width - 1)))
