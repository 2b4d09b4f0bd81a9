"""Database URLs: what they say, how they are shown, and what went wrong, in plain words without the password."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

from batch_manager.errors import InputError
from batch_manager.sources.database_file import dialect_at, is_path
from batch_manager.sources.shown import expanded, shown

if TYPE_CHECKING:
    from sqlalchemy import URL

EXAMPLES = (
    "Write it like sqlite:///shop.db, sqlite:////home/ann/shop.db, postgresql://user:password@host/shop,"
    " mysql://user:password@host/shop or duckdb:///shop.duckdb; an @ in a password is written %40."
)

BLOCKING_DRIVERS = {
    "postgres": "postgresql",  # an old spelling that many hosts still hand out
    "postgresql+asyncpg": "postgresql",
    "postgresql+psycopg_async": "postgresql+psycopg",
    "sqlite+aiosqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "mysql+aiomysql": "mysql+pymysql",
    "mysql+asyncmy": "mysql",
    "mariadb+aiomysql": "mariadb+pymysql",
    "mariadb+asyncmy": "mariadb",
    "oracle+oracledb_async": "oracle+oracledb",
}
"""URLs are often those of an application, with its asynchronous driver in them; a scan needs a blocking one."""

DRIVERS: dict[str, tuple[tuple[str, str], ...]] = {
    "postgresql": (("psycopg", "psycopg"), ("psycopg2", "psycopg2"), ("pg8000", "pg8000")),
    "mysql": (("pymysql", "pymysql"), ("mysqldb", "MySQLdb"), ("mysqlconnector", "mysql.connector")),
    "mariadb": (("pymysql", "pymysql"), ("mysqldb", "MySQLdb"), ("mariadbconnector", "mariadb")),
}
"""Dialect → (driver, the module that it needs), best first: any that is installed will do."""

EXTRAS = {
    "postgresql": ("postgres", "psycopg"),
    "mysql": ("mysql", "pymysql"),
    "mariadb": ("mysql", "pymysql"),
    "duckdb": ("duckdb", "duckdb_engine"),
}
"""Dialect → our extra that brings a driver for it, and that driver."""

PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
"""Where a server listens when the URL doesn't say."""

PACKAGES = {
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "mysqldb": "mysqlclient",
    "mysqlconnector": "mysql-connector-python",
    "mariadbconnector": "mariadb",
    "pyodbc": "pyodbc",
    "cx_oracle": "cx_Oracle",
    "pymssql": "pymssql",
}
"""Driver → the package that brings it, where the names differ or the plain one needs a compiler."""

_SQLITE_FAULTS: dict[int, tuple[str, str, str]] = {
    # primary result code (sqlite.org/rescode.html): (code, message, next step)
    5: (
        "database_locked",
        "is locked by another program",
        "Wait for it or close it, then scan again.",
    ),
    11: ("database_damaged", "is damaged", "Repair it (sqlite3's .recover) or take a backup."),
    14: (
        "unreadable_database",
        "can't be opened",
        "Check who may read the file; one in WAL mode also needs a folder that can be written.",
    ),
    26: (
        "not_a_database",
        "is not a SQLite database",
        "Check the path. (An encrypted database looks like that too.)",
    ),
}

_SERVER_FAULTS: tuple[tuple[str, str, str, str], ...] = (
    # (pattern in the driver's words, code, message, next step)
    (
        r"statement timeout|max_statement_time|maximum statement execution time",
        "database_slow",
        "took too long over one question",
        "Try again when the server has less to do, or read fewer schemas at once.",
    ),
    (
        r"could not set lock on file|conflicting lock",
        "database_locked",
        "is locked by another program",
        "Wait for it or close it, then scan again.",
    ),
    (r"not a valid DuckDB database", "not_a_database", "is not a DuckDB database", "Check the path."),
    (
        r"password authentication failed|no password supplied|access denied|authentication failed|login failed"
        r"|role .* does not exist|ORA-01017|no pg_hba\.conf entry",
        "database_login",
        "refused the user or the password",
        "Check both in the URL; special characters in them are percent-encoded (@ is %40).",
    ),
    (
        r"(?:FATAL|database) .*does not exist|unknown database",
        "no_such_database",
        "isn't on that server",
        "Check the database's name at the end of the URL.",
    ),
    (
        r"connection refused|could not translate host|name or service not known|failed to resolve|timed? ?out|timeout"
        r"|can't connect|no route to host|network is unreachable|no such file or directory|server closed|gone away"
        r"|lost connection|connection (?:is|was) (?:lost|closed|bad)|terminating connection|starting up|shutting down"
        r"|too many (?:clients|connections)|nodename nor servname|temporary failure in name|getaddrinfo",
        "database_unreachable",
        "can't be reached",
        "Check host and port, and that the server is running and lets this machine in.",
    ),
)


def parse_url(text: str) -> URL:
    """Read a database URL as a person would have meant it; the path of a database file will do.

    Raises:
        InputError: `bad_database_url`. The text isn't repeated, since it may hold a password in the wrong place.
            For a path also what `database_file.dialect_at` raises.
    """
    from sqlalchemy import URL, make_url
    from sqlalchemy.exc import ArgumentError

    text = text.strip()
    if is_path(text):
        return URL.create(dialect_at(text), database=str(expanded(text)))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        slashes = re.match(r"sqlite(?:\+\w+)?:/?(?!/)", text)
        hint = "SQLite needs three slashes before a path, and four before an absolute one. " if slashes else ""
        raise _bad("The database URL can't be understood.", hint) from None
    url = url.set(drivername=BLOCKING_DRIVERS.get(url.drivername.lower(), url.drivername.lower()))
    dialect = url.get_backend_name()
    if dialect == "sqlite":
        if url.drivername != "sqlite":
            raise _bad("Of SQLite's drivers only the plain one is supported.")
        if url.host:
            raise _bad("The database URL has a host, and SQLite has none.", "Three slashes before a path. ")
        if not url.database or url.database == ":memory:":
            raise _bad("The database URL names no file.")
    elif dialect == "duckdb":
        if url.host:
            raise _bad("The database URL has a host, and DuckDB has none.", "Three slashes before a path. ")
        if not url.database or url.database == ":memory:":
            raise _bad("The database URL names no file.")
    elif "@" in (url.host or "") or "@" in (url.database or ""):
        # What stands there is a part of a password with an @ in it.
        raise _bad("The database URL has more than one @.")
    return _with_driver(url, dialect)


