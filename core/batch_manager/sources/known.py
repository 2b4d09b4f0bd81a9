"""Known sources: places that documents were read from, or will be; remembered without any password.

A place is a database's URL or a file's path. What is kept of a URL has neither its password nor its options, which may
hold secrets of any name; whoever reads it again gives the password again, or has it in `DATABASE_URL`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from batch_manager.errors import InputError
from batch_manager.sources.database_file import dialect_of, is_path, is_regular
from batch_manager.sources.database_url import parse_url
from batch_manager.sources.shown import expanded, shown

NOTE = "sources"
"""The store's note that has them."""

LOOKED_AT = 50
"""Entries of a file that are read before it is added."""

MOST = 200
"""Sources that are remembered, the latest."""


@dataclass(frozen=True, slots=True)
class KnownSource:
    """One source.

    Attributes:
        place: The URL without secrets, or the absolute path.
        database: It is a database, and not a file.
        secret: Its URL had a password, or options, that were not kept.
        read_at: When it was last read and kept, ISO 8601 in UTC; empty when never.
        outcome: What came of that, in words.
    """

    place: str
    database: bool
    secret: bool = False
    read_at: str = ""
    outcome: str = ""


def known_source(typed: str) -> KnownSource:
    """What a person typed, as it may be kept.

    Raises:
        InputError: It is no URL that can be read; its words are not repeated.
    """
    typed = typed.strip()
    if not typed:
        raise InputError("No source was named.", next_step="Type a database's URL, or the path of a file.")
    if "://" not in typed and not typed.startswith("sqlite:"):
        if typed == "-":
            raise InputError("- is stdin, which can't be read twice.", next_step="Name a file.")
        if not _is_database(typed):
            return KnownSource(str(expanded(typed).absolute()), database=False)
    url = parse_url(typed)
    if url.get_backend_name() in ("sqlite", "duckdb"):
        place = url.set(query={})
        file = place.database or ""
        if not file.startswith("file:"):
            place = place.set(database=str(expanded(file).absolute()))
        return KnownSource(place.render_as_string(), database=True, secret=bool(url.query))
    sockets = {key: value for key, value in url.query.items() if key in ("host", "port")}
    plain = url.set(drivername=url.get_backend_name(), query=sockets)._replace(password=None)  # set() ignores None
    secret = url.password is not None or len(sockets) < len(url.query)
    return KnownSource(plain.render_as_string(hide_password=False), database=True, secret=secret)


def worth_adding(typed: str) -> KnownSource:
    """What a person typed, as it may be kept, when something can come of it.

    A file is opened and its beginning read; a database is not asked, since it may be away now.

    Raises:
        InputError: It is neither a URL nor a file that is there, or nothing at the file's beginning can be read.
    """
    # The list of sources is read at each start, and needs no readers.
    from batch_manager.sources import Found, Unreadable
    from batch_manager.sources.recognise import open_file

    source = known_source(typed)
    if source.database:
        return source
    try:
        there = is_regular(Path(source.place))
    except IsADirectoryError:
        there = True  # what reads it says so
    except (OSError, ValueError):
        there = False
    if not there:
        # What can't be a path may be a URL without its scheme, and have a password.
        said = repr(shown(typed.strip())) if is_path(typed.strip()) else "That"
        raise InputError(
            f"{said} is neither a database's URL nor a file that is there.",
            next_step="Type a URL such as postgresql://user@host/shop, or check the path.",
            code="no_such_file",
        )
    bad: Unreadable | None = None
    for entry in islice(open_file(source.place).read(), LOOKED_AT):
        if isinstance(entry, Found):
            return source
        bad = bad or entry
    said = f": {bad.where}: {bad.message}" if bad is not None else ", since it is empty"
    raise InputError(
        f"Nothing at the beginning of {shown(source.place)} can be read{said}.",
        next_step="Name a database, or a file of JSON Lines, CSV, dbt or tbls.",
        code="nothing_to_read",
    )


def _is_database(typed: str) -> bool:
    try:
        return is_path(typed) and dialect_of(expanded(typed)) is not None
    except (OSError, ValueError):  # whatever is there, it isn't known as a database
        return False


def with_password(place: str, password: str) -> str:
    """The URL to connect with.

    Raises:
        InputError: The place is no URL.
    """
    return parse_url(place).set(password=password).render_as_string(hide_password=False)


def read_known(note: str | None) -> tuple[KnownSource, ...]:
    """The sources of a note; what is damaged in it is as if it had never been kept. Pure."""
    try:
        kept = json.loads(note) if note else []
    except ValueError:
        return ()
    found: list[KnownSource] = []
    for one in kept if isinstance(kept, list) else []:
        try:
            source = KnownSource(**one)
        except TypeError:
            continue
        if isinstance(source.place, str) and isinstance(source.database, bool):
            found.append(source)
    return tuple(found)


def write_known(sources: Iterable[KnownSource]) -> str:
    """The note's text. Pure."""
    return json.dumps([asdict(one) for one in sources][-MOST:])


def remembered(sources: Iterable[KnownSource], one: KnownSource) -> tuple[KnownSource, ...]:
    """The sources with this one among them, at its place, or at the end. Pure."""
    kept = list(sources)
    places = [source.place for source in kept]
    if one.place in places:
        kept[places.index(one.place)] = one
    else:
        kept.append(one)
    return tuple(kept)


def name_of(source: KnownSource) -> str:
    """What to call it on a screen."""
    if source.database:
        return shown(source.place)
    home = Path.home()
    path = Path(source.place)
    return shown(f"~/{path.relative_to(home)}" if path.is_relative_to(home) else source.place)
