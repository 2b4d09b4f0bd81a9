"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import warm
from chroma_server import ChromaServer
from servers import running_postgres
from stores import StoreServer, instead_of_sqlite


def pytest_collection_finish() -> None:
    """Leave what is imported by now out of every search for garbage: it stays to the end, and there is a lot of it."""
    gc.collect()
    gc.freeze()


def pytest_configure() -> None:
    """What a script starts with `&` ignores Ctrl-C, and so would all that the tests start, which send it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warm.install()


@pytest.fixture(autouse=True)
def begins(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test marked `cold` starts begins as it does for users, and not as a fork of what has begun before."""
    if request.node.get_closest_marker("cold"):
        monkeypatch.setattr(warm.warm, "off", True)


# A busy machine is no reason to fail: neither the time of an example is judged, nor that of making it up.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

STORES = ("sqlite", "postgresql")
ASKED = STORES if os.environ.get("ALL_ON_POSTGRESQL") else STORES[:1]
"""Where tests run whose time is Chroma's: on PostgreSQL as well when somebody asks for it, before a release."""


@pytest.fixture(scope="session")
def store_server() -> Iterator[StoreServer]:
    """A PostgreSQL server for stores, one for all tests of a process."""
    with running_postgres() as url:
        yield StoreServer(url)


@pytest.fixture(params=STORES)
def each_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The test runs on both engines; what is about SQLite's files alone is marked so."""
    yield from _on(request, monkeypatch)


@pytest.fixture(params=ASKED)
def each_store_if_asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The same for long tests: on PostgreSQL only with `ALL_ON_POSTGRESQL` in the environment."""
    yield from _on(request, monkeypatch)


def _on(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "sqlite":
        yield "sqlite"
        return
    if request.node.get_closest_marker("of_files"):
        pytest.skip("about the store's file")
    with instead_of_sqlite(request.getfixturevalue("store_server"), monkeypatch):
        yield "postgresql"


@pytest.fixture
def bare(store_server: StoreServer) -> Iterator[str]:
    """A database with nothing in it."""
    with store_server.databases() as databases:
        yield databases.make("template0")


@pytest.fixture(scope="module")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Chroma server, one for all tests of a file."""
    server = ChromaServer(tmp_path_factory.mktemp("chroma"))
    server.start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop()
