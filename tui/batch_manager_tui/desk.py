"""The desk: what the main screen has before it, read and priced beside the app's thread."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from batch_manager.errors import BatchManagerError
from batch_manager.events import RunView
from batch_manager.half_price import JobView
from batch_manager.quote import Quote
from batch_manager.store.items import Counts
from batch_manager.store.jobs import Waiting
from batch_manager.store.ledger import RunRow
from batch_manager_tui.backroom import BackRoom
from batch_manager_tui.display import count
from batch_manager_tui.selection import Selection
from batch_manager_tui.situation import Pane, Situation
from batch_manager_tui.widgets.cost_panel import CostState
from batch_manager_tui.widgets.pages import PAGE, Part

if TYPE_CHECKING:
    from batch_manager.workspace import Workspace

SHOWN_RUNS = 8

SHOWN = 3 * PAGE
"""Items of a list that are read before the others: a page more above and below than most terminals have rows."""


class Desk:
    """The main screen's state. Widgets show it; they do not hold it.

    Attributes:
        selection: Filter and marks.
        counts: Items by kind and status, as last read.
        retryable: Failed items that trying again may cure, as last read.
        searchable: Items that a search can find, as last read.
        serves: The model of the index that serves, where it isn't the one in force.
        spent: USD over all runs, as last read.
        held: USD of it that is no bill yet.
        runs: The latest runs.
        unfinished: A run that was interrupted with work left.
        jobs: Batches at half the price that are under way.
        waiting: Items that wait for them.
        quote: The newest quote, of `heading`.
        why: Why none of it is offered to be sent, and which key says more; empty when something can be.
        aside: What is left out of it, and which key says why.
        findings: Words that say how many pending items would make a wasted embedding; empty before they are counted.
        error: Why there is no quote.
        unread: Why the items can't be read; None when they could be.
        view: The run.
        past_run: A run that something else was done after, so that it is not to be shown any more.
        starting: A yes is being written down.
        reading: A scan or an import is under way.
    """

    def __init__(self) -> None:
        self.workspace: Workspace | None = None
        self.selection = Selection()
        self.starting = False
        self.reading = False
        self._empty()

    def adopt(self, workspace: Workspace) -> None:
        """Another workspace: nothing of the old one counts."""
        self.workspace = workspace
        self.selection.wanted = type(self.selection.wanted)()
        self.selection.ids = array("q")
        self.selection.marks.clear()
        self._empty()

    def _empty(self) -> None:
        self.counts = Counts({})
        self.retryable = 0
        self.searchable = 0
        self.serves = ""
        self.spent = Decimal(0)
        self.held = Decimal(0)
        self.runs: list[RunRow] = []
        self.unfinished: RunRow | None = None
        self.jobs: tuple[JobView, ...] = ()
        self.waiting = Waiting()
        self.quote: Quote | None = None
        self.heading = ""
        self.why = ""
        self.aside = ""
        self.findings = ""
        self.error: BatchManagerError | None = None
        self.unread: BatchManagerError | None = None
        self.view = RunView()
        self.past_run = 0

    @property
    def occupied(self) -> bool:
        """A run is under way or about to be, or a source is being read."""
        return self.starting or self.reading or self.view.active

    def situation(self, pane: Pane, keys: Mapping[str, str]) -> Situation:
        """The moment, as commands judge it."""
        opened = self.workspace
        return Situation(
            ready=opened is not None,
            unread=str(self.unread) if self.unread is not None else "",
            busy=str(opened.busy) if opened and opened.busy else "",
            counts=self.counts,
            retryable=self.retryable,
            changes=self.quote is not None and self.quote.change is not None and self.quote.change.ready,
            keyless=opened is not None and opened.settings.provider == "openai" and not opened.settings.api_key,
            searchable=self.searchable,
            wanted=self.selection.wanted,
            listed=len(self.selection.ids),
            marked=len(self.selection.marks),
            view=self.view,
            starting=self.starting,
            reading=self.reading,
            team=opened is not None and opened.engine.shares,
            mode=opened.settings.mode if opened else "live",
            pane=pane,
            keys=keys,
        )

    def cost_state(self) -> CostState:
        """The moment, as the cost panel shows it."""
        past = self.view.run_id == self.past_run and not self.view.active
        view = RunView() if past else self.view
        return CostState(
            self.heading,
            self.quote,
            self.error,
            view,
            self.spent,
            self.held,
            self._half(),
            self.waiting,
            self.why,
            self.aside or (self.findings if self.quote is not None and self.quote.scope.which == "pending" else ""),
        )

    def _half(self) -> Decimal | None:
        """What the quote would cost at half the price; None where that isn't offered."""
        if self.quote is None or self.workspace is None or not self.quote.cost:
            return None
        half = self.workspace.half_price.price()
        return None if half is None else half.cost(self.quote.tokens)

    async def part(self, back: BackRoom, at: int | None = None) -> Part | None:
        """Read as many of the items that fit the filter as a screen can show.

        Args:
            back: Where it is read.
            at: The item that is to be in sight.

        Returns:
            The first of them, or those around it; None where its place can't be told sooner than the whole list.

        Raises:
            StoreError: The store can't be read.
        """
        items, wanted = self._opened().store.items, self.selection.wanted

        def look() -> Part | None:
            ids, start = items.first_ids(wanted, SHOWN), 0
            if at is not None and at not in ids:
                place = None if wanted.text else items.place(wanted, at)  # a text has to be looked for in every name
                if place is None:
                    return None
                start = max(0, place // PAGE - 1) * PAGE
                ids = items.first_ids(wanted, SHOWN, start)
                if at not in ids:
                    return None
            return Part(ids, items.rows(ids), start)

        return await back.read(look)

    async def ids(self, back: BackRoom) -> array[int]:
        """Read the ids that fit the filter.

        Raises:
            StoreError: The store can't be read.
        """
        return await back.read(self._opened().store.items.ids, self.selection.wanted)

    async def read(self, back: BackRoom) -> None:
        """Read what stands beside the list: counts, money, runs and batches.

        Raises:
            StoreError: The store can't be read.
        """
        workspace = self._opened()

        def look() -> tuple[
            Counts, int, int, str, Decimal, Decimal, list[RunRow], RunRow | None, tuple[JobView, ...], Waiting
        ]:
            store = workspace.store
            serving = store.generations.serving()
            return (
                store.items.counts(),
                store.items.retryable(),
                store.generations.searchable(),
                "" if serving is None or serving.is_of(workspace.engine.space) else serving.title,
                store.ledger.spent(),
                store.ledger.held() + store.jobs.held(),
                store.ledger.runs(SHOWN_RUNS),
                workspace.engine.unfinished(),
                workspace.half_price.jobs(),
                workspace.half_price.waiting(),
            )

        found = await back.read(look)
        self.counts, self.retryable, self.searchable, self.serves, self.spent, self.held = found[:6]
        self.runs, self.unfinished, self.jobs, self.waiting = found[6:]

    async def read_counts(self, back: BackRoom) -> None:
        """Read only the counts; for a run that is under way."""
        self.counts = await back.read(self._opened().store.items.counts)

    async def read_findings(self, back: BackRoom, keys: Mapping[str, str]) -> None:
        """Count the pending items that would make a wasted embedding; of a hundred thousand that takes seconds."""
        opened = self._opened()
        number = await back.look(opened.store.items.with_findings, payable=True)
        if opened is not self.workspace:
            return  # another home was opened meanwhile
        have = "item has a finding" if number == 1 else "items have findings"
        self.findings = f"{number:,} pending {have}: {keys['lint']} shows {'it' if number == 1 else 'them'}."
        self.findings = self.findings if number else ""

    async def price(self, back: BackRoom, keys: Mapping[str, str]) -> None:
        """Make the quote of what is chosen now; where that is nothing but failed items, of a retry."""
        opened = self._opened()
        scope = self.selection.pending_scope()
        why = aside = ""
        try:
            quote = await back.quote(opened.quote, scope)
            heading = self._heading(quote)
            if not quote.items and quote.unsendable_count:
                why = f"None of it can be sent: {keys['details']} says why, and what to do."
            if quote.nothing_to_do and self.counts.total("failed"):
                retry = self.selection.failed_scope()
                failed = await back.quote(opened.quote, replace(retry, curable=False))
                curable = await back.quote(opened.quote, retry)
                if not failed.nothing_to_do:
                    quote = curable if curable.items else failed
                    heading = _retry_heading(curable.items, _chosen(failed), self._where())
                    heading += f", to retry with {keys['retry']}" if curable.items and not opened.busy else ""
                    why, aside = _incurable(curable.items, failed, keys["failures"])
        except BatchManagerError as error:
            self.quote, self.error = None, error
            return
        self.quote, self.heading, self.error = quote, heading, None
        self.why, self.aside = why, aside

    def _where(self) -> str:
        """Where what failed was looked for, where that isn't everywhere."""
        if self.selection.marks:
            return f" of {self.selection.marked_words()}"
        return " in the filter" if self.selection.narrowed else ""

    def _heading(self, quote: Quote) -> str:
        chosen, total = _chosen(quote), self.counts.total("pending")
        if quote.change is not None and not self.selection.marks:
            which = "Back to a kept index" if quote.change.step == "back" else "Another index"
            return f"{which}: {count(chosen, 'item')}"
        sent = quote.items or chosen  # where none can be sent, the panel says so of all that was chosen
        marked = len(self.selection.marks)
        if self.selection.hidden:
            return self.selection.marked_words() + ("" if chosen == marked else f", {sent:,} pending")
        if marked and chosen < marked:
            return f"{marked:,} marked, {sent:,} of them pending"
        if marked:
            return f"{marked:,} marked of {total:,} pending" if sent == marked else f"{sent:,} of {marked:,} marked"
        if self.selection.narrowed and not chosen and total:
            return f"None in the filter of {total:,} pending"
        if self.selection.narrowed:
            return f"{sent:,} in the filter of {total:,} pending"
        if not chosen and total and self.waiting.items == total:
            return f"all {total:,} pending are {'handed over' if self.waiting.batches else 'agreed to'}"
        if sent < total:
            return f"{sent:,} of {total:,} pending"
        return f"all {total:,} pending" if total else "Nothing is pending"

    def _opened(self) -> Workspace:
        assert self.workspace is not None, "the screen asks only once the workspace is open"
        return self.workspace


def _retry_heading(curable: int, failed: int, where: str) -> str:
    rest = f" of {failed:,}" if 0 < curable < failed else ""
    return f"{curable or failed:,}{rest} failed{where}"


def _incurable(curable: int, failed: Quote, key: str) -> tuple[str, str]:
    """(why none of what failed is offered to be tried again, what is left out of what is), of which one is empty."""
    rest = _chosen(failed) - curable
    if not failed.items:
        return f"None of it can be sent: {key} says why, and what to do.", ""
    if not curable:
        return f"Retrying won't cure {'it' if rest == 1 else 'any of it'}: {key} says why, and what helps.", ""
    return "", f"Retrying won't cure {rest:,} more: {key} says why." if rest else ""


def _chosen(quote: Quote) -> int:
    return quote.items + quote.unsendable_count
