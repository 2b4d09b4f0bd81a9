"""The home: the folder that everything the program keeps lives in, and the lock of its one writer."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from batch_manager.errors import HomeBusy, InputError, UsageError

if TYPE_CHECKING:
    from filelock import FileLock

MARKER = ".batch-manager-home"
"""Stands in homes of the program's own, so that `--reset` never deletes anything else."""

REHEARSALS = ("rehearsal", "demo-rehearsal")
"""What homes of rehearsals are called, inside the user's own."""


def make_home(home: Path, *, own: bool = False) -> Path:
    """Create the home (0700) when it is missing, and make sure that it can be written.

    Args:
        home: The folder.
        own: Mark it as one that `reset_home` may delete.

    Raises:
        UsageError: It can't be created or written, or isn't a folder.
    """
    fresh = own and (not home.exists() or (home.is_dir() and not any(home.iterdir())))
    if own and not fresh and not (home / MARKER).is_file():
        # A mark in a folder with somebody's files would let a later reset delete them.
        raise UsageError(
            f"{str(home)!r} has files in it that this program didn't put there.",
            next_step="Move them away, or choose another home with --home.",
            code="home",
        )
    try:
        for folder in (*reversed(home.parents), home):
            if not folder.exists():  # one by one, since mkdir gives the mode to the last of them alone
                folder.mkdir(mode=0o700, exist_ok=True)
        if not home.is_dir():
            raise NotADirectoryError
        probe = home / f".probe-{os.getpid()}"
        probe.touch(mode=0o600)
        probe.unlink()
        if own:
            (home / MARKER).touch(mode=0o600)
    except (FileExistsError, NotADirectoryError):
        raise _no_folder(home) from None
    except OSError as error:
        raise UsageError(
            f"The home {str(home)!r} can't be written: {error.strerror or error}.",
            next_step="Make it writable, free some disk, or choose another with --home.",
            code="home",
        ) from None
    return home


def look_at_home(home: Path, store: Path) -> str:
    """What to say of a home that is only looked at, when nothing is kept there; empty when something is.

    A mistyped path would look like a home with nothing in it.

    Raises:
        UsageError: It isn't a folder, or nobody lets us see.
    """
    try:
        home_is_there, store_is_there = home.exists(), store.exists()
        if home_is_there and not home.is_dir():
            raise _no_folder(home)
    except OSError as error:
        raise UsageError(
            f"The home {str(home)!r} can't be read: {error.strerror or error}.",
            next_step="Make it readable for you, or choose another with --home.",
            code="home",
        ) from None
    if store_is_there:
        return ""
    if home_is_there:
        return f"Nothing is kept in {str(home)!r} yet; --scan or --import begins it."
    return f"There is no home at {str(home)!r} yet; --scan or --import makes it."


def _no_folder(home: Path) -> UsageError:
    return UsageError(f"The home {str(home)!r} is not a folder.", next_step="Choose another with --home.", code="home")


def is_rehearsals(home: Path) -> bool:
    """Whether a rehearsal made this home, however it is opened now: its dollars are pretended, its vectors too."""
    return home.name in REHEARSALS and (home / MARKER).is_file()


def reset_home(home: Path) -> None:
    """Delete a home of the program's own.

    Raises:
        HomeBusy: Somebody writes in it.
        InputError: The folder isn't marked as the program's own.
    """
    if not home.exists():
        return
    if home.is_symlink() or not (home / MARKER).is_file():
        raise InputError(
            f"{str(home)!r} was not made by --demo or --rehearse, so it isn't deleted.",
            next_step="Delete it by hand if that is what you want.",
        )
    with HomeLock(home):
        for entry in sorted(home.iterdir()):
            if entry.name == MARKER or entry.name.startswith("lock"):
                continue  # the lock is ours until the end, and the marker says whose folder it is
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def put_aside(folder: Path) -> Path | None:
    """Rename a folder, so that another can take its place; returns its new path, or None when it wasn't there.

    Raises:
        UsageError: It can't be renamed.
    """
    if not os.path.lexists(folder):
        return None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    aside = folder.with_name(f"{folder.name}.damaged-{stamp}")
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = folder.with_name(f"{folder.name}.damaged-{stamp}-{number}")
    try:
        return folder.rename(aside)
    except OSError as error:
        raise UsageError(
            f"{str(folder)!r} can't be put aside: {error.strerror or error}.",
            next_step="Rename it by hand, then try again.",
            code="home",
        ) from None


