"""OpenAI's files and batches, through the `openai` async client: one method a call, no retries, no memory.

What a call brings is a value of this module; what goes wrong is a `RequestRefused`, as with embeddings.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import openai

from batch_manager.embedding.classify import one_line, unusable
from batch_manager.embedding.openai_api import judge, judge_connection, make_client, without_key
from batch_manager.errors import Refusal, RequestRefused, Verdict

if TYPE_CHECKING:
    from openai.types import Batch

    from batch_manager.settings import Settings

T = TypeVar("T")

PLAN = "batch_manager_plan"
"""The key under which our own id of a batch is in its metadata."""

UPLOAD_SECONDS = 900.0
"""That a file of 200 MB may take on a slow line."""

CALL_SECONDS = 120.0
PIECE = 65_536
"""Bytes of a download that are held at a time."""

NEWEST = 100
"""Rows of one page of a list."""

GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch, as the server tells of it.

    Attributes:
        plan: Our own id, from its metadata; empty for somebody else's.
        status: OpenAI's word.
        total: Its requests; `completed` and `failed` of them are through. 0 while they aren't counted yet.
        expires_at: Seconds since 1970; None when it wasn't told.
        tokens: Billed so far; None when the server doesn't tell.
        error: (code, words) why it failed; None when it didn't, or nothing was said.
    """

    name: str
    plan: str
    status: str
    input_file: str
    output_file: str | None
    error_file: str | None
    total: int
    completed: int
    failed: int
    expires_at: int | None
    tokens: int | None
    error: tuple[str, str] | None


class BatchApi:
    """The Batch API of one server, for one key."""

    def __init__(self, settings: Settings) -> None:
        """Make the client; nothing is sent.

        Raises:
            SettingError: No key is set.
        """
        self._client = make_client(settings)
        self._key = settings.api_key or ""

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def upload(self, path: Path, name: str) -> str:
        """Send a file, piece by piece; returns its id.

        Raises:
            RequestRefused: It wasn't taken, or nobody knows whether it was.
            OSError: It can't be read.
        """
        with path.open("rb") as content:
            file = await self._ask(
                self._client.files.create(file=(name, content), purpose="batch", timeout=_patience(UPLOAD_SECONDS))
            )
        return _name(file.id)

    async def find_file(self, name: str) -> list[str]:
        """Ids of the batch files of that name, newest first."""
        return [one.id async for one in self._files() if one.filename == name]

    async def has_file(self, file: str) -> bool:
        """Whether this key sees that file."""
        return await self._unless_missing(self._client.files.retrieve(file)) is not None

    async def delete_file(self, file: str) -> None:
        """Delete a file; one that isn't there is deleted already."""
        await self._unless_missing(self._client.files.delete(file))

    async def create(self, input_file: str, plan: str) -> RemoteBatch:
        """Submit a file as a batch, with our id in its metadata. From here on it costs money."""
        return _remote(
            await self._ask(
                self._client.batches.create(
                    completion_window="24h",
                    endpoint="/v1/embeddings",
                    input_file_id=input_file,
                    metadata={PLAN: plan},
                    timeout=_patience(CALL_SECONDS),
                )
            )
        )

    async def find_batch(self, plan: str) -> list[RemoteBatch]:
        """The batches with that id of ours, newest first; all pages of the server's list are read."""
        found = []
        with self._translated():
            async for one in self._client.batches.list(limit=NEWEST, timeout=_patience(CALL_SECONDS)):
                batch = _remote(one)
                if batch.plan == plan:
                    found.append(batch)
        return found

    async def look(self, name: str) -> RemoteBatch | None:
        """How far a batch is; None when this key sees no such batch."""
        found = await self._unless_missing(self._client.batches.retrieve(name))
        return None if found is None else _remote(found)

    async def cancel(self, name: str) -> None:
        """Ask for a batch's end; one that is over already stays as it is."""
        try:
            await self._unless_missing(self._client.batches.cancel(name))
        except RequestRefused as error:
            if error.refusal.status not in (400, 409):
                raise

    async def download(self, file: str, start: int) -> AsyncIterator[bytes]:
        """The content of a file from a byte on, piece by piece; a server that can't begin there is read from 0.

        Raises:
            RequestRefused: It can't be had, or the connection broke in the middle; what came before was sound.
        """
        # Compressed on the way, a place in the file would be no place in the stream.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with self._translated(compressed=True):
            call = self._client.files.with_streaming_response.content(
                file, extra_headers=headers, timeout=_patience(CALL_SECONDS)
            )
            async with call as answer:
                skip = 0 if answer.status_code == 206 else start
                async for piece in answer.iter_bytes(PIECE):
                    yield piece[skip:] if skip < len(piece) else b""
                    skip = max(0, skip - len(piece))

    async def _files(self) -> AsyncIterator[Any]:
        with self._translated():
            async for one in self._client.files.list(purpose="batch", limit=NEWEST, timeout=_patience(CALL_SECONDS)):
                yield one

    async def _ask(self, call: Coroutine[Any, Any, T]) -> T:
        with self._translated():
            return await call

    async def _unless_missing(self, call: Coroutine[Any, Any, T]) -> T | None:
        try:
            return await self._ask(call)
        except RequestRefused as error:
            if error.refusal.status == 404:
                return None
            raise

    @contextlib.contextmanager
    def _translated(self, *, compressed: bool = False) -> Any:
        """Turn the client's errors, and answers that make no sense, into refusals."""
        try:
            yield
        except openai.APIStatusError as error:
            raise RequestRefused(judge(error, self._key)) from None
        except openai.APIConnectionError as error:
            raise RequestRefused(judge_connection(error, self._client.base_url.host, self._key)) from None
        except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
            words = without_key(str(error) or type(error).__name__, self._key)
            raise RequestRefused(unusable("bad_answer", f"The server's answer makes no sense: {words}")) from None
        except (asyncio.CancelledError, RequestRefused, OSError):
            raise
        except Exception as error:
            # The transport's own errors, which the client doesn't wrap while a body is read.
            if not type(error).__module__.startswith("httpx"):
                raise
            host, kind = self._client.base_url.host, type(error).__name__
            code = "wrong_encoding" if compressed and kind == "DecodingError" else "connection_lost"
            words = one_line(without_key(str(error) or kind, self._key))
            refusal = Refusal(Verdict.RETRY, code, f"The connection to {host} broke: {words}.", "Try again later.")
            raise RequestRefused(refusal) from None


def _remote(batch: Batch) -> RemoteBatch:
    if not isinstance(batch.status, str):
        raise ValueError("a batch without a status")
    counts = batch.request_counts
    told = batch.errors.data or [] if batch.errors is not None else []
    first = told[0] if told else None
    return RemoteBatch(
        name=_name(batch.id),
        plan=str((batch.metadata or {}).get(PLAN, "")),
        status=one_line(batch.status, 40),
        input_file=_name(batch.input_file_id),
        output_file=batch.output_file_id or None,
        error_file=batch.error_file_id or None,
        total=_number(counts.total) if counts is not None else 0,
        completed=_number(counts.completed) if counts is not None else 0,
        failed=_number(counts.failed) if counts is not None else 0,
        expires_at=batch.expires_at if isinstance(batch.expires_at, int) else None,
        tokens=_number(batch.usage.total_tokens) or None if batch.usage is not None else None,
        error=None if first is None else (one_line(first.code or "failed", 60), one_line(first.message or "")),
    )


def _name(value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > 200:
        raise ValueError("an answer without an id")
    return value


def _number(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _patience(seconds: float) -> openai.Timeout:
    return openai.Timeout(seconds, connect=15.0)
