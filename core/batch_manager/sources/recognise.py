"""Files of words, recognised by what is in them and not by what they are called.

JSON Lines as `--export` writes them, dbt's manifest.json, tbls's schema.json, or CSV; each of them packed with gzip
or not, from a file or from stdin. The first bytes decide, so that a stream is read once.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from batch_manager.errors import InputError
from batch_manager.sources import Found, Source, Unreadable, csv_file
from batch_manager.sources.dbt import read_manifest
from batch_manager.sources.jsonl import read_lines
from batch_manager.sources.opening import TO_UTF8, WordsFile
from batch_manager.sources.shown import shown
from batch_manager.sources.tbls import read_schema

READ = "JSON Lines as --export writes them, dbt's manifest.json or tbls's schema.json"

_DBT = frozenset(
    "nodes sources macros docs exposures metrics groups selectors disabled parent_map child_map group_map"
    " saved_queries semantic_models unit_tests functions metadata".split()
)
"""Sections of a manifest, of which one that sorts its keys may begin with any (a catalog has the first two)."""

_TBLS = frozenset("name desc tables relations functions enums driver labels viewpoints".split())
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+')
_MARKS = (
    # Longest first: UTF-32's little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def open_file(path: str | Path) -> Source:
    """A source over a file of words, whatever kind it is; the text `-` is stdin.

    Nothing is opened before it is read, and what it is shows then.
    """
    return _File(path)


class _File(WordsFile):
    _kind = ""

    def covers(self, schema: str) -> bool:
        """Whether it is a manifest: that tells of a whole project, so what it leaves out is gone."""
        return self._kind in ("dbt", "tbls")

    def read(self) -> Iterator[Found | Unreadable]:
        """Yield the documents.

        Raises:
            InputError: What `Bytes.chunks` and the reader of that kind raise; also `unknown_format` and `not_utf8`.
        """
        with self._bytes.chunks() as chunks:
            head = next(chunks, b"")
            whole = chain([head], chunks)
            self._kind = kind = _kind(head, self.title)
            if kind == "dbt":
                path = self._bytes.path
                yield from read_manifest(whole, self.title, path and path.parent / "catalog.json")
            elif kind == "tbls":
                yield from read_schema(whole, self.title)
            elif kind == "csv":
                yield from csv_file.read_csv(whole, self.title)
            else:
                yield from read_lines(whole, self.title)


def _kind(head: bytes, title: str) -> str:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            raise InputError(
                f"{title} is {encoding} and not UTF-8.", next_step=TO_UTF8.format(encoding), code="not_utf8"
            )
    text = head.decode("utf-8", "replace")
    begins = text.lstrip()
    if begins.startswith("{"):
        return _kind_of_object(begins)
    if csv_file.header_of(text):
        return "csv"
    if csv_file.is_like_csv(text):
        first = begins.partition("\n")[0].strip()
        raise InputError(
            f"{title} looks like CSV, but its first line names no name and description: {shown(first, 60)!r}.",
            next_step=f"Name the columns name, column, description. Else give {READ}.",
            code="unknown_format",
        )
    return "lines"


def _kind_of_object(text: str) -> str:
    """What a file is that begins with an object, by the names in it."""
    keys = dict(_members(text))
    if keys.keys() & {"kind", "documentation", "business_purpose", "schema"}:
        return "lines"
    first = next(iter(keys), "")
    if first in _DBT and keys[first] == "{":
        return "dbt"
    if keys.keys() <= _TBLS and (keys.get("tables") == "[{" or first in ("desc", "driver") or "desc" in keys):
        return "tbls"
    return "lines"


def _members(text: str) -> Iterator[tuple[str, str]]:
    """Names of the first object's members, each with what its value begins with (`{`, `[{`, `[` or nothing)."""
    depth = 0
    name = ""
    tokens = (match.group() for match in _TOKENS.finditer(text))
    before = ""
    for token in tokens:
        if depth == 1 and before in ("{", ",") and token.startswith('"'):
            name = token[1:-1]
        elif depth == 1 and before == ":":
            start = token if token in ("{", "[") else ""
            if token == "[":
                depth += 1
                token = next(tokens, "")
                start += token if token == "{" else ""
            yield name, start
        if token in ("{", "["):
            depth += 1
        elif token in ("}", "]"):
            depth -= 1
            if depth == 0:
                return
        before = token
