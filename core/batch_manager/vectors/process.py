"""The parent's end of Chroma's process: a vector store whose every call is a frame through a pipe.

Light to import: neither chromadb nor numpy is needed here. The child starts at the first call that needs it, and
again at the next call after it has ended for whatever reason.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from batch_manager.documents import KINDS, Kind
from batch_manager.errors import VectorStoreError
from batch_manager.vectors import BUILD, Hit, RowState, VectorRow, VectorStore, Written
from batch_manager.vectors.child import Child, Ended, spawn
from batch_manager.vectors.folder import DATABASE
from batch_manager.vectors.trouble import known, place

START_SECONDS = 120.0
SERVER_SECONDS = 180.0
"""Longest that a call waits for a Chroma server; the client library itself has no limit."""

READS = frozenset({"dimensions", "query", "counts", "hashes", "states", "ids"})
"""What only reads, and may be asked again."""

# How a process ends that others ended; every other end in mid-open is the folder's doing.
_ENDED_BY_OTHERS = tuple(-number for number in (getattr(signal, "SIGKILL", 9), signal.SIGTERM))


class ChromaProcess(VectorStore):
    """Chroma, embedded or a server, in a process of its own. An instance belongs to one event loop.

    Args:
        directory: Folder of the embedded Chroma; need not exist.
        url: A Chroma server instead; wins over the folder.
        build: HNSW settings of collections that are made.
    """

    def __init__(self, *, directory: Path | None, url: str | None, build: Mapping[str, int] = BUILD) -> None:
        if directory is None and not url:
            raise ValueError("a folder or a URL is needed")
        self._directory = None if url or directory is None else Path(os.path.abspath(directory))  # noqa: PTH100
        self._url = url or None
        self._build = dict(build)
        self._where = place(str(self._directory), self._url)
        self._starting = asyncio.Lock()
        self._child: Child | None = None
        self._number = 0

    @property
    def pid(self) -> int | None:
        """Process id of the running child; None while there is none."""
        return self._child.process.pid if self._child is not None and self._child.alive else None

    async def open(self) -> None:
        """See `VectorStore`. A folder that doesn't exist yet is not made; one that does is looked through.

        Raises:
            VectorStoreError: Of the codes `vectors_damaged`, `vectors_away`, `vectors_locked`, `vectors_failed`,
                `vectors_disk_full`, `vectors_crashed`.
        """
        await self._running()

    async def dimensions(self, kind: Kind) -> int | None:
        """See `VectorStore`."""
        return None if self._nothing_there() else cast("int | None", await self._call("dimensions", {"kind": kind}))

    async def write(self, kind: Kind, rows: Sequence[VectorRow], stale_ids: Sequence[str] = ()) -> Written:
        """See `VectorStore`. Of rows with one id the later counts; an id that is written is not stale.

        Raises:
            VectorStoreError: `vectors_other_shape` (nothing was written), or any other code (some rows may have been;
                writing them again is safe).
        """
        if not rows and (not stale_ids or self._nothing_there()):
            return Written(0, 0)
        sizes = {len(row.vector) for row in rows}
        if len(sizes) > 1 or any(size == 0 or size % 4 for size in sizes):
            said = ", ".join(f"{size / 4:g}" for size in sorted(sizes))
            raise known("other_shape", self._where, f"one call brought vectors of {said} numbers")
        header = {
            "kind": kind,
            "ids": [row.id for row in rows],
            "documents": [row.document for row in rows],
            "metadatas": [dict(row.metadata) for row in rows],
            "stale": list(stale_ids),
        }
        blob = [row.vector for row in rows]
        child = await self._running()
        writing = self._ask(child, "write", header, blob)
        del rows, header, blob  # by the time that Chroma has done it, the pipe has long taken all of it
        done = await writing
        return Written(done["written"], done["unchanged"])

    async def query(self, kind: Kind, vector: bytes, limit: int, ids: Sequence[str] | None = None) -> list[Hit]:
        """See `VectorStore`.

        Raises:
            VectorStoreError: `vectors_other_shape` when the rows have another number of dimensions; other codes.
        """
        if limit < 1 or (ids is not None and not ids) or self._nothing_there():
            return []
        header = {"kind": kind, "limit": limit, "ids": None if ids is None else list(ids)}
        hits = await self._call("query", header, vector)
        return [Hit(one["id"], one["score"], one["document"], one["metadata"]) for one in hits]

    async def counts(self) -> dict[Kind, int]:
        """See `VectorStore`."""
        if self._nothing_there():
            return dict.fromkeys(KINDS, 0)
        return cast("dict[Kind, int]", await self._call("counts"))

    async def hashes(self, kind: Kind, ids: Sequence[str]) -> dict[str, str]:
        """See `VectorStore`."""
        if not ids or self._nothing_there():
            return {}
        return cast("dict[str, str]", await self._call("hashes", {"kind": kind, "ids": list(ids)}))

    async def states(self, kind: Kind, ids: Sequence[str]) -> dict[str, RowState]:
        """See `VectorStore`."""
        if not ids or self._nothing_there():
            return {}
        rows = await self._call("states", {"kind": kind, "ids": list(ids)})
        return {name: RowState(**row) for name, row in rows.items()}

    async def ids(self, kind: Kind, offset: int, limit: int) -> list[str]:
        """See `VectorStore`."""
        if limit < 1 or self._nothing_there():
            return []
        return cast("list[str]", await self._call("ids", {"kind": kind, "offset": offset, "limit": limit}))

    async def delete(self, kind: Kind, ids: Sequence[str]) -> None:
        """See `VectorStore`."""
        if ids and not self._nothing_there():
            await self._call("delete", {"kind": kind, "ids": list(ids)})

    async def reset(self) -> None:
        """See `VectorStore`."""
        if not self._nothing_there():
            await self._call("reset")

    def beside(self, suffix: str) -> VectorStore:
        """See `VectorStore`."""
        from batch_manager.vectors.beside import Beside

        return Beside(self, suffix)

    async def swap(self, built: str, kept_as: str) -> None:
        """See `VectorStore`."""
        await self._call("swap", {"built": built, "kept_as": kept_as})

    async def make(self) -> None:
        """See `VectorStore`."""
        await self._call("make")

    async def drop(self) -> None:
        """See `VectorStore`."""
        if not self._nothing_there():
            await self._call("drop")

    def step_back(self, yes: bool) -> None:
        """See `VectorStore`."""
        if self._child is not None:
            self._child.step_back(yes)

    async def close(self) -> None:
        """See `VectorStore`. A write that is under way is finished; calls that wait behind it fail."""
        async with self._starting:
            child, self._child = self._child, None
            if child is not None:
                await child.close()

    def _nothing_there(self) -> bool:
        """Whether there is no Chroma folder, so that reading needs no process at all."""
        if self._directory is None or (self._child is not None and self._child.writing):
            return False  # what is under way may be making it
        return not os.path.lexists(self._directory / DATABASE) and self._is_free()

    def _is_free(self) -> bool:
        # A file in the folder's place is for the child to complain of.
        return self._directory is not None and (self._directory.is_dir() or not os.path.lexists(self._directory))

    async def _call(self, op: str, header: Mapping[str, Any] | None = None, blob: bytes = b"") -> Any:
        child = await self._running()
        try:
            return await self._ask(child, op, header or {}, [blob])
        except VectorStoreError as error:
            if op not in READS or error.code != "vectors_crashed":
                raise
        # Somebody ended the process, such as a machine that was short of memory: what only reads is asked once more.
        return await self._ask(await self._running(), op, header or {}, [blob])

    async def _ask(self, child: Child, op: str, header: Mapping[str, Any], blob: Sequence[bytes] = ()) -> Any:
        self._number += 1
        future = child.send(self._number, op, header, blob)
        del header, blob
        try:
            # The request is in the pipe already: a caller that is cancelled leaves the order of answers as it is.
            return await asyncio.wait_for(future, SERVER_SECONDS if self._url else None)
        except TimeoutError:
            child.kill()
            raise known("away", self._where, f"no answer within {SERVER_SECONDS:.0f} s") from None
        except Ended as ended:
            in_open = ended.op == "open" and self._url is None and ended.code not in _ENDED_BY_OTHERS
            raise known("damaged" if in_open else "crashed", self._where, ended.reason) from ended

    async def _running(self) -> Child:
        """The child, started and opened."""
        async with self._starting:
            child = self._child
            if child is None or not child.alive:
                if child is not None:
                    await asyncio.wait(child.tasks)
                self._child = child = await spawn()
            if child.opened:
                return child
            try:
                await asyncio.wait_for(asyncio.shield(child.ready), START_SECONDS)
                directory = str(self._directory) if self._directory else None
                await self._ask(child, "open", {"directory": directory, "url": self._url, "build": self._build})
            except TimeoutError:
                child.kill()
                raise known("failed", "Chroma's process", f"not ready within {START_SECONDS:.0f} s") from None
            except BaseException:
                # A server may be back soon. A folder is tried again by a new process: this one may hold half of it.
                if self._url is None:
                    self._child = None
                    await child.close()
                raise
            child.opened = True
            return child
