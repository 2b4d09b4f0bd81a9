"""Deeds: what each command of the table does on the main screen. One method a command, named like it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from batch_manager.errors import BatchManagerError
from batch_manager.pricing import show_usd
from batch_manager.quote import Scope
from batch_manager.store.items import ItemFilter
from batch_manager_tui.commands import key_of
from batch_manager_tui.display import count, shown
from batch_manager_tui.screens.bill import BillScreen
from batch_manager_tui.screens.details import DetailsScreen
from batch_manager_tui.screens.failures import FailuresScreen
from batch_manager_tui.screens.search import SearchScreen
from batch_manager_tui.screens.settings import SettingsScreen
from batch_manager_tui.screens.take_in import (
    TakeIn,
    What,
    prompt_for,
    result_lines,
    result_words,
    work_for,
)
from batch_manager_tui.spending import ask_and_start
from batch_manager_tui.widgets.filter_box import FilterBox
from batch_manager_tui.widgets.words import FINDING, SORT

if TYPE_CHECKING:
    from batch_manager_tui.app import BatchManagerApp
    from batch_manager_tui.screens.main import MainScreen

RESULT_WIDTH = 64


class Deeds:
    """The commands' doings. Whether one may be done is the table's business."""

    def __init__(self, screen: MainScreen) -> None:
        self._screen = screen

    @property
    def _app(self) -> BatchManagerApp:
        return self._screen.batch_app

    # Choose

    def mark(self) -> None:
        """Mark or unmark, and go down."""
        items = self._screen.items
        if items.current_id is not None:
            items.selection.toggle(items.current_id)
            items.move("down")
            self._screen.marks_changed()

    def mark_all(self) -> None:
        """All in the filter."""
        self._screen.desk.selection.toggle_all()
        self._screen.marks_changed()

    def invert(self) -> None:
        """Turn the marks round."""
        self._screen.desk.selection.invert()
        self._screen.marks_changed()

    def range(self) -> None:
        """Begin a range, or mark it."""
        items = self._screen.items
        if items.range_from is None:
            items.range_from = items.cursor
        else:
            ids = items.selection.ids
            items.selection.mark(ids[place] for place in items.ranged())
            items.range_from = None
        self._screen.marks_changed()

    def filter(self) -> None:
        """Type in the box."""
        self._screen.query_one(FilterBox).enter()

    def filter_by(self, text: str) -> None:
        """The list follows the box."""
        selection = self._screen.desk.selection
        if text != selection.wanted.text:
            selection.wanted = replace(selection.wanted, text=text)
            self._screen.reload_soon()

    def status(self) -> None:
        """Next status."""
        self._screen.desk.selection.next_status()
        self._screen.reload()

    def kind(self) -> None:
        """Next kind."""
        self._screen.desk.selection.next_kind()
        self._screen.reload()

    def lint(self) -> None:
        """Next sort of finding."""
        self._screen.run_worker(self._lint(), exclusive=True, group="lint")

    async def _lint(self) -> None:
        app, selection = self._app, self._screen.desk.selection
        workspace = app.workspace
        try:
            found = {one.code: one.items for one in await app.back.read(workspace.store.items.findings)}
            before = selection.wanted.problem
            selection.next_finding(tuple(found))
            self._screen.reload()
            code = selection.wanted.problem
            if code is None:
                ended = f"{count(sum(found.values()), 'finding')} seen; all items again."
                self._screen.say(
                    ended if found or before else "No findings: every text has something of its own to say."
                )
                return
            saving = await app.back.quote(workspace.engine.saving, code)
        except BatchManagerError as error:
            self._screen.say(shown(str(error)), "error")
            return
        if selection.wanted.problem == code:
            self._screen.say(_finding_words(code, found[code], saving), "warning")

    def sort(self) -> None:
        """Next order."""
        selection = self._screen.desk.selection
        selection.next_sort()
        self._screen.say(f"Order: {SORT[selection.wanted.sort]}")
        self._screen.reload()

    def clear(self) -> None:
        """One step out: the range, then the filter, then the marks."""
        screen, selection = self._screen, self._screen.desk.selection
        if screen.items.range_from is not None:
            screen.items.range_from = None
            screen.marks_changed()
        elif selection.narrowed:
            selection.wanted = ItemFilter(sort=selection.wanted.sort)
            screen.query_one(FilterBox).leave()
            screen.reload()
        elif selection.marks:
            screen.say(f"{count(len(selection.marks), 'mark')} cleared.")
            selection.marks.clear()
            screen.marks_changed()
        elif screen.pane != "items":
            screen.to_pane("items")
        else:
            screen.say(f"Nothing to back out of: {key_of(screen.situation(), 'quit')} quits.")

    # Spend

    def start(self) -> None:
        """Price what is chosen, and ask."""
        self._ask(self._screen.desk.selection.pending_scope(), "Index what is pending")

    def retry(self) -> None:
        """Price what failed, and ask."""
        self._ask(self._screen.desk.selection.failed_scope(), "Retry what failed")

    def rebuild(self) -> None:
        """Price everything, and ask."""
        self._ask(Scope("all"), "Index every item again")

    def _ask(self, scope: Scope, title: str) -> None:
        self._screen.run_worker(ask_and_start(self._app, scope, title), exclusive=True, group="spend")

    # During a run

    def pause(self) -> None:
        """Pause, or go on."""
        engine = self._app.workspace.engine
        if engine.view().state == "paused":
            engine.resume()
        else:
            engine.pause()

    def cancel(self) -> None:
        """End in good order."""
        self._app.workspace.engine.cancel()
        self._screen.say("Stopping: answers on their way are kept.")

    # In and out

    def scan(self) -> None:
        """Ask for a database."""
        self._prompt("scan")

    def import_(self) -> None:
        """Ask for a file to read."""
        self._prompt("import")

    def export(self) -> None:
        """Ask for a file to write."""
        self._prompt("export")

    def skip(self) -> None:
        """Leave out, or take in again."""
        selection = self._screen.desk.selection
        here = self._screen.items.current_id
        chosen = sorted(selection.marks) or ([here] if here is not None else [])
        self._screen.run_worker(self._skip(chosen), exclusive=True, group="skip")

    async def _skip(self, chosen: list[int]) -> None:
        items = self._app.workspace.store.items
        try:
            changed = await self._app.back.read(items.skip, chosen)
            words = f"{count(changed, 'item')} left out; - takes it in again."
            if not changed:
                changed = await self._app.back.read(items.unskip, chosen)
                words = f"{count(changed, 'item')} pending again."
        except BatchManagerError as error:
            self._screen.say(shown(str(error)), "error")
            return
        self._screen.say(words if changed else "An indexed item can't be left out.", "info" if changed else "warning")
        self._screen.reload()

    def demo(self) -> None:
        """The sample in the place of this home."""
        self._screen.run_worker(self._app.open_sample(), exclusive=True, group="open")

    def _prompt(self, what: What) -> None:
        self._app.push_screen(TakeIn(what, prompt_for(what, self._app.workspace)))

    def bring(self, what: What, place: str, prompt: TakeIn) -> None:
        """Do what a prompt asks for, beside the app's thread."""
        self._screen.run_worker(self._bring(what, place, prompt), group="bring")

    async def _bring(self, what: What, place: str, prompt: TakeIn) -> None:
        app, desk = self._app, self._screen.desk

        def progress(done: int) -> None:
            app.call_from_thread(prompt.tell, f"{done:,} read…")

        desk.reading = True
        prompt.tell("Reading…" if what != "export" else "Writing…")
        try:
            work = work_for(what, place, app.workspace, progress, agree_gone=prompt.agree_gone)
            result = await app.back.do(work)
        except BatchManagerError as error:
            if prompt.is_attached:
                prompt.refused(error, RESULT_WIDTH)
            else:
                self._screen.say(shown(str(error)), "error")
            return
        finally:
            desk.reading = False
        if prompt.is_attached:
            prompt.finished(result_lines(what, result, RESULT_WIDTH))
        self._screen.say(result_words(what, result))
        self._screen.reload()

    # Look

    def details(self) -> None:
        """The item under the cursor."""
        item_id = self._screen.items.current_id
        if item_id is not None:
            self._app.push_screen(DetailsScreen(item_id))

    def failures(self) -> None:
        """What failed, by cause."""
        self._app.push_screen(FailuresScreen())

    def bill(self) -> None:
        """What was estimated and billed."""
        self._app.push_screen(BillScreen())

    def settings(self) -> None:
        """What is in force."""
        self._app.push_screen(SettingsScreen())

    def search(self) -> None:
        """Ask the index."""
        self._app.push_screen(SearchScreen())

    def help(self) -> None:
        """All keys."""
        self._app.open_help()

    def palette(self) -> None:
        """All commands by typing."""
        self._app.action_command_palette()

    # App

    def theme(self) -> None:
        """The next one."""
        self._app.next_theme()

    def bell(self) -> None:
        """Ring at the end, or no longer."""
        self._app.bell_at_end = not self._app.bell_at_end
        words = "A bell rings at the end of a run." if self._app.bell_at_end else "No bell at the end of a run."
        self._screen.say(words)
        self._app.remember()

    def suspend(self) -> None:
        """Back to the shell."""
        self._app.to_the_shell()

    def quit(self) -> None:
        """Quit; the app asks during a run."""
        self._screen.run_worker(self._app.action_quit(), exclusive=True, group="quit")


def _finding_words(code: str, items: int, saving: Decimal) -> str:
    """A finding with its count, and what leaving it out saves."""
    if saving:
        saves = f"a marks them, - leaves them out and saves {show_usd(saving)}"
    elif code == "duplicate":
        saves = "saves nothing: each text is sent once"
    else:
        saves = "saves nothing: none of it would be paid for"
    return f"{FINDING.get(code, code)}: {count(items, 'item')}; {saves}."
