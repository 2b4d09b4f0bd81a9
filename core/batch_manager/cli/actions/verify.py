"""--verify: store and Chroma compared both ways; --repair mends what costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from batch_manager.cli import terminal
from batch_manager.cli.opening import for_looking, for_work
from batch_manager.cli.plain_json import lines_of
from batch_manager.engine import VerifyReport
from batch_manager.errors import SettingError
from batch_manager.pricing import show_usd
from batch_manager.quote import Scope
from batch_manager.sources.shown import shown

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags
    from batch_manager.engine import Engine


def verify(flags: Flags) -> int:
    """Print what doesn't agree; the exit code is 1 when untrue things remain.

    Raises:
        VectorStoreError: Chroma doesn't answer.
        StoreError: The store can't be read.
    """
    price = ""
    if flags.repair:
        with for_work(flags) as workspace:
            report = workspace.engine.index.verify(repair=True)
            price = price_words(workspace.engine) if report.pending else ""
    else:
        with for_looking(flags) as look:
            report = look.engine.index.verify()
    if flags.json:
        terminal.result(lines_of({**as_json(report), "items": report.names}))
    else:
        terminal.result(_as_words(report))
    if report.untrue and not flags.repair:
        terminal.say("Run --verify --repair to mend what costs nothing.")
    elif report.pending:
        terminal.say(f"What could not be mended is pending again: --batch-index sends it, for {price}, and asks first.")
    return 1 if report.untrue else 0


def price_words(engine: Engine) -> str:
    """What is pending, and what it costs."""
    try:
        quote = engine.quote(Scope("pending"))
    except SettingError as error:
        return f"a price that isn't known ({error.message})"
    return f"{show_usd(quote.cost)} ({terminal.counted(quote.tokens, 'token')})"


def as_json(report: VerifyReport) -> dict[str, int]:
    """The counts of a comparison."""
    return {
        "missing": report.missing,
        "orphaned": report.orphaned,
        "outdated": report.outdated,
        "wrong_text": report.wrong_text,
        "wrong_model": report.wrong_model,
        "wrong_dimensions": report.wrong_dimensions,
        "repaired": report.repaired,
        "pending": report.pending,
    }


def _as_words(report: VerifyReport) -> Iterator[str]:
    if not report.found:
        yield "Store and index agree."
        return
    yield from terminal.columns(
        [
            ("missing", f"{report.missing:,}", "indexed by the store's word, not in Chroma"),
            ("outdated", f"{report.outdated:,}", "in Chroma with the hash of another text"),
            ("wrong text", f"{report.wrong_text:,}", "in Chroma with the right hash and another text"),
            ("wrong model", f"{report.wrong_model:,}", "in Chroma, said to be of another model"),
            ("wrong dimensions", f"{report.wrong_dimensions:,}", "in Chroma with vectors of another size"),
            ("orphaned", f"{report.orphaned:,}", "in Chroma, unknown to the store"),
            ("repaired", f"{report.repaired:,}", "mended now, for $0"),
            ("pending", f"{report.pending:,}", "no answer is kept to mend it from"),
        ],
        right=(1,),
    )
    for name in report.names:
        yield f"  {shown(name)}"
