"""Scans for tests: what one finds, how one is refused, and what is sent meanwhile."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from batch_manager.documents import Document
from batch_manager.errors import InputError
from batch_manager.sources import Found, Unreadable
from batch_manager.sources.database import DatabaseSource

PASSWORD = "s3cr3t/p@ss w0rd"
IN_URL = "s3cr3t%2Fp%40ss%20w0rd"

Build = Callable[[str], str]
"""Make a database of a script; returns its URL."""


def scan(url: str, *schemas: str) -> dict[str, Document]:
    """All documents by name; nothing may be unreadable, and no two may have one name."""
    entries = list(DatabaseSource(url, schemas).read())
    assert [one for one in entries if isinstance(one, Unreadable)] == []
    found = {one.document.name: one.document for one in entries if isinstance(one, Found)}
    assert len(found) == len(entries)
    return found


def refusal(url: str, *schemas: str) -> InputError:
    """The error of a scan: one line, a next step, and no password in what anybody may print."""
    source = DatabaseSource(url, schemas)
    with pytest.raises(InputError) as caught:
        list(source.read())
    error = caught.value
    assert error.message.isprintable() and error.next_step.isprintable() and error.next_step
    told = "".join(traceback.format_exception(error)) + source.title + repr(source)
    for secret in (PASSWORD, IN_URL, "s3cr3t", "w0rd"):
        assert secret not in told
    return error


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is sent to any database meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)
