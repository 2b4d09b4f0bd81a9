"""Choosing: marks, ranges, filters, order, findings, what is left out, and taking the last of it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from batch_manager.documents import PROBLEMS
from batch_manager.errors import BatchManagerError
from batch_manager.pricing import show_usd
from batch_manager.store.items import ItemFilter
from batch_manager_tui.display import count, shown
from batch_manager_tui.screens.doer import Doer
from batch_manager_tui.undo import Skipped, Undo
from batch_manager_tui.widgets.columns import Head
from batch_manager_tui.widgets.filter_box import FilterBox
from batch_manager_tui.widgets.words import FINDING, SORT
from batch_manager_tui.workers import begin

if TYPE_CHECKING:
    from batch_manager_tui.screens.main import MainScreen


class Choosing(Doer):
    """The commands that choose."""

    def __init__(self, screen: MainScreen) -> None:
        super().__init__(screen)
        self.steps = Undo()

    def clicked(self, item_id: int) -> None:
        """A click marked or unmarked an item."""
        self.steps.marked(frozenset({item_id}))

    def forget(self) -> None:
        """Another store: nothing of the old one can be taken back."""
        self.steps = Undo()

    def mark(self) -> None:
        """Mark or unmark, and go down."""
        items = self._screen.items
        if items.current_id is not None:
            items.selection.toggle(items.current_id)
            self.steps.marked(frozenset({items.current_id}))
            items.draw_again(items.cursor)
            items.move("down")
            self._screen.marks_changed(drawn=True)

    def mark_all(self) -> None:
        """All in the filter."""
        self._change_marks(self._screen.desk.selection.toggle_all)

    def invert(self) -> None:
        """Turn the marks round."""
        self._change_marks(self._screen.desk.selection.invert)

    def _change_marks(self, change: Callable[[], frozenset[int]]) -> None:
        def do() -> None:
            self.steps.marked(change())
            self._screen.marks_changed()

        self._screen.readings.once_listed(do)

    def range(self) -> None:
        """Begin a range, or mark it."""
        items = self._screen.items
        if items.current_id is None:
            return  # the first page of a list that nothing fits, whose end is still being read
        if items.range_from is None:
            items.range_from = items.cursor
        else:
            ids = items.pages.ids
            self.steps.marked(items.selection.mark(ids[place] for place in items.ranged()))
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
        begin(self._screen, self._lint, exclusive=True, group="lint")

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
                some = await app.back.look(workspace.store.items.with_findings) if found else 0
                ended = f"Findings of {count(some, 'item')} seen; all items again."
                self._screen.say(
                    ended if found or before else "No findings: every text has something of its own to say."
                )
                return
            saving = await app.back.quote(workspace.engine.saving, code)
        except BatchManagerError as error:
            self._screen.say(shown(str(error)), "error")
            return
        if selection.wanted.problem == code:
            local = workspace.settings.provider == "local"
            self._screen.say(_finding_words(code, found[code], saving, local=local), "warning")

    def sort(self) -> None:
        """Next order."""
        self._screen.desk.selection.next_sort()
        self._sorted()

    def head(self, head: Head) -> None:
        """A click on a column: the order by it, or as added; kinds are filtered rather than put in order."""
        if head == "kind":
            self.kind()
            return
        self._screen.desk.selection.sort_by(head)
        self._sorted()

    def _sorted(self) -> None:
        self._screen.say(f"Order: {SORT[self._screen.desk.selection.wanted.sort]}")
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
            screen.say(f"{count(len(selection.marks), 'mark')} cleared; {screen.situation().key('undo')} undoes it.")
            self.steps.marked(selection.unmark_all())
            screen.marks_changed()
        elif screen.pane != "items":
            screen.to_pane("items")
        else:
            screen.say(f"Nothing to back out of: {screen.situation().key('quit')} quits.")

    def skip(self) -> None:
        """Leave out, or take in again."""
        selection = self._screen.desk.selection
        here = self._screen.items.current_id
        chosen = sorted(selection.marks) or ([here] if here is not None else [])
        begin(self._screen, partial(self._skip, chosen), exclusive=True, group="skip")

    async def _skip(self, chosen: list[int]) -> None:
        workspace, back = self._app.workspace, self._app.back
        items = workspace.store.items
        undo = self._screen.situation().key("undo")
        try:
            if out := await back.read(items.skippable, chosen):
                changed = await back.do(workspace.alone(items.skip), out)
                self.steps.skipped(Skipped(tuple(out), out=True))
                words = f"{count(changed, 'item')} left out{self._hidden_words(out)}; {undo} undoes it."
            else:
                again = await back.read(items.skipped_among, chosen)
                changed = await back.do(workspace.alone(items.unskip), again)
                self.steps.skipped(Skipped(tuple(again), out=False))
                words = f"{count(changed, 'item')} taken in again{self._hidden_words(again)}; {undo} undoes it."
        except BatchManagerError as error:
            self._screen.say(shown(str(error)), "error")
            return
        self._screen.say(words if changed else "An indexed item can't be left out.", "info" if changed else "warning")
        self._screen.reload()

    def _hidden_words(self, ids: list[int]) -> str:
        hidden = self._screen.desk.selection.hidden_among(ids)
        return f", {hidden:,} of them hidden by the filter" if hidden else ""

    def undo(self) -> None:
        """The last mark or skip never was."""
        last = self.steps.take()
        if last is None:
            self._screen.say("There is no mark or skip to undo.", "warning")
        elif isinstance(last, Skipped):
            begin(self._screen, partial(self._undo_skip, last), group="skip")  # one after the other, none lost
        else:
            marks = self._screen.desk.selection.marks
            marks ^= last
            self._screen.say(f"Undone: {len(marks):,} marked, as before." if marks else "Undone: nothing is marked.")
            self._screen.marks_changed()

    async def _undo_skip(self, last: Skipped) -> None:
        try:
            words = await self.undo_skip(last, self._app.keys.key("undo"))
        except BatchManagerError as error:
            self._screen.say(shown(str(error)), "error")
            return
        self._screen.say(words)
        self._screen.reload()

    async def undo_skip(self, last: Skipped, key: str) -> str:
        """Items of one step are again what they were: pending, or failed with their reason. Answers in words.

        Raises:
            StoreError: The store can't be written.
        """
        workspace = self._app.workspace
        items = workspace.store.items
        try:
            back_to = workspace.alone(items.unskip if last.out else items.skip)
            changed = await self._app.back.do(back_to, last.ids)
        except BaseException:
            self.steps.skipped(last)  # it is still to be undone
            raise
        words = f"Undone: {count(changed, 'item is', 'items are')} {'back as before' if last.out else 'left out again'}"
        more = f"; {key} undoes the skip before" if self.steps.skips else ""
        return f"{words}{more}."


def _finding_words(code: str, items: int, saving: Decimal, *, local: bool) -> str:
    """A finding with its count, and what leaving it out saves."""
    if saving:
        saves = f"a marks them, - leaves them out and saves {show_usd(saving)}"
    elif code == "duplicate":
        saves = "saves nothing: each text is sent once"
    elif code in PROBLEMS:
        saves = "saves nothing: none of it can be sent"
    elif local:
        saves = "saves nothing: the model on this machine costs nothing"
    else:
        saves = "saves nothing: what is sent of it is paid for already"
    return f"{FINDING.get(code, code)}: {count(items, 'item')}; {saves}."
