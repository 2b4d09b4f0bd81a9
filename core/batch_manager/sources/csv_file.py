"""CSV of name, column and description, as people keep it in a spreadsheet.

The first line names the columns, in any order and among others. A row without a column is about the table. The
separator is the one of `SEPARATORS` that makes the header fit.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain

from batch_manager.documents import Column, Document
from batch_manager.errors import InputError
from batch_manager.sources import Found, Unreadable
from batch_manager.sources.collection import checked
from batch_manager.sources.opening import decoded
from batch_manager.sources.shown import shown

SEPARATORS = ",;\t|"
HEADINGS = {
    "name": ("name", "table", "table_name"),
    "column": ("column", "column_name", "field"),
    "description": ("description", "comment", "documentation"),
}
"""What a column is for → what it may be called, in any capitals."""


def header_of(head: str) -> tuple[str, dict[str, int]] | None:
    """The separator, and the place of each column that is known; None when this is no such file."""
    first = head.lstrip("\r\n").partition("\n")[0]
    for separator in SEPARATORS:
        names = [one.strip().strip('"').strip().lower().replace(" ", "_") for one in first.split(separator)]
        places = {
            use: names.index(spelling)
            for use, spellings in HEADINGS.items()
            for spelling in reversed(spellings)
            if spelling in names
        }
        if {"name", "description"} <= places.keys() and len(set(places.values())) == len(places):
            return separator, places
    return None


def is_like_csv(head: str) -> bool:
    """Whether the first two lines are cut into as many fields by one of the separators."""
    first, _, rest = head.lstrip("\r\n").partition("\n")
    second = rest.partition("\n")[0]
    return any(0 < first.count(one) == second.count(one) for one in SEPARATORS) and first.lstrip()[:1] not in ("[", "{")


def read_csv(chunks: Iterator[bytes], title: str) -> Iterator[Found | Unreadable]:
    """Yield a document a table, in the order in which the tables come first, after the rows that can't be read.

    Raises:
        InputError: `not_utf8`, or `not_csv` for an unclosed quote and the like.
    """
    texts = decoded(chunks, title)
    head = next(texts, "")
    found = header_of(head)
    if found is None:
        raise InputError(
            f"{title} has no header with name and description.",
            next_step="Name the columns in the first line: name,column,description.",
            code="not_csv",
        )
    separator, places = found
    rows = csv.reader(_lines(head, texts), delimiter=separator, strict=True)
    tables: dict[str, dict[str, tuple[str, int]]] = {}
    try:
        while not next(rows):
            pass  # empty lines before the header
        while True:
            line = rows.line_num + 1
            row = next(rows, None)
            if row is None:
                break
            cells = {use: row[place].strip() if place < len(row) else "" for use, place in places.items()}
            if not any(cells.values()):
                continue
            if not cells["name"]:
                yield Unreadable(f"line {line}", "name is missing")
                continue
            said = tables.setdefault(cells["name"], {})
            column = cells.get("column", "")
            if column in said:
                yield Unreadable(f"line {said[column][1]}", f"line {line} speaks of the same, and counts")
            said[column] = cells["description"], line
    except csv.Error as error:
        raise InputError(
            f"{title} can't be read as CSV: {shown(str(error))} (line {rows.line_num}).",
            next_step='Close every quote; a quote inside a quoted field is written twice ("").',
            code="not_csv",
        ) from None
    for name, said in tables.items():
        words, _ = said.get("", ("", 0))
        columns = tuple(Column(column, comment=comment) for column, (comment, _) in said.items() if column)
        first = min(line for _, line in said.values())
        yield checked(Document("table", name, documentation=words, columns=columns), f"line {first}")


def _lines(head: str, texts: Iterator[str]) -> Iterator[str]:
    """Lines with their ends, which `csv` wants as they are; only a newline ends one."""
    held = ""
    for text in chain([head], texts):
        *whole, held = (held + text).split("\n")
        yield from (f"{line}\n" for line in whole)
    if held:
        yield held
