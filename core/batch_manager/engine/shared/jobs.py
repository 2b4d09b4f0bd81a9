"""Jobs: the queue itself, which is procrastinate's. A job's only argument is the id of a batch.

Jobs are put in with the batches, in one transaction of the store's own connection. Taking them, heartbeats and telling
workers of new ones are procrastinate's, in a thread of its own: however busy this process's engine is, it is alive.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from batch_manager.engine.control import log
from batch_manager.errors import StoreError
from batch_manager.store.database import translated
from batch_manager.store.dialect import AMONG, Database
from batch_manager.store.postgres import PostgresStore, connection_options
from batch_manager.store.server_errors import server_error

if TYPE_CHECKING:
    import procrastinate
    from procrastinate.worker import Worker

QUEUE = "batch-manager"
TASK = "batch_manager.send"

HEARTBEAT = 5.0
STALE = 50.0
"""Seconds between two heartbeats, and without one until a worker counts as dead. It is found within a minute then."""

FORGOTTEN = 86_400.0
"""Seconds without a heartbeat until a worker is struck off the list. Its jobs are nobody's from then on, so it is long
after they were rescued: whoever is back first after an outage must not strike off those that aren't yet."""

AGAIN = 1.0
"""Seconds until a queue that was lost is looked for again."""

SCHEMA_NOTE = "queue_schema"
"""The store's note of which procrastinate has made the queue's tables."""


def require_queue() -> None:
    """Make sure that the queue's library is there.

    Raises:
        StoreError: It isn't installed.
    """
    try:
        import procrastinate  # noqa: F401
    except ImportError:
        raise StoreError(
            "Workers take their work from a queue, and its library isn't installed.",
            next_step="Install it: pip install 'batch-manager[workers]'.",
            code="no_queue",
        ) from None
    logging.getLogger("procrastinate").setLevel(logging.WARNING)  # a line for each job is for its own developers


def make_tables(database: PostgresStore) -> None:
    """Make the queue's tables where there are none, beside the store's.

    Raises:
        StoreError: They can't be made, or come from another version of the library.
    """
    require_queue()
    import procrastinate
    from procrastinate.schema import SchemaManager

    mine = _newest_migration(SchemaManager.get_migrations_path())
    with translated(), database.atomic("IMMEDIATE"):
        note = database.execute_sql("SELECT value FROM meta WHERE key = ?", (SCHEMA_NOTE,)).fetchone()
        if note is None:
            database.connection().execute(SchemaManager.get_schema())
            database.execute_sql("INSERT INTO meta (key, value) VALUES (?, ?)", (SCHEMA_NOTE, mine))
        elif note[0] != mine:
            raise StoreError(
                f"The queue in {database.shown!r} was made by another version of procrastinate ({note[0]}) than the"
                f" {procrastinate.__version__} that is installed here ({mine}).",
                next_step="Install the same version of batch-manager everywhere.",
                code="queue_version",
            )


def put(database: PostgresStore, batch_ids: Sequence[int], *, seconds: float = 0.0) -> list[tuple[int, int]]:
    """A job for each of these batches; inside the caller's transaction.

    Args:
        database: The store's.
        batch_ids: The batches.
        seconds: How long nobody takes them.

    Returns:
        (batch, id of its job) of each.
    """
    if not batch_ids:
        return []
    from procrastinate import SyncPsycopgConnector
    from procrastinate.jobs import Job
    from procrastinate.manager import JobManager

    jobs = [
        Job(queue=QUEUE, lock=None, queueing_lock=None, task_name=TASK, task_kwargs={"batch_id": batch_id})
        for batch_id in batch_ids
    ]
    with _stores_own():
        made = JobManager(SyncPsycopgConnector()).batch_defer_jobs(jobs, connection=database.connection())
    ids = [int(job.id or 0) for job in made]
    if seconds:  # by the server's clock: this machine's may be wrong
        database.execute_sql(
            f"UPDATE procrastinate_jobs SET scheduled_at = now() + ? * interval '1 second' WHERE id {AMONG}",
            (seconds, json.dumps(ids)),
        )
    return list(zip(batch_ids, ids, strict=True))


def take_stale(database: PostgresStore) -> list[tuple[int, int]]:
    """Take the jobs of workers without a heartbeat out of the queue; inside the caller's transaction.

    They are put in anew rather than handed on: should such a worker be alive after all, it can end only what was its.

    Returns:
        (batch, id of the job) of each.
    """
    from procrastinate import SyncPsycopgConnector, sql

    connector = SyncPsycopgConnector()
    connection = database.connection()
    with _stores_own():
        stale = connector.execute_query_all_with_connection(
            connection,
            sql.queries["select_stalled_jobs_by_heartbeat"],
            queue=QUEUE,
            task_name=TASK,
            seconds_since_heartbeat=STALE,
        )
        for row in stale:
            connector.execute_query_all_with_connection(
                connection, sql.queries["finish_job"], job_id=row["id"], status="failed", delete_job=True
            )
    return [(int(row["args"]["batch_id"]), int(row["id"])) for row in stale]


