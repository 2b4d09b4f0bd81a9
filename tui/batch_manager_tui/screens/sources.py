"""Sources: databases and files that documents come from. Add, test, see what changed, read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.containers import Container, Vertical

from batch_manager.errors import BatchManagerError
from batch_manager.sources.known import KnownSource, name_of
from batch_manager.store.listed import ListedSource
from batch_manager_tui.display import shown
from batch_manager_tui.places import bindings_of
from batch_manager_tui.screens.ask_line import AskLine
from batch_manager_tui.screens.base import PlaceScreen
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.pick_list import PickList
from batch_manager_tui.widgets.source_lines import (
    doubt_lines,
    keys_lines,
    plan_lines,
    source_heads,
    source_line,
    source_words,
    test_lines,
    trouble_lines,
)
from batch_manager_tui.widgets.strips import Line, Lines
from batch_manager_tui.workers import begin

T = TypeVar("T")

READINGS = ("sources.test", "sources.plan", "sources.scan")


class SourcesScreen(PlaceScreen):
    """The sources, and what came of one."""

    PLACE = "sources"
    PANES = ("#source-list", "#source")
    BINDINGS: ClassVar = bindings_of(PLACE)

    def __init__(self) -> None:
        super().__init__()
        self.sources: tuple[ListedSource, ...] = ()
        self._are_read = False
        self._said: dict[str, list[Line]] = {}
        self._agreed = ""

    def body(self) -> ComposeResult:
        """The list over one of them."""
        with Container(id="sources"):
            with Vertical(id="sources-pane", classes="pane") as pane:
                pane.border_title = "Sources"
                yield Lines(id="source-heads")
                yield PickList(id="source-list", classes=None)
            words = Lines(id="source", classes="pane")
            words.border_title = "This source"
            yield words

    def footer(self) -> Keys:
        """Adding always; the rest where there is a source, and reading where it can be read."""
        keys, listed = super().footer(), self.listed
        if listed is None:
            return [one for one in keys if one[0] not in (*READINGS, "sources.remove")]
        return keys if listed.can_be_read else [one for one in keys if one[0] not in READINGS]

    def on_mount(self) -> None:
        """Read what is remembered."""
        super().on_mount()
        self.query_one("#source-heads", Lines).can_focus = False
        self.once_drawn(self._reload)  # all items are gone through for what each source gave

    def placed(self) -> None:
        """Words follow the width."""
        self._show()

    @property
    def listed(self) -> ListedSource | None:
        """The line under the cursor."""
        if not self.sources:
            return None
        cursor = self.query_one("#source-list", PickList).cursor
        return self.sources[cursor] if cursor < len(self.sources) else None

    @property
    def source(self) -> KnownSource | None:
        """The source under the cursor."""
        return self.listed.source if self.listed else None

    def on_pick_list_moved(self, message: PickList.Moved) -> None:
        """Another source."""
        self._agreed = ""
        self._show()

    def on_pick_list_opened(self, message: PickList.Opened) -> None:
        """A double click."""
        self.action_plan()

    # Keys

    def action_add(self) -> None:
        """Ask for a database or a file."""
        if self.may_change():
            self._ask_for_one()

    def action_test(self) -> None:
        """Reach it, and count what is there."""

        def test(source: KnownSource) -> None:
            book = self.batch_app.sources

            def found() -> list[Line]:
                tested = book.test(source)
                return test_lines(tested.tables, tested.relationships, tested.bad, self._width)

            self._do(source, "Being reached and counted…", found)

        self._with_password(test)

    def action_plan(self) -> None:
        """What reading it would change."""

        def plan(source: KnownSource) -> None:
            book = self.batch_app.sources
            self._do(source, "Being compared with what is kept…", lambda: plan_lines(book.plan(source), self._width))

        if self.may_change():
            self._with_password(plan)

    def action_scan(self) -> None:
        """Read it, and keep what is new; when many items are gone, only when asked for again."""

        def scan(source: KnownSource) -> None:
            book, agreed = self.batch_app.sources, self._agreed == source.place

            def read() -> list[Line]:
                brought = book.read(source, agree_gone=agreed)
                return [[("✓ Read, and kept.", "success")], *doubt_lines(brought, self._width)]

            self._do(source, "Being read…", read)

        if self.may_change():
            self._with_password(scan)

    def action_remove(self) -> None:
        """Forget it; its items stay."""
        source = self.source
        if source is None:
            self._say_none()
            return
        if not self.may_change():
            return
        if self.batch_app.sources.from_settings(source):
            self.say("It is the database of DATABASE_URL: it stands here as long as that is set.", "warning")
            return
        if not self.batch_app.sources.is_remembered(source):
            self.say("Items come from it: it stands here as long as they do.", "warning")
            return
        begin(self, partial(self._forget, source), exclusive=True, group="skip")

    # Inside

    @property
    def _width(self) -> int:
        return max(20, self.query_one("#source", Lines).line_width - 1)

    def _say_none(self) -> None:
        none = f"There is no source yet: {self.key('sources.add')} adds one."
        self.say(none if self._are_read else "The sources are still being read.", "warning")

    def _ask_for_one(self, value: str = "", refused: str = "") -> None:
        hint = "A database's URL, or the path of a JSON Lines, CSV, dbt or tbls file. Passwords are never kept."
        example = "postgresql://user@host/name, sqlite:///file.db, manifest.json"
        ask = AskLine("Add a source", hint, example, value=value, refused=refused)
        self.batch_app.push_screen(ask, self._add)

    def _add(self, typed: str | None) -> None:
        if typed is not None:
            begin(self, partial(self._add_now, typed), exclusive=True, group="list")

    async def _add_now(self, typed: str) -> None:
        app = self.batch_app
        try:
            source = await app.back.do(app.workspace.alone(app.sources.add), typed)
        except BatchManagerError as error:
            if self.is_current:
                self._ask_for_one(typed, shown(str(error)))  # so that it can be corrected
            return
        await self._read(at=source.place)
        self.say(f"Added. {self.key('sources.plan')} shows what reading it would change.")

    async def _forget(self, source: KnownSource) -> None:
        app = self.batch_app
        try:
            await app.back.do(app.workspace.alone(app.sources.forget), source)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        await self._read()
        still = any(one.source.place == source.place for one in self.sources)
        so = ", so it stays in the list" if still else ""
        self.say(f"Forgotten: {name_of(source)}. Its items stay{so}.")

    def _with_password(self, deed: Callable[[KnownSource], None]) -> None:
        """Do it with the source under the cursor, once its password is known."""
        app, source = self.batch_app, self.source
        if source is None:
            self._say_none()
            return
        if app.main.desk.reading:
            self.say("A source is still being read.", "warning")
            return
        if self.listed and not self.listed.can_be_read:
            self.say(
                f"It can't be read again from here: {self.key('sources.add')} adds the place where it is.", "warning"
            )
            return
        if not app.sources.needs_password(source):
            deed(source)
            return

        def given(password: str | None) -> None:
            if password is not None:
                app.sources.give_password(source, password)
                deed(source)

        hint = f"The password of {name_of(source)}. It is used in this session, and never kept."
        app.push_screen(AskLine("Password", hint, "password", secret=True), given)

    def _do(self, source: KnownSource, words: str, work: Callable[[], list[Line]]) -> None:
        self._said[source.place] = [[(words, "accent")]]
        self._show()
        begin(self, partial(self._do_now, source, work), exclusive=True, group="bring")

    async def _do_now(self, source: KnownSource, work: Callable[[], list[Line]]) -> None:
        app = self.batch_app
        app.main.desk.reading = True
        self._agreed = ""
        try:
            said = await app.back.do(app.workspace.alone(work))
        except BatchManagerError as error:
            if error.code == "many_gone":
                self._agreed = source.place
                agree = f"{self.key('sources.scan')} again takes them out of the index, if they are really gone."
                error = BatchManagerError(f"{error.message} A wrong address looks like that.", next_step=agree)
            said = trouble_lines(error, self._width) if self.query("#source") else []
        finally:
            app.main.desk.reading = False
        self._said[source.place] = said
        app.main.reload()
        await self._read()

    def _reload(self) -> None:
        begin(self, self._read, exclusive=True, group="list")

    async def _read(self, at: str = "") -> None:
        app = self.batch_app
        try:
            found = await app.back.read(app.sources.sources)
        except BatchManagerError as error:
            self.say(shown(str(error)), "error")
            return
        if not self.query("#source-list"):
            return  # left meanwhile
        self.sources, self._are_read = found, True
        sources = self.query_one("#source-list", PickList)
        places = [one.source.place for one in found]
        cursor = places.index(at) if at in places else sources.cursor
        sources.show(len(found), lambda index, width: source_line(self.sources[index], width), cursor)
        self._show()

    def _show(self) -> None:
        if not self.query("#source"):
            return
        words, heads = self.query_one("#source", Lines), self.query_one("#source-heads", Lines)
        heads.show_lines([source_heads(heads.line_width)] if self.sources else [])
        listed = self.listed
        if not self._are_read:
            lines: list[Line] = []
        elif listed is None:
            lines = [[("No source is known yet.", "strong")], []]
            lines += keys_lines({self.key("sources.add"): "add a database or a file", self.key("back"): "back"})
        else:
            source = listed.source
            lines = source_words(listed, self.batch_app.sources.from_settings(source), self._width)
            if listed.can_be_read:
                lines += [[], *self._said.get(source.place, self._keys())]
        words.show_lines(lines)
        self.query_one(KeyLine).show_keys(self.footer())

    def _keys(self) -> list[Line]:
        return keys_lines(
            {
                self.key("sources.test"): "reach it, and count what is there",
                self.key("sources.plan"): "what reading it would change; nothing is kept",
                self.key("sources.scan"): "read it, and keep what is new: $0",
                self.key("sources.remove"): "forget it; its items stay",
            }
        )
