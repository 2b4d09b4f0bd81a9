"""Bringing things in and out: scan a database, import a file, export one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Input

from batch_manager.errors import BatchManagerError, InputError
from batch_manager.sources import Source
from batch_manager.sources.watch import Watch
from batch_manager.store.intake import Brought
from batch_manager_tui.display import count, wrap
from batch_manager_tui.screens.base import TooSmall
from batch_manager_tui.screens.telling import Telling, is_taken
from batch_manager_tui.widgets.box import Box
from batch_manager_tui.widgets.choices import Choice, Choices
from batch_manager_tui.widgets.source_lines import doubt_lines
from batch_manager_tui.widgets.strips import Line, Lines

if TYPE_CHECKING:
    from batch_manager.workspace import Workspace

What = Literal["scan", "import", "export"]

ASKING: list[Choice] = [("go", "enter", "go"), ("close", "esc", "close")]
STOP: Choice = ("stop", "ctrl+x", "stop reading")
GOES_ON: Choice = ("close", "esc", "close; it goes on")
CLOSE: Choice = ("close", "enter", "close")

AGREE_GONE = "A wrong address looks like that. Enter again takes them out of the index; esc leaves all as it is."


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a prompt asks."""

    title: str
    hint: str
    placeholder: str
    value: str = ""


