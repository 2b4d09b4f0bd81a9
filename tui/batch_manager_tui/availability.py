"""Availability: why a command can't be used now, for the user to read; None when it can. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from batch_manager.events import RunView
from batch_manager.quote import Quote
from batch_manager_tui.situation import Situation
from batch_manager_tui.widgets.words import FINDING


def _running(now: Situation) -> str:
    return f"A run is under way: {now.key('pause')} pauses it, {now.key('cancel')} cancels it."


def always(_: Situation) -> str | None:
    """It can be used at any time."""
    return None


def ready(now: Situation) -> str | None:
    """A home is open."""
    return None if now.ready else "The home is still being opened."


def has_items(now: Situation) -> str | None:
    """There are items."""
    if not now.ready:
        return ready(now)
    if now.unread:
        return now.unread
    if not now.counts.total():
        return f"There are no items yet: {now.key('scan')} scans a database, {now.key('import')} imports a file."
    return None


def lists_items(now: Situation) -> str | None:
    """Some of them fit the filter."""
    if reason := has_items(now):
        return reason
    return None if now.listed else f"No item fits the filter: {now.key('clear')} clears it."


def may_write(now: Situation) -> str | None:
    """This process writes in the home."""
    return now.busy or None


def may_change(now: Situation) -> str | None:
    """Items can be changed."""
    if reason := ready(now) or may_write(now):
        return reason
    if now.reading:
        return "A scan or an import is still being read."
    return _running(now) if now.running else None


def may_add(now: Situation) -> str | None:
    """Items can be brought in and sent: what workers have under way is in nobody's way."""
    beside = now.team and now.view.watched and now.view.state != "stopping"
    return may_change(replace(now, view=RunView()) if beside else now)


def start(now: Situation) -> str | None:
    """A run can begin."""
    if now.view.state == "paused" and not (now.team and now.view.watched):
        return f"The run is paused: {now.key('pause')} goes on with it."
    if reason := may_add(now) or has_items(now):
        return reason
    if not now.counts.total("pending") and not now.changes:
        return _nothing_pending(now)
    return None if now.marked else lists_items(now)


def _nothing_pending(now: Situation) -> str:
    failed, again = now.counts.total("failed"), now.retryable
    if not failed:
        return "Nothing is pending."
    if not again:
        return f"Nothing is pending. {_incurable(now)}"
    rest = "" if again == failed else f" of {failed:,}"
    return f"Nothing is pending; {now.key('retry')} retries {again:,}{rest} failed."


def retry(now: Situation) -> str | None:
    """What failed can be tried again."""
    if reason := may_add(now) or has_items(now):
        return reason
    if not now.counts.total("failed"):
        return "Nothing has failed."
    return None if now.retryable else _incurable(now)


def _incurable(now: Situation) -> str:
    return f"Retrying can't cure what failed: {now.key('failures')} says why, and what helps."


def failures(now: Situation) -> str | None:
    """There is something to look at."""
    if reason := has_items(now):
        return reason
    return None if now.counts.total("failed") else "Nothing has failed."


def rebuild(now: Situation) -> str | None:
    """The whole index can be made again."""
    return may_change(now) or has_items(now)


def check(now: Situation) -> str | None:
    """Store and index stand still, so that they can be compared."""
    return may_change(now) or has_items(now)


def pause(now: Situation) -> str | None:
    """A run can be paused, or goes on."""
    if now.view.state in ("running", "starting", "paused"):
        return None
    return "The run is stopping already." if now.view.state == "stopping" else "No run is under way."


def cancel(now: Situation) -> str | None:
    """A run can be ended."""
    if now.view.state == "stopping":
        return "The run is stopping already."
    return None if now.view.active else "No run is under way."


def skip(now: Situation) -> str | None:
    """Items can be left out."""
    return may_change(now) or lists_items(now)


def undo(now: Situation) -> str | None:
    """Something may have been chosen."""
    return has_items(now)


def search(now: Situation) -> str | None:
    """There is something to be found."""
    if reason := has_items(now):
        return reason
    if now.searchable:
        return None
    return f"Nothing is indexed yet, so there is nothing to search: {now.key('start')} starts."


def clear(now: Situation) -> str | None:
    """There is always a step out."""
    return None


def demo(now: Situation) -> str | None:
    """The sample can be opened in this home's place."""
    if now.mode != "live":
        return f"This is the {now.mode} already."
    if not now.ready:
        return ready(now)
    return _running(now) if now.running else None


def nothing_sendable(quote: Quote, keys: Mapping[str, str]) -> str | None:
    """Why nothing of what is chosen can be sent, with the next step; None where something can be, or is to be done.

    Args:
        quote: What is chosen, priced.
        keys: The first key of each command, by its id.
    """
    if quote.items or not quote.unsendable_count or (quote.change is not None and quote.change.ready):
        return None
    why = ", or ".join(dict.fromkeys(FINDING.get(one.code, one.code) for one in quote.unsendable))
    many = quote.unsendable_count
    whom = "It can't be sent" if many == 1 else f"None of the {many:,} can be sent"
    if quote.scope.which == "failed":
        return f"{whom}: {why}. {keys['failures']} says what helps."
    return f"{whom}: {why}. {keys['details']} on an item says more, {keys['skip']} leaves it out."
