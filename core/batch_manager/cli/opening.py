"""Opening what an action works on: the settings of the call, then a home for work or for looking.

Store and engine are imported only when a home is opened: the app paints before that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batch_manager.cli import terminal
from batch_manager.errors import SettingError, UsageError
from batch_manager.settings import Settings, load_settings

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags
    from batch_manager.engine import Engine
    from batch_manager.store import DocumentationStore
    from batch_manager.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Look:
    """A home that is only looked at."""

    settings: Settings
    store: DocumentationStore
    engine: Engine


def settings_of(flags: Flags) -> Settings:
    """The user's settings under this call; a demo's and a rehearsal's own come on top when a home is opened.

    Raises:
        SettingError: A value isn't allowed.
    """
    given: dict[str, Any] = {
        "EMBEDDING_BATCH_SIZE": "1" if flags.action == "individual-index" else flags.batch_size,
        "EMBEDDING_MAX_RETRIES": flags.max_retries,
        "EMBEDDING_CONCURRENCY": flags.concurrency,
        "EMBEDDING_TOKENS_PER_MINUTE": flags.tokens_per_minute,
        "EMBEDDING_REQUESTS_PER_MINUTE": flags.requests_per_minute,
        "OPENAI_EMBEDDING_MODEL": flags.model,
        "EMBEDDING_PROVIDER": flags.provider,
        "BATCH_MANAGER_USER": flags.who,
        "BATCH_MANAGER_HOME": flags.home,
        "EMBEDDING_QUEUE": "workers" if flags.workers else None,
    }
    for name, value in given.items():
        if value == "":  # in the environment that means "not set"; as a flag's value it is a mistake
            raise SettingError(f"{name} is '' (from a flag).", next_step="Give the flag a value, or leave it out.")
    return load_settings(given)


def say_other_model(engine: Engine) -> None:
    """Warn, where the figures of an index are looked at, that it is of another model, or on its way to one."""
    for problem in engine.problems():
        if problem.code in ("other_model", "index_building", "swap_half_done"):
            terminal.say(f"warning: {problem}")


@contextlib.contextmanager
def for_work(flags: Flags) -> Iterator[Workspace]:
    """Open the home for writing; the log begins here.

    Raises:
        UsageError: The home can't be made, or another process writes in it.
        StoreError: The store can't be opened.
    """
    from batch_manager.cli.logs import log_to_file
    from batch_manager.workspace import Workspace

    workspace = Workspace.open(
        settings_of(flags), demo=flags.demo, rehearse=flags.rehearse, reset=flags.reset, on_trouble="stop"
    )
    with workspace:
        workspace.cap = flags.max_cost
        log_to_file(workspace.settings)
        yield workspace


@contextlib.contextmanager
def for_looking(flags: Flags, *, kept: bool = False) -> Iterator[Look]:
    """Open the home so that nothing in it is written. (A demo's is made first when there is none.)

    Args:
        flags: The call.
        kept: Something has to be there; else a home with nothing in it is only told of.

    Raises:
        StoreError: The store can't be read.
        UsageError: There is no rehearsal to look at, the home isn't a folder, or nothing is kept where something
            has to be.
    """
    from batch_manager.cli.logs import log_to_stderr
    from batch_manager.home import look_at_home
    from batch_manager.practice import own_settings, rehearsing
    from batch_manager.workspace import Workspace

    user = settings_of(flags)
    log_to_stderr(user)
    settings = own_settings(user, demo=flags.demo, rehearse=flags.rehearse)
    if flags.reset or (flags.demo and not flags.rehearse and not settings.store_path.exists()):
        Workspace.open(user, demo=flags.demo, rehearse=flags.rehearse, reset=flags.reset).close()
    if flags.rehearse and not settings.store_path.exists():
        raise UsageError(
            f"There is no rehearsal in {str(settings.home)!r} yet.",
            next_step=f"batch-manager {'--demo ' if flags.demo else ''}--rehearse --batch-index begins one, for $0.",
            code="no_rehearsal",
        )
    if settings.store_server is None and (words := look_at_home(settings.home, settings.store_path)):
        if kept:
            raise UsageError(
                f"There is nothing to look through: {str(settings.home)!r} holds no store.",
                next_step="Name another home with --home; --scan or --import begins this one.",
                code="no_home",
            )
        terminal.say(words)
    with contextlib.ExitStack() as open_things:
        if flags.rehearse and flags.action == "search":
            # The query goes where the texts went; the server's batches, and so its folder, are none of a search's.
            settings = open_things.enter_context(rehearsing(settings, demo=flags.demo))
        yield open_things.enter_context(_looking(settings))


@contextlib.contextmanager
def _looking(settings: Settings) -> Iterator[Look]:
    from batch_manager.engine import Engine
    from batch_manager.store import DocumentationStore

    store = DocumentationStore.look(settings)
    try:
        engine = Engine(settings, store, on_trouble="stop")
        try:
            yield Look(settings, store, engine)
        finally:
            engine.close()
    finally:
        store.close()
