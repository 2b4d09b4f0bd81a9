"""Words that speak of nothing that is there, as a report has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batch_manager.store.strangers import Strangers


def stranger_report(strangers: Strangers) -> dict[str, object]:
    """Their counts, and those that are named, each with the reason. Pure."""
    return {
        "in_no_scanned_database": strangers.unknown_count,
        "gone_from_the_database": strangers.departed_count,
        "columns_in_no_table": strangers.column_count,
        "names": [
            *(
                {"why": "in_no_scanned_database", "kind": one.kind, "name": one.name, "nearest": one.nearest}
                for one in strangers.unknown
            ),
            *({"why": "gone_from_the_database", "kind": kind, "name": name} for kind, name in strangers.departed),
            *(
                {
                    "why": "column_in_no_table",
                    "kind": "table",
                    "name": one.table,
                    "column": one.name,
                    "nearest": one.nearest,
                }
                for one in strangers.columns
            ),
        ],
    }
