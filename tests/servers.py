"""Database servers for tests: each on a free port of 127.0.0.1, with data of its own, ended with the test.

Where a server can't be had the tests are skipped with the reason, except where `CI` is set: there a missing server
is a failure, or nobody would ever notice.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from scanning import IN_URL, PASSWORD


def need(driver: str) -> None:
    """Skip when a driver isn't installed."""
    try:
        __import__(driver)
    except ImportError:
        missing(f"needs the driver {driver} (pip install '.[dev]')")


def missing(reason: str) -> NoReturn:
    """Skip, or fail where nothing may be skipped."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server that can be ended, and started again on the same port and the same data.

    Attributes:
        url: Its URL, without a database.
        run: Runs one of its programs on its data.
        starting: What `pg_ctl` is told to start it.
    """

    url: str
    run: Callable[..., None]
    starting: tuple[str, ...]

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self.run("pg_ctl", *self.starting, "start")

    def stop(self) -> None:
        """End it as a crash would: without a word to whoever is connected, and nothing put in order."""
        self.run("pg_ctl", "-m", "immediate", "stop")


@contextmanager
def running_postgres() -> Iterator[str]:
    """A PostgreSQL with passwords; gives its URL without a database."""
    with postgres_server() as server:
        yield server.url


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """The same, for who ends it and starts it again; it has to run in the end."""
    need("psycopg")
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parent.name))
    found = shutil.which("initdb")
    folder = binaries[-1] if binaries else Path(found).parent if found else None
    if folder is None:
        missing("needs a PostgreSQL server (initdb; on Debian: apt-get install postgresql)")
    # PostgreSQL refuses to run as root; and pytest's own folders are closed to other users.
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="batch-manager-postgres-") as name:
        home = Path(name)
        (home / "password").write_text(PASSWORD)
        if user:
            shutil.chown(home, "postgres")
            shutil.chown(home / "password", "postgres")
        data = home / "data"
        port = free_port()

        def run(program: str, *arguments: str) -> None:
            command = [*user, str(folder / program), "-D", str(data), *arguments]
            subprocess.run(command, check=True, capture_output=True, cwd="/", timeout=60)

        run(
            *("initdb", "-U", "ann", "--pwfile", str(home / "password"), "-A", "scram-sha-256"),
            *("-E", "UTF8", "--locale=C", "--no-sync"),
        )
        options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories='' -c fsync=off"
        url = f"postgresql://ann:{IN_URL}@127.0.0.1:{port}"
        server = Postgres(url, run, ("-l", str(home / "log"), "-w", "-o", options))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def running_mariadb() -> Iterator[str]:
    """A MariaDB with a user of its own; gives its URL without a database."""
    need("pymysql")
    import pymysql

    server, install = (shutil.which(one, path=_PATH) for one in ("mariadbd", "mariadb-install-db"))
    if server is None or install is None:
        missing("needs a MariaDB server (mariadbd; on Debian: apt-get install mariadb-server)")
    with tempfile.TemporaryDirectory(prefix="batch-manager-mariadb-") as name:
        home = Path(name)
        home.chmod(0o755)
        user = []
        if os.getuid() == 0:  # it refuses to run as root unless told, and then its files are root's
            user = ["--user=mysql"]
            shutil.chown(home, "mysql")
        data = home / "data"
        subprocess.run(
            [
                *(install, "--no-defaults", *user, f"--datadir={data}", "--skip-test-db", "--skip-name-resolve"),
                "--auth-root-authentication-method=normal",
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )
        port = free_port()
        command = [server, "--no-defaults", *user, f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"]
        command += [f"--socket={home / 'socket'}", f"--pid-file={home / 'pid'}", f"--log-error={home / 'log'}"]
        command += ["--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    root = pymysql.connect(unix_socket=str(home / "socket"), user="root")
                    break
                except pymysql.OperationalError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError((home / "log").read_text()) from None
                    time.sleep(0.05)
            with root, root.cursor() as cursor:
                cursor.execute("CREATE USER ann@'127.0.0.1' IDENTIFIED BY %s", (PASSWORD,))
                cursor.execute("GRANT ALL ON *.* TO ann@'127.0.0.1' WITH GRANT OPTION")
            yield f"mysql://ann:{IN_URL}@127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
"""Debian keeps servers where a plain user's PATH doesn't lead."""


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
