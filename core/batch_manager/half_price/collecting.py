"""Collecting: how far a batch is, and its results: line by line to the journal, whatever the order, in flat memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from batch_manager.errors import RequestRefused, Verdict
from batch_manager.half_price.desk import Desk
from batch_manager.half_price.ends import ABSURD, Ends
from batch_manager.half_price.lines import HASH, MAX_LINE, BrokenLine, Line, read_line
from batch_manager.half_price.submission import STRANGER, UNSEEN_STEP
from batch_manager.plural import are
from batch_manager.store.database import now
from batch_manager.store.job_row import JobRow
from batch_manager.store.jobs import HandedRun

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
LINES = 400
"""Lines of one transaction: some megabytes."""

TRIES = 3
"""Times that a download is taken up again where it broke."""

Kind = Literal["output", "error"]


class Damaged(Exception):
    """A file that can't be read to its end; the words say why."""


@dataclass(slots=True)
class _Odd:
    """What was in a file and should not be."""

    unknown: int = 0
    doubled: int = 0
    unreadable: int = 0

    def words(self) -> str:
        said = [
            (self.unknown, "with an id that was never sent"),
            (self.doubled, "for a text that had its answer"),
            (self.unreadable, "that can't be read"),
        ]
        return ", ".join(f"{number:,} {words}" for number, words in said if number)


@dataclass(slots=True)
class _Sorted:
    """The lines of one transaction, by what follows from them."""

    ids: list[int] = field(default_factory=list)
    vectors: list[bytes] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    refused: dict[tuple[str, str, str, bool], list[int]] = field(default_factory=dict)
    refused_late: list[int] = field(default_factory=list)
    tokens: int = 0


