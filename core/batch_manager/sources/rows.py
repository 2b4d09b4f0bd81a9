"""Rows of plain values written to a file that other programs read: CSV, JSON or JSON Lines, by the file's name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from batch_manager.sources.export import json_line, write_lines

Row = Mapping[str, object]

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP's page on CSV injection)."""


def write_rows(rows: Iterable[Row], columns: Sequence[str], target: str | Path) -> int:
    """Write rows; the name's ending says how: `.csv`, `.json` (one list), else JSON Lines. Returns how many.

    In a CSV file a text that a spreadsheet would run as a formula has a `'` before it; JSON has every text as it is.

    Args:
        rows: Values by column; what isn't a number, a truth value or None is written as text.
        columns: The columns, in order.
        target: The file.

    Raises:
        InputError: It can't be written; what was there before is untouched.
    """
    ending = Path(target).suffix.lower()
    plain = ({name: _plain(row.get(name)) for name in columns} for row in rows)
    if ending == ".csv":
        return write_lines(_csv(plain, columns), target) - 1
    if ending == ".json":
        return write_lines(_json(plain), target) - 2
    return write_lines((json_line(row) for row in plain), target)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _json(rows: Iterable[Row]) -> Iterator[bytes]:
    yield b"[\n"
    before = None
    for row in rows:
        if before is not None:
            yield before.rstrip(b"\n") + b",\n"
        before = json_line(row)
    if before is not None:
        yield before
    yield b"]\n"


def _csv(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[bytes]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)

    def line(values: Iterable[object]) -> bytes:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow(values)
        return buffer.getvalue().encode("utf-8", "backslashreplace")

    yield line(columns)
    for row in rows:
        yield line(_cell(row[name]) for name in columns)


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULA):
        return "'" + value
    return value
