"""A batch's way through its statuses, and the work at its end: results written, and billed at half the price."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from batch_manager.rehearsal.batch_faults import BatchFaults, BatchRule
from batch_manager.rehearsal.batch_lines import (
    EXPIRED,
    compress,
    cut_last_line,
    lines_at,
    offsets,
    output_line,
    read_line,
    refused_line,
    shuffled,
    unexecuted_line,
)
from batch_manager.rehearsal.limits import Refusal
from batch_manager.rehearsal.shelf import Shelf, StoredBatch, StoredFile

if TYPE_CHECKING:
    from batch_manager.rehearsal.request import EmbeddingRequest
    from batch_manager.rehearsal.service import Service


@dataclass(slots=True)
class _Outcome:
    """What the work of a batch comes to."""

    tokens: int = 0
    inputs: int = 0
    failed: int = 0
    results: int = 0
    errors: int = 0
    hashes: list[str] = field(default_factory=list)


class Worker:
    """Takes batches on as time passes."""

    def __init__(self, service: Service, shelf: Shelf) -> None:
        self._service = service
        self._shelf = shelf
        self.faults = BatchFaults()

    def look(self, batch: StoredBatch, now: float) -> None:
        """Takes a batch as far as it has come by now."""
        from batch_manager.rehearsal.batches import BEGUN, ENDING, FINAL, WINDOW

        if batch.status in FINAL:
            return
        seconds = self._service.options.batch_seconds
        gone = now - batch.began
        part = gone / seconds if seconds else 1.0
        if batch.errors:
            batch.status = "failed"
            batch.at["failed"] = int(now)
        elif batch.status == "cancelling":
            self._end(batch, "cancelled", batch.done, now)
        elif seconds > WINDOW and gone >= WINDOW:
            self._end(batch, "expired", int(batch.requests * WINDOW / seconds), now)
        elif part >= 1:
            rule = self.faults.take("expired", batch.number)
            done = batch.requests if rule is None else int(batch.requests * rule.share)
            self._end(batch, "completed" if rule is None else "expired", done, now)
        elif part >= BEGUN:
            batch.status = "in_progress" if part < ENDING else "finalizing"
            batch.at.setdefault(batch.status, int(now))
            batch.done = int(batch.requests * min(1.0, (part - BEGUN) / (ENDING - BEGUN)))

    def _end(self, batch: StoredBatch, status: str, done: int, now: float) -> None:
        batch.status = status
        batch.at[status] = int(now)
        there = batch.input_file_id in self._shelf.files
        places = offsets(self._shelf.path(batch.input_file_id)) if there else []  # whoever deletes it gets nothing
        places, done = shuffled(places, self._service.options.seed, batch.number), min(done, len(places))
        output, errors = self._new_file(batch, now), self._new_file(batch, now)
        with self._shelf.path(output.id).open("wb") as results, self._shelf.path(errors.id).open("wb") as refusals:
            outcome = self._work(batch, places[:done], results, refusals)
            if status == "expired":
                for number, line in enumerate(lines_at(self._shelf.path(batch.input_file_id), places[done:])):
                    custom_id, _ = read_line(line, batch.endpoint, self._service.batches.ask)
                    refusals.write(unexecuted_line(custom_id, EXPIRED, done + number))
                    outcome.errors += 1
        batch.done, batch.failed, batch.billed_tokens = done, outcome.failed, outcome.tokens
        if outcome.results:
            self._spoil(batch, output)
        batch.output_file_id = self._keep(output, outcome.results)
        batch.error_file_id = self._keep(errors, outcome.errors)
        self._charge(batch, outcome, now)

    def _work(self, batch: StoredBatch, places: list[int], results: IO[bytes], refusals: IO[bytes]) -> _Outcome:
        take, ask = self.faults.take, self._service.batches.ask
        rules = [rule for fault in ("errors_only", "line_errors") if (rule := take(fault, batch.number))]
        odd = {fault: bool(take(fault, batch.number)) for fault in _ODD}
        outcome = _Outcome()
        path = self._shelf.path(batch.input_file_id)
        for number, line in enumerate(lines_at(path, places), start=1):
            custom_id, asked = read_line(line, batch.endpoint, ask)
            refusal = asked if isinstance(asked, Refusal) else self._refusal(asked, rules)
            if refusal is not None:
                refusals.write(refused_line(custom_id, refusal, number))
                outcome.failed += 1
                outcome.errors += 1
                continue
            assert not isinstance(asked, Refusal)
            outcome.tokens += asked.total_tokens
            outcome.inputs += len(asked.texts)
            outcome.hashes += [one.hex() for one in asked.digests] if self._service.options.keep_hashes else []
            results.writelines(self._lines(custom_id, asked, number, odd))
            outcome.results += 1
        return outcome

    def _lines(self, custom_id: str, asked: EmbeddingRequest, number: int, odd: dict[str, bool]) -> list[bytes]:
        """The result of one request; of the second request as the faults leave it."""
        vectors = self._service.embedder.embed(asked.texts, asked.digests, asked.model, asked.native, asked.dimensions)
        line = output_line(custom_id, asked, vectors, number)
        if number != 2:
            return [line]
        if odd["missing_line"]:
            return []
        if odd["unknown_id"]:
            return [line, output_line("nobody-asked-for-this", asked, vectors, number)]
        if odd["doubled_id"]:
            return [line, output_line(custom_id, asked, [-vector for vector in vectors], number)]
        if odd["short_vector"]:
            return [output_line(custom_id, asked, [vector[:-1] for vector in vectors], number)]
        return [line]

    def _refusal(self, asked: EmbeddingRequest, rules: list[BatchRule]) -> Refusal | None:
        for rule in rules:
            if rule.fault == "errors_only" or any(rule.contains in text for text in asked.texts):
                words = rule.message or "The request could not be processed: an input was rejected."
                return Refusal(rule.status or 400, words, code=rule.code)
        for one in self._service.rules:
            if one.fault == "poison" and any((one.contains or "") in text for text in asked.texts):
                return Refusal(400, one.message or "The request could not be processed: an input was rejected.")
        return None

    def _spoil(self, batch: StoredBatch, output: StoredFile) -> None:
        if self.faults.take("truncated", batch.number):
            cut_last_line(self._shelf.path(output.id))
        if self.faults.take("gzipped", batch.number):
            compress(self._shelf.path(output.id))

    def _new_file(self, batch: StoredBatch, now: float) -> StoredFile:
        name = self._shelf.new_id("file-")
        return StoredFile(name, batch.owner, f"{batch.id}.jsonl", "batch_output", 0, int(now))

    def _keep(self, file: StoredFile, lines: int) -> str | None:
        path = self._shelf.path(file.id)
        if not lines:
            path.unlink()
            return None
        file.bytes = path.stat().st_size
        self._shelf.files[file.id] = file
        return file.id

    def _charge(self, batch: StoredBatch, outcome: _Outcome, now: float) -> None:
        entry = self._service.ledger.open(batch.number, now, 0.0)
        entry.lane, entry.model, entry.outcome = "batch", batch.model, batch.status
        entry.inputs, entry.hashes = outcome.inputs, outcome.hashes
        entry.tokens = entry.billed_tokens = outcome.tokens
        entry.billed, entry.status = bool(outcome.tokens), 200
        self._service.ledger.finish(entry, delivered=True)


_ODD = ("missing_line", "unknown_id", "doubled_id", "short_vector")