class Collecting:
    """Brings results home."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._store = desk.store
        self._jobs = desk.store.jobs
        self._ends = Ends(desk)

    async def look(self, job: JobRow, run: HandedRun) -> JobRow:
        """Ask how far a created batch is, and write it down.

        Raises:
            RequestRefused: The server doesn't say.
        """
        desk = self._desk
        assert job.batch_name is not None and job.input_file is not None
        name, file = job.batch_name, job.input_file
        batch = await desk.patiently(lambda: desk.api.look(name))
        if batch is None:
            if not await desk.patiently(lambda: desk.api.has_file(file)):
                return self._jobs.change(job.id, problem=STRANGER, next_step=UNSEEN_STEP, unseen=True)
            if _seconds_since(job.submitted_at) < desk.settle_seconds:
                # A server that has just made it may not show it everywhere yet.
                words = f"Batch {name} is not seen on the server yet."
                return self._jobs.change(
                    job.id, problem=words, next_step="Collect again in a minute: then it is known."
                )
            return self._ends.vanished(job)
        if batch.status not in ENDED and job.cancel_asked and batch.status != "cancelling":
            await desk.patiently(lambda: desk.api.cancel(name))
        job = self._jobs.change(
            job.id,
            status=batch.status,
            total=batch.total,
            completed=batch.completed,
            failed=batch.failed,
            looked_at=now(),
            unseen=False,
            problem="",
            next_step="",
            **({} if batch.expires_at is None else {"expires_at": _iso(batch.expires_at)}),
        )
        if batch.status not in ENDED:
            return job
        if batch.status == "failed" and not batch.output_file and not batch.error_file:
            return self._ends.failed(job, batch, run)
        return self._jobs.change(
            job.id,
            state="collecting",
            output_file=batch.output_file,
            error_file=batch.error_file,
            usage_tokens=batch.tokens,
        )

    async def collect(self, job: JobRow, run: HandedRun) -> JobRow:
        """Take the results of a batch that is over into the journal, and settle it.

        Raises:
            RequestRefused: They can't be had now; what came is kept, and it goes on from there.
        """
        odd, doubt = _Odd(), ""
        try:
            for kind, file in (("output", job.output_file), ("error", job.error_file)):
                if file is not None:
                    job = await self._read(job, run, "output" if kind == "output" else "error", file, odd)
        except Damaged as damage:
            if not job.cancel_asked:
                job = self._jobs.get(job.id)
                words = f"The file of batch {job.batch_name} {damage}; {are(job.answered, 'result')} kept."
                step = "Collect again; if it stays like that, cancel it: what is missing is then pending again."
                return self._jobs.change(job.id, problem=words, next_step=step)
            job = self._jobs.get(job.id)
            doubt = f"Its file {damage}, and the server didn't say what the batch was billed."
        if words := odd.words():
            self._desk.tell(f"Batch {job.batch_name}: lines that were not kept: {words}.", "warning")
        return self._ends.settle(job, run, job.status, doubt)

    async def delete_files(self, job: JobRow) -> JobRow:
        """Delete what is left of a job on the server; what can't be deleted stays written down."""
        left = list(job.left_files)
        for file in job.left_files:
            try:
                await self._desk.api.delete_file(file)
            except RequestRefused as error:
                self._desk.tell(f"File {file} is left on the server: {error.message}", "warning")
                continue
            left.remove(file)
            job = self._jobs.change(job.id, left_files=left)
        return job

    # Results

    async def _read(self, job: JobRow, run: HandedRun, kind: Kind, file: str, odd: _Odd) -> JobRow:
        for tried in range(1, TRIES + 1):
            before = _offset(job, kind)
            try:
                await self._take_in(job, run, kind, file, odd)
                return self._jobs.get(job.id)
            except RequestRefused as error:
                if error.refusal.status == 404:
                    raise Damaged("is gone from the server") from None
                if error.refusal.status == 416:
                    return self._jobs.get(job.id)  # all of it is in the journal
                job = self._jobs.get(job.id)
                if error.refusal.code == "wrong_encoding":
                    raise Damaged("is compressed in a way that can't be read") from None
                if error.refusal.verdict is not Verdict.RETRY or (tried == TRIES and _offset(job, kind) == before):
                    raise
            except Damaged:
                job = self._jobs.get(job.id)
                if tried == TRIES:
                    raise
        raise Damaged("breaks off again and again")

    async def _take_in(self, job: JobRow, run: HandedRun, kind: Kind, file: str, odd: _Odd) -> None:
        """Read a file from where it was left, some hundred lines a transaction."""
        offset = _offset(job, kind)
        lines: list[Line] = []
        try:
            async for raw, end in _lines(self._desk.api.download(file, offset), offset):
                if end == 0:
                    compressed = raw[:2] == b"\x1f\x8b"
                    raise Damaged("is compressed in a way that can't be read" if compressed else "is cut off in a line")
                try:
                    lines.append(read_line(raw, self._desk.space.dimensions, datetime.now(UTC)))
                except BrokenLine as broken:
                    if str(broken) == "compressed":
                        raise Damaged("is compressed in a way that can't be read") from None
                    odd.unreadable += 1
                offset = end
                if len(lines) >= LINES:
                    self._keep(job.id, run, kind, lines, offset, odd)
                    lines = []
        finally:
            # What came before a break is sound, and paid for.
            self._keep(job.id, run, kind, lines, offset, odd)

    def _keep(self, job_id: int, run: HandedRun, kind: Kind, lines: list[Line], offset: int, odd: _Odd) -> None:
        """Some lines into the journal, with the place up to which the file is read: all of it or nothing."""
        with self._store.transaction():
            job = self._jobs.get(job_id)
            found = self._sort(job, lines, odd)
            assert job.request_id is not None
            if found.ids:
                self._store.answers.keep(run.id, run.space_id, job.request_id, found.ids, found.vectors)
            self._jobs.mark(job_id, found.late, "late", only=("answered", "moved"))
            for (code, message, step, lasting), ids in found.refused.items():
                self._store.answers.fail(run.id, ids, code, message, step, 1, lasting=lasting)
            self._jobs.mark(job_id, [*found.returned, *found.refused_late], "returned", only=("planned", "moved"))
            refused = sum(len(ids) for ids in found.refused.values())
            self._jobs.change(
                job_id,
                **{f"{kind}_offset": offset},
                tokens_billed=job.tokens_billed + found.tokens,
                answered=job.answered + len(found.ids),
                refused=job.refused + refused,
            )

    def _sort(self, job: JobRow, lines: list[Line], odd: _Odd) -> _Sorted:
        found, seen = _Sorted(), set()
        states = self._jobs.states(job.id, [line.text_id for line in lines])
        for line in lines:
            state, digest, tokens = states.get(line.text_id, ("", "", 0))
            if not state or line.digest != digest[:HASH]:
                odd.unknown += 1
                continue
            if line.text_id in seen or state not in ("planned", "moved"):
                odd.doubled += 1
                continue
            seen.add(line.text_id)
            if line.vector is not None:
                found.ids.append(line.text_id)
                found.vectors.append(line.vector)
                found.tokens += _sane(line.tokens, tokens) or tokens
                if state == "moved":
                    found.late.append(line.text_id)
            elif line.refusal is None:
                found.returned.append(line.text_id)
            else:
                found.tokens += _sane(line.tokens, tokens) or 0
                why = line.refusal
                key = (why.code, self._desk.plain(why.message), why.next_step, why.verdict is not Verdict.RETRY)
                if state == "moved":
                    found.refused_late.append(line.text_id)
                else:
                    found.refused.setdefault(key, []).append(line.text_id)
        return found


async def _lines(pieces: AsyncIterator[bytes], start: int) -> AsyncIterator[tuple[bytes, int]]:
    """Lines with the place of their ends; an end of 0 marks a last line that isn't whole."""
    rest, at = b"", start
    async for piece in pieces:
        rest += piece
        *whole, rest = rest.split(b"\n")
        for line in whole:
            at += len(line) + 1
            if line.strip():
                yield line, at
        if len(rest) > MAX_LINE:
            yield rest, 0
            return
    if rest.strip():
        # The last line may end without a newline, and then it is whole JSON.
        yield (rest, at + len(rest)) if _is_json(rest) else (rest, 0)


def _is_json(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return True


def _offset(job: JobRow, kind: Kind) -> int:
    return job.output_offset if kind == "output" else job.error_offset


def _sane(told: int | None, counted: int) -> int | None:
    if told is None or told <= 0 or told > counted * ABSURD or told * ABSURD < counted:
        return None
    return told


def _seconds_since(time: str | None) -> float:
    return float("inf") if time is None else (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
