"""What came of an indexing run: the contract's results report, the same for people, and the exit code."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from batch_manager.cli import terminal
from batch_manager.cli.guard import INTERRUPTED
from batch_manager.pricing import show_usd
from batch_manager.sources.shown import shown

if TYPE_CHECKING:
    from batch_manager.engine import Failure, RunResults
    from batch_manager.events import RunView

LISTED = 50
NAMED = 3
"""Reasons that are listed for people, and items named for each; the JSON report has all."""

OUTSIDE = ("unreachable", "connection_lost", "timeout", "internal", "no_local_model", "wrong_setting", "no_api_key")
"""Reasons to stop that are neither the account's nor the cap's: the server's address, the program, its settings."""

OUTSIDE_PREFIXES = ("store", "vector", "chroma", "http_5", "server_")


def results_report(results: RunResults) -> dict[str, Any]:
    """The report in the contract's shape."""
    tables, relationships = list(results.tables.values()), list(results.relationships.values())
    total, successful = len(tables) + len(relationships), sum(tables) + sum(relationships)
    return {
        "table_processing_results": results.tables,
        "relationship_processing_results": results.relationships,
        "summary": {
            "total_tables_processed": len(tables),
            "successful_tables": sum(tables),
            "total_relationships_processed": len(relationships),
            "successful_relationships": sum(relationships),
            "overall_success_rate": round(successful / total, 3) if total else 0.0,
        },
        "usage": {
            "requests": results.requests,
            "estimated_tokens": results.estimated_tokens,
            "billed_tokens": results.billed_tokens,
            "estimated_cost_usd": results.estimated_cost,
            "cost_usd": results.cost,
        },
        "failures": [
            {
                "kind": failure.kind,
                "name": failure.name,
                "code": failure.code,
                "message": failure.message,
                "next_step": failure.next_step,
            }
            for failure in results.failures
        ],
    }


def report_lines(results: RunResults, *, rehearsal: bool = False) -> Iterator[str]:
    """The same for people."""
    if rehearsal:
        yield "REHEARSAL: pretend dollars"
    done = (("tables", results.tables), ("relationships", results.relationships))
    rows = [(name, f"{sum(one.values()):,} of {len(one):,} indexed") for name, one in done if one]
    yield from terminal.columns(rows) or ["No item had to be indexed."]
    held = f" + {show_usd(results.held)} held, no answer came" if results.held else ""
    yield (
        f"{terminal.counted(results.requests, 'request')} · {terminal.counted(results.billed_tokens, 'token')} billed,"
        f" {results.estimated_tokens:,} estimated · {show_usd(results.cost)} billed,"
        f" {show_usd(results.estimated_cost)} estimated{held}"
    )
    if not results.failures:
        return
    yield f"{len(results.failures):,} not indexed:"
    shares: dict[tuple[str, str], list[Failure]] = {}
    for failure in results.failures:
        shares.setdefault((failure.code, f"{failure.message} {failure.next_step}".strip()), []).append(failure)
    for (code, words), failures in islice(shares.items(), LISTED):
        yield f"  {_names(failures)}: {code}: {shown(words, 600)}"
    if len(shares) > LISTED:
        yield f"  … and {terminal.counted(len(shares) - LISTED, 'more reason')} (--json lists every item)"


def _names(failures: list[Failure]) -> str:
    """The items that share a reason: named while they are few."""
    named = ", ".join(f"{one.kind} {shown(one.name)}" for one in failures[:NAMED])
    more = len(failures) - NAMED
    return f"{named} and {more:,} more" if more > 0 else named


def run_exit_code(view: RunView, results: RunResults) -> int:
    """The contract's exit code of a run. Pure."""
    if view.state == "interrupted":
        return INTERRUPTED
    if view.state == "stopped":
        return 2 if view.code in OUTSIDE or view.code.startswith(OUTSIDE_PREFIXES) else 4
    return 1 if results.failures else 0
