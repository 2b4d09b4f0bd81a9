"""--worker: sends what was agreed elsewhere, together with other workers on the same store, until it is told to end."""

from __future__ import annotations

import concurrent.futures
import os
import socket
from typing import TYPE_CHECKING

from batch_manager.cli import terminal, trust
from batch_manager.cli.lines import batch_line
from batch_manager.cli.logs import log_to_stderr
from batch_manager.cli.opening import settings_of
from batch_manager.cli.signals import Stop
from batch_manager.embedding import require_key
from batch_manager.errors import UsageError
from batch_manager.events import BatchChanged, Event, ItemFailed, Notice
from batch_manager.sources.shown import shown

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags
    from batch_manager.settings import Settings

LOOK = 0.2
"""Seconds between two looks at what there is to tell."""


def work(flags: Flags) -> int:
    """Work until a signal comes.

    Raises:
        UsageError: The store isn't shared, or a run was agreed for other settings than these.
        StoreError: The store can't be used, or is of another version.
    """
    settings = settings_of(flags)
    log_to_stderr(settings)
    _check(settings)
    trust.refuse_lure(settings, flags.trust_dotenv)
    from batch_manager.engine import Engine
    from batch_manager.engine.shared.jobs import require_queue
    from batch_manager.engine.shared.worker import Worker
    from batch_manager.store import DocumentationStore

    require_queue()
    with DocumentationStore.look(settings) as looked:  # a worker changes no schema: others are at work with it
        if looked.absent:
            raise UsageError(
                "There is no store there yet.",
                next_step="Begin it with --import or --scan, then start workers.",
                code="no_store",
            )
    name = settings.worker_name or f"{socket.gethostname()}:{os.getpid()}"
    with DocumentationStore(settings) as store:
        engine = Engine(settings, store, on_trouble="stop")
        try:
            worker = Worker(engine, name)
            subscription = engine.subscribe()
            with Stop(lambda _: engine.call(worker.stop)) as stop:
                terminal.say(
                    f"Worker {shown(name)} takes batches for {shown(settings.model)} at {shown(settings.host)}."
                )
                going = engine.begin(worker.go())
                said = False
                while True:
                    ended = _ended(going)
                    for event in subscription.drain():
                        _tell(event)
                    if stop.asked and not said:
                        said = True
                        terminal.say("Stopping: what is in flight is awaited and kept. Again ends at once.")
                    if ended:
                        break
            going.result()
        finally:
            engine.close()
    terminal.say(f"Worker {shown(name)} has ended.")
    return 0


def _ended(going: concurrent.futures.Future[None]) -> bool:
    return bool(concurrent.futures.wait([going], timeout=LOOK).done)


def _check(settings: Settings) -> None:
    if settings.store_server is None:
        raise UsageError(
            "A worker works on a shared store, and this one is a file.",
            next_step="Name a PostgreSQL server with DOCUMENTATION_STORE_URL; see the page on workers.",
            code="not_shared",
        )
    require_key(settings)


def _tell(event: Event) -> None:
    if isinstance(event, BatchChanged):
        terminal.say(batch_line(event.batch))
    elif isinstance(event, ItemFailed):
        terminal.say(f"failed: {event.kind} {event.name}: {event.code}: {event.message}")
    elif isinstance(event, Notice) and event.level == "info":  # the others are in the log, which is on stderr as well
        terminal.say(event.message)
