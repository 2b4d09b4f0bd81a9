"""What the engine says, and the picture it gives of itself. Frozen values; no screen in sight.

Events are small and may be dropped for a listener that falls behind; a `RunView` is always whole and true,
so a screen that draws the newest view is right whatever it missed.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from batch_manager.documents import Kind

RunState = Literal["idle", "starting", "running", "paused", "stopping", "done", "stopped", "interrupted"]
BatchState = Literal["waiting", "sending", "backing off", "splitting", "answered", "indexed", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class BatchView:
    """One batch as it stands.

    Attributes:
        number: 1, 2, 3… within the run; 0 is work that costs nothing (texts paid for before).
        items: Inputs in it; `answered`, `indexed` and `failed` of them have got there.
        tries: Requests sent for it so far.
        seconds: Since it first left, to its end or to now, without pauses of the run.
        waits_for: Plain words, such as `retry in 1.2 s: 429 rate_limit_exceeded`; empty when it waits for nothing.
        worker: Which worker does it; empty where this process does all.
    """

    number: int
    state: BatchState
    items: int
    tokens: int
    answered: int = 0
    indexed: int = 0
    failed: int = 0
    tries: int = 0
    seconds: float = 0.0
    waits_for: str = ""
    worker: str = ""


@dataclass(frozen=True, slots=True)
class WorkerView:
    """What one of several workers has done of a run.

    Attributes:
        name: The worker's.
        at_work: Batches that it has now.
        batches_done: Batches that it has brought through.
        answered: Inputs of its batches that are paid for; `indexed` of them are in the index, `failed` others failed.
    """

    name: str
    at_work: int
    batches_done: int
    answered: int
    indexed: int
    failed: int


@dataclass(frozen=True, slots=True)
class LimitsView:
    """The account's limits as the server last told; None where it said nothing."""

    tokens_per_minute: int | None = None
    tokens_left: int | None = None
    requests_per_minute: int | None = None
    requests_left: int | None = None


@dataclass(frozen=True, slots=True)
class RunView:
    """The run as it stands; of the whole run unless a name says otherwise.

    Attributes:
        sequence: Grows with every change.
        reason: Why it is paused, stopped or interrupted; with `next_step`, for people.
        items: Items agreed; `indexed` and `failed` of them are through, `answered` are paid for and safe.
        tokens: Tokens agreed; `tokens_answered` of them have come back.
        billed: USD billed as the server said; `estimated` is what was quoted for the same requests.
        reserved: USD held for requests in flight or of unknown outcome.
        quoted: USD of the agreed quote; `cap` the agreed cap.
        batches_total: Requests that the quote expects.
        batches: Those at work, then the last finished ones, in order of number; bounded.
        rate: Items answered a second, over the last seconds; None until known.
        eta: (soonest, latest) seconds to the end; None until known.
        eta_reason: Why it jumped a moment ago, in plain words; empty when it didn't.
        seconds: Since it started, to its end or to now, without pauses.
        delivering: Paid answers that wait for Chroma.
        workers: Who has done what, by name, where several workers do the run; empty else.
        watched: Workers do it, and this process only watches.
    """

    sequence: int = 0
    run_id: int = 0
    state: RunState = "idle"
    reason: str = ""
    next_step: str = ""
    code: str = ""
    items: int = 0
    answered: int = 0
    indexed: int = 0
    failed: int = 0
    tokens: int = 0
    tokens_answered: int = 0
    requests: int = 0
    quoted: Decimal = Decimal(0)
    estimated: Decimal = Decimal(0)
    billed: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    cap: Decimal | None = None
    batches_total: int = 0
    batches_done: int = 0
    batches: tuple[BatchView, ...] = ()
    limits: LimitsView = LimitsView()
    seconds: float = 0.0
    rate: float | None = None
    eta: tuple[float, float] | None = None
    eta_reason: str = ""
    delivering: int = 0
    workers: tuple[WorkerView, ...] = ()
    watched: bool = False

    @property
    def all_failed(self) -> bool:
        """It came to its end, and nothing of it is indexed."""
        return self.state == "done" and self.failed > 0 and not self.indexed

    @property
    def active(self) -> bool:
        """Work is under way, or paused in the middle."""
        return self.state in ("starting", "running", "paused", "stopping")


@dataclass(frozen=True, slots=True)
class RunChanged:
    """The run's state changed (started, paused, resumed, stopping, done, …)."""

    sequence: int
    state: RunState
    reason: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class BatchChanged:
    """A batch reached a new state."""

    sequence: int
    batch: BatchView


@dataclass(frozen=True, slots=True)
class ItemFailed:
    """An item failed for good in this run."""

    sequence: int
    kind: Kind
    name: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should know: a retry, a slower pace, a drift of the bill."""

    sequence: int
    message: str
    level: Literal["info", "warning", "error"] = "info"


Event = RunChanged | BatchChanged | ItemFailed | Notice


class Subscription:
    """A listener's own bounded queue. Putting never blocks; the oldest events give way to new ones."""

    def __init__(self, size: int) -> None:
        self._events: deque[Event] = deque(maxlen=size)
        self._arrived = threading.Event()

    def put(self, event: Event) -> None:
        """Add an event (the engine's side)."""
        self._events.append(event)
        self._arrived.set()

    def drain(self) -> list[Event]:
        """Take all that has come since the last call, oldest first; never waits."""
        self._arrived.clear()
        taken: list[Event] = []
        while self._events:
            try:
                taken.append(self._events.popleft())
            except IndexError:  # the engine's append pushed the last one out between the two looks
                break
        return taken

    def wait(self, seconds: float) -> bool:
        """Wait until something has come; True when it has."""
        return self._arrived.wait(seconds)


class EventBus:
    """Hands each event to every subscription."""

    def __init__(self) -> None:
        self._subscriptions: tuple[Subscription, ...] = ()
        self._lock = threading.Lock()

    def subscribe(self, size: int = 4096) -> Subscription:
        """Listen from now on."""
        subscription = Subscription(size)
        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Listen no more."""
        with self._lock:
            self._subscriptions = tuple(one for one in self._subscriptions if one is not subscription)

    def publish(self, event: Event) -> None:
        """Hand the event on; no listener can slow this down."""
        for subscription in self._subscriptions:
            subscription.put(event)
