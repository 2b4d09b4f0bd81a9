"""The quote: what would be sent, where, and what it costs; a value that a yes binds to. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from batch_manager.allowance import Allowance, too_small
from batch_manager.documents import KINDS, Kind
from batch_manager.packing import Limits, fitting
from batch_manager.pricing import Price

if TYPE_CHECKING:
    from batch_manager.index_change import IndexChange

START_SECONDS = 1.0
"""What a run takes before its first request: the client's import, the vector store's opening, partly at once."""


Lane = Literal["now", "batch"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which items are meant.

    Attributes:
        which: `pending`; `failed`; `all` (every item that isn't skipped, indexed ones too).
        kinds: Only items of these kinds.
        ids: Only these item ids; None means no such limit. What doesn't fit `which` is left out.
        curable: Without what was refused for good, so that trying it again can't cure it.
    """

    which: Literal["pending", "failed", "all"] = "pending"
    kinds: tuple[Kind, ...] = KINDS
    ids: tuple[int, ...] | None = None
    curable: bool = False

    @property
    def rebuilds(self) -> bool:
        """The whole index is meant, pending or not, so that a damaged one may be given up for it."""
        return self.which == "all" and self.whole

    @property
    def whole(self) -> bool:
        """All items count, not some of them: only that may turn to an index of another model."""
        return self.which != "failed" and self.ids is None and set(self.kinds) == set(KINDS)


@dataclass(frozen=True, slots=True)
class Space:
    """An embedding space: answers of one space are alike, and paid for once."""

    provider: str
    server: str
    model: str
    dimensions: int | None


@dataclass(frozen=True, slots=True)
class Share:
    """What one kind of item takes of a quote. Items that share a text with another kind cost the first."""

    items: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Unsendable:
    """An item that can't be sent, found before paying."""

    item_id: int
    kind: Kind
    name: str
    code: str


@dataclass(frozen=True, slots=True)
class Work:
    """What the store finds in a scope, before any price.

    Attributes:
        items: Items that will be indexed, by kind.
        tokens: Tokens of texts to send, by the kind of the first item that has them.
        texts: Distinct inputs to send.
        bytes: Their UTF-8 bytes.
        requests: Requests that they take.
        digest: A hash over these texts' marks in the store, in its order.
        reused: Items that cost nothing, since every text of theirs was paid for before.
        duplicates: Items whose text travels with another item's.
        shortened: Texts whose vectors are cut from longer ones that were paid for.
        unsendable: Items that can't be sent, at most some hundreds; `unsendable_count` counts all.
        first: Tokens of the first texts, as many as a request takes.
    """

    items: dict[Kind, int]
    tokens: dict[Kind, int]
    texts: int
    bytes: int
    requests: int
    digest: str
    reused: int
    duplicates: int
    unsendable: tuple[Unsendable, ...]
    unsendable_count: int
    shortened: int = 0
    first: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rest:
    """An interrupted run, of which a quote is the rest: under the same cap it goes on as that run.

    Attributes:
        cap: USD that it was agreed under, or None.
        used: USD that it was billed, or that are held for it; part of that cap.
    """

    run_id: int
    cap: Decimal | None
    used: Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """What a yes agrees to.

    Attributes:
        fingerprint: Hash over space, price, cap and the set of texts; the run starts only if it still holds.
        texts: Distinct inputs that are sent.
        requests: Requests that one run without faults sends.
        limits: Ceilings of a request that are in force: the setting, or what this server was found to take.
        seconds: About how long that takes; None when nothing would be done, or when nobody can say.
        lane: `now`, or `batch`: handed over at half the price, back within a day.
        shortened: Texts whose vectors are cut, for $0, from longer ones that were paid for.
        change: What becomes of the index, where another model or size than its own is meant.
        rest: The interrupted run that this is the rest of; None where it is of none.
        first: Tokens of the first texts, as many as a request takes.
        drift: Billed tokens for each that is counted, as far as this server is known to count more; 1 or above.
        who: Who would agree to it; empty where nobody gave a name.
        allowances: What the day's and the month's budget have left for it, where there are any.
    """

    scope: Scope
    space: Space
    host: str
    price: Price
    tables: Share
    relationships: Share
    items: int
    texts: int
    tokens: int
    bytes: int
    requests: int
    cost: Decimal
    cap: Decimal | None
    reused: int
    duplicates: int
    unsendable: tuple[Unsendable, ...]
    unsendable_count: int
    fingerprint: str
    limits: Limits
    seconds: float | None = None
    lane: Lane = "now"
    shortened: int = 0
    change: IndexChange | None = None
    rest: Rest | None = None
    first: tuple[int, ...] = ()
    drift: float = 1.0
    allowances: tuple[Allowance, ...] = ()
    who: str = ""

    @property
    def used(self) -> Decimal:
        """USD of the cap that are used already, where an interrupted run goes on under it."""
        return self.rest.used if self.rest is not None and self.rest.cap == self.cap else Decimal(0)

    @property
    def beyond_cap(self) -> bool:
        """The cap will stop the run before its end."""
        return self.cap is not None and self.cost + self.used > self.cap

    @property
    def beyond_allowance(self) -> Allowance | None:
        """The budget that will stop the run before its end."""
        return too_small(self.allowances, self.cost)

    @property
    def first_that_fit(self) -> int | None:
        """Texts of the first request that fit under the cap, where not all of it does; None where there is no such."""
        if self.cap is None or not self.cost or not self.first or self.lane == "batch":
            return None
        room = (self.cap - self.used) * 1_000_000 / (self.price.per_million * Decimal(str(self.drift)))
        number = fitting(self.first, max(0, int(room)))
        return number if number < len(self.first) else None

    @property
    def nothing_to_do(self) -> bool:
        """No item would change."""
        if self.change is not None and self.change.ready:
            return False  # the change itself is left to be done
        return self.items == 0 and self.unsendable_count == 0

    def going_on(self) -> Quote:
        """The same quote; where it has no cap and goes on with an interrupted run, under that run's."""
        return self.with_cap(self.rest.cap) if self.cap is None and self.rest is not None else self

    def with_cap(self, cap: Decimal | None) -> Quote:
        """The same quote under another cap."""
        changed = replace(self, cap=cap, fingerprint="")
        return replace(changed, fingerprint=_fingerprint_again(self.fingerprint, cap))