def title_of(text: str) -> str:
    """What to call a database on a screen: its URL with neither password nor options; "database" for a bad one."""
    try:
        url = parse_url(text)
    except InputError:
        return "database"
    if url.get_backend_name() in ("sqlite", "duckdb"):
        return shown(f"{url.get_backend_name()}:///{url.database}")
    # Options may hold secrets of any name; a socket's place is all that tells databases apart.
    place = {key: value for key, value in url.query.items() if key in ("host", "port")}
    plain = url.set(drivername=url.get_backend_name(), query=place)
    return shown(plain.render_as_string(hide_password=True))


def key_of(text: str) -> str:
    """What tells a database from every other one: the absolute file, or server, port and name.

    Who asks and with which driver makes no difference, so they are no part of it. A bad URL is "database".
    """
    from sqlalchemy import URL

    try:
        url = parse_url(text)
    except InputError:
        return "database"
    dialect = url.get_backend_name()
    if dialect in ("sqlite", "duckdb"):
        return f"{dialect}:///{os.path.realpath(file_path(url))}"
    place = {key: value for key, value in url.query.items() if key in ("host", "port")}
    port = url.port if url.port != PORTS.get(dialect) else None
    plain = URL.create(dialect, host=url.host, port=port, database=url.database, query=place)
    return plain.render_as_string()


def label_of(text: str) -> str:
    """A database's short name: the file's without its ending, or its own on the server."""
    try:
        url = parse_url(text)
    except InputError:
        return "database"
    dialect = url.get_backend_name()
    return shown(file_path(url).stem if dialect in ("sqlite", "duckdb") else url.database or url.host or dialect, 60)


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file, whatever characters its path has."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(path.absolute())).render_as_string()


def file_path(url: URL) -> Path:
    """The file that a SQLite or DuckDB URL names, as a path or in SQLite's own `file:` form."""
    name = url.database or ""
    if name.startswith("file:"):
        name = unquote(re.sub(r"^//(?=/)", "", name.removeprefix("file:")).partition("?")[0])
    return expanded(name)


def missing_driver(url: URL) -> InputError:
    """The error for a driver that isn't installed (code `missing_driver`)."""
    dialect = url.get_backend_name()
    driver = url.get_driver_name() if "+" in url.drivername else EXTRAS.get(dialect, ("", url.drivername))[1]
    package = PACKAGES.get(driver, driver)
    if dialect in EXTRAS and EXTRAS[dialect][1] == driver:
        package = f"batch-manager[{EXTRAS[dialect][0]}]"
    return InputError(
        f"Reading {shown(dialect)} databases needs the driver {shown(driver)}, which isn't installed.",
        next_step=f"Install it beside this program: pip install '{shown(package)}'",
        code="missing_driver",
    )


def explain(error: Exception, url: URL, title: str) -> InputError:
    """Put a driver's complaint into plain words, without the URL's secrets."""
    original = getattr(error, "orig", None) or error
    if url.get_backend_name() == "sqlite":
        fault = _SQLITE_FAULTS.get(_sqlite_code(original))
    else:
        words = str(original)
        fault = next((row[1:] for row in _SERVER_FAULTS if re.search(row[0], words, re.IGNORECASE)), None)
    if fault:
        code, message, next_step = fault
        return InputError(f"{title} {message}.", next_step=next_step, code=code)
    return InputError(
        f"{title} can't be read: {scrubbed(str(original), url)}",
        next_step="Check the URL, and that the user may read the database.",
        code="unreadable_database",
    )


def concerns_all(error: Exception) -> bool:
    """Whether an error means that nothing else can be read either, rather than one table's trouble."""
    return bool(getattr(error, "connection_invalidated", False)) or (
        _sqlite_code(getattr(error, "orig", None) or error) in _SQLITE_FAULTS
    )


def _sqlite_code(error: object) -> int:
    """SQLite's primary result code, which is the low byte of what it gives; 0 for other errors."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF if isinstance(code, int) else 0


def scrubbed(words: str, url: URL) -> str:
    """A driver's words on one line, without the URL's password and without its options' values."""
    secrets = {str(url.password)} if url.password else set()
    for key, value in url.query.items():
        if key not in ("host", "port"):
            secrets.update([value] if isinstance(value, str) else value)
    for secret in sorted(secrets - {""}, key=len, reverse=True):
        for spelling in (secret, quote(secret, safe=""), quote_plus(secret)):
            words = words.replace(spelling, "***")
    return shown(" ".join(words.split()))


def _with_driver(url: URL, dialect: str) -> URL:
    """Name a driver that is installed, when the URL leaves it open."""
    from importlib.util import find_spec

    if "+" in url.drivername or dialect not in DRIVERS:
        return url
    installed = [driver for driver, module in DRIVERS[dialect] if find_spec(module.partition(".")[0])]
    return url.set(drivername=f"{dialect}+{installed[0] if installed else DRIVERS[dialect][0][0]}")


def _bad(message: str, hint: str = "") -> InputError:
    return InputError(message, next_step=hint + EXAMPLES, code="bad_database_url")
