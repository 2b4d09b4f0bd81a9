"""The store's database in PostgreSQL: a connection for each thread, and one writer at a time."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from batch_manager.errors import StoreError
from batch_manager.settings import is_well_written, shown_url
from batch_manager.store.database import translated
from batch_manager.store.orm import as_peewees, peewee
from batch_manager.store.postgres_dialect import POSTGRES, placed

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS = 10
WAIT_SECONDS = 30
"""How long a statement waits for another writer of this process, or for somebody who holds a table."""

KEEPALIVE_SECONDS = 30
"""Silence after which the server is asked whether it is there: what stands between drops silent connections."""

OLDEST_SERVER = 130_000
"""PostgreSQL 13 is the first with normalize()."""

WRITER_LOCK = 0x42617463 << 32
TURN_LOCK = 0x42617464 << 32
DELIVERY_LOCK = 0x42617465 << 32
"""Advisory locks: the high half says whose they are, the low half is the schema's id. The first is held by the one
program that plans and brings in, the second for the length of one transaction, the third by whoever brings vectors to
the index: of two who do at once, the slower one could put a text's former vector over its present one."""

HELD = """
    pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""Behind FROM: an advisory lock that somebody has; its key's `halves` are the values."""

PAGE = 2_000
"""Rows that are fetched at once of a long answer."""

whose_locks_are_kept: dict[str, Callable[[], None]] = {}
"""URL → what makes sure that this process still has the writer's lock there, for when a connection was lost."""

_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b")