def make_quote(
    scope: Scope, work: Work, space: Space, host: str, price: Price, limits: Limits, cap: Decimal | None
) -> Quote:
    """Price the work. Costs of both kinds add up to the whole, exactly."""
    shares = {kind: Share(work.items[kind], work.tokens[kind], price.cost(work.tokens[kind])) for kind in KINDS}
    tokens = sum(share.tokens for share in shares.values())
    base = _fingerprint(space, host, price, work.digest)
    return Quote(
        scope=scope,
        space=space,
        host=host,
        price=price,
        tables=shares["table"],
        relationships=shares["relationship"],
        items=sum(share.items for share in shares.values()),
        texts=work.texts,
        tokens=tokens,
        bytes=work.bytes,
        requests=work.requests,
        cost=price.cost(tokens),
        cap=cap,
        reused=work.reused,
        duplicates=work.duplicates,
        unsendable=work.unsendable,
        unsendable_count=work.unsendable_count,
        fingerprint=_fingerprint_again(base, cap),
        limits=limits,
        shortened=work.shortened,
        first=work.first,
    )


@dataclass(frozen=True, slots=True)
class Speed:
    """What a run's time is reckoned from.

    Attributes:
        request_seconds: A request's time, there and back.
        concurrency: Requests in flight.
        tokens_per_minute: The account's limit, when it is known.
        rows_per_second: What the vector store takes.
    """

    request_seconds: float
    concurrency: int
    tokens_per_minute: int | None = None
    rows_per_second: float = 600.0


def run_seconds(requests: int, tokens: int, items: int, speed: Speed) -> float:
    """About how long a run without faults takes: the slower of sending and of bringing rows to the vector store."""
    sending = -(-requests // speed.concurrency) * speed.request_seconds
    if speed.tokens_per_minute and tokens > speed.tokens_per_minute:
        sending = max(sending, (tokens / speed.tokens_per_minute - 1) * 60)
    return START_SECONDS + max(sending, items / speed.rows_per_second)


def to_record(quote: Quote) -> dict[str, Any]:
    """What the store keeps of an agreed quote, as JSON values."""
    return {
        "which": quote.scope.which,
        "host": quote.host,
        "lane": quote.lane,
        "model": quote.space.model,
        "dimensions": quote.space.dimensions,
        "server": quote.space.server,
        "price_per_million": str(quote.price.per_million),
        "price_source": quote.price.source,
        "items": quote.items,
        "texts": quote.texts,
        "tokens": quote.tokens,
        "requests": quote.requests,
        "cost": str(quote.cost),
        "cap": None if quote.cap is None else str(quote.cap),
        "fingerprint": quote.fingerprint,
    }


def _fingerprint(space: Space, host: str, price: Price, digest: str) -> str:
    head = [space.provider, space.server, space.model, space.dimensions, host, str(price.per_million), digest]
    return hashlib.sha256(json.dumps(head).encode()).hexdigest()


def _fingerprint_again(base: str, cap: Decimal | None) -> str:
    # The set's part stands before the point, so that another cap needs no second pass over the texts.
    return f"{base.partition('.')[0]}.{'none' if cap is None else cap}"
