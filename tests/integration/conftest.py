"""The command with a provider that bills; files whose subject is another server have fixtures of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from command import PAYING_KEY, THREE, Command, jsonl


@pytest.fixture(scope="session")
def _billing() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(RehearsalOptions(seed=5, key=PAYING_KEY)) as running:
        yield running


@pytest.fixture
def server(_billing: RehearsalServer) -> RehearsalServer:
    """The shared server as newly started."""
    _billing.set_options(faults=[], latency_ms=0.0)
    _billing.clear()
    return _billing


@pytest.fixture(scope="session")
def _imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    command = Command(tmp_path_factory.mktemp("imported") / "home")
    assert command("--import", "-", text=jsonl(*THREE)).code == 0
    return command.home


@pytest.fixture
def command(tmp_path: Path, server: RehearsalServer, _imported: Path) -> Command:
    """A home with three documents, whose provider is the server."""
    shutil.copytree(_imported, tmp_path / "home")
    return Command(tmp_path / "home", {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": PAYING_KEY})
