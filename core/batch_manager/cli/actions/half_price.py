"""The half-price lane by flags: handing over, and collecting."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from batch_manager.cli import terminal, trust
from batch_manager.cli.ask import agree, agree_to_lose
from batch_manager.cli.guard import INTERRUPTED
from batch_manager.cli.lane_words import batch_report, batch_words, nothing_words, progress_words, saved_words
from batch_manager.cli.opening import for_work
from batch_manager.cli.plain_json import lines_of
from batch_manager.cli.report import report_lines, results_report
from batch_manager.cli.signals import Stop
from batch_manager.engine.results import RunResults, collect_runs
from batch_manager.errors import QuoteChanged
from batch_manager.events import Notice
from batch_manager.half_price import Collected
from batch_manager.half_price.lane import BLINK, LONGEST_WAIT
from batch_manager.half_price.planning import interval
from batch_manager.pricing import show_usd

if TYPE_CHECKING:
    from collections.abc import Callable

    from batch_manager.cli.flags import Flags
    from batch_manager.half_price import JobView
    from batch_manager.quote import Quote, Scope
    from batch_manager.workspace import Workspace

HANDED_OVER = 5
STOPPED = 4
ASKED_AGAIN = 3
"""Times that a quote may change under the question before the call gives up."""

TOLD = 2.0
"""Seconds between two lines of how far it is."""


def hand_over(flags: Flags, scope: Scope) -> int:
    """Quote, ask, hand over; exit code 5 once the server has it.

    Raises:
        DeclinedError: No yes, or nobody to ask.
        BatchManagerError: It could not begin.
    """
    with for_work(flags) as workspace:
        half = workspace.half_price
        workspace.engine.check(scope)
        quote = half.quote(scope, workspace.cap)
        if quote.nothing_to_do:
            terminal.say(nothing_words("Nothing to hand over", scope, half.waiting()))
            return _report(workspace, flags, Collected(tuple(one for one in half.jobs() if not one.over)), ())
        agreed = agree(quote, workspace.settings, yes=flags.yes, trusted=flags.trust_dotenv)
        return hand_in(workspace, flags, agreed)


def hand_in(workspace: Workspace, flags: Flags, quote: Quote) -> int:
    """Hand over what was agreed, asking again when the store changed since; exit code 5 once the server has it.

    Raises:
        DeclinedError: No yes to what changed.
        BatchManagerError: It could not begin.
    """
    half = workspace.half_price
    for again in range(ASKED_AGAIN):
        try:
            found = half.start(quote, _telling(workspace))
            break
        except QuoteChanged as changed:
            if again == ASKED_AGAIN - 1:
                raise
            terminal.say(changed.message)
            quote = half.quote(quote.scope, workspace.cap)
            agree(quote, workspace.settings, yes=flags.yes, trusted=flags.trust_dotenv)
    code = _report(workspace, flags, found, found.settled)
    if code == HANDED_OVER:
        for words in found.left_over:
            terminal.say(f"{words} They stay pending: index them now, or hand them over under a higher cap.")
        terminal.say("Handed over. The laptop may be closed; --collect takes in what is back.")
    return code


def collect(flags: Flags) -> int:
    """Take in what is back; with --wait look again until all is.

    Raises:
        SettingError: No key.
        StoreError: The store can't be written.
    """
    with for_work(flags) as workspace:
        half, settings = workspace.half_price, workspace.settings
        if not half.jobs() and not workspace.store.jobs.handed_runs():
            terminal.say("Nothing is under way at half the price.")
        if settings.lure:
            terminal.say(f"CAREFUL: {settings.lure}")
            trust.refuse_lure(settings, flags.trust_dotenv)
        said = workspace.engine.subscribe()
        if flags.cancel:
            half.cancel()
        settled: dict[int, JobView] = {}
        looks, asked = 0, []
        with Stop(lambda _: asked.append(True)) as stop:
            while True:
                found = half.collect(_telling(workspace, stop))
                settled.update({one.id: one for one in found.settled})
                for event in said.drain():
                    if isinstance(event, Notice):
                        terminal.say(event.message if event.level == "info" else f"warning: {event.message}")
                # What the server doesn't show may never come: only a person can end that wait.
                waits = any(not one.unseen for one in found.under_way)
                if not flags.wait or not waits or found.fatal or found.ended or stop.asked:
                    break
                for one in found.under_way:
                    terminal.say(batch_words(one))
                _pause(interval(looks, LONGEST_WAIT), stop)
                looks += 1
                if stop.asked:
                    break
        if flags.give_up and not stop.asked:
            for one in _give_up(workspace, found, yes=flags.yes):
                settled[one.id] = one
            found = replace(found, under_way=tuple(one for one in found.under_way if one.id not in settled))
        code = _report(workspace, flags, found, tuple(settled.values()))
        return INTERRUPTED if found.ended or (stop.asked and code == HANDED_OVER) else code


def _telling(workspace: Workspace, stop: Stop | None = None) -> Callable[[], bool]:
    """Says now and then how far a look is; True once somebody wants it to end."""
    paced, items = terminal.Paced(TOLD), workspace.store.items

    def follow() -> bool:
        if stop is not None:
            stop.check(terminal.say)
        if paced.due:
            under_way = [one for one in workspace.half_price.jobs() if not one.over]
            indexed = items.counts().total("indexed")
            paced.say(progress_words(under_way, indexed))
        return stop is not None and stop.asked

    return follow


def _give_up(workspace: Workspace, found: Collected, *, yes: bool) -> tuple[JobView, ...]:
    """Ask whether to wait no longer for what the server doesn't show; returns the batches that are given up."""
    half = workspace.half_price
    unseen = [one for one in found.under_way if one.unseen]
    if not unseen:
        terminal.say("Nothing to give up: the server shows every batch that is under way.")
        return ()
    for one in unseen:
        terminal.say(batch_words(one))
    ids = [one.id for one in unseen]
    items = terminal.counted(half.items_of(ids), "item")
    held = show_usd(sum((one.estimated for one in unseen), Decimal(0)))
    terminal.say(f"{items} would be pending again, and {held} would stay held: it may have been billed.")
    terminal.say("Indexing these items again may then pay for them twice.")
    agree_to_lose(f"Give up {terminal.counted(len(ids), 'batch', 'batches')}?", "given up", yes=yes)
    return half.give_up(ids)


