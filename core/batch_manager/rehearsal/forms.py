"""Forms: the fields of a ``multipart/form-data`` body. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_NAME = re.compile(r'[; ]name="([^"]*)"')
_FILENAME = re.compile(r'[; ]filename="([^"]*)"')


class Field(NamedTuple):
    """A field; `filename` is empty for one that is no file."""

    data: bytes
    filename: str


def read_form(content_type: str, body: bytes) -> dict[str, Field]:
    """The fields by name; empty when it is no form, or a broken one."""
    found = _BOUNDARY.search(content_type)
    if "multipart/form-data" not in content_type.lower() or found is None:
        return {}
    mark = b"--" + found[1].encode("latin-1")
    fields: dict[str, Field] = {}
    at = body.find(mark)
    while at >= 0:
        begin = at + len(mark)
        after = body.find(b"\r\n" + mark, begin)
        if body[begin : begin + 2] == b"--" or after < 0:
            break
        head_end = body.find(b"\r\n\r\n", begin, after)
        if head_end < 0:
            break
        head = body[begin:head_end].decode("utf-8", "replace")
        name, filename = _NAME.search(head), _FILENAME.search(head)
        if name is not None:
            fields[name[1]] = Field(body[head_end + 4 : after], filename[1] if filename else "")
        at = after + 2
    return fields
