"""A check in words: what is left to be done, and where store and index don't agree. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from batch_manager.engine.check import Checked
from batch_manager.half_price import waiting_words
from batch_manager.pricing import show_usd
from batch_manager_tui.display import count, fit, pad, shown, wrap
from batch_manager_tui.widgets.guide import keyed
from batch_manager_tui.widgets.strips import Line

LABEL = 18
NUMBER = 9

UNTRUE = (
    ("missing", "indexed by the store's word, not in Chroma"),
    ("outdated", "in Chroma with the hash of another text"),
    ("wrong_text", "in Chroma with the right hash and another text"),
    ("wrong_model", "in Chroma, said to be of another model"),
    ("wrong_dimensions", "in Chroma with vectors of another size"),
    ("orphaned", "in Chroma, unknown to the store"),
)
"""What can be untrue: the report's name of it, and its meaning."""


def check_words(checked: Checked, *, repaired: bool) -> str:
    """The outcome in a sentence."""
    report = checked.report
    if repaired and report.found:
        left = f"; {count(report.pending, 'item is', 'items are')} pending again" if report.pending else ""
        return f"{report.repaired:,} of {report.found:,} mended for $0{left}."
    if report.untrue:
        return f"{report.untrue:,} untrue: store and index don't agree."
    return "Store and index agree."


def check_lines(checked: Checked, keys: Mapping[str, str], width: int, *, repaired: bool) -> list[Line]:
    """What a check found, and the key of what helps.

    Args:
        checked: What it found.
        keys: The first key of each command, by its id.
        width: Cells.
        repaired: It was repaired.
    """
    report, quote = checked.report, checked.quote
    part = "warning" if report.untrue else "success"
    words = (
        "All is indexed, and the index is true to the store."
        if checked.fine
        else check_words(checked, repaired=repaired)
    )
    lines: list[Line] = [[(line, part)] for line in wrap(words, width)]
    price = "" if quote is None or not checked.pending else f"{show_usd(quote.cost)} to index"
    pending = f"{price}; {keys['start']} on the main screen asks" if price else ""
    failed = f"in no index; {keys['failures']} on the main screen says why" if checked.failed else ""
    lines += [
        [],
        *_row("indexed", checked.indexed, "by the store's word", width),
        *_row("pending", checked.pending, pending, width),
        *_row("failed", checked.failed, failed, width, "error" if checked.failed else ""),
        *_row("untrue", report.found, "where store and index don't agree" if report.found else "", width, part),
    ]
    if waiting := waiting_words(checked.waiting):
        lines += [[(line, "soft")] for line in wrap(waiting, width)]
    if report.found:
        lines.append([])
        for name, meaning in UNTRUE:
            if number := getattr(report, name):
                lines += _row(name.replace("_", " "), number, meaning, width)
        if repaired:
            lines += _row("mended", report.repaired, "now, for $0", width, "success")
            lines += _row("pending again", report.pending, "no answer is kept to mend it from", width)
    if report.untrue and not repaired:
        lines += [[], keyed(keys["check.repair"], "mends what costs nothing")]
    if report.names:
        lines += [
            [],
            [("by name", "strong")],
            *([("  " + line, "")] for one in report.names for line in _name(one, width)),
        ]
    return lines


def _row(label: str, number: int, words: str, width: int, part: str = "") -> list[Line]:
    meanings = wrap(words, max(12, width - LABEL - NUMBER - 2)) or [""]
    return [
        [
            (pad("" if at else label, LABEL), "soft"),
            (fit("" if at else f"{number:,}", NUMBER, ">"), part),
            (f"  {line}", "soft"),
        ]
        for at, line in enumerate(meanings)
    ]


def _name(name: str, width: int) -> list[str]:
    return wrap(shown(name), max(12, width - 2))
