"""What every screen of the app has: the header, the key line, and a word when there is too little room."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.reactive import Reactive
from textual.screen import ModalScreen, ScreenResultType
from textual.widget import Widget

from batch_manager_tui.advice import own_advice
from batch_manager_tui.screens.settling import Settling
from batch_manager_tui.widgets.key_line import KeyLine, Keys
from batch_manager_tui.widgets.status_header import StatusHeader
from batch_manager_tui.widgets.strips import LineView
from batch_manager_tui.widgets.tab_titles import tab_at, tab_titles

if TYPE_CHECKING:
    from batch_manager_tui.app import BatchManagerApp
    from batch_manager_tui.commands import Command
    from batch_manager_tui.places import Place

LATER = 0.1
"""Seconds after a screen in front that what lies below it follows, so that no key waits for both."""

LEAST = (60, 18)
"""Columns and rows that the app needs."""


class TooSmall(Widget):
    """Covers the screen when it can't show what matters."""

    def render(self) -> Content:
        """What is there, what is needed, what to do."""
        size = self.app.size
        return Content(
            f"batch manager needs {LEAST[0]}×{LEAST[1]}\nthis terminal is {size.width}×{size.height}\n\n"
            "make it larger, or q to quit"
        )


def too_small(app: BatchManagerApp) -> bool:
    """Less room than the app needs."""
    return app.size.width < LEAST[0] or app.size.height < LEAST[1]


def take_shape(screen: AppScreen | AppModal[ScreenResultType], *, styled: bool = True) -> None:
    """Give a screen the classes of the terminal's width and height, before it is laid out for them.

    Textual does it right after: the screen would be laid out and drawn in its former shape, or in none, and then again.

    Args:
        screen: Of the app, whose breakpoints hold.
        styled: Style it anew when its classes are others; a screen that has no parts yet needs not.
    """
    app, classes = screen.batch_app, {"-too-small": too_small(screen.batch_app)}
    for length, breakpoints in (
        (app.size.width, app.HORIZONTAL_BREAKPOINTS),
        (app.size.height, app.VERTICAL_BREAKPOINTS),
    ):
        reached = [name for least, name in breakpoints or [] if length >= least]
        classes |= {name: name == reached[-1] for _, name in breakpoints or []}
    screen.update_classes(classes, update=styled, animate=False)


class AppScreen(Settling[None]):
    """A full screen of the app."""

    # Where the focus is can be seen by what has it, and Textual's own would draw all of the screen again.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    @property
    def batch_app(self) -> BatchManagerApp:
        """The app, by its own type."""
        return cast("BatchManagerApp", self.app)

    def compose(self) -> ComposeResult:
        """Header, body, keys."""
        take_shape(self, styled=False)
        yield StatusHeader()
        yield from self.body()
        yield KeyLine(self.footer())
        yield TooSmall()

    def body(self) -> ComposeResult:
        """What stands between header and keys."""
        raise NotImplementedError

    def footer(self) -> Keys:
        """The key line at the start."""
        return []

    def on_mount(self) -> None:
        """The header knows the workspace."""
        self.show_header()

    def on_resize(self, event: events.Resize) -> None:
        """Another shape, or a cover over everything while there is too little room."""
        if self is self.app.screen:
            self.settle(moved=True)
            take_shape(self)
        else:  # below another screen: that one first, and Textual's own handler would not wait
            event.prevent_default()
            self.set_timer(LATER, self._follow)

    def _follow(self) -> None:
        if self.app.screen_stack:  # it is empty while the app closes
            take_shape(self)
            self.call_after_refresh(self.placed)

    def _update_focus_styles(self, focused: Widget | None = None, blurred: Widget | None = None) -> None:
        # Textual's own, for which it has no public name, styles all that is in a pane when the focus comes into it or
        # leaves it; in these screens the pane alone looks otherwise.
        panes = {
            one
            for widget in (focused, blurred)
            if widget is not None
            for one in widget.ancestors_with_self
            if one._has_focus_within
        }
        if panes:
            self.app.stylesheet.update_nodes(panes, animate=True)

    def show_header(self) -> None:
        """Show what is in force."""
        opened = self.batch_app.opened
        header = self.query_one(StatusHeader)
        serves = self.batch_app.main.desk.serves if opened else ""
        header.show(opened.settings if opened else None, bool(opened and opened.busy), serves)

    def say(self, message: str, level: str = "info") -> None:
        """A one-line notice."""
        message = own_advice(message, self.batch_app.keys.key)
        for line in self.query(KeyLine):  # none while the app closes
            line.say(message, level)


