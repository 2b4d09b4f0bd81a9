"""Moving a store over: a home's file into a store on a PostgreSQL server, and the proof that they are there.

A piece of a table is compared on both sides and written, in one transaction, where it differs. So a move that was
killed at any instant goes on by beginning again, writes nothing twice, and takes in what changed in the file meanwhile.
Until it is done the server's store can't be opened by anything else; after that the file can't.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batch_manager.documents import Document, from_payload
from batch_manager.errors import StoreError
from batch_manager.plural import counted
from batch_manager.sources.watch import Watch
from batch_manager.store.database import OWN_TABLES, now, open_for_looking, translated
from batch_manager.store.moved import Moved, begun, read_note, where_it_went, write_note
from batch_manager.store.moving_tables import DERIVED, Digest, Row, Table, chunks, tables_of
from batch_manager.store.orm import peewee
from batch_manager.store.postgres import PostgresStore
from batch_manager.store.postgres_dialect import LONGEST_NAME, POSTGRES
from batch_manager.store.postgres_schema import MOVED_FROM, MOVING, half_moved, migrate, note_in, version_of

if TYPE_CHECKING:
    from batch_manager.store.dialect import Database

NAMED = 3
"""Items that a refusal names."""


@dataclass(frozen=True, slots=True)
class MovedTable:
    """A table that is the same on both sides.

    Attributes:
        rows: How many it has.
        sha256: Over all of them, in order; both sides came to it.
    """

    name: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class MoveReport:
    """What a move came to.

    Attributes:
        tables: All of them; empty where the store had been moved before.
        copied: Rows that were written now.
        left_out: Earlier texts, with their answers, that no item has and that PostgreSQL can't keep.
        before: It had been moved there before, and nothing was done.
    """

    path: Path
    to: str
    at: str
    tables: tuple[MovedTable, ...] = ()
    copied: int = 0
    left_out: int = 0
    before: bool = False

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(one.rows for one in self.tables)


def move_store(path: Path, url: str, watch: Watch) -> MoveReport:
    """Move a store over. Whoever calls holds the writer's locks of both.

    Args:
        path: The file; it is only read.
        url: The server's, where there is no store, an empty one, or a part of this one.
        watch: Told how far it is, and able to end it.

    Raises:
        StoreError: One of the two can't be used, the server's is another's, or something there can't be kept.
        DeclinedError: The watch was told to stop.
    """
    with _opened(path, url) as (file, server):
        note = read_note(path)
        known = _known(server)
        if note is not None and note.done:
            if known is None or known[1]["id"] != note.id:
                raise where_it_went(path, note)
            if known[0] == MOVED_FROM:
                return MoveReport(path, server.shown, note.at, before=True)
        if known is not None and (note is None or known[1]["id"] != note.id):
            raise half_moved(server, known[1]) if known[0] == MOVING else _not_empty(server)
        if known is None:
            _refuse_full(server)
        _refuse_what_cannot_be_kept(file)
        return _Move(path, file, server, watch).go(
            note if note is not None and note.done else begun(path, server.shown)
        )


class _Move:
    """One move."""

    def __init__(self, path: Path, file: Database, server: PostgresStore, watch: Watch) -> None:
        self._path = path
        self._file = file
        self._server = server
        self._watch = watch
        self._copied = 0

    def go(self, note: Moved) -> MoveReport:
        """Copy, compare, and let the server's be the store."""
        with translated():
            if not note.done:
                write_note(self._path, note)  # first, so that what the server has then is known as ours
                migrate(self._server)
                self._note(MOVING, note)
            tables = tables_of(self._file, self._server)
            mine = {table.name: self._copy(table) for table in tables}
            moved = tuple(self._checked(table, mine[table.name]) for table in tables)
            self._number_on()
            left_out = sum(self._left_out(table) for table in tables)
        done = Moved(note.id, self._server.shown, now(), done=True)
        write_note(self._path, done)  # from here on nobody works on the file,
        with translated(), self._server.atomic("IMMEDIATE"):
            self._note(MOVED_FROM, done)  # and from here on everybody may on the server's
            self._server.execute_sql("DELETE FROM meta WHERE key = ?", (MOVING,))
        return MoveReport(self._path, self._server.shown, done.at, moved, self._copied, left_out)

    def _copy(self, table: Table) -> Digest:
        """Make the server's table the file's; returns what the file has."""
        try:
            return self._compared(table)
        except peewee.IntegrityError:
            # What stands further down there has a name that the file gave to another row since: this table anew.
            self._write(table, None, None, [])
            return self._compared(table)

    def _compared(self, table: Table) -> Digest:
        total = self._count(table)
        mine, after, done = Digest(), None, 0
        for chunk in chunks(self._file.stream(table.of_file())):
            rows = [table.kept(row) for row in chunk]
            told = [table.told(row) for row in rows]
            last = table.key_of(rows[-1])
            if Digest().add(told).value != self._theirs(table, after, last).value:
                self._write(table, after, last, rows)
            mine.add(told)
            after, done = last, done + len(chunk)
            self._watch.step(f"{table.name}: {done:,} of {counted(total, 'row')}")
        if self._theirs(table, after, None).rows:
            self._write(table, after, None, [])  # what the file no longer has
        return mine

    def _write(self, table: Table, after: Row | None, last: Row | None, rows: list[Row]) -> None:
        where, values = table.between(after, last)
        with self._server.atomic("IMMEDIATE"):
            self._server.execute_sql(table.delete(where), values)
            if table.name in DERIVED:
                words, key = DERIVED[table.name], f'"{table.key[0]}"'
                self._server.execute_sql(f"DELETE FROM {words} WHERE {where.replace(key, 'rowid') or 'TRUE'}", values)
            self._server.execute_many(table.insert, rows)
        self._copied += len(rows)

    def _theirs(self, table: Table, after: Row | None, last: Row | None) -> Digest:
        where, values = table.between(after, last)
        if last is None:
            return Digest().add(self._server.stream(table.of_server(where), values))
        return Digest().add(self._server.execute_sql(table.of_server(where), values))

    def _checked(self, table: Table, mine: Digest) -> MovedTable:
        """Read all of the server's table, and compare it with what was read of the file.

        Raises:
            StoreError: They differ.
        """
        self._watch.step(f"comparing {table.name}: {counted(mine.rows, 'row')}")
        theirs = self._theirs(table, None, None)
        if theirs.value != mine.value:
            raise StoreError(
                f"{self._server.shown!r} has other rows in {table.name} than {str(self._path)!r}"
                f" ({theirs.rows:,} and {mine.rows:,}), although they were just written.",
                next_step="Run the same command again: it writes what differs. Does another program write there?",
                code="move_differs",
            )
        return MovedTable(table.name, mine.rows, mine.hex)

    def _number_on(self) -> None:
        """New rows get numbers behind those that came along; and the planner learns what there is."""
        server = self._server
        numbered = server.execute_sql(
            "SELECT c.relname::text, a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attidentity != ''"
        ).fetchall()
        with server.atomic("IMMEDIATE"):
            for table, column in numbered:
                server.execute_sql(
                    "SELECT setval(pg_get_serial_sequence(?, ?), coalesce(max(x), 1), max(x) IS NOT NULL)"
                    f' FROM (SELECT "{column}" AS x FROM "{table}") t',
                    (f'"{table}"', column),
                )
            for name in (*sorted(OWN_TABLES), *DERIVED.values()):
                server.execute_sql(f'ANALYZE "{name}"')

    def _note(self, key: str, note: Moved) -> None:
        told = {"id": note.id, "at": note.at}
        if key == MOVING:  # whoever finds a half has to know where the rest is; later it's nobody's business
            told["from"] = f"{self._path} on {socket.gethostname()}"
        self._server.execute_sql(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, json.dumps(told)),
        )

    def _count(self, table: Table) -> int:
        return int(self._file.execute_sql(f"SELECT count(*) FROM ({table.of_file()})").fetchone()[0])

    def _left_out(self, table: Table) -> int:
        if not table.skipped or table.name == "answer":
            return 0
        return int(self._file.execute_sql(f"SELECT count(*) FROM {table.name} WHERE {table.skipped}").fetchone()[0])


