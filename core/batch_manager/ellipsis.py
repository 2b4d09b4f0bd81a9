"""Words that are cut to what there is room for, for every line that a person reads. Pure."""

from __future__ import annotations


def cut(text: str, most: int) -> str:
    """At most so many characters; where some are left out, an ellipsis is the last of them."""
    return text if len(text) <= most else text[: most - 1] + "…"
