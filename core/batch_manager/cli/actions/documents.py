"""Documentation in and out: --scan, --import, --export."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from batch_manager.cli import terminal
from batch_manager.cli.ask import says_yes
from batch_manager.cli.opening import for_looking, for_work
from batch_manager.cli.plain_json import lines_of
from batch_manager.cli.stranger_report import stranger_report
from batch_manager.errors import BatchManagerError, DeclinedError, SettingError, UsageError
from batch_manager.pricing import show_usd
from batch_manager.quote import Scope
from batch_manager.sources.shown import expanded, shown
from batch_manager.sources.watch import Watch
from batch_manager.store.strangers import stranger_words

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags
    from batch_manager.quote import Quote
    from batch_manager.sources import Source
    from batch_manager.store.intake import Brought, Change
    from batch_manager.workspace import Workspace

DIFFERENCE = 90
"""Characters of what changed in an item, so that a line of it fits most terminals; `--json` has all."""

SHOWN = 10
"""Items of each sort that a plan names on the terminal; `--json` has more."""


def scan(flags: Flags) -> int:
    """Read the structure of a database.

    Raises:
        SettingError: No URL is given or set.
        InputError: The database can't be read.
    """
    with for_work(flags) as workspace:
        watch = Watch(terminal.Paced().say)
        return _bring(_database(flags, workspace, watch), workspace, flags, watch)


def import_file(flags: Flags) -> int:
    """Read documentation from a file, whatever kind it is.

    Raises:
        InputError: The file can't be read.
    """
    from batch_manager.sources.recognise import open_file

    with for_work(flags) as workspace:
        return _bring(open_file(flags.argument or ""), workspace, flags, Watch(terminal.Paced().say))


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
        terminal.say(f"{terminal.counted(count, 'document')} written.")
    elif flags.json:
        terminal.result(lines_of({"exported": count, "file": str(expanded(target))}))
    else:
        terminal.result([f"{terminal.counted(count, 'document')} written to {shown(target)}"])
    return 0


def _database(flags: Flags, workspace: Workspace, watch: Watch) -> Source:
    url = flags.argument
    if not url and flags.demo:
        from batch_manager.sources.sample import sample_sources

        return sample_sources(workspace.settings.home)[0]
    url = url or workspace.settings.database_url
    if not url:
        raise SettingError(
            "No database is named: --scan has no URL, and DATABASE_URL is not set.",
            next_step="Give one, such as --scan shop.db, or set DATABASE_URL.",
            code="no_database_url",
        )
    from batch_manager.sources.database import DatabaseSource

    return DatabaseSource(url, flags.schema or (), watch)


def _bring(source: Source, workspace: Workspace, flags: Flags, watch: Watch) -> int:
    terminal.say(f"Reading {source.title} …")
    # Many departures at once look like a wrong URL: they want a yes.
    brought = _brought(source, workspace, flags, watch)
    if brought.gone:
        _sweep(workspace)
    _remember(flags, workspace, brought)
    for one in brought.bad:
        terminal.say(f"{one.where}: {one.message}")
    if brought.bad_count > len(brought.bad):
        terminal.say(f"… and {brought.bad_count - len(brought.bad):,} more that could not be read")
    for warning in (*brought.warnings, *stranger_words(brought.strangers)):
        terminal.say(f"warning: {warning}")
    plan = _plan(workspace)
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
                    "changes": [_change_json(one) for one in brought.changes],
                    "strangers": stranger_report(brought.strangers),
                    "pending": plan and _plan_json(plan),
                }
            )
        )
    else:
        terminal.result([_summary(brought), *_named(brought), *_plan_lines(plan)])
    if brought.bad_count and not brought.read:
        terminal.say(f"error: Nothing in {source.title} could be read. Correct it as said above, then try again.")
        return 2
    return 1 if brought.bad_count else 0


def _brought(source: Source, workspace: Workspace, flags: Flags, watch: Watch) -> Brought:
    same_as = _same_as(flags, workspace)
    bring = workspace.store.items.bring
    try:
        return bring(source, watch, whole=True, agree_gone=flags.yes, same_as=same_as)
    except DeclinedError as error:
        # What came on stdin is gone by now; everything else can be read again.
        if error.code != "many_gone" or flags.argument == "-" or not terminal.can_ask():
            raise
        terminal.say(error.message)
        if not says_yes("Are they really gone?"):
            raise
    return bring(source, watch, whole=True, agree_gone=True, same_as=same_as)


def _remember(flags: Flags, workspace: Workspace, brought: Brought) -> None:
    """The app lists what was read, when, and what came of it."""
    from batch_manager.store.listed import remember_reading

    place = flags.argument or ("" if flags.demo else workspace.settings.database_url)
    if place:
        remember_reading(workspace.store, place, brought)


def _sweep(workspace: Workspace) -> None:
    """Take what is gone out of the index. It waits for the next run when the index can't be reached now."""
    try:
        workspace.engine.index.sweep()
    except BatchManagerError as error:
        terminal.say(f"warning: {error.message} What is gone leaves the index with the next run.")


def _plan(workspace: Workspace) -> Quote | None:
    """What indexing all that is pending would take and cost; None where no price is known."""
    try:
        return workspace.engine.quote(Scope("pending"))
    except SettingError:
        return None  # --estimate-costs says what is missing; bringing documents in needs no price


def _plan_lines(quote: Quote | None) -> list[str]:
    if quote is None or not quote.items:
        return []
    return [
        f"{quote.items:,} pending: {terminal.counted(quote.tokens, 'token')}"
        f" in {terminal.counted(quote.requests, 'request')}, {show_usd(quote.cost)} with {shown(quote.space.model)}"
    ]


def _plan_json(quote: Quote) -> dict[str, object]:
    return {
        "items": quote.items,
        "tokens": quote.tokens,
        "requests": quote.requests,
        "cost_usd": quote.cost,
        "model": quote.space.model,
    }


def _change_json(change: Change) -> dict[str, str]:
    told = {"change": change.what, "kind": change.kind, "name": change.name}
    return {**told, "difference": change.difference} if change.difference else told


def _named(brought: Brought) -> Iterator[str]:
    """The plan's lines, as many of each sort as can be read at a glance; all of them would drown the sums."""
    for what, mark, total in (
        ("new", "+", brought.new),
        ("changed", "~", brought.changed),
        ("gone", "-", brought.gone),
    ):
        named = [one for one in brought.changes if one.what == what][:SHOWN]
        for one in named:
            yield f"  {mark} {one.kind} {shown(one.name)}"
            if one.difference:
                yield f"      {shown(one.difference, DIFFERENCE)}"
        if total > len(named):
            yield f"  {mark} … {total - len(named):,} more"


def _same_as(flags: Flags, workspace: Workspace) -> str | None:
    """The title of the source that this one is taken for; None when none is named.

    Raises:
        UsageError: None of that name is known, or several are.
    """
    if flags.action != "scan" or not flags.source:
        return None
    from batch_manager.store.places import matching

    found = matching(flags.source, workspace.store.places.sources(), "source", part=True)
    if len(found) != 1:
        raise UsageError(
            f"--source means {len(found)} sources: {', '.join(shown(one, 80) for one in found[:5])}.",
            next_step="Name the one that this database is at its former address.",
        )
    return found[0]


def _summary(brought: Brought) -> str:
    gone = f" · {brought.gone:,} gone" if brought.gone else ""
    bad = f" · {brought.bad_count:,} could not be read" if brought.bad_count else ""
    return f"{brought.new:,} new · {brought.changed:,} changed · {brought.unchanged:,} unchanged{gone}{bad}"
