"""The app: holds the workspace, the threads beside it and the themes; the screens do the rest.

What is imported here stands between the user and the first paint, so it is little: Textual, and the curtain. The
screens and all that they need are loaded behind it, in a thread beside.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding
from textual.screen import ModalScreen, Screen
from textual.widget import AwaitMount
from textual.worker import WorkerFailed

from batch_manager.cli.signals import ended_by
from batch_manager.errors import BatchManagerError
from batch_manager_tui.away import Away
from batch_manager_tui.backroom import BackRoom
from batch_manager_tui.collector import REST, Collector
from batch_manager_tui.opening import FIRST_STYLES, Opener, Opening
from batch_manager_tui.screens.base import AppScreen
from batch_manager_tui.screens.curtain import Curtain
from batch_manager_tui.screens.settling import Settling, in_a_turn
from batch_manager_tui.terminal_title import TerminalTitle
from batch_manager_tui.theirs import Theirs
from batch_manager_tui.themes import DEFAULTS, THEMES
from batch_manager_tui.workers import begin

if TYPE_CHECKING:
    from textual.command import Provider
    from textual.driver import Driver

    from batch_manager.settings import Settings
    from batch_manager.workspace import Workspace
    from batch_manager_tui.keymap import KeysInForce
    from batch_manager_tui.memory import Memory
    from batch_manager_tui.places import Place
    from batch_manager_tui.screens.main import MainScreen
    from batch_manager_tui.source_book import SourceBook

INTERRUPTED = 130

log = logging.getLogger("batch_manager.app")

_STYLES = Path(__file__).parent / "styles"


def _palette() -> type[Provider]:
    from batch_manager_tui.palette import TablePalette

    return TablePalette


class BatchManagerApp(App[None]):
    """The full-screen app.

    Attributes:
        opened: The workspace, once it is open.
        opening: What opens it, and another one.
        back: The threads beside the app's.
        collector: Of garbage; it waits for a moment when nobody types.
        bell_at_end: A bell rings at the end of a run.
        title_bar: The terminal's title during a run.
        failure: Why the workspace couldn't be opened.
    """

    TITLE = "batch manager"
    AUTO_FOCUS = ""  # a screen says itself what has the focus; a question's hidden box must not
    CSS_PATH: ClassVar = [str(_STYLES / f"{name}.tcss") for name in ("app", "main", "questions", "screens")]
    COMMANDS: ClassVar = {_palette}
    BINDINGS: ClassVar = [Binding("ctrl+p", "command_palette", show=False, id="palette")]
    HORIZONTAL_BREAKPOINTS = [(0, "-tabs"), (80, "-stacked"), (110, "-split"), (160, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012

    def __init__(self, workspace: Workspace | Opener, stand_in: int | None = None) -> None:
        # With its own colours off, Textual can leave colour out; it would draw in shades of grey otherwise.
        styles = self.CSS_PATH[:FIRST_STYLES] if callable(workspace) else None
        super().__init__(css_path=styles, ansi_color=True if "NO_COLOR" in os.environ else None)
        self.opened: Workspace | None = None if callable(workspace) else workspace
        self.theirs = Theirs(self)
        self.opening = Opening(self, workspace if callable(workspace) else None)
        self.back = BackRoom()
        self.failure: BatchManagerError | None = None
        self.bell_at_end = False
        self.title_bar = TerminalTitle(self._to_terminal)
        self.away = Away(self, stand_in)
        self.collector = Collector()
        self._main: MainScreen | None = None
        self._keys: KeysInForce | None = None
        self._memory: Memory | None = None
        self._sources: SourceBook | None = None
        for theme in THEMES:
            self.register_theme(theme)
        # Without its watchers, which would have all styles read once more before the first paint.
        self.set_reactive(BatchManagerApp.theme, THEMES[0].name)
        self.stylesheet.set_variables(self.get_css_variables())

    def get_default_screen(self) -> Screen[None]:
        """What lies below the main screen, and is seen until that is loaded."""
        return Screen(id="_default") if self.opening.opener is None else Curtain()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The app's own variables, where a theme doesn't have them."""
        return DEFAULTS

    @property
    def workspace(self) -> Workspace:
        """The open workspace."""
        if self.opened is None:
            raise RuntimeError("the workspace is not open yet")
        return self.opened

    @property
    def main(self) -> MainScreen:
        """The main screen."""
        if self._main is None:
            raise RuntimeError("the main screen is not loaded yet")
        return self._main

    @property
    def keys(self) -> KeysInForce:
        """The table of commands with the keys that hold."""
        if self._keys is None:
            from batch_manager_tui.keymap import KeysInForce

            self._keys = KeysInForce()
        return self._keys

    @property
    def memory(self) -> Memory:
        """What is the same at the next start."""
        if self._memory is None:
            from batch_manager_tui.memory import Memory

            self._memory = Memory(self)
        return self._memory

    @property
    def sources(self) -> SourceBook:
        """The sources of the open workspace; their passwords are held as long as it is open."""
        if self._sources is None:
            from batch_manager_tui.source_book import SourceBook

            self._sources = SourceBook(self.workspace)
        return self._sources

    def on_mount(self) -> None:
        """First the screen, then the home."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            # Not in a thread, and not on every platform; without it the engine still ends in good order on close.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(name, self.told_to_end, ended_by(name))
        self.away.watch()
        if not self.is_headless:
            self.collector.begin()
            self.set_interval(REST, self._rest)
        self.opening.begin()

    def enter(self, screen: MainScreen) -> AwaitMount:
        """Show the main screen."""
        self._main = screen
        return self.push_screen(screen)

    def adopt(self, workspace: Workspace) -> None:
        """Work with this workspace from now on."""
        self.opened = workspace
        self._sources = None
        from batch_manager_tui.keymap import read_keys

        left = self.memory.recall(workspace.settings.home)
        self.take_keys(read_keys(_keys_home(workspace.settings)))
        self.bell_at_end = left.bell
        if not self.no_color:
            self.theme = left.theme
        self.main.adopt(left.wanted)
        self.theirs.attend(workspace)

    def take_keys(self, keys: KeysInForce) -> None:
        """Work with these keys from now on."""
        self._keys = keys
        self.set_keymap(keys.keymap)

    def open_help(self, place: Place | None = None) -> None:
        """All keys; those of a place first."""
        from batch_manager_tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(place))

    def to_the_shell(self) -> None:
        """Back to the shell; `fg` returns."""
        if self.is_headless:
            self.say("There is no shell behind this screen to go back to.", "warning")
        elif self.away.can_go:
            self.away.go()
        else:
            self.action_suspend_process()

    @property
    def driver(self) -> Driver | None:
        """What draws on the terminal."""
        return self._driver

    def action_command_palette(self) -> None:
        """Open the palette, once."""
        from batch_manager_tui.palette import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    def run_command(self, command: str) -> None:
        """Run a command of the table, from wherever it was asked for."""
        while self.screen is not self.main and isinstance(self.screen, AppScreen) and command not in ("theme", "quit"):
            self.pop_screen()
        self.main.action_command(command)

    def say(self, message: str, level: str = "info") -> None:
        """A one-line notice on the screen that is in front (under a question: on the screen below it)."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, AppScreen):
                screen.say(message, level)
                return

    def next_theme(self) -> None:
        """Dark, light, the terminal's own colours, and round again."""
        if self.no_color:
            self.say("NO_COLOR is set, so no theme has colours.", "warning")
            return
        order = [theme.name for theme in THEMES]
        position = order.index(self.theme) if self.theme in order else -1
        self.theme = order[(position + 1) % len(order)]
        self.memory.keep_soon()
        self.say(f"Theme: {self.theme}")

    def refresh_css(self, animate: bool = True) -> None:
        """Other styles: read in one turn of the loop, and put on in a later one, so that no key waits for both."""
        if self.opened is None:
            super().refresh_css(animate)
            return
        if isinstance(self.screen, Settling):
            self.screen.hold()  # nobody sees half of a theme
        self.stylesheet.set_variables(self.get_css_variables())
        self.stylesheet.reparse()
        in_a_turn(self, partial(self._put_on, animate))

    def _put_on(self, animate: bool) -> None:
        if not self.screen_stack:
            return  # the app was closed meanwhile
        self.stylesheet.update(self, animate=animate)  # and the screen in front
        if isinstance(self.screen, Settling):
            self.screen.settle()  # it is drawn in a turn of its own
        self.screen.refresh(layout=True)
        for turn, screen in enumerate(self.screen_stack[:-1], start=3):
            in_a_turn(self, partial(self._put_on_below, screen, animate), turn)

    def _put_on_below(self, screen: Screen[object], animate: bool) -> None:
        if screen in self.screen_stack:
            self.stylesheet.update(screen, animate=animate)

    def _rest(self) -> None:
        if self.screen is self._main:
            self.collector.rest()

    async def on_event(self, event: events.Event) -> None:
        """Whatever comes from keyboard or mouse is known to the collector."""
        if isinstance(event, events.InputEvent):
            self.collector.stir()
        await super().on_event(event)

    async def action_quit(self) -> None:
        """Quit; during a run ask first."""
        if self.opened is None or not self.opened.engine.view().active or self.opened.engine.watches:
            self.exit()
            return
        from batch_manager_tui.screens.quit import QuitDuringRun

        if isinstance(self.screen, QuitDuringRun):
            return
        if isinstance(self.screen, ModalScreen):
            await self.screen.dismiss()  # no question over a question
        self.push_screen(QuitDuringRun())

    def action_help_quit(self) -> None:
        """Ctrl+C quits, as elsewhere in a terminal."""
        begin(self, self.action_quit, group="quit", exclusive=True)

    def ring(self) -> None:
        """The bell, unless the terminal is the shell's."""
        if not self.away.gone:
            self.bell()

    def on_unmount(self) -> None:
        """The terminal's title is somebody else's again."""
        self.title_bar.restore()

    def _to_terminal(self, sequence: str) -> None:
        # Through the driver, whose writer thread would otherwise be interrupted in the middle of a frame.
        if self._driver is not None and not self.is_headless and not self.away.gone:
            self._driver.write(sequence)
            self._driver.flush()

    def told_to_end(self, who: str) -> None:
        """SIGTERM or SIGHUP: stop an own run in good order and go; `who` sent it, as `ended_by` says it."""
        if self.opened is not None:
            self.opened.engine.leave(who)
        self.exit(return_code=INTERRUPTED)

    def _fatal_error(self) -> None:
        # Textual's own would print a traceback with the values of all variables, and those may be a document, or a
        # key. The terminal is given back all the same; the log has the traceback, without values.
        error: BaseException | None = self._exception
        if isinstance(error, WorkerFailed):
            error = error.error
        log.error("the app broke", exc_info=error)
        self.failure = BatchManagerError(
            f"A fault of this program: {type(error).__name__}.",
            next_step="Nothing is lost: start it again to go on. The log says where it was; please report it.",
            code="internal",
        )
        self._close_messages_no_wait()

    def close_rooms(self) -> None:
        """After the screen is gone: end the threads, and every workspace that the app opened itself."""
        if self._main is not None:
            self.memory.keep()
        store = self.opened.store if self.opened else None
        self.back.close(store.close if store else None)
        self.opening.close()


def _keys_home(settings: Settings) -> Path:
    """Where the user's keys are: the sample and the rehearsal have homes of their own inside the user's."""
    return settings.home if settings.mode == "live" else settings.home.parent


def run(workspace: Workspace | Opener, stand_in: int | None = None) -> int:
    """Open the app and stay until the user leaves. Returns the exit code: 0, or 130 when a signal ended it.

    Args:
        workspace: An open workspace, which stays the caller's; or what opens one, so that the screen is there
            at once, and which the app closes.
        stand_in: The process that ctrl-z stops in the app's place, so that a run goes on; its parent.

    Raises:
        BatchManagerError: The workspace couldn't be opened.
    """
    app = BatchManagerApp(workspace, stand_in)
    try:
        app.run()
    finally:
        app.close_rooms()
    if app.failure is not None:
        raise app.failure
    return app.return_code or 0
