"""The questions before spending and before giving up: y or n from the terminal, n unless told otherwise."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from batch_manager.allowance import beyond_words
from batch_manager.cap_words import first_request_words
from batch_manager.cli import terminal, trust
from batch_manager.cli.signals import EndRequested, wait_for_input
from batch_manager.errors import DeclinedError
from batch_manager.index_change import change_words
from batch_manager.plural import are, counted
from batch_manager.pricing import show_usd
from batch_manager.sources.shown import shown

if TYPE_CHECKING:
    from batch_manager.quote import Quote
    from batch_manager.settings import Settings

YES = ("y", "yes")


def agree(quote: Quote, settings: Settings, *, yes: bool, trusted: bool, other: Quote | None = None) -> Quote:
    """Show the quote and get a yes; returns the quote that was agreed.

    Args:
        quote: What the yes binds to.
        settings: Those in force.
        yes: It was given beforehand (`--yes`).
        trusted: `--trust-dotenv`.
        other: The same in the other lane, which is named beside it; `h` turns to it, and asks again.

    Raises:
        DeclinedError: No yes, or nobody to ask.
    """
    while True:
        asks = not yes and terminal.can_ask()
        for line in quote_lines(quote, settings, other, asks=asks):
            terminal.say(line)
        if not asks:
            trust.refuse_lure(settings, trusted)
        if yes:
            return quote
        if not asks:
            raise DeclinedError(
                "There is no terminal to ask on, so nothing was sent.",
                next_step="Add --yes to agree to the price beforehand, best with --max-cost.",
                code="no_terminal",
            )
        question = "Hand it over?" if quote.lane == "batch" else "Send it?"
        answer = answer_to(question, "y/N" if other is None else "y/h/N")
        if answer in YES:
            return quote
        if other is None or answer != "h":
            raise DeclinedError("Declined; nothing was sent.", code="declined")
        quote, other = other, quote


def agree_to_lose(question: str, done: str, *, yes: bool) -> None:
    """Get a yes to giving up something that is kept; no money is in it.

    Args:
        question: What is asked, such as `Drop it?`.
        done: What did not happen without a yes, such as `dropped`.
        yes: It was given beforehand (`--yes`).

    Raises:
        DeclinedError: No yes, or nobody to ask.
    """
    nobody = DeclinedError(
        f"There is no terminal to ask on, so nothing was {done}.",
        next_step="Add --yes to agree beforehand.",
        code="no_terminal",
    )
    _agree_to(question, done, nobody, yes=yes)


def agree_to_query(host: str, *, yes: bool) -> None:
    """Get a yes to sending a query to a server that the settings in force don't name; its price was said before.

    Args:
        host: Where it would go.
        yes: It was given beforehand (`--yes`).

    Raises:
        DeclinedError: No yes, or nobody to ask.
    """
    nobody = DeclinedError(
        f"The settings name the model on this machine, and the query would be sent to {host}; nothing was sent.",
        next_step="Add --yes to agree to that and to the price, or index with the model on this machine.",
        code="server_not_named",
    )
    _agree_to("Send the query?", "sent", nobody, yes=yes)


def _agree_to(question: str, done: str, nobody: DeclinedError, *, yes: bool) -> None:
    """Get a yes, given beforehand or at the terminal; `nobody` is the error where there is none to ask on."""
    if yes:
        return
    if not terminal.can_ask():
        raise nobody
    if not says_yes(question):
        raise DeclinedError(f"Declined; nothing was {done}.")


def quote_lines(quote: Quote, settings: Settings, other: Quote | None = None, *, asks: bool = True) -> list[str]:
    """The quote for a person to decide on; where nobody `asks`, the other lane is had by a flag and not by a key."""
    price = f"{show_usd(quote.cost)}  ({show_usd(quote.price.per_million)} per million tokens, {quote.price.source})"
    rows = [
        ("items", f"{quote.items:,} (tables {quote.tables.items:,}, relationships {quote.relationships.items:,})"),
        _requests_row(quote, settings),
        ("tokens", f"{quote.tokens:,}"),
        ("price", price),
        ("model", shown(quote.space.model)),
        ("sent to", shown(quote.host)),
        ("cap", _cap_words(quote)),
    ]
    if settings.queue == "workers" and quote.lane == "now":
        rows.append(("sent by", "workers that share this store (batch-manager --worker)"))
    rows += [("budget" if not number else "", one.words) for number, one in enumerate(quote.allowances)]
    if quote.who:
        rows.append(("as", shown(quote.who)))
    if quote.lane == "batch":
        rows.append(("back", "within 24 h; --collect takes it in"))
    if other is not None:
        how = "h" if asks else f"--lane {other.lane}"
        rows.append(("or", f"{show_usd(other.cost)} {'within 24 h' if other.lane == 'batch' else 'now'}: {how}"))
    if quote.change is not None:
        rows += [("index", shown(words, 200)) for words in change_words(quote, quote.change)]
    if quote.shortened:
        rows.append(("for $0", f"{are(quote.shortened, 'text')} cut from longer vectors that were paid for"))
    if quote.reused:
        rows.append(("for $0", f"{counted(quote.reused, 'item')} paid for before"))
    if quote.duplicates:
        rows.append(("for $0", f"{counted(quote.duplicates, 'item')} with another item's text"))
    if quote.unsendable_count:
        rows.append(("not sent", f"{counted(quote.unsendable_count, 'item')}: --estimate-costs says which, and why"))
    lines = [f"  {line}" for line in terminal.columns(rows)]
    if settings.mode == "rehearsal":
        lines.insert(0, "REHEARSAL: pretend dollars; nothing leaves this machine.")
    if quote.beyond_cap:
        nothing = first_request_words(quote)
        lines.append(nothing or "The price is above the cap: the run will stop at the cap, and say what is left.")
    if quote.beyond_allowance is not None:
        lines.append(beyond_words(quote.beyond_allowance))
    if settings.lure:
        lines.append(f"CAREFUL: {settings.lure}")
    return lines


def _cap_words(quote: Quote) -> str:
    words, rest = "none" if quote.cap is None else show_usd(quote.cap), quote.rest
    if rest is None or rest.cap is None:
        return words
    if rest.cap == quote.cap:
        return f"{words}, {show_usd(rest.used)} of it used by run {rest.run_id:,}, which goes on"
    return f"{words} (run {rest.run_id:,}, which was interrupted, had {show_usd(rest.cap)})"


def _requests_row(quote: Quote, settings: Settings) -> tuple[str, str]:
    if quote.lane == "batch":
        return "batches", f"about {quote.requests:,} (of 50,000 documents and 200 MB at most)"
    return "requests", f"{quote.requests:,} ({size_words(quote, settings)})"


def size_words(quote: Quote, settings: Settings) -> str:
    """The size of requests that is in force; smaller than the setting where the server takes no more."""
    inputs = quote.limits.inputs
    found = ", as many as this server takes" if inputs < settings.batch_size else ""
    return f"of {counted(inputs, 'document')} at most{found}"


def says_yes(question: str) -> bool:
    """Ask on the terminal; anything but a y is a no."""
    return answer_to(question, "y/N") in YES


def answer_to(question: str, answers: str) -> str:
    """What is answered on the terminal, in small letters; empty for none. The answers are only shown."""
    try:
        # Within the try: a Ctrl-C may come as soon as the question can be read, before the wait for its answer begins.
        sys.stderr.write(f"{question} [{answers}] ")
        sys.stderr.flush()
        wait_for_input(sys.stdin)
        answer = sys.stdin.readline()
    except EndRequested:
        raise
    except (KeyboardInterrupt, UnicodeDecodeError):
        answer = ""
    if not answer.endswith("\n"):
        terminal.say("")  # after an end of input or a Ctrl-C the cursor is still behind the question
    return answer.strip().lower()