def orphans(database: PostgresStore) -> list[tuple[int, int]]:
    """Batches of shared runs that aren't through and have no job; inside the caller's transaction.

    Returns:
        (batch, id of the job that it had) of each.
    """
    rows = database.execute_sql(
        "SELECT b.id, coalesce(b.queue_id, 0) FROM batch b JOIN run r ON r.id = b.run_id"
        " WHERE r.state = 'shared' AND b.state != 'done'"
        " AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs j WHERE j.id = b.queue_id AND j.status IN ('todo', 'doing'))"
    ).fetchall()
    return [(row[0], row[1]) for row in rows]


def workers_alive(database: Database) -> int:
    """How many workers have sent a heartbeat of late; 0 where there never was one."""
    with translated():
        if database.execute_sql("SELECT to_regclass('procrastinate_workers')").fetchone()[0] is None:
            return 0
        row = database.execute_sql(
            f"SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '{STALE} seconds'"
        ).fetchone()
    return int(row[0])


class JobThread:
    """Takes jobs, up to N at a time, and hands their batches to the engine."""

    def __init__(
        self, url: str, name: str, slots: int, accept: Callable[[int, int], concurrent.futures.Future[None]]
    ) -> None:
        """Nothing is started yet.

        Args:
            url: The store's.
            name: The worker's.
            slots: Jobs at a time.
            accept: Takes a batch and the id of its job; what it returns is done when the batch is over for this worker.
        """
        self._url = url
        self._name = name
        self._slots = slots
        self._accept = accept
        self._ending = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._worker: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._work, name="batch-manager-jobs", daemon=True)

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more; those that are under way come to their end. Returns at once; safe to call twice."""
        if self._ending.is_set():
            return
        self._ending.set()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(lambda: self._worker and self._worker.cancel())

    def join(self, seconds: float) -> None:
        """Wait for the end; one that was never started is over."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _work(self) -> None:
        asyncio.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not self._ending.is_set():
            try:
                app = self._app()
                async with app.open_async():
                    self._worker = asyncio.create_task(self._run(app))
                    if self._ending.is_set():
                        self._worker.cancel()
                    await self._worker
            except asyncio.CancelledError:
                return
            except Exception as error:
                # The server was restarted, or is away: the jobs that were taken are rescued, by this worker or another.
                log.warning("the queue was lost (%s); it is looked for again", type(error).__name__)
            await asyncio.sleep(0 if self._ending.is_set() else AGAIN)

    async def _run(self, app: procrastinate.App) -> None:
        from procrastinate.worker import Worker

        worker = Worker(
            app,
            queues=[QUEUE],
            name=self._name,
            concurrency=self._slots,
            install_signal_handlers=False,
            delete_jobs="always",
            update_heartbeat_interval=HEARTBEAT,
            stalled_worker_timeout=FORGOTTEN,
        )
        beating = asyncio.create_task(_beat(app, worker))
        try:
            await worker.run()  # type: ignore[no-untyped-call]
        finally:
            beating.cancel()

    def _app(self) -> procrastinate.App:
        import procrastinate

        options = connection_options(self._url)
        connector = procrastinate.PsycopgConnector(
            kwargs=options, min_size=1, max_size=4, timeout=10.0, reconnect_timeout=10.0
        )
        app = procrastinate.App(connector=connector)

        async def send(context: procrastinate.JobContext, batch_id: int) -> None:
            await asyncio.wrap_future(self._accept(batch_id, context.job.id or 0))

        app.task(name=TASK, queue=QUEUE, pass_context=True)(send)
        return app


async def _beat(app: procrastinate.App, worker: Worker) -> None:
    """Say that a worker is alive, for as long as it has jobs.

    It says so itself, but no more from when it is stopped or loses the server; what is under way takes longer, and
    others would take that for left, and pay for it again.
    """
    while True:
        await asyncio.sleep(HEARTBEAT)
        if worker.worker_id is not None:
            try:
                await app.job_manager.update_heartbeat(worker.worker_id)
            except Exception as error:
                log.info("the queue doesn't hear that this worker is alive (%s)", type(error).__name__)


@contextlib.contextmanager
def _stores_own() -> Iterator[None]:
    """Turn the queue's errors into the store's: they share a connection."""
    from procrastinate.exceptions import ConnectorException

    try:
        yield
    except ConnectorException as error:
        raise server_error(error.__cause__ or error) from None


def _newest_migration(folder: str) -> str:
    return max(name for name in os.listdir(folder) if name.endswith(".sql"))  # noqa: PTH208
