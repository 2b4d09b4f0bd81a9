"""The four indexing actions: quote, question, run, report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from batch_manager.cli import progress, terminal
from batch_manager.cli.ask import agree
from batch_manager.cli.lane_words import nothing_words
from batch_manager.cli.opening import for_work
from batch_manager.cli.plain_json import lines_of
from batch_manager.cli.report import report_lines, results_report, run_exit_code
from batch_manager.cli.signals import Stop
from batch_manager.engine.problems import interrupted
from batch_manager.errors import QuoteChanged
from batch_manager.quote import Scope

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags
    from batch_manager.events import RunView
    from batch_manager.quote import Quote
    from batch_manager.workspace import Workspace

WHICH: dict[str, Literal["pending", "failed", "all"]] = {
    "batch-index": "pending",
    "individual-index": "pending",
    "retry-failed": "failed",
    "rebuild-indexes": "all",
}

TWO_LANES = ("batch-index", "retry-failed")
"""Actions that may be done in either lane."""

ASKED_AGAIN = 3
"""Times that a quote may change under the question before the call gives up."""


def index(flags: Flags) -> int:
    """Index what the action means.

    Raises:
        DeclinedError: No yes, or nobody to ask.
        BatchManagerError: It could not begin.
    """
    scope = Scope(WHICH[flags.action])
    if flags.lane == "batch":
        from batch_manager.cli.actions.half_price import hand_over

        return hand_over(flags, scope)
    with for_work(flags) as workspace:
        engine, rehearsal = workspace.engine, workspace.settings.mode == "rehearsal"
        engine.check(scope)
        view = engine.view()
        quote = workspace.quote(scope)
        _say_interrupted(workspace, quote)
        if quote.nothing_to_do and engine.watch():
            workspace.let_others_plan()
            view = _follow(workspace)
        elif quote.nothing_to_do:
            terminal.say(nothing_words("Nothing to do", scope, workspace.half_price.waiting()))
        else:
            if flags.yes or terminal.can_ask():
                engine.warm()  # Chroma's process and the client load while the quote is read
            agreed = _agreed(workspace, scope, flags)
            if agreed.lane == "batch":
                from batch_manager.cli.actions.half_price import hand_in

                return hand_in(workspace, flags, agreed)
            view = _run_agreed(workspace, agreed, flags)
        results = engine.results()
        if flags.json:
            terminal.result(lines_of(results_report(results)))
        else:
            terminal.result(report_lines(results, rehearsal=rehearsal))
        _say_why(view)
        return run_exit_code(view, results)


def _say_interrupted(workspace: Workspace, quote: Quote) -> None:
    """An earlier run has work left: what becomes of it with this one."""
    left = interrupted(workspace.engine)
    if left is None:
        return
    step = left.told.next_step
    if quote.rest is not None:
        step = "This goes on with it."
    elif left.run.which == quote.scope.which:
        step = "What it left is in this price as well."
    terminal.say(f"{left.told.message} {step}")


def _agreed(workspace: Workspace, scope: Scope, flags: Flags) -> Quote:
    """The quote that somebody said yes to, in either lane."""
    quote = workspace.quote(scope)
    offered = flags.action in TWO_LANES and flags.lane is None and quote.cost > 0
    other = workspace.half_price.lanes_of(quote).batch if offered else None
    return agree(quote, workspace.settings, yes=flags.yes, trusted=flags.trust_dotenv, other=other)


def _run_agreed(workspace: Workspace, quote: Quote, flags: Flags) -> RunView:
    """Run; and ask again when the store changed since the yes."""
    for again in range(ASKED_AGAIN):
        try:
            return _run(workspace, quote)
        except QuoteChanged as changed:
            if again == ASKED_AGAIN - 1:
                raise
            terminal.say(changed.message)
            quote = workspace.quote(quote.scope)
            agree(quote, workspace.settings, yes=flags.yes, trusted=flags.trust_dotenv)
    raise AssertionError("the loop returns or raises")


def _run(workspace: Workspace, quote: Quote) -> RunView:
    """Run what was agreed; from here on a signal ends the run in good order instead of the process."""
    engine = workspace.engine
    with Stop(engine.cancel) as stop:
        engine.start(quote)
        if engine.shares:
            workspace.let_others_plan()
        if stop.asked:  # before the start there was nothing to cancel yet
            engine.cancel(stop.who)
        with progress.screen(rehearsal=workspace.settings.mode == "rehearsal") as screen:
            return progress.follow(engine, stop, screen)


def _follow(workspace: Workspace) -> RunView:
    """Watch what workers do, without anything to add; a signal ends the watching alone."""
    terminal.say("Nothing to add to what workers have under way; this watches them. Ctrl-C only ends the watching.")
    engine = workspace.engine
    with progress.screen() as screen:
        return progress.follow_others(engine, screen)


def _say_why(view: RunView) -> None:
    if view.state == "stopped":
        terminal.say(f"error: {view.reason} {view.next_step}".rstrip())
    elif view.state == "interrupted":
        terminal.say(f"{view.reason} {view.next_step}".rstrip())
