"""--status: how many items are where, what was spent, and how the index is. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from batch_manager.allowance import budgets_report
from batch_manager.cli import terminal
from batch_manager.cli.counted_index import counted_report, counted_words, in_force_words
from batch_manager.cli.index_sizes import index_sizes
from batch_manager.cli.lane_words import (
    batch_report,
    batch_words,
    jobs_of,
    saved_words,
    waiting_line,
    waiting_of,
    waiting_report,
)
from batch_manager.cli.opening import for_looking, say_other_model
from batch_manager.cli.plain_json import lines_of
from batch_manager.cli.vector_counts import vector_counts
from batch_manager.documents import KINDS, Kind
from batch_manager.engine.problems import interrupted
from batch_manager.errors import VectorStoreError
from batch_manager.home import is_rehearsals
from batch_manager.pricing import show_usd
from batch_manager.sources.shown import shown

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags
    from batch_manager.cli.opening import Look
    from batch_manager.store.items import Counts

NAMES: dict[Kind, str] = {"table": "tables", "relationship": "relationships"}
RUNS = 5

STATES = {
    "replaced": "replaced, since what it left went over to a later run",
    "handed": "handed over at half the price, back within 24 h",
    "shared": "workers do it",
}
"""States of runs that a word doesn't explain."""


def status(flags: Flags) -> int:
    """Print the status; the exit code is 2 when the index can't be asked.

    Raises:
        StoreError: The store can't be read.
    """
    with for_looking(flags) as look:
        trouble: VectorStoreError | None = None
        vectors: dict[Kind, int] = {}
        try:
            vectors = vector_counts(look)
        except VectorStoreError as error:
            trouble = error
        counts = look.store.items.counts()
        say_other_model(look.engine)
        if flags.json:
            terminal.result(lines_of(_as_json(look, counts, vectors)))
        else:
            terminal.result(terminal.fitted(_as_words(look, counts, vectors)))
        if trouble is not None:
            terminal.say(f"error: {trouble}")
            return trouble.exit_code
    return 0


def _as_json(look: Look, counts: Counts, vectors: dict[Kind, int]) -> dict[str, Any]:
    bill = look.store.ledger.bill()
    return {
        **{
            NAMES[kind]: {
                "pending": counts.of(kind, "pending"),
                "indexed": counts.of(kind, "indexed"),
                "failed": counts.of(kind, "failed"),
            }
            for kind in KINDS
        },
        "spent_usd": look.store.ledger.spent(),
        "billed_tokens": look.store.ledger.billed_tokens(),
        "model": look.settings.model,
        "mode": _mode(look),
        **counted_report(look),
        "unfinished_run": _unfinished_report(look),
        "lanes": {
            lane: {"billed_usd": spent.billed, "held_usd": spent.held, "billed_tokens": spent.tokens}
            for lane, spent in bill.lanes
        },
        "people": [
            {
                "name": name or None,
                "billed_usd": spent.billed,
                "held_usd": spent.held,
                "billed_tokens": spent.tokens,
                "requests": spent.requests,
            }
            for name, spent in bill.people
        ],
        "saved_usd": bill.saved,
        "budgets": budgets_report(look.store.budgets.allowances()),
        "in_batches": waiting_report(waiting_of(look)),
        "batches": [batch_report(one) for one in jobs_of(look)],
        "vectors": {NAMES[kind]: vectors.get(kind) for kind in KINDS},
        "indexes": [
            {
                "model": one.generation.model,
                "dimensions": one.generation.dimensions or None,
                "state": one.generation.state,
                "items": one.items,
                "bytes": one.bytes,
            }
            for one in index_sizes(look.settings, look.store)
        ],
    }


def _unfinished_report(look: Look) -> dict[str, Any] | None:
    left = interrupted(look.engine)
    if left is None:
        return None
    return {
        "id": left.run.id,
        "texts_left": left.texts,
        "message": left.told.message,
        "next_step": left.told.next_step,
    }


