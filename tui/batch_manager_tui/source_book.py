"""The book of sources: what the store remembers of them, and how each is opened. Blocks: for threads that may wait."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from batch_manager.errors import BatchManagerError, InputError
from batch_manager.sources import Source, Unreadable
from batch_manager.sources.known import (
    NOTE,
    KnownSource,
    known_source,
    read_known,
    remembered,
    with_password,
    write_known,
)
from batch_manager.store.intake import Brought
from batch_manager.store.plans import Plan

if TYPE_CHECKING:
    from batch_manager.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test found."""

    tables: int
    relationships: int
    bad: int


class SourceBook:
    """The sources of a workspace. URLs with secrets are held for this session alone, and only here."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._urls: dict[str, str] = {}
        self._from_settings = ""
        if workspace.settings.database_url:
            try:
                self._from_settings = known_source(workspace.settings.database_url).place
                self._urls[self._from_settings] = workspace.settings.database_url
            except InputError:
                self._from_settings = ""  # a scan of it says what is wrong with it

    def sources(self) -> tuple[KnownSource, ...]:
        """Those that are remembered, and the settings' own first."""
        kept = read_known(self._workspace.store.note(NOTE))
        if self._from_settings and self._from_settings not in [one.place for one in kept]:
            kept = (KnownSource(self._from_settings, database=True), *kept)
        return kept

    def from_settings(self, source: KnownSource) -> bool:
        """It is the database of `DATABASE_URL`."""
        return source.place == self._from_settings

    def needs_password(self, source: KnownSource) -> bool:
        """It can't be opened before somebody gives its password."""
        return source.secret and source.place not in self._urls

    def give_password(self, source: KnownSource, password: str) -> None:
        """For this session."""
        self._urls[source.place] = with_password(source.place, password)

    def add(self, typed: str) -> KnownSource:
        """Remember a source; nothing is read.

        Raises:
            InputError: It is no URL.
            StoreError: The store can't be written.
        """
        source = known_source(typed)
        if source.database:
            self._urls[source.place] = typed.strip()
        if source.place not in [one.place for one in self.sources()]:
            self._keep(source)
        return source

    def forget(self, source: KnownSource) -> None:
        """Its items stay."""
        kept = read_known(self._workspace.store.note(NOTE))
        self._workspace.store.set_note(NOTE, write_known(one for one in kept if one.place != source.place))
        self._urls.pop(source.place, None)

    def test(self, source: KnownSource) -> Tested:
        """Read it through, and count.

        Raises:
            InputError: It can't be read.
        """
        tables = relationships = bad = 0
        for one in self._open(source).read():
            if isinstance(one, Unreadable):
                bad += 1
            elif one.document.kind == "table":
                tables += 1
            else:
                relationships += 1
        return Tested(tables, relationships, bad)

    def plan(self, source: KnownSource) -> Plan:
        """What reading it would change.

        Raises:
            InputError: It can't be read.
            StoreError: The store can't be written.
        """
        return self._workspace.store.items.plan(self._open(source), whole=True)

    def read(self, source: KnownSource, *, agree_gone: bool = False) -> Brought:
        """Read it, and keep what is new.

        Raises:
            DeclinedError: Suspiciously many items are gone.
            InputError: It can't be read.
            StoreError: The store can't be written.
        """
        opened = self._open(source)
        brought = self._workspace.store.items.bring(opened, whole=True, agree_gone=agree_gone)
        self.was_read(source, brought)
        if brought.gone:
            self._workspace.engine.index.sweep()
        return brought

    def was_read(self, source: KnownSource, brought: Brought) -> None:
        """Remember when, and what came of it."""
        gone = f", {brought.gone:,} gone" if brought.gone else ""
        words = f"{brought.new:,} new, {brought.changed:,} changed, {brought.unchanged:,} unchanged{gone}"
        self._keep(replace(source, read_at=datetime.now(UTC).isoformat(timespec="seconds"), outcome=words))

    def was_brought(self, typed: str, brought: Brought) -> None:
        """A scan or an import by its own prompt: remember that place as well."""
        try:
            source = self.add(typed)
        except BatchManagerError:  # it could be read, so only the memory of it is lost
            return
        self.was_read(source, brought)

    def _keep(self, source: KnownSource) -> None:
        store = self._workspace.store
        store.set_note(NOTE, write_known(remembered(read_known(store.note(NOTE)), source)))

    def _open(self, source: KnownSource) -> Source:
        if source.database:
            from batch_manager.sources.database import DatabaseSource

            return DatabaseSource(self._urls.get(source.place, source.place))
        from batch_manager.sources.recognise import open_file

        return open_file(source.place)
