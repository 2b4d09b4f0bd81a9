"""peewee, without the drivers of servers that it would load beside SQLite's."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager

DRIVERS = ("psycopg2cffi", "psycopg2", "psycopg", "pymysql", "MySQLdb")
"""What peewee 4 tries to import when it is imported itself, wherever it is installed."""


@contextlib.contextmanager
def _left_out(names: tuple[str, ...]) -> Iterator[None]:
    """Make these look as if they weren't installed, for as long as an import takes.

    Who scans PostgreSQL and MySQL has the drivers; loading them took a third of a second of every start, for nothing.
    """
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # an import then fails as for a missing package
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _left_out(DRIVERS):
    import peewee

as_peewees: AbstractContextManager[None] = peewee.__exception_wrapper__  # type: ignore[attr-defined]
"""Turns errors of any driver into peewee's, which have the driver's own inside."""

__all__ = ["as_peewees", "peewee"]
