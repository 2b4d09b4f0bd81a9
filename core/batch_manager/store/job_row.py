"""A job's row: a batch of the half-price lane as it stands in the store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

JobState = Literal["planned", "uploading", "uploaded", "creating", "created", "collecting", "settled"]


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it stands.

    Attributes:
        key: What the server is told of it, in the file's name and (with `request_id`) the batch's metadata.
        state: How far it is; `outcome` how it ended, once it is settled: the server's word, or `vanished`,
            `withdrawn`.
        request_id: Its row in the ledger; None before anything was reserved.
        texts: Inputs in it; `tokens` by our count.
        input_file: The server's ids; None where there is none, or where it is deleted.
        status: The server's word for where it is; empty before it was told.
        total: Requests by the server's count; `completed` and `failed` of them are through.
        submitted_at: When its creation was asked for; `looked_at` when the server last told of it.
        expires_at: When the server gives it up.
        output_offset: Bytes of the output file that are in the journal; `error_offset` of the error file.
        tokens_billed: Tokens billed, as far as results are in; `usage_tokens` of the batch as a whole, when told.
        answered: Results kept; `refused` failed.
        cancel_asked: Somebody wants it cancelled.
        moved: What wasn't done was moved to the other lane.
        unseen: The server was asked and shows no such batch to this key: whether there is one, nobody can say here.
        problem: What stands in its way, for people, with `next_step`.
        left_files: Files that could not be deleted on the server.
    """

    id: int
    run_id: int
    key: str
    state: JobState
    outcome: str
    request_id: int | None
    texts: int
    tokens: int
    bytes: int
    input_file: str | None
    batch_name: str | None
    output_file: str | None
    error_file: str | None
    status: str
    total: int
    completed: int
    failed: int
    planned_at: str
    submitted_at: str | None
    looked_at: str | None
    expires_at: str | None
    output_offset: int
    error_offset: int
    tokens_billed: int
    usage_tokens: int | None
    answered: int
    refused: int
    cancel_asked: bool
    moved: bool
    unseen: bool
    problem: str
    next_step: str
    left_files: tuple[str, ...]


COLUMNS = tuple(one.name for one in fields(JobRow))
"""Columns of the table, in the order of the row's fields."""

FLAGS = ("cancel_asked", "moved", "unseen")


def read_row(row: Sequence[Any]) -> JobRow:
    """The row that a SELECT of `COLUMNS` brought."""
    values = dict(zip(COLUMNS, row, strict=True))
    values["left_files"] = tuple(json.loads(values["left_files"]))
    return JobRow(**values | {name: bool(values[name]) for name in FLAGS})
