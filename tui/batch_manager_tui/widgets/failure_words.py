"""A cause of failures in words: how many, why, what it would cost to try again, and what helps. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from batch_manager.errors import BatchManagerError
from batch_manager.pricing import show_usd
from batch_manager.quote import Quote
from batch_manager.store.failures import FailureGroup
from batch_manager_tui.display import clip, count, fit, pad, shown, when, wrap
from batch_manager_tui.widgets.cost_lines import labelled
from batch_manager_tui.widgets.strips import Line

CURE = 20
"""Cells of what a retry does, where there is room for all of its words."""

SHORT_CURE = {"■ can't be sent": "■ can't", "■ won't cure it": "■ won't", "✓ may cure it": "✓ may"}

Remedy = Literal["retry", "open", "skip", "save"]


@dataclass(frozen=True, slots=True)
class Priced:
    """What trying a group again would cost; while that is being reckoned, neither."""

    quote: Quote | None = None
    error: BatchManagerError | None = None

    @property
    def words(self) -> str:
        """The price in a word."""
        if self.quote is not None:
            return show_usd(self.quote.cost) if self.quote.items else "not sent"
        return "…" if self.error is None else "no price"


def remedies(group: FailureGroup) -> tuple[Remedy, ...]:
    """What helps against this cause, the best first; retrying is first only where it can cure."""
    if group.unsendable:
        return ("open", "skip", "save")
    if group.lasting:
        return ("open", "skip", "save", "retry")
    return ("retry", "open", "skip", "save")


def group_line(group: FailureGroup, total: int, priced: Priced, width: int) -> Line:
    """Count, share, cause, price of trying again."""
    share = f"{group.items * 100 / total:.0f}%" if group.items * 200 >= total else "<1%"
    head = fit(f"{group.items:,}", 7, ">") + fit(share, 6, ">") + "  "
    price_cells, cure_cells = _cells(width)
    price = fit(priced.words, price_cells, ">") + " "
    words = _cure(group)[0]
    cure = fit(words if cure_cells == CURE else SHORT_CURE[words], cure_cells)
    room = max(8, width - len(head) - len(price) - len(cure))
    return [
        (head, "strong"),
        (pad(clip(shown(group.code), room - 2), room), "error"),
        (cure, _cure(group)[1]),
        (price, ""),
    ]


def group_heads(width: int) -> Line:
    """The names of the columns of `group_line`."""
    price_cells, cure_cells = _cells(width)
    cure = fit("retrying", cure_cells) if cure_cells == CURE else fit("cures", cure_cells)
    room = max(8, width - 15 - price_cells - 1 - len(cure))
    heads = fit("items", 7, ">") + fit("share", 6, ">") + "  " + fit("cause", room) + cure
    return [(heads + fit("to retry", price_cells, ">"), "soft")]


def _cells(width: int) -> tuple[int, int]:
    """Of the price, and of what a retry does."""
    return (12, CURE) if width >= 62 else (10, 8)


def group_words(group: FailureGroup, priced: Priced, marked: int, width: int, keys: Mapping[str, str]) -> list[Line]:
    """All about one cause.

    Args:
        group: The cause.
        priced: What trying again would cost.
        marked: Items that are marked.
        width: Cells.
        keys: The keys of the remedies, and of `undo`.
    """
    lines: list[Line] = [[(shown(group.code), "error")]]
    heading = "the server's words" if not group.unsendable else "found before anything was sent"
    lines.append([(heading, "soft")])
    lines += [[(line, "")] for line in wrap(group.message or "none were kept", width)]
    if group.messages > 1:
        lines.append([(f"… and {count(group.messages - 1, 'other wording')}; the list has them all", "soft")])
    if group.next_step:
        lines += [[(line, "accent")] for line in wrap(f"→ {group.next_step}", width)]
    lines.append([])
    lines += [[(line, _cure(group)[1])] for line in wrap(_cure_words(group), width)]
    lines.append([])
    lines += _price_lines(priced, width)
    kinds = [count(group.tables, "table")] if group.tables else []
    if group.items > group.tables:
        kinds.append(count(group.items - group.tables, "relationship"))
    lines.append(labelled("items", ", ".join(kinds), width))
    if group.latest:
        lines.append(labelled("latest", when(group.latest), width))
    lines.append([])
    whom = f"the {marked:,} marked" if marked else ("it" if group.items == 1 else f"all {group.items:,}")
    lines += [_remedy(one, group, whom, keys) for one in remedies(group)]
    return lines


def _remedy(remedy: Remedy, group: FailureGroup, whom: str, keys: Mapping[str, str]) -> Line:
    words = {
        "retry": f"try {whom} again" + (" all the same" if group.lasting else "") + "; asks first",
        "open": "look at the items, one by one",
        "skip": f"leave {whom} out; {keys['undo']} undoes it",
        "save": f"write a list of {whom} to a file",
    }[remedy]
    return [(pad(keys[remedy], 7), "accent"), (words, "")]


def _cure(group: FailureGroup) -> tuple[str, str]:
    """(a word or two, part)."""
    if group.unsendable:
        return "■ can't be sent", "warning"
    return ("■ won't cure it", "warning") if group.lasting else ("✓ may cure it", "success")


def _cure_words(group: FailureGroup) -> str:
    if group.unsendable:
        return "Retrying can't cure this: there is nothing that could be sent. Change the text and import it again."
    if group.lasting:
        return "Retrying won't cure this: the server refuses this very text. Change it, or leave it out."
    return "Retrying may cure this: the cause lay with the server or the way to it, not in the text."


def _price_lines(priced: Priced, width: int) -> list[Line]:
    quote = priced.quote
    if quote is None:
        words = "being reckoned…" if priced.error is None else priced.error.message
        return [labelled("to retry", shown(words), width, "soft" if priced.error is None else "warning")]
    if not quote.items:
        return [labelled("to retry", "nothing would be sent", width)]
    lines = [labelled("to retry", f"{show_usd(quote.cost)}, {count(quote.tokens, 'token')}", width, "strong")]
    if quote.reused:
        lines.append(labelled("", f"{quote.reused:,} of them paid for before", width, "success"))
    return lines
