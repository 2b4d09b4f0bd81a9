"""Batches: packed requests that any of several workers may send, and the runs that are shared like that.

waiting ⇄ taken → done

A claim carries the batch's epoch, which grows with every claim. What a worker writes about a batch counts only under
its own epoch: a worker that was given up for dead, and wasn't, can't move what is another's by now. What it was
answered is kept all the same, since it is paid for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from batch_manager.packing import Input
from batch_manager.store.answers import Answers
from batch_manager.store.database import now, translated
from batch_manager.store.dialect import AMONG, Database

Asked = Literal["", "pause"]
Allowed = Literal["yes", "lost", "over", "paused", "room", "cap"]
"""Whether a request may leave: it may; the batch is another's; the run is over, or paused; there is no room under the
cap until a request in flight is settled; there is none at all."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that a worker has taken.

    Attributes:
        inputs: What is left to send of it; nothing where all of it was answered meanwhile.
    """

    batch_id: int
    run_id: int
    number: int
    epoch: int
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True)
class SharedRun:
    """A run that workers do, or did.

    Attributes:
        state: `shared`, or how it ended.
        asked: `pause`, where it stands still.
        quote: What was agreed, as the ledger has it.
    """

    id: int
    state: str
    asked: Asked
    space_id: int
    provider: str
    price: Decimal
    cap_pico: int | None
    quote: Mapping[str, Any]
    reason: str
    code: str
    next_step: str


class Batches:
    """Questions about batches, and their steps."""

    def __init__(self, database: Database, answers: Answers) -> None:
        self._db = database
        self._answers = answers

    # Runs

    def share(self, run_id: int) -> None:
        """An agreed run is for workers from here on; inside the caller's transaction.

        What a worker still has of it, without a request out, is packed anew: under the old claim nothing more is sent.
        """
        self._db.execute_sql(
            "UPDATE batch SET state = 'done', epoch = epoch + 1 WHERE run_id = ? AND state = 'taken'", [run_id]
        )
        self._db.execute_sql("DELETE FROM batch WHERE run_id = ? AND state = 'waiting'", [run_id])
        self._db.execute_sql(
            "UPDATE run SET state = 'shared', asked = '', code = '', next_step = '', packed_to = 0, used_pico ="
            " (SELECT coalesce(sum(cost_pico), 0) FROM request WHERE run_id = ?) WHERE id = ?",
            [run_id, run_id],
        )

    def runs(self) -> list[SharedRun]:
        """Runs that are shared now, oldest first."""
        return self._runs("r.state = 'shared'", [])

    def run(self, run_id: int) -> SharedRun:
        """A run that is or was shared."""
        return self._runs("r.id = ?", [run_id])[0]

    def ask(self, run_id: int, asked: Asked) -> None:
        """Pause a run, or let it go on; every worker hears of it. Who only looks may do that, and end it, as well."""
        asking = "UPDATE run SET asked = ? WHERE id = ? AND state = 'shared'"
        self._tell(asking, [asked, run_id], run_id, self._db.telling)

    def end(self, run_id: int, state: str, reason: str, code: str = "", next_step: str = "") -> bool:
        """End a run for every worker; False when it was over before. What is in flight comes in all the same."""
        return self._tell(
            "UPDATE run SET state = ?, reason = ?, code = ?, next_step = ?, asked = '', ended_at = ?"
            " WHERE id = ? AND state = 'shared'",
            [state, reason, code, next_step, now(), run_id],
            run_id,
            self._db.telling,
        )

    def complete(self, run_id: int) -> bool:
        """End a run of which all is sent and in the index; False when there is more to do."""
        return self._tell(
            "UPDATE run SET state = 'done', reason = '', ended_at = ? WHERE id = ? AND state = 'shared'"
            " AND NOT EXISTS (SELECT 1 FROM batch b WHERE b.run_id = run.id AND b.state != 'done')"
            " AND NOT EXISTS (SELECT 1 FROM run_text t WHERE t.run_id = run.id AND t.state = 'planned')"
            " AND NOT EXISTS (SELECT 1 FROM item i WHERE i.run_id = run.id AND i.stage = 'answered')",
            [now(), run_id],
            run_id,
        )

    def in_flight(self, space_id: int) -> dict[int, int]:
        """Requests that workers still have out for runs that are over, by run."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT q.run_id, count(*) FROM request q JOIN batch b ON b.run_id = q.run_id AND b.number = q.batch"
                " JOIN run r ON r.id = q.run_id WHERE q.state = 'sent' AND b.state = 'taken' AND r.state != 'shared'"
                " AND r.space_id = ? GROUP BY q.run_id ORDER BY q.run_id",
                [space_id],
            ).fetchall()
        return dict(rows)

    # Packing

    def unpacked(self, run_id: int, most: int) -> list[Input]:
        """The next texts of a shared run that are in no batch yet, in order."""
        with translated():
            rows = self._db.execute_sql(
                "SELECT t.id, t.tokens, t.bytes FROM run r JOIN run_text p ON p.run_id = r.id"
                " JOIN text t ON t.id = p.text_id WHERE r.id = ? AND r.state = 'shared' AND p.state = 'planned'"
                " AND p.text_id > r.packed_to ORDER BY p.text_id LIMIT ?",
                [run_id, most],
            ).fetchall()
        return [Input(*row) for row in rows]

    def add(self, run_id: int, packed: Sequence[Sequence[Input]]) -> list[int]:
        """The next batches of a run; returns their ids. Inside the caller's transaction, with `unpacked`."""
        before = self._count("SELECT coalesce(max(number), 0) FROM batch WHERE run_id = ?", [run_id])
        made = []
        for number, inputs in enumerate(packed, start=before + 1):
            rows = self._db.execute_sql(
                "INSERT INTO batch (run_id, number, state, inputs, tokens) VALUES (?, ?, 'waiting', ?, ?) RETURNING id",
                [run_id, number, len(inputs), sum(one.tokens for one in inputs)],
            ).fetchall()
            made.append(int(rows[0][0]))
            self._db.execute_sql(
                f"UPDATE run_text SET batch_id = ? WHERE run_id = ? AND text_id {AMONG}",
                [made[-1], run_id, json.dumps([one.text_id for one in inputs])],
            )
        last = max(one.text_id for inputs in packed for one in inputs)
        self._db.execute_sql("UPDATE run SET packed_to = ? WHERE id = ?", [last, run_id])
        return made

    def queued(self, pairs: Iterable[tuple[int, int]]) -> None:
        """The ids under which batches stand in the queue, as (batch, id there); inside the caller's transaction."""
        for batch_id, queue_id in pairs:
            self._db.execute_sql("UPDATE batch SET queue_id = ? WHERE id = ?", [queue_id, batch_id])

    # A worker's steps

    def claim(self, batch_id: int, queue_id: int, worker: str) -> Claim | None:
        """Take a batch; None when it is another's, done, or of a run that is over.

        What was answered meanwhile, for whichever run, isn't sent again.

        Args:
            batch_id: The batch.
            queue_id: The job that brought it. A batch that has another one by now is for whoever takes that: this
                worker stood still for so long that it was given up.
            worker: Who takes it.
        """
        with translated(), self._db.atomic("IMMEDIATE"):
            rows = self._db.execute_sql(
                "UPDATE batch SET state = 'taken', epoch = epoch + 1, worker = ?, doing = 'waiting', waits_for = '',"
                " taken_at = ?, ended_at = NULL WHERE id = ? AND queue_id = ? AND state = 'waiting'"
                " AND run_id IN (SELECT id FROM run WHERE state = 'shared') RETURNING run_id, number, epoch",
                [worker, now(), batch_id, queue_id],
            ).fetchall()
            if not rows:
                return None
            run_id, number, epoch = rows[0]
            # Whoever had it before is gone: what it has out holds its money, and nobody waits for it to come in.
            self._give_up(run_id, number, "Whoever sent it gave the batch back before the answer came.")
            space_id = self._count("SELECT space_id FROM run WHERE id = ?", [run_id])
            known = self._db.execute_sql(
                "SELECT p.text_id FROM run_text p JOIN answer a ON a.text_id = p.text_id AND a.space_id = ?"
                " WHERE p.batch_id = ? AND p.state = 'planned'",
                [space_id, batch_id],
            ).fetchall()
            if known:
                self._answers.move(run_id, space_id, [row[0] for row in known])
                self._db.execute_sql("UPDATE batch SET answered = answered + ? WHERE id = ?", [len(known), batch_id])
            inputs = self._db.execute_sql(
                "SELECT t.id, t.tokens, t.bytes FROM run_text p JOIN text t ON t.id = p.text_id"
                " WHERE p.batch_id = ? AND p.state = 'planned' ORDER BY t.id",
                [batch_id],
            ).fetchall()
        return Claim(batch_id, run_id, number, epoch, tuple(Input(*row) for row in inputs))

    def allow(self, claim: Claim, cost: int) -> Allowed:
        """Take a request's worst cost out of what the run may spend; inside the caller's transaction.

        Anything but `yes` has to take the transaction back.
        """
        if not self._change(
            "UPDATE batch SET doing = 'sending', waits_for = '', tries = tries + 1"
            " WHERE id = ? AND epoch = ? AND state = 'taken'",
            [claim.batch_id, claim.epoch],
        ):
            return "lost"
        if self._change(
            "UPDATE run SET used_pico = used_pico + ? WHERE id = ? AND state = 'shared' AND asked = ''"
            " AND (cap_pico IS NULL OR used_pico + ? <= cap_pico)",
            [cost, claim.run_id, cost],
        ):
            return "yes"
        run = self.run(claim.run_id)
        if run.state != "shared":
            return "over"
        if run.asked:
            return "paused"
        flying = "SELECT count(*) FROM request WHERE run_id = ? AND state = 'sent'"
        return "room" if self._count(flying, [claim.run_id]) else "cap"

    def used(self, run_id: int, more: int) -> None:
        """What a run has spent and holds is more, or less, by this; inside the caller's transaction."""
        self._db.execute_sql("UPDATE run SET used_pico = used_pico + ? WHERE id = ?", [more, run_id])

    def note(self, claim: Claim, *, answered: int = 0, failed: int = 0) -> bool:
        """Inputs of a batch came through; False when the batch is another's. Inside the caller's transaction."""
        return self._change(
            "UPDATE batch SET answered = answered + ?, failed = failed + ?, doing = 'waiting'"
            " WHERE id = ? AND epoch = ? AND state = 'taken'",
            [answered, failed, claim.batch_id, claim.epoch],
        )

    def say(self, claim: Claim, doing: str, waits_for: str) -> None:
        """What a worker does with a batch, for those who watch."""
        with translated():
            self._change(
                "UPDATE batch SET doing = ?, waits_for = ? WHERE id = ? AND epoch = ? AND state = 'taken'",
                [doing, waits_for, claim.batch_id, claim.epoch],
            )

    def finish(self, claim: Claim) -> bool:
        """Each input of a batch is answered or failed; False when the batch is another's."""
        return self._tell(
            "UPDATE batch SET state = 'done', doing = 'answered', waits_for = '', ended_at = ?"
            " WHERE id = ? AND epoch = ? AND state = 'taken'",
            [now(), claim.batch_id, claim.epoch],
            claim.run_id,
        )

    def give_back(self, claim: Claim) -> bool:
        """A batch that isn't through is for anyone again; False when it is another's already."""
        return self._tell(
            "UPDATE batch SET state = 'waiting', doing = 'waiting', waits_for = ''"
            " WHERE id = ? AND epoch = ? AND state = 'taken'",
            [claim.batch_id, claim.epoch],
            claim.run_id,
        )

    def give_up(self, claim: Claim) -> None:
        """Await no request of a batch any longer, as long as the batch is this claim's; its money stays held."""
        mine = "SELECT count(*) FROM batch WHERE id = ? AND epoch = ? AND state = 'taken'"
        with translated(), self._db.atomic("IMMEDIATE"):
            if self._count(mine, [claim.batch_id, claim.epoch]):
                self._give_up(claim.run_id, claim.number, "The store went away while it was written down.")

    def rescue(self, lost: Iterable[tuple[int, int]]) -> list[int]:
        """Batches whose worker is dead are for anyone again; inside the caller's transaction. Returns those that were.

        What it had in flight may be billed, so its money stays held.

        Args:
            lost: (batch, id of its job) of each; one that has another job by now is a living worker's.
        """
        rows: list[Any] = []
        for pair in lost:
            rows += self._db.execute_sql(
                "UPDATE batch SET state = 'waiting', doing = 'waiting', waits_for = ''"
                " WHERE state = 'taken' AND id = ? AND queue_id = ? RETURNING id, run_id, number, worker",
                pair,
            ).fetchall()
        for _, run_id, number, worker in rows:
            self._give_up(run_id, number, f"The worker {worker} ended before the answer came.")
        return [row[0] for row in rows]

    def delivered(self, inputs: Mapping[tuple[int, int], int]) -> None:
        """That many inputs of batches, by (run, number), are in the index."""
        with translated(), self._db.atomic("IMMEDIATE"):
            for (run_id, number), count in inputs.items():
                self._db.execute_sql(
                    "UPDATE batch SET delivered = delivered + ? WHERE run_id = ? AND number = ?",
                    [count, run_id, number],
                )

    # Inside

    def _runs(self, where: str, values: list[Any]) -> list[SharedRun]:
        with translated():
            rows = self._db.execute_sql(
                "SELECT r.id, r.state, r.asked, r.space_id, s.provider, r.price, r.cap_pico, r.quote, r.reason,"
                " r.code, r.next_step FROM run r JOIN space s ON s.id = r.space_id"
                f" WHERE {where} ORDER BY r.id",
                values,
            ).fetchall()
        return [_shared_run(*row) for row in rows]

    def _give_up(self, run_id: int, number: int, words: str) -> None:
        self._db.execute_sql(
            "UPDATE request SET state = 'unknown', code = 'no_answer', message = ?, ended_at = ?"
            " WHERE run_id = ? AND batch = ? AND state = 'sent'",
            [words, now(), run_id, number],
        )

    def _tell(self, sql: str, values: list[Any], run_id: int, kind: str = "IMMEDIATE") -> bool:
        """Change something that others wait to hear of, in a transaction of that kind."""
        with translated(), self._db.atomic(kind):
            changed = self._change(sql, values)
            if changed:
                self._db.notify(f"run:{run_id}")
        return changed

    def _change(self, sql: str, values: list[Any]) -> bool:
        return bool(self._db.execute_sql(sql, values).rowcount)

    def _count(self, sql: str, values: list[Any]) -> int:
        with translated():
            return int(self._db.execute_sql(sql, values).fetchone()[0])


def _shared_run(
    run_id: int,
    state: str,
    asked: Asked,
    space_id: int,
    provider: str,
    price: str,
    cap_pico: int | None,
    quote: str,
    *why: str,
) -> SharedRun:
    reason, code, next_step = why
    paid, agreed = Decimal(price), json.loads(quote)
    return SharedRun(run_id, state, asked, space_id, provider, paid, cap_pico, agreed, reason, code, next_step)
