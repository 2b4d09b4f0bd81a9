"""Listed sources: all that items came from, and all that somebody asked to remember, as one list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from batch_manager.errors import BatchManagerError, InputError
from batch_manager.sources.database_url import key_of
from batch_manager.sources.known import NOTE, KnownSource, known_source, read_known, remembered, write_known
from batch_manager.sources.shown import expanded
from batch_manager.store.dialect import Database

if TYPE_CHECKING:
    from batch_manager.store import DocumentationStore
    from batch_manager.store.intake import Brought


@dataclass(frozen=True, slots=True)
class Origin:
    """What items came from, as they tell it.

    Attributes:
        title: What it was called when it was read.
        key: The database that it is, however its URL is written; of words the title.
        database: It brought structure.
        tables: Tables that have it now.
        relationships: Relationships that have it now.
        at: When it last brought something new.
    """

    title: str
    key: str
    database: bool
    tables: int
    relationships: int
    at: str


@dataclass(frozen=True, slots=True)
class ListedSource:
    """A source as it is listed.

    Attributes:
        source: What is remembered of it, or what its items tell.
        tables: Tables that it gave, of those that are there now.
        relationships: Relationships likewise.
        can_be_read: It is a place that can be read again.
    """

    source: KnownSource
    tables: int = 0
    relationships: int = 0
    can_be_read: bool = True


_SUMS = "count(*) FILTER (WHERE kind = 'table') AS tables, count(*) FILTER (WHERE kind != 'table') AS others"


def origins(database: Database) -> list[Origin]:
    """All that items came from, databases before files, in the order in which they first came."""
    rows = database.execute_sql(
        "SELECT (SELECT structure_from FROM item WHERE id = first), came, 1, tables, others, at, first FROM ("
        f" SELECT coalesce(origin, structure_from) AS came, {_SUMS}, max(structure_at) AS at, min(id) AS first"
        " FROM item WHERE stage != 'gone' AND structure_from IS NOT NULL GROUP BY 1) x"
        f" UNION ALL SELECT words_from, words_from, 0, {_SUMS}, max(words_at), min(id)"
        " FROM item WHERE stage != 'gone' AND words_from IS NOT NULL GROUP BY words_from ORDER BY 3 DESC, 7"
    ).fetchall()
    return [Origin(row[0], row[1], bool(row[2]), row[3], row[4], row[5] or "") for row in rows]


def listed(known: Iterable[KnownSource], came_from: Sequence[Origin]) -> tuple[ListedSource, ...]:
    """Those that are remembered, with what each gave, then those that only the items tell of. Pure."""
    left = list(came_from)
    found: list[ListedSource] = []
    for source in known:
        mine = [one for one in left if _is_of(one, source)]
        left = [one for one in left if one not in mine]
        read_at = source.read_at or max((one.at for one in mine), default="")
        found.append(
            ListedSource(
                replace(source, read_at=read_at),
                sum(one.tables for one in mine),
                sum(one.relationships for one in mine),
            )
        )
    return (*found, *(_untold(one) for one in left))


def remember_reading(store: DocumentationStore, typed: str, brought: Brought) -> None:
    """Keep when a place was read, and what came of it; a place that can't be kept (stdin) is let go.

    So is one that gave nothing, when it isn't known already: whatever it is, nobody wants to read it again.
    """
    try:
        source = known_source(typed)
    except BatchManagerError:  # it could be read, so only the memory of it is lost
        return
    known = source.place in [one.place for one in read_known(store.note(NOTE))]
    if brought.read or known:
        keep_source(store, read_now(source, brought))


def read_now(source: KnownSource, brought: Brought) -> KnownSource:
    """The source, as it was read now."""
    gone = f", {brought.gone:,} gone" if brought.gone else ""
    words = f"{brought.new:,} new, {brought.changed:,} changed, {brought.unchanged:,} unchanged{gone}"
    return replace(source, read_at=datetime.now(UTC).isoformat(timespec="seconds"), outcome=words)


def keep_source(store: DocumentationStore, source: KnownSource) -> None:
    """Remember a source, in the place of what was remembered of it.

    Raises:
        StoreError: The store can't be written.
    """
    store.set_note(NOTE, write_known(remembered(read_known(store.note(NOTE)), source)))


def _is_of(origin: Origin, source: KnownSource) -> bool:
    if origin.database != source.database:
        return False
    if origin.database:
        return origin.key in (source.place, key_of(source.place))
    # A file may have been named from the folder where somebody was then.
    return str(expanded(origin.title).absolute()) == source.place or _ends_with(source.place, origin.title)


def _ends_with(place: str, title: str) -> bool:
    parts = Path(title).parts
    return not Path(title).is_absolute() and Path(place).parts[-len(parts) :] == parts


def _untold(origin: Origin) -> ListedSource:
    """What nobody remembers: its place is in its title, or it has none."""
    address = _address(origin)
    source, can_be_read = KnownSource(origin.title, database=origin.database), False
    if address is not None:
        try:
            named = known_source(address)
            can_be_read = named.database == origin.database and (origin.database or Path(named.place).is_file())
        except (InputError, OSError, ValueError):
            can_be_read = False
        source = named if can_be_read else source
    return ListedSource(replace(source, read_at=origin.at), origin.tables, origin.relationships, can_be_read)


def _address(origin: Origin) -> str | None:
    """Where it can be found again, from whichever folder; None where nobody knows."""
    if not origin.database:
        return origin.title if Path(origin.title).expanduser().is_absolute() else None
    for scheme in ("sqlite:///", "duckdb:///"):
        # The key of a file has its whole path; before there were keys it was as somebody typed it in some folder.
        if origin.key.startswith(scheme):
            return origin.key if origin.key.removeprefix(scheme).startswith(("/", "file:")) else None
    return origin.title  # the title of a server has who asks, which its key hasn't
