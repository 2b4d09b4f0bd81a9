"""The quote of a scope, from what the store holds and the settings say; nothing is sent or written."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from batch_manager.embedding import space_of
from batch_manager.engine.agreement import rest_of
from batch_manager.engine.generations import change_of, seen_for
from batch_manager.packing import MAX_REQUEST_TOKENS, Limits
from batch_manager.pricing import price_of
from batch_manager.quote import Quote, Scope, Space, Speed, make_quote, run_seconds

if TYPE_CHECKING:
    from batch_manager.settings import Settings
    from batch_manager.store import DocumentationStore

FIRST_GUESS_SECONDS = 0.5
LOCAL_SECONDS = 0.05
"""A request's time before any was measured here: to a server, and to the model on this machine."""


def limits_of(settings: Settings, store: DocumentationStore) -> Limits:
    """Ceilings of a request: the setting, and what this server was found to take."""
    inputs, tokens = settings.batch_size, MAX_REQUEST_TOKENS
    learned = store.note(f"limits:{space_of(settings).server}")
    if learned:
        least_inputs, least_tokens = (int(one) for one in learned.split(","))
        inputs, tokens = min(inputs, least_inputs), min(tokens, least_tokens)
    if settings.tokens_per_minute:
        tokens = min(tokens, settings.tokens_per_minute)
    return Limits(inputs, tokens)


def quote_of(settings: Settings, store: DocumentationStore, scope: Scope, cap: Decimal | None) -> Quote:
    """What the scope would cost, and how long it would take.

    Args:
        settings: What is in force.
        store: The store.
        scope: What would be indexed.
        cap: USD that must not be passed, or None.

    Raises:
        SettingError: No price is known.
        StoreError: The store can't be read.
    """
    price, space = price_of(settings), space_of(settings)
    limits = limits_of(settings, store)
    space_id = store.answers.space_id(space)
    work = store.work.find(scope, space_id, limits, seen_for(store, space))
    quote = make_quote(scope, work, space, settings.host, price, limits, cap)
    speed = _speed(settings, store, space)
    return replace(
        quote,
        seconds=run_seconds(quote.requests, quote.tokens, quote.items, speed),
        change=change_of(settings, store, space, work) if scope.whole else None,
        rest=rest_of(store, scope, space_id, price, settings.user),
        drift=known_drift(store, space),
        allowances=store.budgets.allowances(),
        who=settings.user,
    )


def known_drift(store: DocumentationStore, space: Space) -> float:
    """Billed tokens for each that we count, as was once agreed to for this server and model; 1 before."""
    return float(store.note(drift_note(space)) or 1.0)


def drift_note(space: Space) -> str:
    """The store's note of it."""
    return f"drift:{space.server}:{space.model}"


def account_note(space: Space) -> str:
    """The store's note of the tokens a minute that the account allows, as its answers last told."""
    return f"account:{space.server}:{space.model}"


def _speed(settings: Settings, store: DocumentationStore, space: Space) -> Speed:
    """What this server's requests took so far, or a first guess."""
    guess = LOCAL_SECONDS if settings.provider == "local" else FIRST_GUESS_SECONDS
    return Speed(
        request_seconds=store.ledger.request_seconds(settings.model) or guess,
        concurrency=settings.concurrency,
        tokens_per_minute=settings.tokens_per_minute or int(store.note(account_note(space)) or 0) or None,
    )
