"""Ends of a batch: its bill and what came of it, a refusal of the whole, one that is gone, one that is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_manager.half_price.desk import Desk
from batch_manager.half_price.planning import enqueued_limit
from batch_manager.plural import counted
from batch_manager.pricing import Price
from batch_manager.store.job_row import JobRow
from batch_manager.store.jobs import HandedRun

if TYPE_CHECKING:
    from batch_manager.embedding.batch_api import RemoteBatch
    from batch_manager.store import DocumentationStore

QUEUE_FULL = "token_limit_exceeded"
ABSURD = 10
"""A usage that is this many times off our own count can't be true."""

DRIFT = 1.02


class Ends:
    """Settles jobs; each end is written down at once, or not at all."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._store = desk.store
        self._jobs = desk.store.jobs

    def settle(self, job: JobRow, run: HandedRun, outcome: str, doubt: str = "") -> JobRow:
        """A job is over: its bill, what came of it, and which files are to be deleted, all written down at once.

        With a `doubt`, results may have been billed that nobody can count, unless the server told of the whole.
        """
        price = Price(run.price, "")
        whole = job.usage_tokens or 0  # of the whole batch, results that can't be read included
        tokens = max(job.tokens_billed, whole if whole <= job.tokens * ABSURD else 0)
        files = [one for one in (job.input_file, job.output_file, job.error_file, *job.left_files) if one]
        missing, _ = self._jobs.left(job.id)
        with self._store.transaction():
            self._jobs.mark(job.id, None, "returned", only=("planned", "moved"))
            if job.request_id is not None and doubt and not whole:
                self._jobs.settle(job.request_id, "unknown", None, None, doubt)
            elif job.request_id is not None:
                state = "answered" if tokens else "refused"
                self._jobs.settle(job.request_id, state, tokens or None, price.pico(tokens), "")
            job = self._jobs.change(
                job.id,
                state="settled",
                outcome=outcome,
                tokens_billed=tokens,
                left_files=list(dict.fromkeys(files)),
                problem="",
                next_step="",
            )
        if missing and outcome == "completed":
            words = f"Batch {job.batch_name} brought no result for {counted(missing, 'text')}: pending again."
            self._desk.tell(words, "warning")
        if job.answered == job.texts and tokens > job.tokens * DRIFT:
            self._desk.note_drift(tokens / job.tokens)
            more = (tokens / job.tokens - 1) * 100
            self._desk.tell(f"The server billed {more:.1f}% more tokens than were counted.", "warning")
        return job

    def failed(self, job: JobRow, batch: RemoteBatch, run: HandedRun) -> JobRow:
        """The server didn't take it: nothing is billed. A full queue is waited for, or given smaller files."""
        code, words = batch.error or ("failed", "The server gave no reason.")
        words = self._desk.plain(words)
        if code != QUEUE_FULL or job.cancel_asked or job.moved:
            self._desk.tell(f"Batch {batch.name} failed: {words} Its texts are pending again.", "error")
            return self.settle(job, run, "failed")
        others = [one for one in self._jobs.under_way() if one.id != job.id and one.state == "created"]
        limit = enqueued_limit(words)
        if limit is None and not others:
            limit = job.tokens // 2
        assert job.request_id is not None
        with self._store.transaction():
            if limit is not None:
                self._desk.learn_queue(limit)
            self._jobs.settle(job.request_id, "refused", None, 0, words)
            if limit is not None and job.tokens > limit and job.texts > 1:
                self._jobs.unplan(job.id)
                left = [job.input_file] if job.input_file else []
                return self._jobs.change(job.id, state="settled", outcome="split", left_files=left, request_id=None)
            step = "It is submitted again once there is room."
            return self._jobs.change(
                job.id,
                state="uploaded",
                request_id=None,
                batch_name=None,
                status="",
                total=0,
                problem=f"Waits for room: {words}",
                next_step=step,
            )

    def vanished(self, job: JobRow) -> JobRow:
        """The server has the file and not the batch: nobody can say what it did, so its cost stays held."""
        words = f"Batch {job.batch_name} has vanished from the server; its texts are pending again."
        self._desk.tell(f"{words} Its cost stays held: compare with the account's usage page.", "error")
        assert job.request_id is not None
        with self._store.transaction():
            self._jobs.mark(job.id, None, "returned", only=("planned", "moved"))
            self._jobs.settle(job.request_id, "unknown", None, None, words)
            left = [job.input_file] if job.input_file else []
            return self._jobs.change(
                job.id,
                state="settled",
                outcome="vanished",
                left_files=left,
                problem=words,
                next_step="Index them again, and compare with the account's usage page.",
            )


def give_up(store: DocumentationStore, job: JobRow) -> JobRow:
    """Wait no longer for a batch that the server doesn't show: its texts are pending again, its cost stays held.

    Only for what somebody said yes to: the batch may be done, and billed, all the same.

    Raises:
        StoreError: It could not be written.
    """
    words = "Given up: nobody could say whether it was done; it may have been billed."
    with store.transaction():
        store.jobs.mark(job.id, None, "returned", only=("planned", "moved"))
        if job.request_id is not None:
            store.jobs.settle(job.request_id, "unknown", None, None, words)
        return store.jobs.change(
            job.id,
            state="settled",
            outcome="given up",
            # Without its file a creation that is still on its way can't become a batch.
            left_files=[one for one in (job.input_file, *job.left_files) if one],
            problem=words,
            next_step="Compare with the account's usage page.",
        )