def _mode(look: Look) -> str:
    """What this home is for; a rehearsal's is that by `--home` as well."""
    return "rehearsal" if is_rehearsals(look.settings.home) else look.settings.mode


def _as_words(look: Look, counts: Counts, vectors: dict[Kind, int]) -> Iterator[str]:
    ledger = look.store.ledger
    mode = _mode(look)
    if mode == "rehearsal":
        yield "REHEARSAL: pretend dollars"
    yield f"home   {shown(str(look.settings.home))}{'' if mode == 'live' else f' ({mode})'}"
    yield f"model  {shown(look.settings.model)} at {shown(look.settings.host)}"
    for index in index_sizes(look.settings, look.store):
        yield f"index  {shown(index.generation.title)} {index.words}"
    yield ""
    if words := counted_words(look):
        yield words
    head = ("", "pending", "indexed", "failed", "skipped", "vectors")
    rows = [
        (
            NAMES[kind],
            *(
                f"{number:,}"
                for number in (
                    counts.of(kind, "pending"),
                    counts.of(kind, "indexed"),
                    counts.of(kind, "failed"),
                    counts.of(kind, "skipped"),
                )
            ),
            f"{vectors[kind]:,}" if kind in vectors else "?",
        )
        for kind in KINDS
    ]
    yield from terminal.columns([head, *rows], right=range(1, 6))
    yield from in_force_words(look)
    yield ""
    bill, held, handed = ledger.bill(), ledger.held(), look.store.jobs.held()
    extra = f", {show_usd(held)} of it held: answers that never came" if held else ""
    extra += f", {show_usd(handed)} of it held for batches under way" if handed else ""
    yield f"spent  {show_usd(ledger.spent())} for {terminal.counted(ledger.billed_tokens(), 'billed token')}{extra}"
    for one in look.store.budgets.allowances():
        yield f"  budget {show_usd(one.limit)} a {one.period}: {one.words}"
    if bill.total.usd:
        yield "  queries of searches are not in it: looking writes nothing, and each tells its price"
    people = [(name or "nobody's name", spent) for name, spent in bill.people] if bill.named else []
    for heading, sums in (("model", bill.models), ("day", bill.days), ("by", people)):
        for key, spent in sums:
            work = f"{terminal.counted(spent.tokens, 'token')}, {terminal.counted(spent.requests, 'request')}"
            more = f" + {show_usd(spent.held)} held" if spent.held else ""
            yield f"  {heading} {shown(key)}: {show_usd(spent.billed)} billed{more}, {work}"
    for run in ledger.runs(RUNS):
        why = f" ({shown(run.reason)})" if run.reason else ""
        work = f"{terminal.counted(run.requests, 'request')}, {show_usd(run.spent)}"
        by = f" by {shown(run.who)}" if run.who else ""
        yield f"  run {run.id} of {run.agreed_at}{by}: {STATES.get(run.state, run.state)}{why}, {work}"
    if (left := interrupted(look.engine)) is not None:
        yield f"unfinished  {left.told}"
    yield from (f"  {line}" for line in saved_words(bill.saved, sum((run.doubled for run in bill.runs), Decimal(0))))
    if words := waiting_line(waiting_of(look)):
        yield words
    for job in jobs_of(look):
        yield f"under way  {batch_words(job)}"
    yield from _workers_words(look)
    answers, size = look.store.answers.size()
    yield f"kept   {terminal.counted(answers, 'answer')}, {size / 1_000_000:,.1f} MB: these texts cost nothing again"


def _workers_words(look: Look) -> Iterator[str]:
    """What workers have under way, and whether there are any."""
    from batch_manager.engine.shared.jobs import workers_alive

    for run in look.store.batches.runs():
        done, all_of_them = look.store.watched.batches_done(run.id), look.store.watched.batches(run.id)
        there = terminal.counted(workers_alive(look.store.database), "worker")
        paused = ", paused" if run.asked else ""
        yield f"under way  run {run.id} by workers: {done:,} of {all_of_them:,} batches{paused}; {there} there"
