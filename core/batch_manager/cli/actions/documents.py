"""Documentation in and out: --scan, --import, --export."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from batch_manager.cli import terminal
from batch_manager.cli.opening import for_looking, for_work
from batch_manager.cli.plain_json import lines_of
from batch_manager.errors import BatchManagerError, SettingError
from batch_manager.pricing import show_usd
from batch_manager.quote import Scope
from batch_manager.sources.shown import expanded, shown

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags
    from batch_manager.sources import Source
    from batch_manager.store.intake import Brought
    from batch_manager.workspace import Workspace

STEP = 5_000
"""Documents between two lines of progress."""


def scan(flags: Flags) -> int:
    """Read the structure of a database.

    Raises:
        SettingError: No URL is given or set.
        InputError: The database can't be read.
    """
    with for_work(flags) as workspace:
        return _bring(_database(flags, workspace), workspace, flags)


def import_file(flags: Flags) -> int:
    """Read documentation from a file, whatever kind it is.

    Raises:
        InputError: The file can't be read.
    """
    from batch_manager.sources.recognise import open_file

    with for_work(flags) as workspace:
        return _bring(open_file(flags.argument or ""), workspace, flags)


def export_file(flags: Flags) -> int:
    """Write the store as a file of documentation.

    Raises:
        InputError: The file can't be written.
    """
    from batch_manager.sources.export import write_jsonl

    target = flags.argument or ""
    with for_looking(flags) as look:
        count = write_jsonl(look.store.items.documents(), target)
    if target == "-":
        terminal.say(f"{count:,} documents written.")
    elif flags.json:
        terminal.result(lines_of({"exported": count, "file": str(expanded(target))}))
    else:
        terminal.result([f"{count:,} documents written to {shown(target)}"])
    return 0


def _database(flags: Flags, workspace: Workspace) -> Source:
    url = flags.argument
    if not url and flags.demo:
        from batch_manager.sources.sample import sample_sources

        return sample_sources(workspace.settings.home)[0]
    url = url or workspace.settings.database_url
    if not url:
        raise SettingError(
            "No database is named: --scan has no URL, and DATABASE_URL is not set.",
            next_step="Give one, such as --scan sqlite:///shop.db, or set DATABASE_URL.",
            code="no_database_url",
        )
    from batch_manager.sources.database import DatabaseSource

    return DatabaseSource(url, flags.schema or ())


def _bring(source: Source, workspace: Workspace, flags: Flags) -> int:
    terminal.say(f"Reading {source.title} …")
    # A scan of all schemas tells all that there is; many departures at once look like a wrong URL: they want a yes.
    whole = source.brings == "structure" and not flags.schema
    brought = workspace.store.items.bring(source, progress=_progress, whole=whole, agree_gone=flags.yes)
    if brought.gone:
        _sweep(workspace)
    for one in brought.bad:
        terminal.say(f"{one.where}: {one.message}")
    if brought.bad_count > len(brought.bad):
        terminal.say(f"… and {brought.bad_count - len(brought.bad):,} more that could not be read")
    for warning in brought.warnings:
        terminal.say(f"warning: {warning}")
    if flags.json:
        terminal.result(
            lines_of(
                {
                    "new": brought.new,
                    "changed": brought.changed,
                    "unchanged": brought.unchanged,
                    "gone": brought.gone,
                    "bad": [{"where": one.where, "message": one.message} for one in brought.bad],
                    "warnings": list(brought.warnings),
                }
            )
        )
    else:
        terminal.result([_summary(brought), *_plan(workspace)])
    if brought.bad_count and not brought.read:
        terminal.say(f"error: Nothing in {source.title} could be read. Correct it as said above, then try again.")
        return 2
    return 1 if brought.bad_count else 0


def _sweep(workspace: Workspace) -> None:
    """Take what is gone out of the index. It waits for the next run when the index can't be reached now."""
    try:
        workspace.engine.sweep()
    except BatchManagerError as error:
        terminal.say(f"warning: {error.message} What is gone leaves the index with the next run.")


def _plan(workspace: Workspace) -> list[str]:
    """What indexing all that is pending would take and cost, where a price is known."""
    try:
        quote = workspace.engine.quote(Scope("pending"))
    except SettingError:
        return []  # --estimate-costs says what is missing; bringing documents in needs no price
    if not quote.items:
        return []
    return [
        f"{quote.items:,} pending: {quote.tokens:,} tokens in {terminal.counted(quote.requests, 'request')},"
        f" {show_usd(quote.cost)} with {shown(quote.space.model)}"
    ]


def _summary(brought: Brought) -> str:
    gone = f" · {brought.gone:,} gone" if brought.gone else ""
    bad = f" · {brought.bad_count:,} could not be read" if brought.bad_count else ""
    return f"{brought.new:,} new · {brought.changed:,} changed · {brought.unchanged:,} unchanged{gone}{bad}"


def _progress(done: int) -> None:
    if done % STEP == 0 and sys.stderr is not None:
        terminal.say(f"{done:,} documents …")
