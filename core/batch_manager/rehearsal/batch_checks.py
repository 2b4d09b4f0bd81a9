"""What a server looks at before it takes a batch: the whole input file, and the account's queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batch_manager.rehearsal.batch_lines import read_line
from batch_manager.rehearsal.limits import Refusal
from batch_manager.rehearsal.request import EmbeddingRequest

if TYPE_CHECKING:
    from batch_manager.rehearsal.options import RehearsalOptions
    from batch_manager.rehearsal.shelf import StoredBatch

Ask = Callable[[bytes], EmbeddingRequest | Refusal]
"""Reads one request's body, as the embeddings endpoint does."""


def read_through(path: Path, batch: StoredBatch, options: RehearsalOptions, ask: Ask) -> list[dict[str, Any]]:
    """Reads the whole file, counting its requests and tokens into the batch; returns what is wrong with it.

    Raises:
        OSError: The file can't be read.
    """
    inputs, seen = 0, set[str]()
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                custom_id, asked = read_line(line, batch.endpoint, ask)
            except ValueError as error:
                return [_problem("invalid_json_line", str(error), number)]
            if custom_id in seen:
                return [_problem("duplicate_custom_id", f"The custom_id {custom_id} is used twice.", number)]
            seen.add(custom_id)
            batch.requests += 1
            if isinstance(asked, EmbeddingRequest):
                if batch.model and asked.model != batch.model:
                    return [_problem("mismatched_model", "All requests must be of one model.", number)]
                batch.model = asked.model
                batch.tokens += asked.total_tokens
                inputs += len(asked.texts)
    if not batch.requests:
        return [_problem("empty_file", "The input file is empty.")]
    if batch.requests > options.max_batch_requests:
        words = f"The file has {batch.requests} requests; at most {options.max_batch_requests} are allowed."
        return [_problem("too_many_tasks", words)]
    if inputs > options.max_batch_inputs:
        words = f"The batch has {inputs} embedding inputs; at most {options.max_batch_inputs} are allowed."
        return [_problem("too_many_inputs", words)]
    return []


def queue_full(batch: StoredBatch, others: Sequence[StoredBatch], options: RehearsalOptions) -> list[dict[str, Any]]:
    """Whether the batch is more than the account's queue takes beside the others under way. Pure."""
    limit = options.enqueued_token_limit
    if limit is None or batch.tokens + sum(one.tokens for one in others if not one.errors) <= limit:
        return []
    words = (
        f"Enqueued token limit reached for {batch.model} in organization org-rehearsal. "
        f"Limit: {limit:,} enqueued tokens. Please try again once some in_progress batches have been completed."
    )
    return [_problem("token_limit_exceeded", words)]


def _problem(code: str, message: str, line: int | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "line": line, "param": None}