def free_bytes(folder: Path) -> int:
    """Bytes that are free where the folder is."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class Holder:
    """Who writes in a home."""

    pid: int
    since: str


def is_written(home: Path) -> bool:
    """Whether a process that is still there writes in this home, by its own note; nothing is locked or written."""
    holder = HomeLock(home).holder()
    if holder is None:
        return False
    if os.name != "posix":
        return True  # elsewhere a signal that only asks would end the process
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


class WriterLock(Protocol):
    """A lock that one process has, or none."""

    def acquire(self) -> None:
        """Take it, or raise HomeBusy."""

    def release(self) -> None:
        """Give it back; safe to call twice."""


class WriterLocks:
    """One writer a home, and one a store: a store that a setting puts elsewhere may be that of several homes."""

    def __init__(self, home: Path, store: Path, others: Sequence[WriterLock] = ()) -> None:
        # A store's folder that isn't there yet is made when the store is opened, which has its own words for trouble.
        elsewhere = [store.parent] if store.parent != home and store.parent.is_dir() else []
        self._locks: list[WriterLock] = [*(HomeLock(folder) for folder in (home, *elsewhere)), *others]

    def acquire(self) -> None:
        """Take all of them, or none.

        Raises:
            HomeBusy: Another process has one.
        """
        taken: list[WriterLock] = []
        try:
            for lock in self._locks:
                lock.acquire()
                taken.append(lock)
        except BaseException:
            for lock in taken:
                lock.release()
            raise

    def release(self) -> None:
        """Give them back; safe to call twice."""
        for lock in self._locks:
            lock.release()

    def __enter__(self) -> WriterLocks:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def writing_in(place: str, who: str, since: str) -> HomeBusy:
    """The error of whoever wants to write where somebody does.

    Args:
        place: The home or the store.
        who: Such as `process 17`.
        since: When they began; empty when nobody knows.
    """
    return HomeBusy(
        f"Another batch-manager is writing in {place!r} ({who}{f', since {since}' if since else ''}).",
        next_step="Wait for it or stop it; looking, estimating and searching work meanwhile.",
    )


class HomeLock:
    """One writer a home.

    The operating system's file lock decides, so the lock of a process that died is free by itself; the
    note beside it only says who holds it.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._note = home / "lock.json"
        self._lock: FileLock | None = None

    def acquire(self) -> None:
        """Take it.

        Raises:
            HomeBusy: Another process has it; the message says which, and since when.
            UsageError: The home can't be written.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.home / "lock", timeout=0, mode=0o600, thread_local=False)
        try:
            lock.acquire()
            self._lock = lock
            self._write_note()
        except Timeout:
            holder = self.holder()
            who, since = (f"process {holder.pid}", holder.since) if holder else ("another process", "")
            raise writing_in(str(self.home), who, since) from None
        except OSError as error:
            self.release()
            raise UsageError(
                f"The home {str(self.home)!r} can't be locked: {error.strerror or error}.",
                next_step="Make it writable, free some disk, or choose another with --home.",
                code="home",
            ) from None

    def _write_note(self) -> None:
        # A new file each time: what stands there may be a link to something that isn't ours.
        with contextlib.suppress(FileNotFoundError):
            self._note.unlink()
        now = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        descriptor = os.open(self._note, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as note:
            json.dump({"pid": os.getpid(), "since": now}, note)

    def release(self) -> None:
        """Give it back; safe to call twice."""
        if self._lock is None:
            return
        with contextlib.suppress(OSError):  # a note that stays is only a word; the lock must go
            self._note.unlink()
        self._lock.release()
        self._lock = None

    def holder(self) -> Holder | None:
        """Who holds it by their own note; None when there is no readable note."""
        try:
            note = json.loads(self._note.read_text())
            return Holder(int(note["pid"]), str(note["since"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def __enter__(self) -> HomeLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
