"""--check: exit 1 when something is pending or untrue; for jobs that watch over an index. Sends and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from batch_manager.cli import terminal
from batch_manager.cli.actions.verify import as_json
from batch_manager.cli.lane_words import waiting_line, waiting_of, waiting_report
from batch_manager.cli.opening import for_looking
from batch_manager.cli.plain_json import lines_of
from batch_manager.cli.stranger_report import stranger_report
from batch_manager.engine.check import Checked
from batch_manager.engine.check import check as check_home
from batch_manager.index_change import change_words
from batch_manager.pricing import show_usd
from batch_manager.quote import Quote
from batch_manager.sources.shown import shown
from batch_manager.store.generations import title_of
from batch_manager.store.strangers import stranger_words

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags
    from batch_manager.store.strangers import Strangers

LONGEST = 600
"""Characters of a line with names in it."""


def check(flags: Flags) -> int:
    """Print what is pending and what is untrue; the exit code is 1 when anything is.

    Raises:
        UsageError: A change of the index was broken off in its last step, or there is no home to watch over, as
            where its path is mistyped.
        VectorStoreError: Chroma doesn't answer.
        StoreError: The store can't be read.
    """
    with for_looking(flags, kept=True) as look:
        checked = check_home(look.engine, waiting_of(look))
        if checked.unpriced is not None:
            terminal.say(f"warning: {checked.unpriced}")
        # They are told, and no reason to fail: some are right.
        strangers = look.store.items.strangers()
        if flags.json:
            terminal.result(lines_of(_as_json(checked, strangers)))
        else:
            terminal.result(terminal.fitted(_as_words(checked, strangers)))
    return 0 if checked.fine else 1


def _as_json(checked: Checked, strangers: Strangers) -> dict[str, Any]:
    quote = checked.quote
    return {
        "fine": checked.fine,
        "pending": checked.pending,
        "in_batches": waiting_report(checked.waiting),
        "failed": checked.failed,
        "untrue": checked.report.found,
        "estimated_cost_usd": Decimal(0) if quote is None else quote.cost,
        "index_change": [] if quote is None or quote.change is None else list(change_words(quote, quote.change)),
        **{name: number for name, number in as_json(checked.report).items() if name not in ("repaired", "pending")},
        "items": checked.report.names,
        "strangers": stranger_report(strangers),
    }


def _with(quote: Quote) -> str:
    """What is pending is so with the model of the settings, which may be another than that of the index."""
    if quote.change is None:
        return ""
    return f" with {shown(title_of(quote.space.model, quote.space.dimensions))}"


def _as_words(checked: Checked, strangers: Strangers) -> Iterator[str]:
    quote, report = checked.quote, checked.report
    if checked.fine:
        yield "All is indexed, and the index is true to the store."
        yield from _stranger_lines(strangers)
        return
    price = "" if quote is None else f"{show_usd(quote.cost)} to index{_with(quote)}"
    untrue = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in as_json(report).items() if number)
    yield from terminal.columns(
        [
            ("pending", f"{checked.pending:,}", price),
            ("failed", f"{checked.failed:,}", "in no index" if checked.failed else ""),
            ("untrue", f"{report.found:,}", untrue),
        ],
        right=(1,),
    )
    if words := waiting_line(checked.waiting):
        yield words
    if quote is not None and quote.change is not None:
        for words in change_words(quote, quote.change):
            yield f"index: {shown(words, 200)}"
    for name in report.names:
        yield f"  {shown(name)}"
    yield from _stranger_lines(strangers)


def _stranger_lines(strangers: Strangers) -> Iterator[str]:
    yield from (f"words: {shown(words, LONGEST)}" for words in stranger_words(strangers))
