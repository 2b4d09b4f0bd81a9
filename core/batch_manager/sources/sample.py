"""The bundled sample as sources: its database, and the documentation that was written for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from batch_manager import sample
from batch_manager.errors import InputError
from batch_manager.sources import Brings, Found, Source, Unreadable
from batch_manager.sources.database import DatabaseSource
from batch_manager.sources.database_url import sqlite_url
from batch_manager.sources.jsonl import read_line
from batch_manager.sources.shown import shown

DATABASE_NAME = "sample.sqlite3"


class SampleDocumentation:
    """The words that ship with the sample."""

    @property
    def brings(self) -> Brings:
        """Always words."""
        return "words"

    @property
    def title(self) -> str:
        """A name for the screen; there is no path to show."""
        return "the sample's documentation"

    @property
    def key(self) -> str:
        """The title: there is one sample."""
        return self.title

    @property
    def label(self) -> str:
        """A short name."""
        return "sample"

    def covers(self, schema: str) -> bool:
        """Never: what a user wrote besides stays."""
        return False

    def read(self) -> Iterator[Found | Unreadable]:
        """Yield the documents in the order of the bundled file."""
        for number, line in enumerate(sample.documentation_lines(), start=1):
            yield read_line(line.encode("utf-8"), f"line {number}")


def sample_sources(home: Path) -> list[Source]:
    """The sample's structure and words, in the order in which to read them.

    Args:
        home: An existing folder. The database is made in it when it isn't there yet.

    Raises:
        InputError: `sample`, when the database can't be made.
    """
    path = home / DATABASE_NAME
    if not path.exists():
        try:
            sample.create_database(path)
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"The sample database {shown(str(path))} can't be made: {shown(str(error))}.",
                next_step="Make the folder writable, free some disk, or choose another with --home.",
                code="sample",
            ) from None
    return [DatabaseSource(sqlite_url(path)), SampleDocumentation()]
