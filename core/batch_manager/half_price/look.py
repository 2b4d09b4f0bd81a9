"""A look: everything that is under way taken as far as it goes now, and what came of it brought to the index."""

from __future__ import annotations

from batch_manager.engine import Engine
from batch_manager.errors import BatchManagerError, RequestRefused, SettingError, Verdict
from batch_manager.half_price.collecting import Collecting
from batch_manager.half_price.desk import Desk
from batch_manager.half_price.ends import Ends
from batch_manager.half_price.submission import Submission
from batch_manager.half_price.views import Collected, views_of
from batch_manager.store.job_row import JobRow
from batch_manager.store.jobs import HandedRun

FORBIDDEN = 403


class Look:
    """One look at everything that is under way."""

    def __init__(self, desk: Desk, engine: Engine) -> None:
        self._desk = desk
        self._engine = engine
        self._jobs = desk.store.jobs
        self._submission = Submission(desk)
        self._collecting = Collecting(desk)
        self._ends = Ends(desk)
        self._fatal: tuple[str, str, str] | None = None

    async def go(self) -> Collected:
        """Look at each run of this space; then bring to the index what came."""
        runs = self._jobs.handed_runs()
        before = {job.id: job for run in runs for job in self._jobs.of_run(run.id)}
        mine = self._desk.store.answers.space_id(self._desk.space)
        for run in runs:
            if run.space_id != mine:
                words = f"Run {run.id:,} was handed over with {run.quote.get('model')} at {run.quote.get('host')}"
                self._desk.tell(f"{words}: collect it with those settings.", "warning")
            elif self._fatal is None:
                await self._run(run)
        for job in self._jobs.with_files(mine):
            await self._collecting.delete_files(job)
        await self._deliver()
        return self._collected(runs, before)

    async def _run(self, run: HandedRun) -> None:
        self._submission.plan_run(run)
        done: set[int] = set()
        while waiting := [one for one in self._jobs.of_run(run.id) if one.state != "settled" and one.id not in done]:
            job = waiting[0]
            done.add(job.id)
            try:
                await self._job(job, run)
            except RequestRefused as error:
                self._jobs.change(job.id, problem=error.message, next_step=error.next_step)
                self._desk.tell(str(error), "warning")
                if error.refusal.status == FORBIDDEN:
                    self._not_to_be_seen(run)
                if error.refusal.verdict is Verdict.STOP:
                    self._fatal = (error.code, error.message, error.next_step)
                    return
            except SettingError:
                self._withdraw(run)
                raise
            self._submission.plan_run(run)  # what was too much for the account's queue is in no job again
        if not any(one.state != "settled" for one in self._jobs.of_run(run.id)):
            self._jobs.close_run(run.id)

    async def _job(self, job: JobRow, run: HandedRun) -> None:
        """As far as it goes now."""
        if job.state in ("planned", "uploading", "uploaded") and (
            job.cancel_asked or job.moved or not self._submission.within_cap(job, run)
        ):
            job = await self._submission.take_back(job)
            await self._collecting.delete_files(self._ends.settle(job, run, "withdrawn"))
            return
        job = await self._submission.advance(job, run)
        if job.state == "created":
            job = await self._collecting.look(job, run)
        if job.state == "collecting":
            job = await self._collecting.collect(job, run)
        if job.state == "settled":
            await self._collecting.delete_files(job)
            await self._deliver()

    def _not_to_be_seen(self, run: HandedRun) -> None:
        """This key may not look at what was submitted, so only the user can say what becomes of it."""
        for job in self._jobs.of_run(run.id):
            if job.state in ("creating", "created", "collecting"):
                self._jobs.change(job.id, unseen=True)

    def _withdraw(self, run: HandedRun) -> None:
        """The server has no such API: nothing was submitted, and everything is pending again."""
        for job in self._jobs.of_run(run.id):
            if job.state in ("planned", "uploading", "uploaded"):
                self._submission.path(job).unlink(missing_ok=True)
                self._ends.settle(job, run, "withdrawn")
        if not any(one.state != "settled" for one in self._jobs.of_run(run.id)):
            self._jobs.note_run(run.id, "the server has no Batch API")
            self._jobs.close_run(run.id)

    async def _deliver(self) -> None:
        try:
            await self._engine.index.deliver()
        except BatchManagerError as error:
            # The answers are in the journal, so nothing is lost: the next run or --verify --repair delivers them.
            self._desk.tell(str(error), "warning")

    def _collected(self, runs: list[HandedRun], before: dict[int, JobRow]) -> Collected:
        after = [(run, self._jobs.of_run(run.id)) for run in runs]
        views = views_of(after)
        was_open = {job.id for job in before.values() if job.state != "settled"}
        new = {job.id for _, jobs in after for job in jobs if job.id not in before}
        answered = failed = 0
        for _, jobs in after:
            for job in jobs:
                then = before.get(job.id)
                answered += job.answered - (then.answered if then else 0)
                failed += job.refused - (then.refused if then else 0)
        return Collected(
            under_way=tuple(one for one in views if not one.over),
            settled=tuple(one for one in views if one.over and one.id in was_open | new),
            runs=tuple(run.id for run in runs),
            answered=answered,
            failed=failed,
            left_over=tuple(self._submission.left_over),
            fatal=self._fatal,
        )
