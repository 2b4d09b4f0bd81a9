"""Database files named by their path alone: recognised by how they begin, and not by what they are called."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from batch_manager.errors import InputError
from batch_manager.sources.shown import expanded, reason_of, shown

SQLITE = b"SQLite format 3\0"
DUCKDB = b"DUCK"
DUCKDB_AT = 8
"""Where DuckDB's mark stands, behind a checksum."""


def is_path(typed: str) -> bool:
    """Whether what somebody typed can only be a path: a URL has a scheme, and a password an @ before it. Pure."""
    return bool(typed) and not ({":", "@"} & {*typed})


def is_regular(path: Path) -> bool:
    """Whether it is a file that can be read again; a pipe would be waited for, maybe for ever.

    Raises:
        OSError: It isn't there, or is a directory.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return stat.S_ISREG(mode)


def dialect_of(path: Path) -> str | None:
    """The kind of database that a file is, as URLs call it; None where it is none.

    Raises:
        OSError: It isn't there, is a directory, or can't be read.
    """
    if not is_regular(path):
        return None
    with path.open("rb") as file:
        head = file.read(len(SQLITE))
    if head == SQLITE:
        return "sqlite"
    return "duckdb" if head[DUCKDB_AT:].startswith(DUCKDB) else None


def dialect_at(typed: str) -> str:
    """The kind of database at a path that somebody gave instead of a URL.

    Raises:
        InputError: `no_such_database`: nothing is there; `is_directory`; `not_a_database`; `unreadable_database`.
    """
    path = expanded(typed)
    try:
        dialect = dialect_of(path)
    except FileNotFoundError:
        raise InputError(
            f"There is no database file {shown(typed)!r}, and it is no URL.",
            next_step="Check the path, or give a URL such as sqlite:///shop.db or postgresql://user@host/shop.",
            code="no_such_database",
        ) from None
    except IsADirectoryError:
        raise InputError(
            f"{shown(typed)!r} is a directory.", next_step="Name the database file in it.", code="is_directory"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{shown(typed)!r} can't be read: {reason_of(error)}.",
            next_step="Check the path and who may read it.",
            code="unreadable_database",
        ) from None
    if dialect is None:
        raise InputError(
            f"{shown(typed)!r} is neither a SQLite nor a DuckDB database.",
            next_step="Check the path; a file of words (JSON Lines, CSV, dbt, tbls) is imported.",
            code="not_a_database",
        )
    return dialect
