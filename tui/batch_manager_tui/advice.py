"""Advice: the engine names flags in its next steps, which scripts read too; the app names keys and settings. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

_CHECK = re.compile(
    r"(?:(?:run )?batch-manager(?: --(?:home \S+|demo|rehearse))* |run )?--verify --repair(?P<more>(?=\s+\w))?"
)
_BOTH = re.compile(r"\((\w+) in the app, --rebuild-indexes, --verify --repair\)")
_SIZE = re.compile(r"--batch-size (\d+) \(EMBEDDING_BATCH_SIZE\)")
_PROVIDER = re.compile(r"--provider (local|openai)")


def own_advice(words: str, key: Callable[[str], str]) -> str:
    """The words with what the app has in the place of flags.

    Args:
        words: A message, or its next step.
        key: The key of a command, by its id.
    """
    if "--" not in words:
        return words
    check = f"{key('check')}, then {key('check.repair')} there"
    words = _BOTH.sub(lambda _: f"({key('rebuild')}; or {check})", words)
    words = _CHECK.sub(lambda found: check + ("," if found["more"] is not None else ""), words)
    words = _SIZE.sub(r"EMBEDDING_BATCH_SIZE=\1", words)
    return _PROVIDER.sub(r"EMBEDDING_PROVIDER=\1", words)
