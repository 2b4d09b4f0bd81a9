"""All that is known of an item, as lines. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from batch_manager.pricing import show_usd
from batch_manager.store.items import ItemDetail
from batch_manager_tui.display import clip, count, fit, shown, when, wrap
from batch_manager_tui.widgets.cost_lines import labelled
from batch_manager_tui.widgets.strips import Line
from batch_manager_tui.widgets.words import KIND, STATUS

if TYPE_CHECKING:
    from batch_manager.engine import SearchHit


def detail_lines(detail: ItemDetail, price: Decimal | None, width: int) -> list[Line]:
    """Name, state, reason of a failure, figures and origin.

    Args:
        detail: The item.
        price: USD that its text costs, when that is known.
        width: Cells.
    """
    row = detail.row
    glyph, word = STATUS[row.status]
    lines: list[Line] = [[(line, "strong")] for line in wrap(shown(row.name), width)]
    lines.append([(f"{glyph} {word}", _part(row.status)), (f"  {row.kind}", "soft")])
    if row.problem or row.code:
        lines.append([])
        lines += failure_lines(detail, width)
    lines.append([])
    tokens = f"{row.tokens:,}" + (f", {show_usd(price)}" if price is not None else "")
    lines.append(labelled("tokens", tokens, width))
    lines.append(labelled("parts", _parts(detail), width))
    if detail.tries:
        lines.append(labelled("requests", f"{detail.tries:,} that failed", width))
    if detail.model:
        lines.append(labelled("model", shown(detail.model), width))
    if detail.text_hash:
        lines.append(labelled("hash", detail.text_hash, width, "soft", both_ends=True))
    for label, source, at in (
        ("structure", detail.structure_from, detail.structure_at),
        ("words", detail.words_from, detail.words_at),
    ):
        words = shown(source) if source else "none yet"
        lines.append(labelled(label, words, width, "" if source else "soft", both_ends=True))
        if at:
            lines.append(labelled("", when(at), width, "soft"))
    return lines + attempt_lines(detail, width)


def neighbour_lines(hits: Sequence[SearchHit] | None, error: str, width: int) -> list[Line]:
    """The nearest items of an indexed one.

    Args:
        hits: What was found; None while the index is being asked.
        error: Why nothing is known.
        width: Cells.
    """
    lines: list[Line] = [[], [("nearest items", "strong"), ("  by its own vector, $0", "soft")]]
    if error:
        return lines + [[(line, "soft")] for line in wrap(error, width)]
    if hits is None:
        return [*lines, [("asking the index…", "soft")]]
    if not hits:
        return [*lines, [("nothing else is indexed", "soft")]]
    for hit in hits:
        full = round(hit.score * 6)
        lines.append(
            [
                (f"{hit.score:.2f} ", ""),
                ("━" * full, "accent"),
                ("─" * (6 - full) + " ", "soft"),
                (fit(KIND[hit.kind][:3], 4), "soft"),
                (clip(shown(hit.name), max(8, width - 16)), ""),
            ]
        )
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