class PostgresStore(peewee.Database):
    """See `dialect.Database`. Texts, names and types are PostgreSQL's; transactions are as SQLite has them.

    A transaction that is begun as `IMMEDIATE`, and each statement that writes by itself, waits until no other one of
    the same store goes on: so what is read in it stays true until its end.
    """

    dialect = POSTGRES
    telling = "TELLING"
    absent = False

    def __init__(self, url: str, *, looking: bool = False) -> None:
        """Nothing is connected yet.

        Args:
            url: The server, the database, who asks, and all else that libpq's URLs can tell.
            looking: Refuse whatever would write.
        """
        self.url = url
        self._looking = looking
        self.shown = shown_url(url)
        self.schema_id = 0
        super().__init__("postgresql")

    def execute_sql(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> Any:
        """Run a statement; returns the cursor. Values are `?`, or `:name` for a mapping."""
        if _WRITES.match(sql) and not self.in_transaction():
            with self.atomic("IMMEDIATE"):
                return self._run(sql, params)
        return self._run(sql, params)

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row of values, without waiting for the answer to each."""
        with as_peewees:
            self.cursor().executemany(placed(sql), rows)

    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Any]:
        """The rows of a long answer, which stays on the server but for a page."""
        with as_peewees, self.connection().cursor(f"page_{uuid4().hex}", withhold=True) as cursor:
            cursor.itersize = PAGE
            yield from cursor.execute(placed(sql), params)

    def begin(self, lock_type: str | None = None) -> None:
        """Begin a transaction; an `IMMEDIATE` one waits for its turn, and so does one that is `telling`."""
        with as_peewees:
            cursor = self.cursor()  # whose connection knows the schema, and so the key
        mode = " READ WRITE" if lock_type == self.telling else ""
        turn = f"; SELECT pg_advisory_xact_lock({TURN_LOCK + self.schema_id})" if lock_type else ""
        with as_peewees:
            cursor.execute(f"BEGIN{mode}{turn}")

    def rollback(self) -> None:
        """Take the transaction back; with a connection that is lost the server has done so."""
        if not self.is_closed() and not super().connection().closed:  # type: ignore[no-untyped-call]
            super().rollback()

    def has_writer(self) -> bool:
        """Whether a program has the lock of whoever writes."""
        with as_peewees:
            connection = self.connection()  # which knows the schema, and so the key
            row = connection.execute(f"SELECT 1 FROM {HELD}", halves(WRITER_LOCK + self.schema_id)).fetchone()
        return row is not None

    def take_turn(self) -> bool:
        """See `dialect.Database`; it can be taken several times, and is free when it was given back as often."""
        with translated(), as_peewees:
            connection = self.connection()
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (DELIVERY_LOCK + self.schema_id,)).fetchone()
        return row is not None and bool(row[0])

    def end_turn(self) -> None:
        """See `dialect.Database`; a connection that was lost has given it back."""
        with translated(), as_peewees:
            connection = self.connection()
            connection.execute("SELECT pg_advisory_unlock(%s)", (DELIVERY_LOCK + self.schema_id,))

    def keep_little(self) -> None:
        """What was read is kept by the server."""

    def notify(self, words: str) -> None:
        """See `dialect.Database`."""
        with as_peewees:
            connection = self.connection()
            connection.execute("SELECT pg_notify(%s, %s)", (channel_of(self.schema_id), words))

    def connection(self) -> psycopg.Connection[Any]:
        """This thread's connection; a new one when the server has ended the one before."""
        if not self.is_closed() and not self.in_transaction() and super().connection().closed:  # type: ignore[no-untyped-call]
            self.dispose()
            confirm = whose_locks_are_kept.get(self.url)
            if confirm is not None and not self._looking:
                confirm()
        opened: psycopg.Connection[Any] = super().connection()  # type: ignore[no-untyped-call]
        return opened

    def cursor(self, named_cursor: str | None = None) -> Any:
        """A cursor on this thread's connection."""
        return self.connection().cursor()

    def _run(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None) -> Any:
        with as_peewees:
            # Without values psycopg takes the statement as it stands, percent signs too.
            return self.cursor().execute(placed(sql), params) if params else self.cursor().execute(sql)

    def _connect(self) -> psycopg.Connection[Any]:
        connection = connect(self.url, looking=self._looking)
        try:
            self.schema_id = schema_of(connection, self.url)
        except BaseException:
            connection.close()
            raise
        return connection


def channel_of(schema_id: int) -> str:
    """Where whoever uses the store in this schema listens. Pure."""
    return f"batch_manager_{schema_id}"


def halves(key: int) -> tuple[int, int]:
    """The key of an advisory lock as pg_locks shows it. Pure."""
    return key >> 32, key & 0xFFFFFFFF


def schema_of(connection: psycopg.Connection[Any], url: str) -> int:
    """The id of the schema that the store is in: the first of the search path that is there.

    Raises:
        StoreError: There is none.
    """
    row = connection.execute("SELECT current_schema()::regnamespace::oid::bigint").fetchone()
    if row is None or row[0] is None:
        raise StoreError(
            f"The store {shown_url(url)!r} has no schema that this user may see.",
            next_step="Create one: CREATE SCHEMA AUTHORIZATION the_user; see the page on PostgreSQL.",
            code="store_missing",
        )
    return int(row[0])


def connect(url: str, *, looking: bool = False) -> psycopg.Connection[Any]:
    """A connection to the server.

    Raises:
        StoreError: The driver isn't installed, the URL isn't one, or the server can't be used for a store.
    """
    try:
        import psycopg
        from psycopg import conninfo
    except ImportError:
        raise StoreError(
            "DOCUMENTATION_STORE_URL names a PostgreSQL server, and its driver isn't installed.",
            next_step="Install it: pip install 'batch-manager[postgres]'.",
            code="no_driver",
        ) from None
    try:
        if not is_well_written(url):
            raise ValueError
        given = conninfo.conninfo_to_dict(url)
    except (psycopg.Error, ValueError):
        # What libpq says of it may have a part of a password in it.
        raise StoreError(
            f"DOCUMENTATION_STORE_URL ({shown_url(url)!r}) is no URL that PostgreSQL's own library can read.",
            next_step="Write it as postgresql://user:password@host:5432/database, with %XX for signs such as @ and /.",
            code="store_url",
        ) from None
    try:
        connection = psycopg.connect(**connection_options(given), autocommit=True)
    except psycopg.Error as error:
        raise refused(error, url, given.get("password")) from None
    try:
        _check_server(connection, url)
        connection.adapters.register_loader("numeric", _whole_numbers())
        connection.execute(f"SET lock_timeout = '{WAIT_SECONDS}s'")
        connection.execute("SET jit = off")  # it takes seconds to compile what is answered in tenths of one
        if looking:
            connection.execute("SET default_transaction_read_only = on")
    except BaseException:
        connection.close()
        raise
    return connection


def connection_options(given: str | Mapping[str, Any]) -> dict[str, Any]:
    """What a connection is made with: by a URL, or by what stands in it."""
    if isinstance(given, str):
        from psycopg import conninfo

        given = conninfo.conninfo_to_dict(given)
    mine = {
        "application_name": f"batch-manager {os.getpid()}@{socket.gethostname()}"[:63],
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": KEEPALIVE_SECONDS,
    }
    return {**mine, **given, "client_encoding": "UTF8"}


def _check_server(connection: psycopg.Connection[Any], url: str) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if connection.info.server_version < OLDEST_SERVER or encoding != "UTF8":
        raise StoreError(
            f"The store {shown_url(url)!r} is on PostgreSQL {connection.info.server_version // 10_000} in {encoding};"
            f" it takes {OLDEST_SERVER // 10_000} or newer, in UTF8.",
            next_step="Name another server, or make the database with ENCODING 'UTF8'.",
            code="store_server",
        )


def _whole_numbers() -> Any:
    from psycopg.adapt import Loader

    class Numbers(Loader):
        """Sums of whole numbers come as `numeric`, and are whole numbers here."""

        def load(self, data: Any) -> int | float:
            text = bytes(data).decode("ascii")
            return float(text) if "." in text or "N" in text else int(text)

    return Numbers


_REFUSALS: Sequence[tuple[tuple[str, ...], str, str]] = (
    (("password", "authentication", "pg_hba.conf", 'role "'), "store_login", "Check user and password in {setting}."),
    (
        ('database "',),
        "store_missing",
        "Create the database, or correct its name in {setting}.",
    ),
    (
        ("ssl", "certificate", "tls"),
        "store_tls",
        "Check sslmode and sslrootcert in {setting}; see the page on PostgreSQL.",
    ),
    (("too many", "remaining connection slots"), "store_busy", "Wait, or allow more connections on the server."),
    (("starting up", "shutting down", "recovery"), "store_unreachable", "Wait until the server is up, then try again."),
)
"""Words of a refused connection → code, next step. Before there is a connection, the server's own code isn't told."""


def refused(error: BaseException, url: str, password: object = None) -> StoreError:
    """The error of a connection that was refused."""
    words = one_line(str(error), password)
    low = words.lower()
    setting = "DOCUMENTATION_STORE_URL"
    for signs, code, step in _REFUSALS:
        if any(sign in low for sign in signs):
            return StoreError(
                f"The store {shown_url(url)!r} can't be opened: {words}.",
                next_step=step.format(setting=setting),
                code=code,
            )
    return StoreError(
        f"The store {shown_url(url)!r} can't be reached: {words}.",
        next_step=f"Start the server, or correct {setting}.",
        code="store_unreachable",
    )


def one_line(words: str, password: object = None) -> str:
    """What the server or the driver said, on one line, without the password should it be in it. Pure."""
    if isinstance(password, str) and password:
        words = words.replace(password, "…")
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("Is the server running", "LINE ", "^"))]
    return "; ".join(kept).rstrip(".")[:300]
