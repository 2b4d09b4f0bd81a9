"""Faults of batch work to order: rules that say which upload, batch or download goes wrong, and how. Pure.

A rule is a JSON object such as ``{"fault": "expired", "at": [2], "share": 0.5}``; its keys are the fields of
`BatchRule`. ``at`` counts batches in the order of their creation (uploads in the order of theirs).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from batch_manager.rehearsal.rules import read_rules

BATCH_FAULTS: Mapping[str, str] = {
    "lost_upload": "the file is stored, then the connection is cut: its id never arrives",
    "lost_create": "the batch is created, then the connection is cut: its id never arrives",
    "failed": "the batch fails while it is validated, with `code` and `message`",
    "expired": "the window ends when `share` of the requests are done",
    "errors_only": "every request is refused: completed, with an error file and no output file",
    "line_errors": "requests whose text contains `contains` are refused, with `status`, `code` and `message`",
    "vanished": "once created, the batch is never seen again; its input file stays",
    "unlisted": "the batch is missing from lists, and found by its id",
    "truncated": "the output file ends in the middle of a line",
    "gzipped": "the output file is compressed and doesn't say so",
    "missing_line": "one result is in neither file",
    "unknown_id": "one result has an id that was never asked for",
    "doubled_id": "one result comes twice, the second time with another vector",
    "short_vector": "one vector is a number short",
    "cut_download": "the connection breaks when `share` of the output is through",
    "list_fails": "lists of files and batches are answered with `status` (500)",
    "delete_fails": "files can't be deleted: `status` (500)",
}
"""Every fault's name and what it does."""


@dataclass(frozen=True, slots=True)
class BatchRule:
    """One fault and the batches that it befalls.

    Attributes:
        fault: One of `BATCH_FAULTS`.
        at: Numbers of the batches (or uploads) that it befalls, the first being 1; empty means any.
        times: At most this often; None means no limit.
        share: 0..1, for `expired` and `cut_download`.
        contains: Text of the requests that `line_errors` befalls; empty means all.
        status: HTTP status of what is refused.
        code: The error's code.
        message: The error's words.
    """

    fault: str
    at: tuple[int, ...] = ()
    times: int | None = None
    share: float = 0.5
    contains: str = ""
    status: int = 0
    code: str | None = None
    message: str = ""


_FIELDS = frozenset(field.name for field in fields(BatchRule))


def parse_batch_rules(rules: Iterable[Mapping[str, Any]]) -> tuple[BatchRule, ...]:
    """Reads rules from JSON objects.

    Raises:
        ValueError: A rule has an unknown fault or key, or a value out of range; the message says which.
    """
    return tuple(_parse(where, values) for where, values in read_rules(rules, "batch_faults", BATCH_FAULTS, _FIELDS))


def _parse(where: str, values: dict[str, Any]) -> BatchRule:
    share = values.get("share", 0.5)
    checks = {
        "at": all(isinstance(one, int) and one >= 1 for one in values["at"]),
        "times": values.get("times") is None or (isinstance(values["times"], int) and values["times"] >= 0),
        "share": isinstance(share, int | float) and 0 <= share <= 1,
        "contains": isinstance(values.get("contains", ""), str),
        "status": isinstance(values.get("status", 0), int),
        "code": values.get("code") is None or isinstance(values["code"], str),
        "message": isinstance(values.get("message", ""), str),
    }
    for key, fine in checks.items():
        if not fine:
            raise ValueError(f"{where}: wrong value for {key!r}: {values[key]!r}")
    return BatchRule(**values)


class BatchFaults:
    """The rules with their use counted."""

    def __init__(self, rules: Sequence[BatchRule] = ()) -> None:
        self._rules = tuple(rules)
        self._used = [0] * len(self._rules)

    def take(self, fault: str, number: int) -> BatchRule | None:
        """The rule that befalls this batch or upload now, which counts as used; None when there is none."""
        for index, rule in enumerate(self._rules):
            if rule.fault != fault or (rule.at and number not in rule.at):
                continue
            if rule.times is not None and self._used[index] >= rule.times:
                continue
            self._used[index] += 1
            return rule
        return None
