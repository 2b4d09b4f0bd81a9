"""All that is known of an item, as lines. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from batch_manager.pricing import show_usd
from batch_manager.store.items import ItemDetail
from batch_manager.store.journeys import Travelled
from batch_manager_tui.display import clip, count, fit, shown, when, wrap
from batch_manager_tui.widgets.cost_lines import labelled, wrapped
from batch_manager_tui.widgets.diff_lines import diff_lines
from batch_manager_tui.widgets.strips import Line
from batch_manager_tui.widgets.words import FINDING, KIND, STATUS

if TYPE_CHECKING:
    from batch_manager.engine import SearchHit
    from batch_manager.engine.itinerary import Itinerary


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an item beside its row.

    Attributes:
        findings: Codes of what would make a wasted embedding.
        travelled: The requests that its answers came with.
        itinerary: The requests that would be sent now; None while that isn't known.
        nearest: The scanned name that may have been meant, where no scanned database has the item's.
        shares: Tokens by section of the text.
        same: The first item that has the very words of this one.
    """

    findings: tuple[str, ...] = ()
    travelled: tuple[Travelled, ...] = ()
    itinerary: Itinerary | None = None
    nearest: str | None = None
    shares: tuple[tuple[str, int], ...] = ()
    same: str = ""


def detail_lines(detail: ItemDetail, price: Decimal | None, width: int, known: Known = Known()) -> list[Line]:
    """Name, state, reason of a failure, figures, journey, findings and origin.

    Args:
        detail: The item.
        price: USD that its text costs, when that is known.
        width: Cells.
        known: What is known beside its row.
    """
    row = detail.row
    glyph, word = STATUS[row.status]
    lines: list[Line] = [[(line, "strong")] for line in wrap(shown(row.name), width)]
    lines.append([(f"{glyph} {word}", _part(row.status)), (f"  {row.kind}", "soft")])
    if row.awaited:
        lines.append([(clip("in a half-price batch, not back yet", width), "accent")])
    if row.problem or row.code:
        lines.append([])
        lines += failure_lines(detail, width)
    lines.append([])
    tokens = f"{row.tokens:,}" + (f", {show_usd(price)}" if price is not None else "")
    lines.append(labelled("tokens", tokens, width))
    if len(known.shares) > 1:
        cells = len(f"{row.tokens:,}")
        lines += [labelled("", f"{share:{cells},} {label}", width, "soft") for label, share in known.shares]
    lines.append(labelled("parts", _parts(detail), width))
    lines += [labelled(label, words, width, part) for label, words, part in _journey(detail, known)]
    for number, code in enumerate(known.findings):
        lines.append(labelled("" if number else "findings", FINDING.get(code, code), width, "warning"))
        if code == "same_words":
            lines.append(labelled("", f"those of {shown(known.same)}", width, "warning"))
        if code == "stranger" and known.nearest:
            lines.append(labelled("", f"nearest: {shown(known.nearest)}", width, "warning"))
    if detail.tries:
        lines.append(labelled("requests", f"{detail.tries:,} that failed", width))
    if detail.model:
        lines.append(labelled("model", shown(detail.model), width))
    if detail.text_hash:
        lines += wrapped("hash", detail.text_hash, width, "soft")
    for label, source, at in (
        ("structure", detail.structure_from, detail.structure_at),
        ("words", detail.words_from, detail.words_at),
    ):
        words = shown(source) if source else "none yet"
        lines.append(labelled(label, words, width, "" if source else "soft", both_ends=True))
        if at:
            lines.append(labelled("", when(at), width, "soft"))
    return lines + attempt_lines(detail, width) + diff_lines(detail.former, detail.text, width)


def neighbour_line(hit: SearchHit, width: int) -> Line:
    """One of the nearest items: how near, of which kind, its name."""
    full = round(hit.score * 6)
    return [
        (f" {hit.score:.2f} ", ""),
        ("━" * full, "accent"),
        ("─" * (6 - full) + " ", "soft"),
        (fit(KIND[hit.kind][:3], 4), "soft"),
        (clip(shown(hit.name), max(8, width - 17)), ""),
    ]


def no_neighbours(why: str, width: int) -> list[Line]:
    """Why there are none."""
    return [[(" " + line, "soft")] for line in wrap(why, width - 1)]


def _journey(detail: ItemDetail, known: Known) -> list[tuple[str, str, str]]:
    """(label, words, part): the request that it would travel in, or those that it travelled in."""
    hashes = [part.hash for part in detail.parts]
    if detail.status == "pending" and known.itinerary is not None:
        numbers = known.itinerary.of(hashes)
        if not numbers:
            return [("request", "none: it was paid for before", "success")]
        total = len(known.itinerary.requests)
        first = numbers[0]
        if len(numbers) == 1:
            others = known.itinerary.requests[first - 1] - len(hashes)
            beside = f", with {count(others, 'other text')}" if others > 0 else ", alone"
            return [("request", f"{first:,} of {total:,}{beside}", "")]
        return [("request", f"{', '.join(map(str, numbers))} of {total:,}", "")]
    lines: list[tuple[str, str, str]] = []
    for one in known.travelled:
        again = f", try {one.tried}" if one.tried > 1 else ""
        lines.append(("" if lines else "sent", f"run {one.run_id}, batch {one.batch}{again}", ""))
        lines.append(("", f"{count(one.inputs, 'text')}, {when(one.sent_at)}", "soft"))
    return lines


def attempt_lines(detail: ItemDetail, width: int) -> list[Line]:
    """The history of the item's failed tries, newest first."""
    if not detail.attempts:
        return []
    lines: list[Line] = [[], [("failed before", "strong")] if detail.status != "failed" else [("its tries", "strong")]]
    for one in detail.attempts:
        sent = count(one.tries, "request") if one.tries else "not sent"
        lines.append([(when(one.at), "soft"), (f"  run {one.run_id}, {sent}", "soft")])
        lines.append([("  " + shown(one.code), "error")])
    return lines


def failure_lines(detail: ItemDetail, width: int) -> list[Line]:
    """Code, message, next step."""
    row = detail.row
    lines: list[Line] = []
    if row.code:
        lines.append([(shown(row.code), "error")])
        lines += [[(line, "")] for line in wrap(row.message or "", width)]
    else:
        lines.append([(f"can't be sent: {row.problem}", "warning")])
    if detail.next_step:
        lines += [[(line, "accent")] for line in wrap(f"→ {detail.next_step}", width)]
    return lines


def _parts(detail: ItemDetail) -> str:
    if len(detail.parts) <= 1:
        size = f"{detail.parts[0].bytes:,} bytes" if detail.parts else "nothing is sent"
        return f"1, {size}" if detail.parts else size
    shares = " + ".join(f"{part.tokens:,}" for part in detail.parts[:6])
    more = " + …" if len(detail.parts) > 6 else ""
    return f"{count(len(detail.parts), 'part')}: {shares}{more} tokens"


def _part(status: str) -> str:
    return {"indexed": "success", "failed": "error", "skipped": "soft"}.get(status, "")
