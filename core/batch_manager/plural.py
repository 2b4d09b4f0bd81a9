"""Numbers with their nouns, for every line that a person reads. Pure."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: `1 request`, `2,048 requests`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"


def are(number: int, noun: str, verbs: tuple[str, str] = ("is", "are")) -> str:
    """The same with a verb: `1 text is`, `3 texts are`."""
    return f"{counted(number, noun)} {verbs[number != 1]}"
