"""The queue of a run that this process sends by itself: packed here, window by window, as it is taken."""

from __future__ import annotations

from collections import deque
from itertools import islice

from batch_manager.engine.books import Books
from batch_manager.engine.control import Control
from batch_manager.engine.feeding import Packed, RequestQueue
from batch_manager.engine.sending import Sender
from batch_manager.packing import WINDOW_BATCHES, pack_window


class OwnQueue(RequestQueue):
    """What one run has agreed on and not sent yet."""

    def __init__(self, books: Books, control: Control, sender: Sender) -> None:
        """Nothing is packed yet."""
        self._control = control
        self._sender = sender
        self._planned = books.store.work.planned(books.run_id)
        self._packed: deque[Packed] = deque()
        self._number = 0

    async def take(self) -> Packed | None:
        """See `RequestQueue`; a run that is stopping has no more."""
        if self._control.stopping:
            return None
        if not self._packed:
            self._pack()
        return self._packed.popleft() if self._packed else None

    async def over(self, packed: Packed, done: bool) -> None:
        """The run's own books have it all."""

    def _pack(self) -> None:
        limits = self._sender.limits
        window = list(islice(self._planned, limits.inputs * WINDOW_BATCHES))
        for inputs in pack_window(window, limits):
            self._number += 1
            tokens = sum(one.tokens for one in inputs)
            batch = self._control.progress.batch(self._number, len(inputs), tokens)
            self._packed.append(Packed(batch, inputs, self._sender, self._control))