class PlaceScreen(AppScreen):
    """A screen behind the main one: panes, and the keys of its place in the table.

    Attributes:
        PLACE: Its name in the table.
        PANES: Its panes that take the focus, as selectors, in the order of tab; the first has it at the start.
        TABS: Their names, where only one of them is shown at a time in a narrow terminal; none where all are shown.
    """

    PLACE: ClassVar[Place]
    PANES: ClassVar[tuple[str, ...]]
    TABS: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self._front = self.PANES[0]
        self._titles: dict[str, str] = {}

    def on_mount(self) -> None:
        """The first pane has the focus."""
        super().on_mount()
        self.to_pane(self.PANES[0])

    def on_resize(self, event: events.Resize) -> None:
        """All panes, or the one in front."""
        super().on_resize(event)
        self.turn()

    def _follow(self) -> None:
        super()._follow()
        self.turn()

    # Panes; where there is little room, one at a time

    def entitle(self, name: str, words: str) -> None:
        """Give a pane its title."""
        self._titles[name] = words
        if self.query(name):  # not while the screen is composed
            self._show_title(name)

    def to_pane(self, name: str) -> None:
        """Give a pane the focus; where only one fits, it is that one."""
        self._front = name
        self.turn()
        self.query_one(name).focus()

    def turn(self) -> None:
        """Show the pane in front, and those beside it where there is room."""
        if not self.TABS or not self.query(self._front):
            return
        for name in self.PANES:
            frame = self.frame(name)
            if frame.has_class("-behind") != (name != self._front):
                frame.set_class(name != self._front, "-behind")
            self._show_title(name)
        self.query_one(KeyLine).show_keys(self.footer())
        if self.has_class("-tabs"):
            self.call_after_refresh(self.refit)

    def refit(self) -> None:
        """What follows a pane's width; one that comes to the front has its own only then."""

    def frame(self, name: str) -> Widget:
        """The pane with the border around what takes the focus."""
        frame: Widget = self.query_one(name)
        while not frame.has_class("pane") and isinstance(frame.parent, Widget):
            frame = frame.parent
        return frame

    def _show_title(self, name: str) -> None:
        if self.TABS and self.has_class("-tabs"):
            shown_panes = self._panes()
            if name in shown_panes:
                names = [self.TABS[self.PANES.index(one)] for one in shown_panes]
                self.frame(name).border_title = tab_titles(names, shown_panes.index(name))
        elif name in self._titles:
            self.frame(name).border_title = self._titles[name]

    def _panes(self) -> list[str]:
        """The panes that have something to show."""
        return [name for name in self.PANES if not self.frame(name).has_class("-none")]

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A click, or the way back from another screen, may have moved the focus."""
        focused = next((name for name in self.PANES if self.query_one(name) is self.focused), None)
        if focused is not None and focused != self._front:
            self._front = focused
            self.turn()

    def on_click(self, event: events.Click) -> None:
        """Where one pane fits, the titles of all stand in its border: a click on one shows that pane."""
        if not self.TABS or not self.has_class("-tabs"):
            return
        region, shown_panes = self.frame(self._front).region, self._panes()
        names = [self.TABS[self.PANES.index(one)] for one in shown_panes]
        if event.screen_y == region.y and (place := tab_at(names, event.screen_x - region.x)) is not None:
            self.to_pane(shown_panes[place])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where nothing can be read, nothing is done but going back."""
        return action in ("back", "quit") or not too_small(self.batch_app)

    def key(self, command: str) -> str:
        """The first key of a command, as it holds now."""
        return self.batch_app.keys.key(command)

    def entry(self, command: str, label: str = "") -> tuple[str, str, str]:
        """A command's place in the key line."""
        known = _commands(self.PLACE)[command]
        return (command, self.key(command), label or known.label)

    def footer(self) -> Keys:
        """The place's own keys, then the way back."""
        known = _commands(self.PLACE).values()
        own = sorted((one for one in known if one.rank is not None), key=lambda one: one.rank or 0)
        return self.with_panes([self.entry(one.id) for one in own if one.id != "back"])

    def with_panes(self, keys: Keys) -> Keys:
        """These keys, the one for the next pane, and the ways out; where panes are hidden, that one comes early."""
        panes = [self.entry("next_pane")] if len(self.PANES) > 1 else []
        early = 1 if self.TABS and self.has_class("-tabs") else len(keys)
        return [*keys[:early], *panes, *keys[early:], *self.ways_out()]

    def may_change(self) -> bool:
        """Whether items can be changed now; where not, the reason is said."""
        from batch_manager_tui.availability import may_change

        reason = may_change(self.batch_app.main.situation())
        if reason is not None:
            self.say(reason, "warning")
        return reason is None

    def ways_out(self) -> Keys:
        """Help and back; they always have their place."""
        out = [self.entry("help")] if self.PLACE != "help" else []
        return [*out, self.entry("back")]

    def on_key_line_pressed(self, message: KeyLine.Pressed) -> None:
        """A click on a key."""
        self.call_later(self.run_action, f"screen.{_commands(self.PLACE)[message.command].action}")

    def action_back(self) -> None:
        """Back to the screen before."""
        self.dismiss(None)

    def action_other_pane(self, by: int = 1) -> None:
        """The next pane, and round again."""
        panes = self._panes()
        focused = next((name for name in panes if self.query_one(name) is self.focused), None)
        at = panes.index(focused) if focused is not None else -by
        self.to_pane(panes[(at + by) % len(panes)])

    def action_move(self, step: str) -> None:
        """In the pane that has the focus."""
        focused = self.focused
        (focused if isinstance(focused, LineView) else self.query_one(self.PANES[0], LineView)).move(step)

    def action_help(self) -> None:
        """All keys, those of this screen first."""
        self.batch_app.open_help(self.PLACE)

    def action_theme(self) -> None:
        """The next theme."""
        self.batch_app.next_theme()

    def action_suspend(self) -> None:
        """Back to the shell."""
        self.batch_app.to_the_shell()


@cache
def _commands(place: Place) -> dict[str, Command]:
    from batch_manager_tui.places import commands_of  # the first paint has no place yet

    return {one.id: one for one in commands_of(place)}


class AppModal(ModalScreen[ScreenResultType], Settling[ScreenResultType]):
    """A question over a screen."""

    @property
    def batch_app(self) -> BatchManagerApp:
        """The app, by its own type."""
        return cast("BatchManagerApp", self.app)

    def on_mount(self) -> None:
        """See whether there is room to read it."""
        take_shape(self)

    def on_resize(self) -> None:
        """A question that can't be read can't be answered."""
        self.settle(moved=True)
        take_shape(self)
