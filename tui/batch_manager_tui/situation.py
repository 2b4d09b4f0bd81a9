"""The situation: what the app knows at a moment, as one value that commands are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from batch_manager.events import RunView
from batch_manager.store.items import Counts, ItemFilter

Pane = Literal["items", "cost", "batches"]
PANES: tuple[Pane, ...] = ("items", "cost", "batches")


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is, and what is going on.

    Attributes:
        ready: The workspace is open.
        unread: Why the items can't be read; empty when they could be.
        busy: Why this home can only be looked at; empty when it can be written.
        counts: Items by kind and status.
        retryable: Failed items that trying again may cure.
        changes: A run would turn to an index of another model, or finish turning to it.
        keyless: Nothing can be sent, since the provider in force wants an API key and there is none.
        searchable: Items that a search can find.
        wanted: The list's filter.
        listed: Items that fit the filter.
        marked: Items that are marked.
        view: The run.
        starting: A yes was given and the engine is writing it down.
        reading: A scan or an import is being taken in.
        team: What is agreed to is for workers, and others plan as well.
        mode: `live`, `demo` or `rehearsal`.
        pane: The pane that has the focus.
        keys: The first key of each command, by its id, as it holds and as a person writes it.
    """

    ready: bool = False
    unread: str = ""
    busy: str = ""
    counts: Counts = field(default_factory=lambda: Counts({}))
    retryable: int = 0
    changes: bool = False
    keyless: bool = False
    searchable: int = 0
    wanted: ItemFilter = field(default_factory=ItemFilter)
    listed: int = 0
    marked: int = 0
    view: RunView = field(default_factory=RunView)
    starting: bool = False
    reading: bool = False
    team: bool = False
    mode: str = "live"
    pane: Pane = "items"
    keys: Mapping[str, str] = field(default_factory=dict)

    def key(self, command: str) -> str:
        """The first key of a command."""
        return self.keys[command]

    @property
    def running(self) -> bool:
        """A run is under way or about to be."""
        return self.starting or self.view.active
