"""Undo: the last marks and skips, so that they can be taken back one by one. Pure."""

from __future__ import annotations

from dataclasses import dataclass

KEPT = 50
"""Steps that can be taken back."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Items that were left out (`out`), or taken in again."""

    ids: tuple[int, ...]
    out: bool


class Undo:
    """The steps, the latest last. A step of marks is the set of ids whose mark was turned."""

    def __init__(self) -> None:
        self._steps: list[frozenset[int] | Skipped] = []

    def marked(self, turned: frozenset[int]) -> None:
        """The marks of these were turned."""
        if turned:
            self._keep(turned)

    def skipped(self, step: Skipped) -> None:
        """These were left out, or taken in."""
        if step.ids:
            self._keep(step)

    def take(self) -> frozenset[int] | Skipped | None:
        """The latest step, which is then forgotten; None when there is none."""
        return self._steps.pop() if self._steps else None

    @property
    def skips(self) -> bool:
        """Whether a skip can be taken back."""
        return any(isinstance(step, Skipped) for step in self._steps)

    def take_skip(self) -> Skipped | None:
        """The latest step that left items out or took them in, marks aside; it is then forgotten."""
        for place in reversed(range(len(self._steps))):
            if isinstance(step := self._steps[place], Skipped):
                del self._steps[place]
                return step
        return None

    def _keep(self, step: frozenset[int] | Skipped) -> None:
        self._steps.append(step)
        del self._steps[:-KEPT]
