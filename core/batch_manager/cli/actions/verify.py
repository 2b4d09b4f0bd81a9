"""--verify: store and Chroma compared both ways; --repair mends what costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from batch_manager.cli import terminal
from batch_manager.cli.opening import for_looking, for_work
from batch_manager.cli.plain_json import lines_of
from batch_manager.engine import VerifyReport
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
    if flags.repair:
        with for_work(flags) as workspace:
            report = _compare(workspace.engine, repair=True)
    else:
        with for_looking(flags) as look:
            report = _compare(look.engine, repair=False)
    if flags.json:
        terminal.result(
            lines_of(
                {
                    "missing": report.missing,
                    "orphaned": report.orphaned,
                    "outdated": report.outdated,
                    "repaired": report.repaired,
                    "items": report.names,
                }
            )
        )
    else:
        terminal.result(_as_words(report))
    if report.untrue and not flags.repair:
        terminal.say("Run --verify --repair to mend what costs nothing.")
    elif report.untrue:
        terminal.say("What is pending again is sent by --batch-index, which asks first.")
    return 1 if report.untrue else 0


def _compare(engine: Engine, *, repair: bool) -> VerifyReport:
    settings, store = engine.settings, engine.store
    never_made = settings.chroma_url is None and not settings.vectors_directory.exists()
    if never_made and not store.items.counts().total("indexed"):
        return VerifyReport()  # nothing is claimed, and nothing is there: no need to make an index for that
    return engine.verify(repair)


def _as_words(report: VerifyReport) -> Iterator[str]:
    if not report.missing + report.outdated + report.orphaned:
        yield "Store and index agree."
        return
    yield from terminal.columns(
        [
            ("missing", f"{report.missing:,}", "indexed by the store's word, not in Chroma"),
            ("outdated", f"{report.outdated:,}", "in Chroma with another text"),
            ("orphaned", f"{report.orphaned:,}", "in Chroma, unknown to the store"),
            ("repaired", f"{report.repaired:,}", "mended now"),
        ],
        right=(1,),
    )
    for name in report.names:
        yield f"  {shown(name)}"