@contextmanager
def _opened(path: Path, url: str) -> Iterator[tuple[Database, PostgresStore]]:
    file = open_for_looking(path)
    try:
        server = PostgresStore(url)
        try:
            with translated():
                yield file, server
        finally:
            if not server.is_closed():
                server.close()
    finally:
        if not file.is_closed():
            file.close()


def _known(server: PostgresStore) -> tuple[str, dict[str, str]] | None:
    """The server's note of a move: its key and what it says; None where it knows of none."""
    if version_of(server) == 0:
        return None
    for key in (MOVING, MOVED_FROM):
        told = note_in(server, key)
        if told is not None:
            return key, told
    return None


def _refuse_full(server: PostgresStore) -> None:
    if version_of(server) == 0:
        return
    for name in sorted(OWN_TABLES - {"meta"}):
        if server.execute_sql(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone() is not None:
            raise _not_empty(server)


def _not_empty(server: PostgresStore) -> StoreError:
    return StoreError(
        f"The store {server.shown!r} isn't empty, and what is in it didn't come from here.",
        next_step="Name another database, or another schema by ?options=-csearch_path%3Dname behind its name.",
        code="target_not_empty",
    )


def _refuse_what_cannot_be_kept(file: Database) -> None:
    """Refuse before anything is written, with names.

    Raises:
        StoreError: An item has what PostgreSQL can't keep.
    """
    rows = file.execute_sql(
        "SELECT i.kind, i.name, b.structure, b.words FROM item i LEFT JOIN brought b ON b.item_id = i.id"
        " WHERE length(CAST(i.name AS BLOB)) > ? OR instr(i.name, char(0)) > 0"
        " OR instr(b.structure, '\\u0000') > 0 OR instr(b.words, '\\u0000') > 0 ORDER BY i.id",
        (LONGEST_NAME,),
    )
    refused = []
    for kind, name, *payloads in rows:
        documents = [Document(kind, name), *(from_payload(json.loads(one)) for one in payloads if one)]
        if reason := next(filter(None, map(POSTGRES.refusal, documents)), ""):
            refused.append((f"{kind} {name[:60]!r}", reason))
    if refused:
        names = ", ".join(name for name, _ in refused[:NAMED]) + (", …" if len(refused) > NAMED else "")
        raise StoreError(
            f"{counted(len(refused), 'item')} can't be moved ({names}): {refused[0][1]}. Nothing was moved.",
            next_step="Change them where they come from, scan or import again, then move.",
            code="not_for_postgresql",
        )
