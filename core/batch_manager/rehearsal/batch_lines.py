"""The lines of batch files: a request read and checked; the lines of output and error files, good and bad."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from batch_manager.rehearsal.answers import write_vector
from batch_manager.rehearsal.faults import seeded_fraction
from batch_manager.rehearsal.limits import Refusal
from batch_manager.rehearsal.request import EmbeddingRequest
from batch_manager.rehearsal.vectors import Vector

Ask = Callable[[bytes], EmbeddingRequest | Refusal]

EXPIRED = ("batch_expired", "This request could not be executed before the completion window expired.")


def offsets(path: Path) -> list[int]:
    """Where each line begins that isn't empty."""
    found, at = [], 0
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                found.append(at)
            at += len(line)
    return found


def lines_at(path: Path, places: list[int]) -> Iterator[bytes]:
    """The lines that begin there, in that order."""
    with path.open("rb") as file:
        for place in places:
            file.seek(place)
            yield file.readline()


def shuffled(places: list[int], seed: int, number: int) -> list[int]:
    """The same in another order, which depends on the seed and the batch alone."""
    return sorted(places, key=lambda place: seeded_fraction(seed, "batch", number, place))


def read_line(line: bytes, endpoint: str, ask: Ask) -> tuple[str, EmbeddingRequest | Refusal]:
    """One request of a batch file: its custom_id, and what it asks.

    Raises:
        ValueError: The line isn't what a batch file has; the words say why.
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("This line is not parseable as valid JSON.") from None
    if not isinstance(value, dict):
        raise ValueError("This line is not a JSON object.")
    custom_id, body = value.get("custom_id"), value.get("body")
    if not isinstance(custom_id, str) or not custom_id:
        raise ValueError("Missing required parameter: 'custom_id'.")
    if value.get("method") != "POST" or value.get("url") != endpoint:
        raise ValueError(f"The URL provided for this request does not match the batch endpoint {endpoint}.")
    if not isinstance(body, dict):
        raise ValueError("Missing required parameter: 'body'.")
    return custom_id, ask(json.dumps(body).encode())


def output_line(custom_id: str, asked: EmbeddingRequest, vectors: list[Vector], number: int) -> bytes:
    """A result, as an output file has it."""
    data = b",".join(
        b'{"object":"embedding","index":%d,"embedding":%b}' % (index, write_vector(vector, asked.base64))
        for index, vector in enumerate(vectors)
    )
    usage = {"prompt_tokens": asked.total_tokens, "total_tokens": asked.total_tokens}
    body = b'{"object":"list","data":[%b],"model":%b,"usage":%b}' % (
        data,
        json.dumps(asked.model).encode(),
        json.dumps(usage).encode(),
    )
    head = f'{{"id":"batch_req_{number:06d}","custom_id":{json.dumps(custom_id)},"response":{{"status_code":200,'
    return head.encode() + b'"request_id":"req_%06d","body":%b},"error":null}\n' % (number, body)


def refused_line(custom_id: str, refusal: Refusal, number: int) -> bytes:
    """A request that was refused, as an error file has it."""
    error = {"message": refusal.message, "type": refusal.type, "param": refusal.param, "code": refusal.code}
    response = {"status_code": refusal.status, "request_id": f"req_{number:06d}", "body": {"error": error}}
    return _line(custom_id, number, response, None)


def unexecuted_line(custom_id: str, why: tuple[str, str], number: int) -> bytes:
    """A request whose turn never came."""
    return _line(custom_id, number, None, {"code": why[0], "message": why[1]})


def compress(path: Path) -> None:
    """The file as gzip, under the same name."""
    path.write_bytes(gzip.compress(path.read_bytes(), 1))


def cut_last_line(path: Path) -> None:
    """The file without the end of its last line."""
    size = path.stat().st_size
    with path.open("rb+") as file:
        file.truncate(max(1, size - 40))


def _line(custom_id: str, number: int, response: Any, error: Any) -> bytes:
    value = {"id": f"batch_req_{number:06d}", "custom_id": custom_id, "response": response, "error": error}
    return json.dumps(value).encode() + b"\n"
