"""The question before anything is sent. Only a deliberate `y` says yes."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import Input

from batch_manager.half_price import Lanes
from batch_manager.pricing import show_usd
from batch_manager.quote import Quote
from batch_manager_tui.display import wrap
from batch_manager_tui.screens.base import AppModal, TooSmall
from batch_manager_tui.widgets.box import Box
from batch_manager_tui.widgets.choices import Choices
from batch_manager_tui.widgets.question_lines import question_lines, read_cap
from batch_manager_tui.widgets.strips import Lines

QUIET_BEFORE = 0.4
"""Seconds without any key, and since the question appeared, before a `y` counts."""

FEW_ROWS = 24

QUIET_AFTER = 0.15
"""Seconds without any key after it; a held key repeats sooner, and so does a pasted text."""


class ConfirmSpend(AppModal[Quote | None]):
    """Shows a quote; answers with the agreed quote, or None."""

    BINDINGS: ClassVar = [
        Binding("escape,n", "decline", "no", show=False),
        Binding("c", "cap", "cap", show=False),
        Binding("h", "lane", "half price", show=False),
    ]

    def __init__(
        self, quote: Quote, title: str, warning: str = "", lanes: Lanes | None = None, aside: str = ""
    ) -> None:
        """The question.

        Args:
            quote: What a yes would agree to.
            title: What it is about.
            warning: What is to be known before.
            lanes: The same in both lanes, where there is a choice; `quote` is one of the two.
            aside: What is to be known of the choice, under the title.
        """
        super().__init__()
        self.quote = quote
        self._lanes = lanes
        self._title = title
        self._warning = warning
        self._aside = aside
        self._last_key = float("-inf")
        self._opened = float("inf")
        self._waiting: Timer | None = None

    def compose(self) -> ComposeResult:
        """The figures, the cap's box, the keys."""
        with Vertical(id="question") as box:
            box.border_title = "Before spending"
            yield Lines(id="figures")
            yield Box(placeholder="cap in USD, such as 0.50; empty for none", id="cap-box")
            yield Lines(id="said")
            choices = [("agree", "y", self._yes_words()), ("decline", "n", "no"), ("cap", "c", "cap")]
            if self._other is not None:
                choices.append(("lane", "h", self._lane_words()))
            yield Choices(choices)
        yield TooSmall()

    def on_mount(self) -> None:
        """The clock of the question starts."""
        super().on_mount()
        self._opened = self.time_now()
        figures = self.query_one("#figures", Lines)
        figures.can_focus = False
        said = self.query_one("#said", Lines)
        said.can_focus = said.display = False
        self.query_one("#cap-box", Input).display = False
        self.set_focus(None)
        self._show()

    def placed(self) -> None:
        """The figures follow the width."""
        self._show()

    def time_now(self) -> float:
        """Seconds, by the clock that stamps key events."""
        return events.Event().time

    def on_key(self, event: events.Key) -> None:
        """Judge every key: a `y` counts only when it stands alone."""
        if self._editing:
            return
        self._drop_waiting()
        quiet = event.time - max(self._last_key, self._opened) >= QUIET_BEFORE
        self._last_key = event.time
        self._say("")
        if event.key == "y":
            event.stop()
            if quiet and not self.has_class("-too-small"):
                self._waiting = self.set_timer(QUIET_AFTER, self._agree)
            else:
                self._say("That y came too soon after another key to count: press it once more.")
        elif event.key == "enter":
            event.stop()

    def on_paste(self, event: events.Paste) -> None:
        """A paste is no answer."""
        event.stop()
        self._drop_waiting()
        self._last_key = event.time

    def on_choices_chosen(self, message: Choices.Chosen) -> None:
        """A click on a choice."""
        if message.choice == "agree":
            if self.time_now() - self._opened >= QUIET_BEFORE and not self.has_class("-too-small"):
                self._agree()
        elif message.choice == "decline":
            self.action_decline()
        elif message.choice == "lane":
            self.action_lane()
        else:
            self.action_cap()

    def action_decline(self) -> None:
        """Esc leaves the cap's box first, then the question."""
        if self._editing:
            self._end_editing()
        else:
            self.dismiss(None)

    def action_cap(self) -> None:
        """Change the cap."""
        box = self.query_one("#cap-box", Input)
        box.value = "" if self.quote.cap is None else str(self.quote.cap)
        box.display = True
        box.focus()

    def action_lane(self) -> None:
        """The other lane: now, or at half the price within a day. It is another question, so a y has to wait again."""
        if self._editing:
            return
        other = self._other
        if other is None:
            self._say((self._lanes.why_not if self._lanes else "") or "There is no other lane for this.")
            return
        self.quote = other.with_cap(self.quote.cap)
        self._opened = self.time_now()
        self._show()

    @property
    def _other(self) -> Quote | None:
        if self._lanes is None or self._lanes.batch is None:
            return None
        return self._lanes.now if self.quote.lane == "batch" else self._lanes.batch

    def _lane_words(self) -> str:
        # Its price stands among the figures, where there is room for it.
        return "now" if self.quote.lane == "batch" else "half price"

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the cap over; the quote stays the same otherwise."""
        event.stop()
        try:
            self.quote = self.quote.with_cap(read_cap(event.value))
        except ValueError as error:
            self._say(str(error))
        else:
            self._say("")
            self._end_editing()
        self._show()

    @property
    def _editing(self) -> bool:
        return self.query_one("#cap-box", Input).display

    def _end_editing(self) -> None:
        self.query_one("#cap-box", Input).display = False
        self.set_focus(None)
        self._opened = self.time_now()  # the keys that were typed there are no answer here

    def _agree(self) -> None:
        self.dismiss(self.quote)

    def _say(self, words: str) -> None:
        """A word beside the answers, where it is looked for."""
        said = self.query_one("#said", Lines)
        said.display = bool(words)
        lines = wrap(words, max(20, self.query_one("#figures", Lines).line_width))
        said.styles.height = len(lines)
        said.show_lines([[(line, "warning")] for line in lines])
        if words:
            self.call_after_refresh(said.scroll_visible, animate=False)

    def _drop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None

    def _yes_words(self) -> str:
        quote = self.quote
        if not quote.cost:
            return "go, for $0"
        if quote.cap is not None and quote.beyond_cap:
            return f"spend {show_usd(max(Decimal(0), quote.cap - quote.used))} at most"
        return f"spend {show_usd(quote.cost)}"

    def _show(self) -> None:
        choices = self.query_one(Choices)
        choices.rename("agree", self._yes_words())
        choices.rename("lane", self._lane_words())
        figures = self.query_one("#figures", Lines)
        width = figures.line_width
        if width > 0:
            lines = question_lines(self.quote, self._title, self._warning, width, self._other, self._aside)
            if self.app.size.height < FEW_ROWS:
                lines = [line for line in lines if line]  # the answer's keys must be in sight as well
            figures.styles.height = len(lines)
            figures.show_lines(lines)
