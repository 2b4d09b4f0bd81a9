"""What several workers write together, at the store itself: claims and their epochs, shared money, the shared rate."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from batch_manager import workspace as workspace_module
from batch_manager.documents import Document
from batch_manager.embedding import Answer, Embedder
from batch_manager.engine import Engine, control
from batch_manager.engine.agreement import agree
from batch_manager.engine.books import CAP_REACHED, Books
from batch_manager.engine.budget import Budget
from batch_manager.engine.control import Control, StopRun
from batch_manager.engine.delivery import Delivery
from batch_manager.engine.feeding import Packed
from batch_manager.engine.progress import Progress
from batch_manager.engine.quoting import limits_of
from batch_manager.engine.resuming import quote_of_run
from batch_manager.engine.shared import jobs, watch
from batch_manager.engine.shared import rescue as rescue_module
from batch_manager.engine.shared import worker as worker_module
from batch_manager.engine.shared.books import SharedBooks
from batch_manager.engine.shared.deadline import LONGEST, InTime
from batch_manager.engine.shared.handing import database_of, pack_next
from batch_manager.engine.shared.lanes import Lanes
from batch_manager.engine.shared.pace import SharedPace
from batch_manager.engine.shared.queue import SharedQueue
from batch_manager.engine.shared.rescue import Rescuer, rescue
from batch_manager.errors import HomeBusy, RequestRefused, StoreError, UsageError, VectorStoreError
from batch_manager.packing import Limits
from batch_manager.quote import Scope
from batch_manager.settings import Settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore
from batch_manager.store.answers import Delivered
from batch_manager.store.batches import Claim, SharedRun
from batch_manager.store.postgres import PostgresStore
from batch_manager.store.rates import Rates, Told
from batch_manager.store.writer_lock import StoreLock
from batch_manager.vectors import VectorStore
from batch_manager.workspace import Workspace
from stores import StoreServer

NOWHERE = "http://127.0.0.1:9"
ITEMS = 30
VECTOR = b"\0\0\x80?" * 4


@pytest.fixture
def store(tmp_path: Path, store_server: StoreServer) -> Iterator[DocumentationStore]:
    """A shared store with documents in it."""
    with store_server.databases() as databases:
        settings = Settings(home=tmp_path, store_url=databases.make(), chroma_url=NOWHERE, batch_size=10)
        with DocumentationStore(settings) as opened:
            found = [Document("table", f"t{n}", documentation=f"What is known, case {n}.") for n in range(ITEMS)]
            opened.items.bring(IterableSource(found, "words", "a test"))
            jobs.make_tables(database_of(opened))
            yield opened


def shared_run(store: DocumentationStore, tmp_path: Path, cap: Decimal | None = None) -> int:
    """An agreed run, packed and in the queue."""
    settings = Settings(home=tmp_path, chroma_url=NOWHERE, batch_size=10)
    engine = Engine(settings, store)
    quote = engine.quote(Scope(), cap)
    agreed = agree(store, quote, lambda: engine.quote(Scope(), cap), shared=True)
    while pack_next(store, agreed.run_id, limits_of(settings, store)):
        pass
    return agreed.run_id


def rows(store: DocumentationStore, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in store.database.execute_sql(sql).fetchall()]


def batch_ids(store: DocumentationStore) -> list[int]:
    return [row[0] for row in store.database.execute_sql("SELECT id FROM batch ORDER BY id").fetchall()]


def job_of(store: DocumentationStore, batch_id: int) -> int:
    return int(store.database.execute_sql("SELECT queue_id FROM batch WHERE id = ?", (batch_id,)).fetchone()[0])


def left_behind(store: DocumentationStore) -> tuple[int, int]:
    """The first batch and its job, which a worker took that isn't alive any more."""
    first = batch_ids(store)[0]
    job = job_of(store, first)
    store.database.execute_sql("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = ?", (job,))
    return first, job


