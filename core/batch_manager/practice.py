"""Practice: the homes of the sample and of a rehearsal, with what is in them and the server under them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import TYPE_CHECKING

from batch_manager.store import DocumentationStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batch_manager.rehearsal import RehearsalServer
    from batch_manager.settings import Settings

REHEARSAL_KEY = "rehearsal-needs-no-key"
REHEARSAL_BATCH = 20
"""Documents a request in the rehearsal of the sample: small, so that there are batches to watch."""

POISON = "ord_hdr_hist: "
"""Begins one text of the sample, which the rehearsal refuses, so that a failure and its reason are seen."""


def own_settings(settings: Settings, *, demo: bool = False, rehearse: bool = False) -> Settings:
    """The settings that hold in a demo's or rehearsal's home; the same as given where it is neither."""
    if not (demo or rehearse):
        return settings
    from batch_manager.settings import DEFAULT_MODEL, LOCAL_MODEL

    name = "-".join(["demo"] * demo + ["rehearsal"] * rehearse)
    own = dataclasses.replace(
        settings,
        home=settings.home / name,
        store_url=None,
        chroma_directory=None,
        chroma_url=None,
        queue="here",
        log_file=None,
        mode="rehearsal" if rehearse else "demo",
    )
    if not rehearse:
        if settings.provider == "openai" and settings.origins.get("EMBEDDING_PROVIDER") == "flag":
            return own  # asked for by name: the sample at a real server
        return dataclasses.replace(own, provider="local", model=LOCAL_MODEL, dimensions=None)
    batch = own.batch_size if settings.origins.get("EMBEDDING_BATCH_SIZE", "default") != "default" else REHEARSAL_BATCH
    return dataclasses.replace(
        own,
        provider="openai",
        api_key=REHEARSAL_KEY,
        # The port is another one at each start; the store must know the server by a lasting name.
        server_name="rehearsal",
        base_url="http://127.0.0.1/v1",
        model=DEFAULT_MODEL if own.provider == "local" else own.model,
        batch_size=batch if demo else own.batch_size,
    )


def bring_sample(settings: Settings, store: DocumentationStore) -> None:
    """The sample into its home, the first time."""
    from batch_manager.sources.sample import sample_sources

    if store.items.counts().total():
        return  # what a user did to the sample (skipped, changed) stays until --reset
    for source in sample_sources(settings.home):
        store.items.bring(source)


def bring_copy(user: Settings, store: DocumentationStore) -> None:
    """The user's own items, as they are now, into the rehearsal's store."""
    from batch_manager.sources.collection import IterableSource

    theirs = DocumentationStore.look(user)
    try:
        store.items.bring(IterableSource(theirs.items.documents(), "words", "your documentation store"))
    finally:
        theirs.close()


@contextlib.contextmanager
def rehearsing(settings: Settings, *, demo: bool) -> Iterator[Settings]:
    """A rehearsal's settings with its server under them, for as long as something is asked of it."""
    with start_server(demo, None) as server:
        yield dataclasses.replace(settings, base_url=server.base_url)


def start_server(demo: bool, home: Path | None) -> RehearsalServer:
    """The rehearsal's server; its batches are kept in the home, where there is one."""
    from batch_manager.rehearsal import RehearsalServer, demo_options

    # Proxies of the environment are for the outside; a request to loopback through one would leave the machine.
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"]))
    options = demo_options(poison=POISON) if demo else demo_options()
    # Batches go on while the program is closed, as the real ones do: the next server finds them here.
    folder = None if home is None else str(home / "rehearsal-server")
    return RehearsalServer.start(dataclasses.replace(options, batch_folder=folder))
