"""--move-store: this home's store, moved over to a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from batch_manager.cli import terminal
from batch_manager.cli.opening import settings_of
from batch_manager.cli.plain_json import lines_of
from batch_manager.errors import BatchManagerError, SettingError, UsageError
from batch_manager.home import WriterLocks, is_rehearsals, look_at_home
from batch_manager.settings import Settings, has_password, load_settings
from batch_manager.sources.shown import shown
from batch_manager.sources.watch import Watch
from batch_manager.store.moved import note_of

if TYPE_CHECKING:
    from pathlib import Path

    from batch_manager.cli.flags import Flags
    from batch_manager.store.moving import MoveReport


def move(flags: Flags) -> int:
    """Copy, compare, and say what to do next.

    Raises:
        UsageError: There is nothing to move, no place to move it to, or a password where others see it.
        HomeBusy: Somebody writes in one of the two.
        StoreError: One of the two can't be used, or the move broke off; the same command goes on.
    """
    from batch_manager.cli.logs import log_to_file
    from batch_manager.store.moving import move_store
    from batch_manager.store.writer_lock import StoreLock

    settings = settings_of(flags)
    url = _target(flags.argument, settings)
    path = _source(settings)
    log_to_file(settings)
    terminal.say(f"Moving {str(path)!r} …")
    with WriterLocks(settings.home, path, (StoreLock(url),)):
        try:
            report = move_store(path, url, Watch(terminal.Paced().say))
        except (BatchManagerError, KeyboardInterrupt):
            if not note_of(path).exists():
                raise  # nothing was begun
            terminal.say("Not finished; the same command goes on where it was. What is here stays as it is.")
            raise
    steps = next_steps(settings, report)
    if flags.json:
        terminal.result(lines_of({**as_json(report), "next_steps": steps}))
    else:
        terminal.result(terminal.fitted([*_as_words(report), *steps]))
    return 0


def as_json(report: MoveReport) -> dict[str, Any]:
    """What a move came to."""
    return {
        "from": str(report.path),
        "to": report.to,
        "moved_at": report.at,
        "moved_before": report.before,
        "rows": report.rows,
        "copied_rows": report.copied,
        "left_out_texts": report.left_out,
        "tables": {one.name: {"rows": one.rows, "sha256": one.sha256} for one in report.tables},
    }


def next_steps(settings: Settings, report: MoveReport) -> list[str]:
    """What is left to do, in its order."""
    names = ["DOCUMENTATION_STORE_URL"] if settings.store_server is None else []
    names += ["CHROMA_URL"] if settings.chroma_url is None else []
    steps = [f"Set {' and '.join(names)} for whoever works with this store."] if names else []
    return [
        *steps,
        "Then batch-manager --verify --repair fills the Chroma server from the kept answers, for $0.",
        f"To use {str(report.path)!r} again as it is now, delete {note_of(report.path).name!r} beside it.",
    ]


def _as_words(report: MoveReport) -> Iterator[str]:
    if report.before:
        yield f"{shown(str(report.path))} was moved to {shown(report.to)} before ({report.at}); nothing was done."
        return
    rows = [(one.name, f"{one.rows:,}", one.sha256[:16]) for one in report.tables if one.rows]
    yield from terminal.columns([("table", "rows", "sha256 of both"), *rows], right=(1,))
    yield f"{terminal.counted(report.rows, 'row')} moved to {shown(report.to)}: counts and hashes agree on both sides."
    if report.left_out:
        words = terminal.counted(report.left_out, "earlier text")
        yield f"{words} with the character NUL, which PostgreSQL can't keep and no item has, stayed behind."


def _target(given: str | None, settings: Settings) -> str:
    """The server's URL, from the call or the setting.

    Raises:
        UsageError: There is none, or its password would be seen.
    """
    if given is None:
        if settings.store_server is None:
            raise SettingError(
                "No server is named: --move-store has no URL, and DOCUMENTATION_STORE_URL names none.",
                next_step="Set it to postgresql://user:password@host:5432/database, or give a URL without a password.",
                code="no_store_server",
            )
        return settings.store_server
    url = load_settings({"DOCUMENTATION_STORE_URL": given or " "}).store_server
    if url is None:
        raise SettingError(
            "--move-store takes the URL of a PostgreSQL server.",
            next_step="Write it as postgresql://user@host:5432/database.",
            code="no_store_server",
        )
    if has_password(url):
        raise UsageError(
            "A password in the command line is seen by every user of this machine (ps), and kept by the shell.",
            next_step="Set DOCUMENTATION_STORE_URL to the URL and leave it out here, or put the password in PGPASSWORD"
            " or ~/.pgpass. Nothing was sent.",
            code="password_seen",
        )
    return url


def _source(settings: Settings) -> Path:
    """The file of the store that is in this home, or where a setting puts it.

    Raises:
        UsageError: There is none, or it is a rehearsal's.
    """
    path = settings.store_path
    if is_rehearsals(settings.home):
        raise UsageError(
            f"{str(settings.home)!r} is a rehearsal's home: its dollars are pretended.",
            next_step="Name your own home with --home.",
            code="rehearsals_home",
        )
    if look_at_home(settings.home, path):
        raise UsageError(
            f"There is nothing to move: {str(path)!r} isn't there.",
            next_step="Name the home that has the store with --home.",
            code="no_home",
        )
    return path
