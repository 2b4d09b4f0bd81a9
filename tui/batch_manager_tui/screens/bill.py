"""The bill: every run with what was estimated and billed, and the spend by model, by day and by person."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container, Vertical

from batch_manager.errors import BatchManagerError
from batch_manager.sources.rows import write_rows
from batch_manager.store.bill import Bill, BilledRun, By, Pace, Spent, columns_by, records_by
from batch_manager_tui.display import count, shown
from batch_manager_tui.places import bindings_of
from batch_manager_tui.screens.base import PlaceScreen
from batch_manager_tui.screens.save_file import SaveFile, Written
from batch_manager_tui.widgets.bill_lines import (
    pace_lines,
    run_heads,
    run_line,
    run_words,
    spend_lines,
    sum_heads,
    sum_line,
    total_line,
)
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.pick_list import PickList
from batch_manager_tui.widgets.strips import Line, Lines
from batch_manager_tui.workers import begin

VIEWS: tuple[By, ...] = ("run", "day", "model", "person")

TITLES: dict[By, str] = {"run": "Runs", "day": "Days (UTC)", "model": "Models", "person": "People"}

FEW = 5
"""Rows that leave room for more below, on a tall terminal."""

STRETCHES = 24
"""Columns of the plot of a run's pace."""

FRESH = 1.0
"""Seconds between two readings while a run is under way."""


class BillScreen(PlaceScreen):
    """Runs, sums, and all about one run."""

    PLACE = "bill"
    PANES = ("#runs", "#spend", "#run")
    TABS = ("Runs", "Spend", "This run")
    BINDINGS: ClassVar = bindings_of(PLACE)

    def __init__(self) -> None:
        super().__init__()
        self.bill = Bill((), (), (), Spent())
        self.by: By = "run"
        self._pace: Pace | None = None

    def body(self) -> ComposeResult:
        """The runs over the spend and one run."""
        with Container(id="bill"):
            with Vertical(id="runs-pane", classes="pane"):
                yield Lines(id="run-heads")
                yield PickList(id="runs", classes=None)
                yield Lines(id="run-total")
            yield Lines(id="spend", classes="pane")
            yield Lines(id="run", classes="pane")
        for name, title in zip(self.PANES, self.TABS, strict=True):
            self.entitle(name, title)

    def footer(self) -> Keys:
        """What can be written can be offered."""
        keys = super().footer()
        return keys if self.bill.runs else [one for one in keys if one[0] not in ("bill.csv", "bill.json")]

    def on_mount(self) -> None:
        """Read the bill, and again while a run adds to it."""
        super().on_mount()
        for name in ("#run-heads", "#run-total"):
            self.query_one(name, Lines).can_focus = False
        self.reload()
        self.set_interval(FRESH, self._reload_while_running)

    def placed(self) -> None:
        """Figures follow the width."""
        self._show()

    def refit(self) -> None:
        """Figures follow the width."""
        self._show()

    def reload(self) -> None:
        """Read the bill."""
        begin(self, self._read, exclusive=True, group="list")

    def on_pick_list_moved(self, message: PickList.Moved) -> None:
        """Another run."""
        self._show()
        self._read_pace_soon()

    def action_view(self) -> None:
        """Runs, days, models, people where anybody gave a name, and round again."""
        views = VIEWS if self.bill.named else VIEWS[:-1]
        self.by = views[(views.index(self.by) + 1) % len(views)]
        self.query_one("#runs", PickList).cursor = 0
        self.to_pane("#runs")
        self._show_list()
        self._show()

    def action_save(self, ending: str) -> None:
        """Write what the list shows to a file."""
        if not self.bill.runs:
            self.say("There is nothing to write: no run yet.", "warning")
            return
        read, by = self.batch_app.workspace.store.ledger.bill, self.by

        def write(place: str) -> int:
            return write_rows(records_by(read(), by), columns_by(by), place)

        def saved(written: Written | None) -> None:
            if written is not None:
                rows = count(written.rows, by, "people" if by == "person" else None)
                self.say(f"{rows} written to {written.place}.")

        hint = (
            f"One row a {by}; {self.key('bill.view')} changes that. The name's ending says how: .csv, .json, else JSON"
            " Lines. Money is in USD, exact."
        )
        name = "bill" if by == "run" else f"bill-by-{by}"
        self.batch_app.push_screen(SaveFile("Write the bill", hint, f"{name}.{ending}", write), saved)

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
        self.query_one(KeyLine).show_keys(self.footer())
        self._show_list()
        self._show()
        self._read_pace_soon()

    def _read_pace_soon(self) -> None:
        begin(self, self._read_pace, exclusive=True, group="detail")

    async def _read_pace(self) -> None:
        """The pace of the run under the cursor."""
        app, run = self.batch_app, self._run
        pace = None
        if run is not None:
            try:
                pace = await app.back.read(app.workspace.store.ledger.pace, run.id, STRETCHES)
            except BatchManagerError as error:
                self.say(shown(str(error)), "error")
        if self.query("#run") and run == self._run:
            self._pace = pace
            self._show()

    @property
    def _run(self) -> BilledRun | None:
        """The run under the cursor; where days or models are listed, the latest."""
        if not self.bill.runs:
            return None
        cursor = self.query_one("#runs", PickList).cursor if self.by == "run" else 0
        return self.bill.runs[min(cursor, len(self.bill.runs) - 1)]

    @property
    def _sums(self) -> tuple[tuple[str, Spent], ...]:
        if self.by == "person":
            return self.bill.people
        return tuple(reversed(self.bill.days)) if self.by == "day" else self.bill.models

    def _show_list(self) -> None:
        runs = self.query_one("#runs", PickList)
        self.entitle("#runs", TITLES[self.by])
        self.entitle("#run", "This run" if self.by == "run" else "The latest run")
        rows = len(self.bill.runs if self.by == "run" else self._sums)
        self.query_one("#bill").set_class(rows <= FEW, "-few")  # what they don't need, the plots below have
        if self.by == "run":
            runs.show(len(self.bill.runs), lambda index, width: run_line(self.bill.runs[index], width), runs.cursor)
        else:
            runs.show(len(self._sums), lambda index, width: sum_line(*self._sums[index], width), runs.cursor)

    def _show(self) -> None:
        if not self.query("#run"):
            return
        bill, runs = self.bill, self.query_one("#runs", PickList)
        heads, total = self.query_one("#run-heads", Lines), self.query_one("#run-total", Lines)
        spend, words = self.query_one("#spend", Lines), self.query_one("#run", Lines)
        if not bill.runs:
            start = self.batch_app.main.situation().key("start")
            lines: list[Line] = [[("No run yet.", "strong")], []]
            words.show_lines([*lines, [(self.key("back"), "accent"), (f"  back; {start} there begins one", "")]])
            heads.show_lines([])
            total.show_lines([])
            spend.show_lines([[("$0", "accent"), (" spent so far", "")]])
            return
        width = max(20, runs.line_width)
        heads.show_lines([run_heads(width) if self.by == "run" else sum_heads(self.by, width)])
        total.show_lines([total_line(bill, width) if self.by == "run" else sum_line("all", bill.total, width)])
        tall = self.app.size.height >= 30
        spend.show_lines(spend_lines(bill, max(20, spend.line_width - 1), 6 if tall else 3))
        if (run := self._run) is not None:
            room = max(20, words.line_width - 1)
            about = run_words(run, room)
            words.show_lines(about + (pace_lines(self._pace, room) if self._pace is not None else []))
