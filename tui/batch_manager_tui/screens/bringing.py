"""Bringing in and out: scans, imports, exports and the sample, done beside the app's thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from batch_manager.errors import BatchManagerError
from batch_manager.sources.watch import Watch
from batch_manager_tui.display import shown
from batch_manager_tui.screens.doer import Doer
from batch_manager_tui.screens.take_in import (
    TakeIn,
    What,
    prompt_for,
    result_words,
    work_for,
)
from batch_manager_tui.workers import begin

if TYPE_CHECKING:
    from batch_manager.store.intake import Brought


class Bringing(Doer):
    """The commands that bring in and out."""

    def scan(self) -> None:
        """Ask for a database."""
        self._prompt("scan")

    def import_(self) -> None:
        """Ask for a file to read."""
        self._prompt("import")

    def export(self) -> None:
        """Ask for a file to write."""
        self._prompt("export")

    def demo(self) -> None:
        """The sample in the place of this home."""
        begin(self._screen, self._app.opening.open_sample, exclusive=True, group="open")

    def _prompt(self, what: What) -> None:
        self._app.push_screen(TakeIn(what, prompt_for(what, self._app.workspace)))

    def bring(self, what: What, place: str, prompt: TakeIn) -> None:
        """Do what a prompt asks for, beside the app's thread."""
        begin(self._screen, partial(self._bring, what, place, prompt), group="bring")

    async def _bring(self, what: What, place: str, prompt: TakeIn) -> None:
        app, desk = self._app, self._screen.desk

        watch = Watch(lambda words: app.call_from_thread(prompt.tell, words))
        prompt.begins(watch)
        desk.reading = True
        prompt.tell("Reading…" if what != "export" else "Writing…")
        try:
            work = work_for(what, place, app.workspace, watch, agree_gone=prompt.agree_gone)

            def bring() -> Brought | int:
                found = work()
                if not isinstance(found, int):
                    app.sources.was_brought(place or app.workspace.settings.database_url or "", found)
                return found

            result = await app.back.do(app.workspace.alone(bring))
        except BatchManagerError as error:
            if prompt.is_attached:
                prompt.refused(error)
            else:
                self._screen.say(shown(str(error)), "error")
            return
        finally:
            desk.reading = False
        if prompt.is_attached:
            prompt.finished(result)
        self._screen.say(result_words(what, result))
        self._screen.reload()
