"""An index beside the one that serves: the same store, other collections (see `names`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from batch_manager.vectors.child import Child
from batch_manager.vectors.process import ChromaProcess


class Beside(ChromaProcess):
    """The collections of one suffix, through the process of the store that it is made from."""

    def __init__(self, main: ChromaProcess, suffix: str) -> None:
        super().__init__(directory=main._directory, url=main._url)
        self._main = main
        self._suffix = suffix

    @property
    def pid(self) -> int | None:
        """See `ChromaProcess`."""
        return self._main.pid

    async def open(self) -> None:
        """See `VectorStore`."""
        await self._main.open()

    async def close(self) -> None:
        """Ends the process, which is the one of both."""
        await self._main.close()

    def step_back(self, yes: bool) -> None:
        """See `VectorStore`."""
        self._main.step_back(yes)

    def _nothing_there(self) -> bool:
        return self._main._nothing_there()

    async def _running(self) -> Child:
        return await self._main._running()

    async def _ask(self, child: Child, op: str, header: Mapping[str, Any], blob: Sequence[bytes] = ()) -> Any:
        return await self._main._ask(child, op, {**header, "suffix": self._suffix}, blob)
