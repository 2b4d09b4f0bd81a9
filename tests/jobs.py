"""Jobs for the proofs: a home, its documents and an engine over real HTTP, real SQLite and real Chroma."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from batch_manager.documents import Document
from batch_manager.engine import Engine
from batch_manager.events import RunView
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import Settings, load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore

UNLIMITED: dict[str, Any] = {"requests_per_minute": None, "tokens_per_minute": None, "rate_headers": False}
KEY = "sk-test"
PRICE = Decimal("0.02") / 1_000_000


def options(**more: Any) -> RehearsalOptions:
    """A server without rate limits, unless told otherwise."""
    return RehearsalOptions(**{"seed": 7, **UNLIMITED, **more})


def settings_for(home: Path, base_url: str, **flags: object) -> Settings:
    """Settings of that home and server, away from the machine's own."""
    given = {"BATCH_MANAGER_HOME": str(home), "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": base_url}
    return load_settings({**given, **flags}, environment={}, folder=home)


@dataclass
class Job:
    """An engine over one home."""

    home: Path
    engine: Engine
    store: DocumentationStore

    def bring(self, count: int, start: int = 0, words: str = "what the business knows") -> None:
        """That many tables, `table_N`, with the words in their text."""
        documents = [
            Document("table", f"table_{number}", documentation=f"Holds {words}, case {number} of many.")
            for number in range(start, start + count)
        ]
        self.store.items.bring(IterableSource(documents, "words", "a test"))

    def start(self, scope: Scope | None = None, cap: Decimal | None = None) -> None:
        """Say yes to the quote of the scope."""
        self.engine.start(self.engine.quote(scope or Scope(), cap))

    def run(self, scope: Scope | None = None, cap: Decimal | None = None, seconds: float = 60) -> RunView:
        """Say yes, and wait for the end."""
        self.start(scope, cap)
        return self.ended(seconds)

    def ended(self, seconds: float = 60) -> RunView:
        """The picture at the run's end."""
        view = self.engine.wait(seconds)
        assert not view.active, view
        return view

    def until(self, reached: Callable[[RunView], bool], seconds: float = 30) -> RunView:
        """The first picture of which that is true."""
        deadline = time.monotonic() + seconds
        while not reached(view := self.engine.view()):
            assert time.monotonic() < deadline, view
            assert view.active or view.run_id == 0, view
            time.sleep(0.005)
        return view

    def count(self, status: Any) -> int:
        """Items of that status."""
        return self.store.items.counts().total(status)

    def close(self) -> None:
        """End it in good order."""
        self.engine.close()
        self.store.close()


@contextlib.contextmanager
def job(home: Path, server: RehearsalServer | str, *, on_trouble: Any = "stop", **flags: object) -> Iterator[Job]:
    """Open a job in a home; it is closed at the end."""
    settings = settings_for(home, server if isinstance(server, str) else server.base_url, **flags)
    store = DocumentationStore(settings)
    opened = Job(home, Engine(settings, store, on_trouble=on_trouble), store)
    try:
        yield opened
    finally:
        opened.close()


def billed(server: RehearsalServer) -> Decimal:
    """USD that the server has billed."""
    return Decimal(server.totals()["billed_tokens"]) * PRICE