class TakeIn(Telling[str | None]):
    """Asks for a place, does the work beside the app's thread, shows what came of it.

    It answers with None; the work goes on when it is closed. At each step it offers the keys that do something then.
    """

    BINDINGS: ClassVar = [
        Binding("escape", "close", "close", show=False),
        Binding("ctrl+x", "stop", "stop", show=False, priority=True),
        Binding("enter", "close_done", "close", show=False),
    ]

    def __init__(self, what: What, prompt: Prompt) -> None:
        super().__init__(prompt.hint)
        self._what: What = what
        self._prompt = prompt
        self._asked_again = ""
        self.agree_gone = False
        self._place = ""
        self._watch: Watch | None = None
        self._done = False

    def compose(self) -> ComposeResult:
        """Title, box, what happens."""
        with Vertical(id="question") as box:
            box.border_title = self._prompt.title
            yield Lines(id="words")
            yield Box(self._prompt.value, placeholder=self._prompt.placeholder, id="place")
            yield Choices(ASKING)
        yield TooSmall()

    def on_mount(self) -> None:
        """Begin in the box."""
        super().on_mount()
        self.query_one("#place", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go; a file that is there is only written over when it is asked for twice."""
        event.stop()
        place = event.value.strip()
        if self._what == "export" and place and place != self._asked_again and is_taken(place):
            self._asked_again = place
            self.tell("This file is there already. Enter again writes over it.", "warning")
            return
        if place != self._place:
            self._place, self.agree_gone = place, False  # what was agreed to was said of another place
        self.batch_app.main.deeds.bring(self._what, place, self)

    def on_choices_chosen(self, message: Choices.Chosen) -> None:
        """A click on a choice."""
        if message.choice == "close":
            self.action_close()
        elif message.choice == "stop":
            self.action_stop()
        elif self.query_one("#place", Input).display:
            box = self.query_one("#place", Input)
            self.post_message(Input.Submitted(box, box.value))
        else:
            self.action_close()

    def begins(self, watch: Watch) -> None:
        """The work is under way, and can be ended by this."""
        self._watch = watch
        self._offer([] if self._what == "export" else [STOP], [GOES_ON], box=False)

    def action_stop(self) -> None:
        """End a reading that is under way; what was there before stays."""
        if self._watch is None or self._watch.stopped or self._what == "export":
            return
        self._watch.stop()
        self._offer([], [GOES_ON], box=False)
        self.tell("Stopping…", "warning")

    def action_close(self) -> None:
        """Close; work that is under way goes on, and its result comes as a notice."""
        self.dismiss(None)

    def action_close_done(self) -> None:
        """Enter closes what has been read; in the box it goes, and while it is read it does nothing."""
        if self._watch is None:
            self.dismiss(None)

    def refused(self, error: BatchManagerError) -> None:
        """It can't be done, or not without another word: when many items are gone, enter again agrees to that."""
        self._watch = None
        lines = error_lines(error, self.words_width)
        if error.code == "many_gone":
            self.agree_gone = True
            agree = [[(line, "warning")] for line in wrap(AGREE_GONE, self.words_width)]
            lines = [*error_lines(BatchManagerError(error.message), self.words_width), *agree]
        self._offer(ASKING[:1], ASKING[1:], box=True)
        self.show_lines(lines)

    def finished(self, result: Brought | int) -> None:
        """The work is done. What a notice says whole closes this; where there is more to read, it is shown.

        Where nothing could be read, the place can be corrected.
        """
        self._watch = None
        nothing, lines = read_nothing(result), result_lines(self._what, result, self.words_width)
        if len(lines) == 1 and not nothing:
            self.dismiss(None)
            return
        self._done = not nothing
        self._offer(ASKING[:1] if nothing else [], ASKING[1:] if nothing else [CLOSE], box=nothing)
        self.show_lines(lines)

    def on_key(self, event: events.Key) -> None:
        """What is only to be read stands in no key's way: it closes, and the key is done on the screen below."""
        if self._done and event.key not in ("enter", "escape"):
            event.stop()
            self.dismiss(None)
            self.app.call_after_refresh(self.app.simulate_key, event.key)

    @property
    def words_width(self) -> int:
        """Cells of a line of words."""
        return max(20, self.query_one("#words", Lines).line_width)

    def _offer(self, first: list[Choice], then: list[Choice], *, box: bool) -> None:
        """Show what can be done now, and the box only when it can be typed in."""
        self.query_one(Choices).show([*first, *then])
        place = self.query_one("#place", Input)
        if place.display != box:
            place.display = box
            self.set_focus(place if box else None)


def prompt_for(what: What, workspace: Workspace) -> Prompt:
    """What to ask, with what the settings know already."""
    settings = workspace.settings
    if what == "scan":
        sample = settings.home / "sample.sqlite3"
        value = f"sqlite:///{sample}" if settings.mode == "demo" and sample.exists() else ""
        known = settings.database_url is not None
        return Prompt(
            "Scan a database",
            "Reads tables, columns and relationships; the database is never written. Nothing is sent anywhere.",
            "empty: the database of DATABASE_URL"
            if known
            else "postgresql://user@host/name, or the path of a database file",
            value,
        )
    if what == "import":
        return Prompt(
            "Import documentation",
            "Reads JSON Lines (one document a line), CSV, dbt's manifest.json or tbls' schema.json, gzipped or plain."
            " What can't be read is reported, and the rest is taken in.",
            "path of the file",
        )
    return Prompt(
        "Export documentation",
        "Writes every document as JSON Lines, in the shape that import reads.",
        "path of the file to write",
        "documentation.jsonl",
    )


def work_for(
    what: What, place: str, workspace: Workspace, watch: Watch, *, agree_gone: bool = False
) -> Callable[[], Brought | int]:
    """The work itself, to run in a thread that may wait.

    Raises:
        InputError: No place was given, and the settings know none.
    """
    if what == "export":
        if not place:
            raise InputError("No file was named.", next_step="Type the path of the file to write.")
        return lambda: _export(workspace, place)
    if what == "import":
        if not place:
            raise InputError("No file was named.", next_step="Type the path of a file.")
        return lambda: _brought(workspace, _file(place), watch, agree_gone)
    url = place or workspace.settings.database_url
    if not url:
        raise InputError("No database was named.", next_step="Type its URL, or set DATABASE_URL.")
    return lambda: _scan(workspace, url, watch, agree_gone)


def result_lines(what: What, result: Brought | int, width: int) -> list[Line]:
    """What came of it."""
    if isinstance(result, int):
        return [[(f"{count(result, 'document')} written.", "success")]]
    words = f"{result.new:,} new, {result.changed:,} changed, {result.unchanged:,} unchanged{_gone(result)}"
    head: Line = [(words, "success")]
    if read_nothing(result):
        head = [("Nothing of it could be read, so nothing was taken in.", "warning")]
    return [head, *doubt_lines(result, width, "line" if what == "import" else "object")]


def read_nothing(result: Brought | int) -> bool:
    """There was something, and none of it could be read."""
    return isinstance(result, Brought) and not result.read and bool(result.bad_count)


def error_lines(error: BatchManagerError, width: int) -> list[Line]:
    """Why it didn't work, and what to do."""
    lines: list[Line] = [[(line, "error")] for line in wrap(error.message, width)]
    return lines + [[(line, "")] for line in wrap(error.next_step, width)]


def result_words(what: What, result: Brought | int) -> str:
    """The same in one line."""
    if isinstance(result, int):
        return f"{count(result, 'document')} written."
    words = f"{what}: {result.new:,} new, {result.changed:,} changed, {result.unchanged:,} unchanged{_gone(result)}"
    return words + (f", {result.bad_count:,} could not be read" if result.bad_count else "")


def _gone(result: Brought) -> str:
    return f", {result.gone:,} gone" if result.gone else ""


def _export(workspace: Workspace, place: str) -> int:
    from batch_manager.sources.export import write_jsonl

    if place == "-":  # a screen is no place for a file's lines
        raise InputError("- is stdout, which this screen is drawn on.", next_step="Name a file.")
    return write_jsonl(workspace.store.items.documents(), place)


def _file(place: str) -> Source:
    from batch_manager.sources.recognise import open_file

    if place == "-":
        raise InputError("- is stdin, which this screen reads keys from.", next_step="Name a file.")
    return open_file(place)


def _scan(workspace: Workspace, url: str, watch: Watch, agree_gone: bool) -> Brought:
    # SQLAlchemy takes a while to import: not in the app's thread, and not before somebody scans.
    from batch_manager.sources.database import DatabaseSource

    return _brought(workspace, DatabaseSource(url, watch=watch), watch, agree_gone)


def _brought(workspace: Workspace, source: Source, watch: Watch, agree_gone: bool) -> Brought:
    brought = workspace.store.items.bring(source, watch, whole=True, agree_gone=agree_gone)
    if brought.gone:
        workspace.engine.index.sweep()
    return brought