def _pause(seconds: float, stop: Stop) -> None:
    end = time.monotonic() + seconds
    while not stop.asked and time.monotonic() < end:
        time.sleep(BLINK)
    stop.check(terminal.say)


def _report(workspace: Workspace, flags: Flags, found: Collected, settled: tuple[JobView, ...]) -> int:
    """What came of it, on stdout; returns the exit code."""
    under_way = {one.run_id for one in found.under_way}
    runs = tuple({*found.runs, *(one.run_id for one in settled)})
    results = collect_runs(workspace.store, sorted(runs), waiting=under_way)
    bill = workspace.store.ledger.bill()
    doubled = sum((run.doubled for run in bill.runs if run.id in runs), Decimal(0))
    saved = sum((run.saved for run in bill.runs if run.id in runs), Decimal(0))
    if flags.json:
        report: dict[str, Any] = results_report(results)
        report["batches"] = [batch_report(one) for one in (*settled, *found.under_way)]
        report["lanes"] = {
            lane: {"billed_usd": spent.billed, "held_usd": spent.held, "billed_tokens": spent.tokens}
            for lane, spent in bill.lanes
        }
        report["usage"] |= {"saved_usd": saved, "paid_twice_usd": doubled}
        terminal.result(lines_of(report))
    else:
        terminal.result(batch_words(one) for one in (*settled, *found.under_way))
        if settled:
            terminal.result(report_lines(results, rehearsal=workspace.settings.mode == "rehearsal"))
        if settled or doubled:
            terminal.result(saved_words(saved, doubled))
    if found.fatal is not None:
        terminal.say(f"error: {found.fatal[1]} {found.fatal[2]}".rstrip())
        return STOPPED
    return _code(workspace, found, results)


def _code(workspace: Workspace, found: Collected, results: RunResults) -> int:
    if found.under_way:
        return HANDED_OVER
    stopped = [run for run in workspace.store.ledger.bill().runs if run.id in found.runs and run.outcome == "stopped"]
    if stopped:
        reason = stopped[0].reason
        step = " Start again with a higher cap for the rest." if reason.startswith("The cap") else ""
        terminal.say(f"error: {reason}{step}")
        return STOPPED
    return 1 if results.failures else 0
