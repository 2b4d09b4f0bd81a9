"""--search: one embedding for the query, the nearest documents. The price is on stderr.

Asking is the yes, as long as the settings name the server: a query leaves this machine under `--provider local` only
after a yes of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, get_args

from batch_manager.cli import terminal, trust
from batch_manager.cli.ask import agree_to_query
from batch_manager.cli.opening import for_looking
from batch_manager.cli.plain_json import lines_of
from batch_manager.documents import Kind
from batch_manager.errors import StoppedError
from batch_manager.plural import are
from batch_manager.pricing import show_usd
from batch_manager.sources.shown import shown

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags
    from batch_manager.cli.opening import Look
    from batch_manager.engine import SearchHit

LIMIT = 10
EXCERPT = 160

NOTHING = 0.005
"""The score below which an item has nothing to do with a query: people are shown the others, `--json` has all."""


def search(flags: Flags) -> int:
    """Print the nearest documents, best first.

    Raises:
        UsageError: The query can't be sent, there is no key, the index that serves can't be asked, or no item is of
            such a source or schema.
        StoppedError: The query costs more than the cap.
        DeclinedError: It would go to a server that the settings don't name, and there was no yes.
        RequestRefused, VectorStoreError: The server or Chroma didn't answer.
    """
    query = flags.argument or ""
    with for_looking(flags) as look:
        look.engine.index.search_settings()
        hits = _ask(query, look, flags)
    if flags.json:
        results = [
            {"kind": hit.kind, "name": hit.name, "score": round(hit.score, 6), "document": hit.document} for hit in hits
        ]
        terminal.result(lines_of({"query": query, "results": results}))
    else:
        terminal.result(_as_words(hits))
    return 0


def _ask(query: str, look: Look, flags: Flags) -> Sequence[SearchHit]:
    price = look.engine.index.search_price(query)
    if flags.max_cost is not None and price > flags.max_cost:
        raise StoppedError(
            f"The query would cost {show_usd(price)}, above the cap of {show_usd(flags.max_cost)}; it was not sent.",
            next_step="Raise --max-cost, or shorten the query.",
            code="cap_reached",
        )
    if not look.store.generations.searchable():
        terminal.say("Nothing is indexed yet, so nothing was sent. Index first: --batch-index.")
        return []
    look.store.places.within(None, flags.source or (), flags.schema or ())  # refused before a price is named
    trust.refuse_lure(look.settings, flags.trust_dotenv)
    asked = look.engine.index.search_settings()
    if asked != look.settings:
        terminal.say(
            f"The index that serves is of {shown(asked.model)}, so the query is embedded with that"
            f" and not with {shown(look.settings.model)}."
        )
    pretended = " pretend dollars" if asked.mode == "rehearsal" else ""
    terminal.say(f"The query costs {show_usd(price)}{pretended} ({asked.model}, {asked.host}).")
    if look.engine.index.leaves_unnamed(asked):
        agree_to_query(asked.host, yes=flags.yes)
    kinds: dict[str | None, Kind] = {kind: kind for kind in get_args(Kind)}
    return look.engine.index.search(
        query,
        kinds.get(flags.kind),
        flags.limit or LIMIT,
        sources=flags.source or (),
        schemas=flags.schema or (),
        agreed=True,
    )


def _as_words(hits: Sequence[SearchHit]) -> Iterator[str]:
    near = [hit for hit in hits if hit.score >= NOTHING]
    rows = [
        (f"{place}.", f"{hit.score:.3f}", hit.kind, shown(hit.name), shown(" ".join(hit.document.split()), EXCERPT))
        for place, hit in enumerate(near, start=1)
    ]
    yield from terminal.columns(rows, right=(0,))
    if len(near) < len(hits):
        terminal.say(f"{are(len(hits) - len(near), 'more item')} as far from it as can be, and left out.")
