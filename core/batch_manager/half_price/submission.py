"""Submission: a run's texts into jobs, and a job from its plan to a batch that the server has.

Each step is written down before and after. What was under way when the program ended is found out by asking the
server: a file by its name, a batch by our id in its metadata.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from batch_manager.engine.budget import left_words
from batch_manager.errors import RequestRefused, SettingError, StoppedError, StoreError, Verdict
from batch_manager.half_price.desk import Desk
from batch_manager.half_price.lines import request_line
from batch_manager.half_price.planning import FileLimits, Sized, plan
from batch_manager.home import free_bytes
from batch_manager.pricing import Price, from_pico, to_pico
from batch_manager.store.database import now
from batch_manager.store.job_row import JobRow
from batch_manager.store.jobs import HandedRun

if TYPE_CHECKING:
    from batch_manager.embedding.batch_api import RemoteBatch

MAYBE = "Maybe submitted: the connection broke before the server's answer came."
STRANGER = "This key sees neither the batch nor its file: it is of another organisation or project."
UNSEEN_STEP = (
    "Collect with the key that it was submitted with, or give it up (--collect --give-up); its cost stays held."
)
UNLISTED = "Maybe submitted: its creation was asked for, and the server's list, which may lag, doesn't show it."
UNLISTED_STEP = "Collect again later, or give it up (--collect --give-up); its cost stays held."
ROOM = 64 * 1024 * 1024
"""Bytes that must be free beside a file that is written."""


def plan_name(job: JobRow) -> str:
    """Our id of a job's batch, for its metadata: another one for each reservation.

    A file that the server failed is submitted again once there is room, and the batch that failed stays on its list:
    it must not be taken for the one after it.
    """
    return f"{job.key}-{job.request_id}"


class Submission:
    """Takes runs and jobs of this lane to the server."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._jobs = desk.store.jobs
        self.left_over: list[str] = []
        """What the caps left out in this look, in words."""

    def plan_run(self, run: HandedRun) -> int:
        """Put what the run has in no job yet into jobs, as much as fits under its cap; returns how many jobs.

        All of it is written down at once. What doesn't fit is pending again, and the run says so.
        """
        desk, model = self._desk, self._desk.space.model
        price = Price(run.price, "")
        totals = desk.store.ledger.totals(run.id)
        promised = sum(
            desk.worst_cost(price, one.tokens)
            for one in self._jobs.of_run(run.id)
            if one.state != "settled" and one.request_id is None
        )
        room = None if run.cap_pico is None else run.cap_pico - totals.billed_pico - totals.held_pico - promised
        sized, left, tokens, left_tokens = [], [], 0, 0
        for text_id, count, digest, body in self._jobs.unplanned(run.id):
            if room is not None and desk.worst_cost(price, tokens + count) > room:
                left.append(text_id)
                left_tokens += count
                continue
            tokens += count
            line = request_line(text_id, digest, body, model, desk.settings.dimensions)
            sized.append(Sized(text_id, count, len(line)))
        files = list(plan(sized, self._within_budgets(price)))
        with desk.store.transaction():
            for file in files:
                key = f"{run.id}-{secrets.token_hex(6)}"
                size, weight = sum(one.bytes for one in file), sum(one.tokens for one in file)
                self._jobs.open(run.id, key, (one.text_id for one in file), weight, size)
            if left:
                reason = left_words(from_pico(run.cap_pico or 0), len(left), price.cost(left_tokens))
                self._jobs.give_back(run.id, left)
                self._jobs.note_run(run.id, reason)
        if left:
            self.left_over.append(reason)
            desk.tell(reason, "warning")
        return len(files)

    def _within_budgets(self, price: Price) -> FileLimits:
        """Ceilings of a file; one that costs more than a whole budget could never be submitted."""
        limits, least = self._desk.limits(), self._desk.store.budgets.smallest
        each = self._desk.worst_cost(price, 1_000_000)
        if least is None or not each:
            return limits
        tokens = max(1, to_pico(least.limit) * 1_000_000 // each)
        return replace(limits, tokens=tokens if limits.tokens is None else min(tokens, limits.tokens))

    async def advance(self, job: JobRow, run: HandedRun) -> JobRow:
        """Take a job as far as it goes: to a batch that the server has, or to what stands in its way.

        Raises:
            RequestRefused, SettingError: It can't go on; written down with the job as well.
            StoreError: A step can't be written down.
        """
        fresh = False
        while job.state in ("planned", "uploading", "uploaded", "creating"):
            if job.state == "planned":
                self._write(job)
                job, fresh = self._jobs.change(job.id, state="uploading", problem="", next_step=""), True
            elif job.state == "uploading":
                job = await self._upload(job, fresh)
            elif job.state == "uploaded":
                if job.cancel_asked or job.moved or not self._has_room(job):
                    break
                try:
                    job, fresh = self._reserve(job, run), True
                except StoppedError as error:  # a budget: it waits here until there is room again
                    self._desk.tell(str(error), "warning")
                    self.left_over.append(error.message)
                    return self._jobs.change(job.id, problem=error.message, next_step=error.next_step)
            else:
                job = await self._find_out(job) if not fresh else await self._create(job)
                if job.state != "created":
                    break
        return job

    def within_cap(self, job: JobRow, run: HandedRun) -> bool:
        """Whether a job's cost still fits under its run's cap; where it doesn't, the run says so.

        It did when it was planned. Since then the server may have billed more than was counted for those before it.
        """
        if run.cap_pico is None:
            return True
        totals = self._desk.store.ledger.totals(run.id)
        price = Price(run.price, "")
        if totals.billed_pico + totals.held_pico + self._desk.worst_cost(price, job.tokens) <= run.cap_pico:
            return True
        reason = left_words(from_pico(run.cap_pico), job.texts, price.cost(job.tokens))
        self._jobs.note_run(run.id, reason)
        self.left_over.append(reason)
        self._desk.tell(reason, "warning")
        return False

    async def take_back(self, job: JobRow) -> JobRow:
        """A job that no batch was asked for: its file is taken off this disk, and found where it was on its way.

        Raises:
            RequestRefused: The server doesn't say whether it has the file.
        """
        self.path(job).unlink(missing_ok=True)
        if job.state != "uploading":
            return job
        name = self._file_name(job)
        found = await self._desk.patiently(lambda: self._desk.api.find_file(name))
        return self._jobs.change(job.id, left_files=found)

    # The file

    def path(self, job: JobRow) -> Path:
        """Where a job's file is written."""
        return self._desk.folder / f"{job.key}.jsonl"

    @staticmethod
    def _file_name(job: JobRow) -> str:
        return f"batch-manager-{job.key}.jsonl"

    def _write(self, job: JobRow) -> None:
        desk = self._desk
        desk.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if free_bytes(desk.folder) < job.bytes + ROOM:
            raise StoreError(
                f"The disk of {str(desk.folder)!r} is nearly full, so the file of a batch can't be written.",
                next_step="Free some space, then start again to go on.",
                code="store_full",
            )
        path = self.path(job)
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)  # it has the documents in it
        with path.open("wb") as file:
            for text_id, digest, body in self._jobs.texts(job.id):
                file.write(request_line(text_id, digest, body, desk.space.model, desk.settings.dimensions))

    async def _upload(self, job: JobRow, fresh: bool) -> JobRow:
        desk, name = self._desk, self._file_name(job)
        found = [] if fresh else await desk.patiently(lambda: desk.api.find_file(name))
        if not found:
            if not self.path(job).exists():
                self._write(job)
            try:
                found = [await desk.api.upload(self.path(job), name)]
            except RequestRefused as error:
                if error.refusal.status in (404, 405, 501):
                    raise SettingError(
                        f"{desk.settings.host} has no Batch API: {error.refusal.message}",
                        next_step="Index now instead (--lane now).",
                        code="no_batch_api",
                    ) from None
                if error.refusal.verdict is not Verdict.RETRY:
                    raise
                # An upload costs nothing; one that was lost on the way is found by its name.
                found = await desk.patiently(lambda: desk.api.find_file(name))
                if not found:
                    found = [await desk.patiently(lambda: desk.api.upload(self.path(job), name))]
        job = self._jobs.change(job.id, state="uploaded", input_file=found[0], left_files=found[1:], problem="")
        self.path(job).unlink(missing_ok=True)
        return job

    # The batch

    def _has_room(self, job: JobRow) -> bool:
        """Whether the account's queue takes this job now, as far as the server told."""
        limit = self._desk.limits().tokens
        others = [
            one
            for one in self._jobs.under_way()
            if one.id != job.id and one.state in ("creating", "created") and one.status not in ("completed",)
        ]
        if limit is None or not others or sum(one.tokens for one in others) + job.tokens <= limit:
            return True
        words = f"Waits for room: the account takes {limit:,} tokens at a time."
        self._jobs.change(job.id, problem=words, next_step="It is submitted once earlier batches are through.")
        return False

    def _reserve(self, job: JobRow, run: HandedRun) -> JobRow:
        """From here on it may cost money, so its cost is held."""
        desk, price = self._desk, Price(run.price, "")
        with desk.store.transaction():
            request_id = self._jobs.reserve(job, desk.space.model, run.price, desk.worst_cost(price, job.tokens))
            return self._jobs.change(
                job.id, state="creating", request_id=request_id, submitted_at=now(), problem=MAYBE, next_step=""
            )

    async def _create(self, job: JobRow) -> JobRow:
        desk = self._desk
        assert job.input_file is not None
        file = job.input_file
        try:
            batch = await desk.api.create(file, plan_name(job))
        except RequestRefused as error:
            if error.refusal.maybe_billed:
                return await self._find_out(job)
            self._release(job, error.message, error.next_step)
            if error.refusal.status in (400, 404) and not await desk.patiently(lambda: desk.api.has_file(file)):
                step = "It is uploaded again when you collect."
                return self._jobs.change(
                    job.id,
                    state="planned",
                    input_file=None,
                    problem="Its file is gone from the server.",
                    next_step=step,
                )
            raise
        return self._created(job, batch)

    async def _find_out(self, job: JobRow) -> JobRow:
        """Whether the server has the batch whose creation was asked for.

        It is never asked for a second time here: a list may lag behind, and then there would be two of one batch.
        """
        desk = self._desk
        assert job.input_file is not None and job.submitted_at is not None
        file = job.input_file
        name = plan_name(job)
        found = await desk.patiently(lambda: desk.api.find_batch(name))
        if found:
            for extra in found[:-1]:
                desk.tell(f"The server has a second batch of the same plan; {extra.name} is cancelled.", "warning")
                await desk.patiently(lambda extra=extra: desk.api.cancel(extra.name))  # type: ignore[misc]
            return self._created(job, found[-1])
        if not await desk.patiently(lambda: desk.api.has_file(file)):
            return self._jobs.change(job.id, problem=f"Maybe submitted. {STRANGER}", next_step=UNSEEN_STEP, unseen=True)
        waited = (datetime.now(UTC) - datetime.fromisoformat(job.submitted_at)).total_seconds()
        if waited < desk.settle_seconds:
            return self._jobs.change(job.id, problem=MAYBE, next_step="Collect again in a minute.")
        return self._jobs.change(job.id, problem=UNLISTED, next_step=UNLISTED_STEP, unseen=True)

    def _created(self, job: JobRow, batch: RemoteBatch) -> JobRow:
        expires = None if batch.expires_at is None else datetime.fromtimestamp(batch.expires_at, UTC).isoformat()
        return self._jobs.change(
            job.id,
            state="created",
            batch_name=batch.name,
            status=batch.status,
            expires_at=expires,
            looked_at=now(),
            unseen=False,
            problem="",
            next_step="",
        )

    def _release(self, job: JobRow, words: str, next_step: str = "") -> None:
        """Nothing was submitted, so nothing is billed: the job stands where it stood before."""
        assert job.request_id is not None
        with self._desk.store.transaction():
            self._jobs.settle(job.request_id, "refused", None, 0, words)
            self._jobs.change(job.id, state="uploaded", request_id=None, problem=words, next_step=next_step)
