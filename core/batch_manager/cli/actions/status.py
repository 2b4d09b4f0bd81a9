"""--status: how many items are where, what was spent, and how the index is. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from batch_manager.cli import terminal
from batch_manager.cli.index_sizes import index_sizes
from batch_manager.cli.lane_words import batch_report, batch_words, jobs_of, saved_words
from batch_manager.cli.opening import for_looking, say_other_model
from batch_manager.cli.plain_json import lines_of
from batch_manager.cli.vector_counts import vector_counts
from batch_manager.documents import KINDS, Kind
from batch_manager.errors import VectorStoreError
from batch_manager.pricing import show_usd
from batch_manager.sources.shown import shown

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags
    from batch_manager.cli.opening import Look
    from batch_manager.store.items import Counts

NAMES: dict[Kind, str] = {"table": "tables", "relationship": "relationships"}
RUNS = 5


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
            terminal.result(_as_words(look, counts, vectors))
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
        "lanes": {
            lane: {"billed_usd": spent.billed, "held_usd": spent.held, "billed_tokens": spent.tokens}
            for lane, spent in bill.lanes
        },
        "saved_usd": bill.saved,
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


def _as_words(look: Look, counts: Counts, vectors: dict[Kind, int]) -> Iterator[str]:
    ledger = look.store.ledger
    mode = "" if look.settings.mode == "live" else f" ({look.settings.mode})"
    yield f"home   {shown(str(look.settings.home))}{mode}"
    yield f"model  {shown(look.settings.model)} at {shown(look.settings.host)}"
    for index in index_sizes(look.settings, look.store):
        yield f"index  {shown(index.generation.title)} {index.words}"
    yield ""
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
    yield ""
    held = ledger.held()
    extra = f", {show_usd(held)} of it for requests whose answer never came" if held else ""
    yield f"spent  {show_usd(ledger.spent())} for {ledger.billed_tokens():,} billed tokens{extra}"
    for heading, spends in (("model", ledger.by_model()), ("day", ledger.by_day())):
        for one in spends:
            work = f"{terminal.counted(one.tokens, 'token')}, {terminal.counted(one.requests, 'request')}"
            yield f"  {heading} {shown(one.key)}: {show_usd(one.usd)}, {work}"
    for run in ledger.runs(RUNS):
        why = f" ({shown(run.reason)})" if run.reason else ""
        yield f"  run {run.id} of {run.agreed_at}: {run.state}{why}, {run.requests:,} requests, {show_usd(run.spent)}"
    bill = ledger.bill()
    yield from (f"  {line}" for line in saved_words(bill.saved, sum((run.doubled for run in bill.runs), Decimal(0))))
    for job in jobs_of(look):
        yield f"under way  {batch_words(job)}"
    answers, size = look.store.answers.size()
    yield f"kept   {answers:,} answers, {size / 1_000_000:,.1f} MB: these texts cost nothing again"
