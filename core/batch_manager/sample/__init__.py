"""The bundled sample: the database of a fictional coffee-equipment wholesaler, with its documentation.

`schema.sql` holds the structure (no rows), `documentation.jsonl` the words, in the format that
`--import` reads.
The last three documents can't be embedded, on purpose: they show a newcomer what a failure and
its reason look like.
"""

import os
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

__all__ = ["create_database", "documentation_lines", "schema_sql"]


def schema_sql() -> str:
    """Return the SQL that creates the sample's tables, SQLite dialect."""
    return files(__name__).joinpath("schema.sql").read_text(encoding="utf-8")


def documentation_lines() -> Iterator[str]:
    """Yield the documentation, one JSON text a line, without line ends.

    One of the documents holds a lone surrogate, as a JSON escape: the lines themselves are plain ASCII.
    """
    with files(__name__).joinpath("documentation.jsonl").open("r", encoding="utf-8") as lines:
        for line in lines:
            yield line.rstrip("\n")


def create_database(path: Path) -> None:
    """Create the sample database at `path`, or replace the file that is there.

    The file appears complete or not at all: it is built beside `path` under another name and then renamed.
    It is readable and writable by its owner only.

    Args:
        path: The file to make. Its folder must exist.

    Raises:
        OSError: The folder is missing, read-only or full.
        sqlite3.Error: SQLite could not write the file.
    """
    # Imported late, so that reading the documentation alone loads no database.
    import sqlite3

    # mkstemp makes the file with mode 0600, and the rename keeps the mode.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    os.close(handle)
    try:
        connection = sqlite3.connect(name)
        try:
            connection.executescript(f"BEGIN;\n{schema_sql()}\nCOMMIT;")
        finally:
            connection.close()
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
