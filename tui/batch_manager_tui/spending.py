"""The way to a yes: quote, ask, start; when what would be sent changed meanwhile, ask again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_manager.errors import BatchManagerError, QuoteChanged
from batch_manager.half_price import waiting_words
from batch_manager.quote import Quote, Scope
from batch_manager_tui.availability import nothing_sendable
from batch_manager_tui.display import count, shown
from batch_manager_tui.screens.confirm_spend import ConfirmSpend

if TYPE_CHECKING:
    from batch_manager_tui.app import BatchManagerApp


async def ask_and_start(app: BatchManagerApp, scope: Scope, title: str, aside: str = "") -> bool:
    """Show the quote of a scope and start it when it is agreed. Runs in a worker.

    Args:
        app: The app.
        scope: What is meant.
        title: What the question is about, such as `Retry what failed`.
        aside: What is to be known of the choice.

    Returns:
        Whether a run was started.
    """
    engine, half = app.workspace.engine, app.workspace.half_price
    if engine.shares:
        aside = f"Workers send it; closing the app stops nothing. {aside}".rstrip()
    lure = app.workspace.settings.lure
    warning = f"CAREFUL: {lure}" if lure else ""
    typed: Quote | None = None
    try:
        while True:
            quote = await app.back.quote(app.workspace.quote, scope)
            if typed is not None:
                quote = quote.with_cap(typed.cap)  # what was sent changed, not what may be spent
            if why := nothing_sendable(quote, app.keys.first):
                app.say(why, "warning")
                return False
            await app.back.quote(engine.check, scope)
            if quote.nothing_to_do and (words := waiting_words(await app.back.read(half.waiting))):
                app.say(f"{words}: {app.keys.key('half_price')} looks. Nothing else is to be sent.", "warning")
                return False
            if quote.nothing_to_do and scope.curable:
                key = app.keys.key("failures")
                app.say(f"None of the chosen items failed in a way that a retry may cure: {key} says more.", "warning")
                return False
            if quote.nothing_to_do:
                app.say(f"There is nothing to send: none of the chosen items is {scope.which}.", "warning")
                return False
            engine.warm()  # what a run needs loads while the question is read
            lanes = None if scope.rebuilds else half.lanes_of(quote)
            agreed = await app.push_screen_wait(ConfirmSpend(quote, title, warning, lanes, aside))
            if agreed is None:
                app.say("Nothing was sent.")
                return False
            # It holds for this run, and for going on with it; a later one has the cap of the start again, or none.
            typed = agreed
            try:
                app.main.desk.starting = True
                if agreed.lane == "batch":
                    return await _hand_over(app, agreed)
                await app.back.do(app.workspace.alone(engine.start), agreed)
            except QuoteChanged as changed:
                warning = changed.message
                continue
            finally:
                app.main.desk.starting = False
            return True
    except BatchManagerError as error:
        app.say(shown(str(error)), "error")
        return False


async def _hand_over(app: BatchManagerApp, agreed: Quote) -> bool:
    """Hand over what was agreed at half the price, and look after it from now on."""
    half = app.workspace.half_price
    app.say("Handing over…")
    await app.back.do(app.workspace.hold)
    found = await app.back.do(half.start, agreed)
    half.watch()
    app.main.run_is_past()
    if found.fatal is not None:
        app.say(shown(f"{found.fatal[1]} {found.fatal[2]}"), "error")
    else:
        key = app.keys.key("half_price")
        words = (
            f"{count(len(found.under_way), 'batch', 'batches')} handed over: {key} shows them. The app may be closed."
        )
        words = words if found.under_way else f"{found.answered:,} came back at once."
        app.say(" ".join((*found.left_over, words)), "warning" if found.left_over else "info")
    app.main.reload()
    return True