def one_who_writes(
    store: DocumentationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[StoreLock, Settings]:
    """The lock of somebody who changes something, held, and the settings of somebody beside who has no patience."""
    monkeypatch.setattr(workspace_module, "PATIENCE", 0.0)
    url = database_of(store).url
    lock = StoreLock(url)
    lock.acquire()
    return lock, Settings(home=tmp_path / "mine", store_url=url, chroma_url=NOWHERE, queue="workers")


def claimed(store: DocumentationStore, batch_id: int, worker: str) -> Claim | None:
    """A batch, claimed by whoever has its job."""
    return store.batches.claim(batch_id, job_of(store, batch_id), worker)


def sent(store: DocumentationStore, claim: Claim, cost: int = 100) -> int:
    """A request of a claim, written down."""
    with store.transaction():
        assert store.batches.allow(claim, cost) == "yes"
        return store.ledger.reserve(
            claim.run_id,
            claim.number,
            1,
            "m",
            len(claim.inputs),
            sum(one.tokens for one in claim.inputs),
            Decimal(1),
            cost,
        )


def answered(store: DocumentationStore, claim: Claim, request: int, held: int, cost: int) -> bool:
    """Its answer, as the books keep it; whether the claim still counts."""
    ids = [one.text_id for one in claim.inputs]
    with store.transaction():
        space_id = store.batches.run(claim.run_id).space_id
        store.answers.keep(claim.run_id, space_id, request, ids, [VECTOR] * len(ids))
        if store.ledger.settle_once(request, 1, cost, "server", 0.1):
            store.batches.used(claim.run_id, cost - held)
        return store.batches.note(claim, answered=len(ids))


def used(store: DocumentationStore) -> object:
    return rows(store, "SELECT used_pico FROM run")[0][0]


class TestHandingOver:
    def test_each_batch_has_one_job_whose_only_argument_is_its_id(
        self, store: DocumentationStore, tmp_path: Path
    ) -> None:
        shared_run(store, tmp_path)
        assert rows(store, "SELECT number, state, inputs FROM batch ORDER BY number") == [
            (1, "waiting", 10),
            (2, "waiting", 10),
            (3, "waiting", 10),
        ]
        found = rows(store, "SELECT args::text FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
        assert found == [(f'{{"batch_id": {one}}}',) for one in batch_ids(store)]
        assert rows(store, "SELECT count(*) FROM run_text WHERE batch_id IS NULL") == [(0,)]

    def test_what_a_planner_left_unpacked_is_packed_by_whoever_comes(
        self, store: DocumentationStore, tmp_path: Path
    ) -> None:
        settings = Settings(home=tmp_path, chroma_url=NOWHERE, batch_size=10)
        engine = Engine(settings, store)
        quote = engine.quote(Scope())
        run_id = agree(store, quote, lambda: engine.quote(Scope()), shared=True).run_id
        assert store.watched.batches_done(run_id) == 0 and not store.batches.complete(run_id)
        assert pack_next(store, run_id, Limits(inputs=20)) == 2
        assert pack_next(store, run_id, Limits(inputs=20)) == 0

    def test_what_workers_have_is_in_nobody_elses_quote_and_no_restart_interrupts_it(
        self, store: DocumentationStore, tmp_path: Path
    ) -> None:
        shared_run(store, tmp_path)
        claim = claimed(store, batch_ids(store)[0], "one")
        assert claim is not None
        sent(store, claim)
        assert Engine(Settings(home=tmp_path, chroma_url=NOWHERE), store).quote(Scope()).nothing_to_do
        store.ledger.recover()
        assert rows(store, "SELECT state FROM run") == [("shared",)]
        assert rows(store, "SELECT state FROM request") == [("sent",)]


class TestClaims:
    def test_a_batch_is_one_workers(self, store: DocumentationStore, tmp_path: Path) -> None:
        shared_run(store, tmp_path)
        first = batch_ids(store)[0]
        claim = claimed(store, first, "one")
        assert claim is not None and len(claim.inputs) == 10 and claim.epoch == 1
        assert claimed(store, first, "two") is None
        store.batches.give_back(claim)
        again = claimed(store, first, "two")
        assert again is not None and again.epoch == 2

    def test_what_was_answered_meanwhile_is_not_sent_again(self, store: DocumentationStore, tmp_path: Path) -> None:
        run_id = shared_run(store, tmp_path)
        first = batch_ids(store)[0]
        ids = [row[0] for row in rows(store, f"SELECT text_id FROM run_text WHERE batch_id = {first} ORDER BY text_id")]
        space_id = store.batches.run(run_id).space_id
        for text_id in ids[:4]:
            store.database.execute_sql(
                "INSERT INTO answer (text_id, space_id, vector) VALUES (?, ?, ?)", (text_id, space_id, VECTOR)
            )
        claim = claimed(store, first, "one")
        assert claim is not None and [one.text_id for one in claim.inputs] == ids[4:]
        assert store.watched.stages(run_id) == {"answered": 4, "pending": ITEMS - 4}

    def test_a_worker_that_was_given_up_keeps_its_answer_and_moves_nothing(
        self, store: DocumentationStore, tmp_path: Path
    ) -> None:
        shared_run(store, tmp_path)
        first = batch_ids(store)[0]
        zombie = claimed(store, first, "zombie")
        assert zombie is not None
        lost = sent(store, zombie, 100)
        with store.transaction():
            assert store.batches.rescue([(first, job_of(store, first))]) == [first]
        assert rows(store, "SELECT state, code, cost_pico FROM request") == [("unknown", "no_answer", 100)]
        assert used(store) == 100, "what nobody knows of stays held"
        heir = claimed(store, first, "heir")
        assert heir is not None and heir.epoch == zombie.epoch + 1
        with store.transaction():
            assert store.batches.allow(zombie, 100) == "lost"
        other = sent(store, heir, 100)

        assert not answered(store, zombie, lost, 100, 60), "another's batch by now"
        assert rows(store, "SELECT count(*) FROM answer") == [(10,)], "and paid for all the same"
        assert not store.batches.finish(zombie) and not store.batches.give_back(zombie)
        assert answered(store, heir, other, 100, 60)
        assert used(store) == 120
        assert not answered(store, zombie, lost, 100, 60)
        assert used(store) == 120, "settled once"
        assert store.batches.finish(heir)
        assert rows(store, "SELECT state, answered FROM batch ORDER BY id")[0] == ("done", 10)
        totals = store.ledger.totals(zombie.run_id)
        assert (totals.billed_pico, totals.held_pico) == (120, 0)

    def test_a_run_is_done_when_all_of_it_is_in_the_index(self, store: DocumentationStore, tmp_path: Path) -> None:
        run_id = shared_run(store, tmp_path)
        for one in batch_ids(store):
            claim = claimed(store, one, "one")
            assert claim is not None
            assert answered(store, claim, sent(store, claim), 100, 100)
            assert not store.batches.complete(run_id)
            assert store.batches.finish(claim)
        assert not store.batches.complete(run_id), "not delivered yet"
        found = [(row[0], row[1]) for row in store.database.execute_sql("SELECT id, text_hash FROM item").fetchall()]
        assert store.answers.mark_indexed(found) == ITEMS
        assert store.batches.complete(run_id) and not store.batches.complete(run_id)
        assert store.batches.run(run_id).state == "done"

    def test_what_is_in_flight_of_a_run_that_was_ended_is_not_agreed_to_again(
        self, store: DocumentationStore, tmp_path: Path
    ) -> None:
        run_id = shared_run(store, tmp_path)
        claim = claimed(store, batch_ids(store)[0], "one")
        assert claim is not None
        worker = rows(
            store, "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '10 s') RETURNING id"
        )[0][0]
        store.database.execute_sql(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = ? WHERE args = ?::jsonb",
            (worker, f'{{"batch_id": {claim.batch_id}}}'),
        )
        request = sent(store, claim)
        store.batches.end(run_id, "interrupted", "Stopped by you.")
        with pytest.raises(UsageError, match=f"1 request of run {run_id} is still in flight") as caught:
            shared_run(store, tmp_path)
        assert caught.value.code == "in_flight" and caught.value.next_step
        assert answered(store, claim, request, 100, 100)
        assert shared_run(store, tmp_path) == run_id
        assert rows(store, "SELECT count(*) FROM run_text WHERE state = 'planned'") == [(ITEMS - 10,)]

    def test_what_a_dead_worker_had_in_flight_is_given_up_by_whoever_starts_again(
        self, store: DocumentationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "STALE", 0.1)  # the server may have been up for no longer
        run_id = shared_run(store, tmp_path)
        claim = claimed(store, batch_ids(store)[0], "one")
        assert claim is not None
        sent(store, claim)
        store.database.execute_sql(
            "UPDATE procrastinate_jobs SET status = 'doing' WHERE args = ?::jsonb",
            (f'{{"batch_id": {claim.batch_id}}}',),
        )
        store.batches.end(run_id, "interrupted", "Stopped by you.")
        assert shared_run(store, tmp_path) == run_id
        assert rows(store, "SELECT state, cost_pico FROM request") == [("unknown", 100)]

    def test_what_a_worker_still_has_of_a_run_that_begins_anew_is_fenced_off(
        self, store: DocumentationStore, tmp_path: Path
    ) -> None:
        run_id = shared_run(store, tmp_path)
        late = claimed(store, batch_ids(store)[0], "backs off")  # no request of it is out
        assert late is not None
        store.batches.end(run_id, "interrupted", "Stopped by you.")
        assert shared_run(store, tmp_path) == run_id
        with store.transaction():
            assert store.batches.allow(late, 100) == "lost"
        assert not store.batches.finish(late)
        planned = "SELECT count(*) FROM run_text WHERE run_id = ? AND state = 'planned' AND batch_id NOTNULL"
        assert store.database.execute_sql(planned, [run_id]).fetchone() == (ITEMS,), "and all of it is packed again"


class TestMoney:
    def test_the_cap_is_one_rows(self, store: DocumentationStore, tmp_path: Path) -> None:
        run_id = shared_run(store, tmp_path, cap=Decimal("0.00000025"))  # 250,000 picodollars
        one, two, three = (claimed(store, batch_id, "w") for batch_id in batch_ids(store))
        assert one is not None and two is not None and three is not None
        first = sent(store, one, 150_000)
        with store.transaction():
            assert store.batches.allow(two, 150_000) == "room", "until the one in flight is settled"
        answered(store, one, first, 150_000, 90_000)
        second = sent(store, two, 150_000)
        assert used(store) == 240_000
        answered(store, two, second, 150_000, 150_000)
        with store.transaction():
            assert store.batches.allow(three, 20_000) == "cap"
        assert used(store) == 240_000
        store.batches.ask(run_id, "pause")
        with store.transaction():
            assert store.batches.allow(three, 10) == "paused"
        assert store.batches.end(run_id, "stopped", "The cap is reached.", "cap_reached")
        assert not store.batches.end(run_id, "done", "")
        with store.transaction():
            assert store.batches.allow(three, 10) == "over"
        assert claimed(store, three.batch_id, "w") is None

    def test_what_a_former_worker_left_open_keeps_nobody_waiting_at_the_cap(
        self, store: DocumentationStore, tmp_path: Path
    ) -> None:
        shared_run(store, tmp_path, cap=Decimal("0.00000025"))
        first = batch_ids(store)[0]
        former = claimed(store, first, "former")
        assert former is not None
        sent(store, former, 200_000)
        assert store.batches.give_back(former)
        heir = claimed(store, first, "heir")
        assert heir is not None
        assert rows(store, "SELECT state, cost_pico FROM request") == [("unknown", 200_000)]
        with store.transaction():
            assert store.batches.allow(heir, 200_000) == "cap"

    async def test_nobody_waits_for_a_request_of_which_it_was_never_confirmed_that_it_was_written_down(
        self, store: DocumentationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run_id = shared_run(store, tmp_path, cap=Decimal("0.00000025"))
        claim = claimed(store, batch_ids(store)[0], "w")
        assert claim is not None
        quote = quote_of_run(Settings(home=tmp_path, chroma_url=NOWHERE), store, store.batches.run(run_id))
        progress = Progress(run_id, quote, Budget(None), time.monotonic(), state="running")
        control = Control(progress, lambda _: None, "wait")
        books = SharedBooks(run_id, store.batches.run(run_id).space_id, quote, store, control)
        books.claims[claim.number] = claim
        batch = progress.batch(claim.number, len(claim.inputs), 8)
        transaction = store.transaction

        @contextlib.contextmanager
        def unconfirmed() -> Iterator[None]:
            with transaction():
                yield
            raise StoreError("The connection was lost.", code="store_lost")

        with monkeypatch.context() as lost:
            lost.setattr(store, "transaction", unconfirmed)
            with pytest.raises(StoreError):
                await books.reserve(batch, claim.inputs, 8)
        with pytest.raises(StopRun):  # there is room for one of them only, and no answer comes that makes more
            await books.reserve(batch, claim.inputs, 8)
        assert progress.code == CAP_REACHED
        assert rows(store, "SELECT state, code, cost_pico FROM request") == [("unknown", "no_answer", 160_000)]
        assert used(store) == 160_000, "held, as of all that are unknown"


class TestRescue:
    def test_a_worker_that_stood_still_before_its_claim_has_none(
        self, store: DocumentationStore, tmp_path: Path
    ) -> None:
        shared_run(store, tmp_path)
        first, left = left_behind(store)
        assert rescue(store, silent=True) == 1
        assert store.batches.claim(first, left, "frozen") is None
        heir = claimed(store, first, "heir")
        assert heir is not None
        assert rescue(store, silent=True) == 0, "its job is the batch's"
        assert store.batches.finish(heir)

    def test_a_batch_that_has_another_job_by_now_stays_with_its_worker(
        self, store: DocumentationStore, tmp_path: Path
    ) -> None:
        shared_run(store, tmp_path)
        first, _ = left_behind(store)
        [(_, again)] = jobs.put(database_of(store), [first])
        store.batches.queued([(first, again)])
        claim = claimed(store, first, "alive")
        assert claim is not None
        assert rescue(store, silent=True) == 0
        assert rows(store, "SELECT state FROM batch ORDER BY id")[0] == ("taken",)

    def test_jobs_of_workers_without_a_heartbeat_are_put_in_anew(
        self, store: DocumentationStore, tmp_path: Path
    ) -> None:
        shared_run(store, tmp_path)
        execute = store.database.execute_sql
        dead, alive = (
            execute(
                "INSERT INTO procrastinate_workers (last_heartbeat)"
                " VALUES (now() - ? * interval '1 second') RETURNING id",
                (seconds,),
            ).fetchone()[0]
            for seconds in (jobs.STALE + 5, jobs.STALE - 10)
        )
        first, second, third = batch_ids(store)
        for batch_id, worker in ((first, dead), (second, alive)):
            execute(
                "UPDATE procrastinate_jobs SET status = 'doing', worker_id = ? WHERE args = ?::jsonb",
                (worker, f'{{"batch_id": {batch_id}}}'),
            )
            assert claimed(store, batch_id, f"w{worker}") is not None
        before = dict(rows(store, "SELECT id, queue_id FROM batch"))
        assert rescue(store, silent=True) == 1
        after = dict(rows(store, "SELECT id, queue_id FROM batch"))
        assert after[first] != before[first], "a zombie can only end the job that it had"
        assert (after[second], after[third]) == (before[second], before[third])
        assert rows(store, "SELECT id, state FROM batch ORDER BY id") == [
            (first, "waiting"),
            (second, "taken"),
            (third, "waiting"),
        ]
        assert rescue(store, silent=True) == 0

    def test_after_the_server_was_away_everybody_has_time_to_be_heard_again(
        self, store: DocumentationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "STALE", 1.0)
        monkeypatch.setattr(rescue_module, "GAP", 0.5)
        shared_run(store, tmp_path)
        execute = store.database.execute_sql
        [(worker,)] = rows(store, "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()) RETURNING id")
        first = batch_ids(store)[0]
        execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = ? WHERE id = ?", (worker, job_of(store, first))
        )
        assert claimed(store, first, "alive") is not None
        rescuer = Rescuer(store)
        assert rescuer.look() == 0
        time.sleep(1.1)  # nobody was heard meanwhile, this one neither
        assert rescuer.look() == 0, "it isn't known to be dead"
        assert rows(store, "SELECT state FROM batch ORDER BY id")[0] == ("taken",)
        soon(lambda: rescuer.look() == 1)  # who isn't heard again is

    def test_a_batch_without_a_job_gets_one(self, store: DocumentationStore, tmp_path: Path) -> None:
        shared_run(store, tmp_path)
        store.database.execute_sql("DELETE FROM procrastinate_jobs")
        assert rescue(store, silent=True) == 3
        assert rows(store, "SELECT count(*) FROM procrastinate_jobs") == [(3,)]
        assert rescue(store, silent=True) == 0

    def test_another_version_of_the_queue_is_refused(self, store: DocumentationStore) -> None:
        store.set_note(jobs.SCHEMA_NOTE, "99.00.00_01_pre_something.sql")
        with pytest.raises(StoreError, match="another version of procrastinate") as caught:
            jobs.make_tables(database_of(store))
        assert caught.value.code == "queue_version" and caught.value.next_step


def cut(store: DocumentationStore) -> None:
    """End the connection of a store at the server."""
    pid = database_of(store).connection().info.backend_pid
    other = PostgresStore(database_of(store).url)
    other.execute_sql("SELECT pg_terminate_backend(?)", (pid,))
    while other.execute_sql("SELECT 1 FROM pg_stat_activity WHERE pid = ?", (pid,)).fetchone():
        time.sleep(0.01)
    other.close()


def soon(reached: Callable[[], bool]) -> None:
    """Wait until that is true."""
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Answering:
    """An embedder that answers at once."""

    async def embed(self, texts: Sequence[str], *, tried: int, expected_tokens: int) -> Answer:
        return Answer([VECTOR] * len(texts), 4, None)


def queue_of(store: DocumentationStore, tmp_path: Path) -> SharedQueue:
    """A worker's, that answers what it sends by itself."""
    settings = Settings(home=tmp_path, chroma_url=NOWHERE, batch_size=10)
    lanes = Lanes(settings, store, cast("Embedder", Answering()), lambda event: None)
    return SharedQueue(store, lanes, "one", lambda error: None)


async def taken_from(queue: SharedQueue, batch_id: int) -> tuple[Packed, asyncio.Task[None]]:
    job = asyncio.create_task(queue.accept(batch_id, job_of(queue._store, batch_id)))
    packed = await queue.take()
    assert packed is not None
    return packed, job


class TestQueue:
    async def test_a_run_is_not_over_because_the_store_was_away(
        self, store: DocumentationStore, tmp_path: Path
    ) -> None:
        run_id = shared_run(store, tmp_path)
        queue = queue_of(store, tmp_path)
        first, second, _ = batch_ids(store)
        packed, job = await taken_from(queue, first)
        packed.control.stop("store_lost", "The connection was lost.", "")
        await queue.over(packed, False)
        await job
        assert store.batches.run(run_id).state == "shared"
        assert rows(store, "SELECT state FROM batch ORDER BY id")[0] == ("waiting",)

        queue._rests_until = 0.0
        packed, job = await taken_from(queue, second)
        assert not packed.control.stopping
        packed.control.stop("invalid_api_key", "The key is wrong.", "")
        await queue.over(packed, False)
        await job
        assert store.batches.run(run_id).code == "invalid_api_key"

    async def test_texts_that_cannot_be_read_for_a_moment_are_waited_for(
        self, store: DocumentationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(control, "TROUBLE_WAIT", 0.01)
        shared_run(store, tmp_path)
        queue = queue_of(store, tmp_path)
        packed, job = await taken_from(queue, batch_ids(store)[0])
        read, away = store.work.bodies, [True]

        def bodies(text_ids: list[int]) -> dict[int, str]:
            if away.pop() if away else False:
                raise StoreError("The connection was lost.", code="store_lost")
            return read(text_ids)

        monkeypatch.setattr(store.work, "bodies", bodies)
        await packed.sender.send(packed.batch, packed.inputs)
        await queue.over(packed, True)
        await job
        assert rows(store, "SELECT state, answered FROM batch ORDER BY id")[0] == ("done", 10)


class TestWatch:
    async def test_an_end_that_the_store_did_not_hear_is_told_as_soon_as_it_is_back(
        self, store: DocumentationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch, "HEAR", 0.01)
        monkeypatch.setattr(watch, "LOOK", 0.01)
        run_id = shared_run(store, tmp_path)
        settings = Settings(home=tmp_path, chroma_url=NOWHERE, batch_size=10)
        progress = Progress(
            run_id, quote_of_run(settings, store, store.batches.run(run_id)), Budget(None), 0.0, state="running"
        )
        control = watch.SharedControl(progress, lambda event: None, store)
        watching = watch.Watch(control, store, limits_of(settings, store))
        run, end, away = store.batches.run, store.batches.end, [True]

        def lost(*_: object) -> None:
            if away:
                raise StoreError("The connection was lost.", code="store_lost")

        def looked(run_id: int) -> SharedRun:
            lost()
            return run(run_id)

        def ended(run_id: int, state: str, reason: str, code: str = "", next_step: str = "") -> bool:
            lost()
            return end(run_id, state, reason, code, next_step)

        monkeypatch.setattr(store.batches, "run", looked)
        monkeypatch.setattr(store.batches, "end", ended)
        going = asyncio.create_task(watching.go())
        await asyncio.sleep(0)
        watching.cancel()
        assert control.unheard
        await asyncio.sleep(0.1)
        assert not going.done() and run(run_id).state == "shared"
        away.clear()
        await asyncio.wait_for(going, 30)
        assert not control.unheard and run(run_id).state == "interrupted"
        assert progress.state == "interrupted"


class TestLooking:
    def test_who_only_looks_may_pause_and_end_a_run_and_write_nothing_else(
        self, store: DocumentationStore, tmp_path: Path
    ) -> None:
        run_id = shared_run(store, tmp_path)
        url = database_of(store).url
        with DocumentationStore.look(Settings(home=tmp_path, store_url=url, chroma_url=NOWHERE)) as looking:
            looking.batches.ask(run_id, "pause")
            assert store.batches.run(run_id).asked == "pause"
            with pytest.raises(StoreError, match="read-only"):
                looking.set_note("key", "value")
            assert looking.batches.end(run_id, "interrupted", "Stopped by you.")
        assert store.batches.run(run_id).state == "interrupted"


class TestLock:
    def test_a_lock_that_was_given_back_is_not_taken_again_for_a_lost_connection(
        self, store: DocumentationStore
    ) -> None:
        url = database_of(store).url
        lock, other = StoreLock(url), StoreLock(url)
        lock.acquire()
        lock.release()
        lock.confirm()
        other.acquire()
        lock.confirm()
        other.release()

    def test_whoever_opens_while_somebody_changes_something_has_a_later_turn(
        self, store: DocumentationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scanning, settings = one_who_writes(store, tmp_path, monkeypatch)
        with Workspace.open(settings, lend=True) as mine:
            assert mine.busy is None and mine.lends
            with pytest.raises(HomeBusy):
                mine.alone(mine.store.set_note)("key", "value")
            scanning.release()
            mine.alone(mine.store.set_note)("key", "value")
            mine.hold()
            with pytest.raises(HomeBusy):
                scanning.acquire()
            mine.lend_again()
            scanning.acquire()
            scanning.release()

    def test_a_turn_that_cannot_begin_is_given_back(
        self, store: DocumentationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other, settings = one_who_writes(store, tmp_path, monkeypatch)
        with Workspace.open(settings, lend=True) as mine:
            other.release()
            store.database.execute_sql("ALTER TABLE request RENAME TO gone")
            try:
                with pytest.raises(StoreError):
                    mine.alone(mine.store.set_note)("key", "value")
            finally:
                store.database.execute_sql("ALTER TABLE gone RENAME TO request")
            other.acquire()  # it isn't kept by whoever couldn't begin
            other.release()
            mine.alone(mine.store.set_note)("key", "value")


class TestLostConnections:
    def test_a_turn_that_cannot_be_asked_for_is_the_stores_trouble(self, store: DocumentationStore) -> None:
        assert store.database.take_turn()
        cut(store)
        with pytest.raises(StoreError) as caught:
            store.database.end_turn()
        assert caught.value.code == "store_lost"
        assert store.database.take_turn(), "with a new connection"
        cut(store)
        with pytest.raises(StoreError):
            store.database.take_turn()

    @pytest.mark.parametrize("what", ["put", "take"])
    def test_jobs_that_cannot_be_put_or_taken_are_the_stores_trouble(
        self, store: DocumentationStore, tmp_path: Path, what: str
    ) -> None:
        shared_run(store, tmp_path)
        database, first = database_of(store), batch_ids(store)[0]
        with pytest.raises(StoreError) as caught, store.transaction():
            cut(store)
            if what == "put":
                jobs.put(database, [first])
            else:
                jobs.take_stale(database)
        assert caught.value.code == "store_lost"
        assert len(batch_ids(store)) == 3

    async def test_a_worker_outlives_a_fault_in_one_of_its_sides(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(worker_module, "TROUBLE", 0.0)
        done: list[int] = []

        async def work() -> None:
            done.append(1)
            if len(done) == 1:
                raise ValueError("a fault")
            if len(done) == 3:
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await worker_module._for_ever(work, 0.0)
        assert len(done) == 3


class TestDelivery:
    async def test_a_run_that_waits_for_the_index_lets_others_deliver(
        self, store: DocumentationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run_id = shared_run(store, tmp_path)
        settings = Settings(home=tmp_path, chroma_url=NOWHERE, batch_size=10)
        quote = quote_of_run(settings, store, store.batches.run(run_id))
        paused = Control(Progress(run_id, quote, Budget(None), 0.0, state="running"), lambda event: None, "pause")
        books = Books(run_id, store.batches.run(run_id).space_id, quote, store, paused)
        delivery = Delivery(books, paused, cast("VectorStore", None))
        troubles = [VectorStoreError("The disk is full.", code="vectors_disk_full")]

        async def write(ids: list[int]) -> list[Delivered]:
            if troubles:
                raise troubles.pop()
            return []

        monkeypatch.setattr(delivery, "_write", write)
        other = PostgresStore(database_of(store).url)
        going = asyncio.create_task(delivery._deliver([1]))
        try:
            while paused.progress.state != "paused":
                await asyncio.sleep(0.01)
            assert other.take_turn()
            other.end_turn()
            paused.resume()
            await going
            assert other.take_turn(), "it was given back as often as it was taken"
        finally:
            going.cancel()
            other.close()


class TestJobThread:
    def test_a_worker_that_ends_is_alive_as_long_as_a_request_of_its_is_out(
        self, store: DocumentationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "HEARTBEAT", 0.1)
        shared_run(store, tmp_path)
        taken: list[int] = []
        out: Future[None] = Future()

        def accept(batch_id: int, job_id: int) -> Future[None]:
            taken.append(batch_id)
            return out

        thread = jobs.JobThread(database_of(store).url, "one", 1, accept)
        thread.start()
        try:
            soon(lambda: bool(taken))
            thread.stop()
            thread.join(1.0)  # its own heartbeats end at once
            store.database.execute_sql(
                "UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - interval '60 seconds'"
            )
            soon(lambda: jobs.workers_alive(store.database) == 1)
            assert rescue(store, silent=True) == 0
        finally:
            out.set_result(None)
            thread.stop()
            thread.join(30.0)
        assert rows(store, "SELECT count(*) FROM procrastinate_workers") == [(0,)]

    def test_one_that_was_never_started_is_over(self) -> None:
        jobs.JobThread(NOWHERE, "one", 1, lambda batch_id, job_id: Future()).join(1.0)


class Silent(Answering):
    """An embedder that never answers."""

    async def embed(self, texts: Sequence[str], *, tried: int, expected_tokens: int) -> Answer:
        await asyncio.sleep(3600)
        raise AssertionError


class TestDeadline:
    async def test_a_request_is_given_up_and_may_be_billed(self) -> None:
        with pytest.raises(RequestRefused) as caught:
            await InTime(cast("Embedder", Silent()), 0.05).embed(["a"], tried=9, expected_tokens=1)
        assert caught.value.refusal.code == "timeout" and caught.value.refusal.maybe_billed
        assert caught.value.next_step

    def test_it_is_over_before_its_worker_counts_as_dead(self) -> None:
        assert LONGEST < jobs.STALE and worker_module.GRACE > LONGEST


class TestRate:
    def test_a_refusal_tells_no_limits(self, store: DocumentationStore) -> None:
        pace = SharedPace(Rates(store.database, 1.0), "k", told=(None, None))
        assert pace.wait(10, 0.0) == 0
        pace.back(pace.leave(10, 0.0), None, 0.0, answered=False)
        assert not Rates(store.database, 1.0).take("k", 10).granted
        pace.back(2, None, 0.0)
        assert Rates(store.database, 1.0).take("k", 10).granted

    def test_until_an_answer_tells_the_limits_one_request_leaves(self, store: DocumentationStore) -> None:
        one, two = Rates(store.database, 1.0), Rates(store.database, 1.0)
        one.open("k", None, None)
        two.open("k", None, None)
        assert one.take("k", 10).granted
        assert not two.take("k", 10).granted
        one.heard("k")
        place = two.take("k", 10)
        assert place.granted and place.seconds == 0 and place.tokens_per_minute is None

    def test_everyone_takes_a_place_in_one_line(self, store: DocumentationStore) -> None:
        rates = Rates(store.database, 1.0)
        rates.open("k", 60_000, None)  # 1,000 a second, by the server's clock
        assert rates.take("k", 60_000).seconds == 0
        waits = [Rates(store.database, 1.0).take("k", 2_000).seconds for _ in range(4)]
        assert waits == sorted(waits)
        for before, after in pairwise(waits):
            assert 0.5 < after - before <= 2.0, "each waits for those before it"
        rates.give_back("k", 2_000)
        assert rates.take("k", 2_000).seconds <= waits[-1]

    def test_headers_only_lower_what_is_left(self, store: DocumentationStore) -> None:
        rates = Rates(store.database, 1.0)
        rates.open("k", None, None)
        rates.take("k", 100)
        rates.learn("k", Told(60_000, 59_000), Told(600, 599))
        assert 58_000 <= rates.take("k", 1_000).tokens <= 58_100
        rates.learn("k", Told(60_000, 60_000), Told(600, 600))
        assert rates.take("k", 1_000).tokens < 58_000
        rates.learn("k", Told(60_000, 500), Told(-1, -1))
        place = rates.take("k", 2_000)
        assert place.tokens < 0 < place.seconds
        assert place.requests_per_minute == 600

    def test_a_refusal_for_the_rate_holds_everyone_back(self, store: DocumentationStore) -> None:
        rates = Rates(store.database, 1.0)
        rates.open("k", 60_000, None)
        assert rates.held_back("k") == 0
        rates.slow_down("k", 20.0)
        assert 10 < rates.held_back("k") <= 20
        assert Rates(store.database, 1.0).take("k", 1).seconds > 10

    def test_a_setting_wins(self, store: DocumentationStore) -> None:
        rates = Rates(store.database, 1.0)
        rates.open("k", None, None)
        rates.open("k", 30_000, 60)
        place = rates.take("k", 1_000)
        assert (place.granted, place.seconds) == (True, 0)
        assert (place.tokens_per_minute, place.requests_per_minute) == (30_000, 60)
        assert 28_900 < place.tokens <= 29_100 and 58 < place.requests <= 60
