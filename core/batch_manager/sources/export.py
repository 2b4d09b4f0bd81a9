"""Documentation written as JSON Lines, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from batch_manager.documents import Document, to_payload
from batch_manager.errors import InputError
from batch_manager.sources.shown import expanded, reason_of, shown


def write_jsonl(documents: Iterable[Document], target: str | Path) -> int:
    """Write documents so that importing them gives equal ones; returns how many.

    The lines are plain ASCII, since JSON's escapes carry even a lone surrogate. (A high one before a low one
    is read back as the character that the two make, as JSON has it.)

    Args:
        documents: What to write, taken one by one.
        target: The file, or the text `-` for stdout.

    Raises:
        InputError: `is_directory` or `unwritable_file`. What was there before is untouched.
        BrokenPipeError: Whoever read stdout went away.
    """
    return write_lines((json_line(to_payload(document)) for document in documents), target)


def json_line(value: object) -> bytes:
    """One line of JSON, plain ASCII."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def write_lines(lines: Iterable[bytes], target: str | Path) -> int:
    """Write lines to a file, whole or not at all; returns how many.

    A file appears complete, readable and writable by its owner only; a device or pipe is written to as it is.

    Args:
        lines: What to write, each with its end, taken one by one.
        target: The file, or the text `-` for stdout.

    Raises:
        InputError: `is_directory` or `unwritable_file`. What was there before is untouched.
        BrokenPipeError: Whoever read stdout went away.
    """
    path = None if target == "-" else expanded(target)
    try:
        if path is None:
            sys.stdout.flush()  # what was printed before comes first
            return _write(lines, sys.stdout.buffer)
        if "\0" in str(path):
            raise OSError(errno.EINVAL, "a path can't have a NUL in it")
        if path.is_dir():
            raise InputError(f"{shown(str(path))} is a directory.", next_step="Name a file in it.", code="is_directory")
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "it is write-protected")
        if path.exists() and not path.is_file():
            with path.open("wb") as device:
                return _write(lines, device)
        # What a symlink points at is replaced, and not the link.
        return _replace(lines, Path(os.path.realpath(path)))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(
            f"{'Standard output' if path is None else shown(str(path))} can't be written: {reason_of(error)}.",
            next_step="Choose another place, make the folder writable or free some disk.",
            code="unwritable_file",
        ) from None


def _replace(lines: Iterable[bytes], path: Path) -> int:
    handle, name = tempfile.mkstemp(prefix=".batch-manager-", suffix=".part", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            count = _write(lines, stream)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return count


def _write(lines: Iterable[bytes], stream: BinaryIO) -> int:
    count = 0
    for line in lines:
        stream.write(line)
        count += 1
    stream.flush()
    return count
