"""The journal, over a real store: what is durable when, what goes together, and what a cancelled caller leaves."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from batch_manager.documents import Document
from batch_manager.engine.books import Books
from batch_manager.engine.budget import Budget
from batch_manager.engine.control import Control
from batch_manager.engine.journal import Journal
from batch_manager.engine.progress import Progress
from batch_manager.engine.quoting import quote_of
from batch_manager.errors import StoreError, UsageError
from batch_manager.packing import Input
from batch_manager.pricing import to_pico
from batch_manager.quote import Scope
from batch_manager.settings import Settings, load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentationStore]:
    with DocumentationStore(Settings(home=tmp_path)) as made:
        yield made


@pytest.fixture
async def journal(store: DocumentationStore) -> AsyncIterator[Journal]:
    made = Journal(store)
    yield made
    await made.close()


def notes(store: DocumentationStore) -> dict[str, str]:
    """What another program finds in the file."""
    with contextlib.closing(sqlite3.connect(store.path)) as other:
        return dict(other.execute("SELECT key, value FROM meta WHERE key LIKE 'test%'"))


class Held:
    """An entry that holds the journal's thread until it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self.let_go.wait(30)


async def held(journal: Journal) -> tuple[Held, asyncio.Task[None]]:
    entry = Held()
    writing = asyncio.create_task(journal.write(entry))
    while not entry.begun.is_set():
        await asyncio.sleep(0.001)
    return entry, writing


async def test_what_is_written_is_durable_when_it_is_told(store: DocumentationStore, journal: Journal) -> None:
    def entry() -> str:
        assert threading.current_thread() is not threading.main_thread()
        store.set_note("test", "kept")
        return "told"

    after: list[str] = []
    assert await journal.write(entry, lambda told: after.append(f"{told}: {notes(store)['test']}")) == "told"
    assert after == ["told: kept"]


async def test_what_comes_meanwhile_goes_together(
    store: DocumentationStore, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[list[str]] = []
    transaction, order = store.transaction, list[str]()

    @contextlib.contextmanager
    def noted() -> Iterator[None]:
        with transaction():
            yield
        commits.append(order.copy())
        order.clear()

    monkeypatch.setattr(store, "transaction", noted)
    first, writing = await held(journal)
    others = [asyncio.create_task(journal.write(lambda name=name: order.append(name))) for name in "abc"]
    await asyncio.sleep(0.02)
    first.let_go.set()
    await asyncio.gather(writing, *others)
    assert commits == [[], ["a", "b", "c"]]


async def test_one_that_fails_takes_no_other_with_it(store: DocumentationStore, journal: Journal) -> None:
    def fails() -> None:
        store.set_note("test of the failing", "half")
        raise UsageError("No.", code="no")

    first, writing = await held(journal)
    tasks = [
        asyncio.create_task(journal.write(entry))
        for entry in (lambda: store.set_note("test 1", "a"), fails, lambda: store.set_note("test 2", "b"))
    ]
    await asyncio.sleep(0.02)
    first.let_go.set()
    results = await asyncio.gather(writing, *tasks, return_exceptions=True)
    assert [type(one) for one in results] == [type(None), type(None), UsageError, type(None)]
    assert notes(store) == {"test 1": "a", "test 2": "b"}


async def test_what_cannot_be_committed_is_nobodys(
    store: DocumentationStore, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction, full = store.transaction, [True]

    @contextlib.contextmanager
    def never() -> Iterator[None]:
        with transaction():
            yield
            if full[0]:
                raise StoreError("The disk is full.", code="store_full")

    monkeypatch.setattr(store, "transaction", never)
    after: list[object] = []
    results = await asyncio.gather(
        *(journal.write(lambda: store.set_note("test", "x"), after.append) for _ in range(3)), return_exceptions=True
    )
    assert [type(one) for one in results] == [StoreError] * 3
    assert not after
    assert notes(store) == {}
    full[0] = False
    await journal.write(lambda: store.set_note("test", "y"))
    assert notes(store) == {"test": "y"}


async def test_who_is_cancelled_has_it_written_all_the_same(store: DocumentationStore, journal: Journal) -> None:
    first, writing = await held(journal)
    after: list[object] = []
    task = asyncio.create_task(journal.write(lambda: store.set_note("test", "paid"), after.append))
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.sleep(0.02)
    assert not task.done(), "it is told of its end when it is known"
    first.let_go.set()
    await writing
    with pytest.raises(asyncio.CancelledError):
        await task
    assert notes(store) == {"test": "paid"}
    assert after == [None]


async def test_a_fault_in_what_follows_is_told_to_whoever_asked(store: DocumentationStore, journal: Journal) -> None:
    def fault(_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await journal.write(lambda: store.set_note("test", "x"), fault)
    await journal.write(lambda: store.set_note("test", "y"))
    assert notes(store) == {"test": "y"}


async def test_closed_it_has_no_thread_and_opens_again(store: DocumentationStore, journal: Journal) -> None:
    def threads() -> list[str]:
        return [one.name for one in threading.enumerate() if one.name.startswith("batch-manager-journal")]

    late = asyncio.create_task(journal.write(lambda: store.set_note("test", "before the end")))
    await asyncio.sleep(0)
    await journal.close()
    await late
    assert not threads()
    await journal.close()
    await journal.write(lambda: store.set_note("test", "again"))
    assert len(threads()) == 1
    assert notes(store) == {"test": "again"}


async def test_without_threads_it_says_so(
    store: DocumentationStore, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as none_left:
        none_left.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("no thread")))
        with pytest.raises(RuntimeError, match="no thread"):
            await asyncio.wait_for(journal.write(lambda: None), 10)


async def test_a_request_that_is_given_up_before_it_left_holds_no_money(tmp_path: Path) -> None:
    settings = load_settings({"BATCH_MANAGER_HOME": str(tmp_path), "OPENAI_API_KEY": "test"}, {})
    with DocumentationStore(settings) as store:
        store.items.bring(IterableSource([Document("table", "orders", documentation="All orders.")], "words", "test"))
        quote = quote_of(settings, store, Scope(), Decimal(1))
        space_id = store.answers.space_id(quote.space, make=True)
        with store.transaction():
            run_id = store.ledger.open_run(quote, space_id, None)
        progress = Progress(run_id, quote, Budget(to_pico(Decimal(1))), 0.0, state="running")
        journal = Journal(store)
        books = Books(run_id, space_id, quote, store, Control(progress, lambda _: None, "stop"), journal)
        first, writing = await held(journal)
        reserving = asyncio.create_task(books.reserve(progress.batch(1, 1, 8), [Input(1, 8, 30)], 8))
        await asyncio.sleep(0.02)
        assert (progress.requests, progress.budget.held) == (1, quote.price.pico(8)), "none may pass the cap meanwhile"
        reserving.cancel()
        await asyncio.sleep(0.02)
        first.let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await reserving
        await writing
        await journal.close()
        assert (progress.requests, progress.budget.held) == (0, 0)
        rows = store.database.execute_sql("SELECT state, code, cost_pico FROM request").fetchall()
        assert rows == [("refused", "not_sent", 0)]
