"""The book of sources: what the store remembers of them, and how each is opened. Blocks: for threads that may wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch_manager.errors import InputError
from batch_manager.sources import Source, Unreadable
from batch_manager.sources.known import (
    NOTE,
    KnownSource,
    known_source,
    read_known,
    with_password,
    worth_adding,
    write_known,
)
from batch_manager.store.intake import Brought
from batch_manager.store.listed import ListedSource, keep_source, listed, read_now, remember_reading

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

    def sources(self) -> tuple[ListedSource, ...]:
        """All that items came from or that is remembered, and the settings' own first."""
        kept = self._remembered()
        if self._from_settings and self._from_settings not in [one.place for one in kept]:
            kept = (KnownSource(self._from_settings, database=True), *kept)
        return listed(kept, self._workspace.store.places.origins())

    def is_remembered(self, source: KnownSource) -> bool:
        """It would be listed without any item."""
        return source.place in [one.place for one in self._remembered()]

    def _remembered(self) -> tuple[KnownSource, ...]:
        return read_known(self._workspace.store.note(NOTE))

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
        """Remember a source; nothing of it is kept.

        Raises:
            InputError: It is neither a URL nor a file that something can come of.
            StoreError: The store can't be written.
        """
        source = worth_adding(typed)
        if source.database:
            self._urls[source.place] = typed.strip()
        if source.place != self._from_settings and not self.is_remembered(source):
            keep_source(self._workspace.store, source)
        return source

    def forget(self, source: KnownSource) -> None:
        """Its items stay."""
        self._workspace.store.set_note(
            NOTE, write_known(one for one in self._remembered() if one.place != source.place)
        )
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

    def plan(self, source: KnownSource) -> Brought:
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
        keep_source(self._workspace.store, read_now(source, brought))
        if brought.gone:
            self._workspace.engine.index.sweep()
        return brought

    def was_brought(self, typed: str, brought: Brought) -> None:
        """A scan or an import by its own prompt: remember that place as well, and this session its password."""
        try:
            source = known_source(typed)
        except InputError:
            return  # it could be read, so only the memory of it is lost
        if source.database:
            self._urls[source.place] = typed.strip()
        remember_reading(self._workspace.store, typed, brought)

    def _open(self, source: KnownSource) -> Source:
        if source.database:
            from batch_manager.sources.database import DatabaseSource

            return DatabaseSource(self._urls.get(source.place, source.place))
        from batch_manager.sources.recognise import open_file

        return open_file(source.place)
