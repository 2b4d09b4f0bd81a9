"""The settings in force as lines: problems first, then each with its value and its origin. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from batch_manager.errors import BatchManagerError
from batch_manager.in_force import InForce
from batch_manager_tui.display import clip, clip_middle, fit, home_path, pad, shown, wrap
from batch_manager_tui.widgets.strips import Line

ORIGIN_CELLS = 12
NAME_CELLS = 30


def problem_lines(problems: Sequence[BatchManagerError], busy: str, width: int) -> list[Line]:
    """What is in the way, with its next step."""
    lines: list[Line] = []
    if busy:
        lines += [[("■ ", "error"), *_first(busy, width)], *_rest(busy, width)]
    for one in problems:
        lines += [[("■ ", "warning"), *_first(one.message, width)], *_rest(one.message, width)]
        lines += [[("  " + line, "accent")] for line in wrap(f"→ {one.next_step}", width - 2)] if one.next_step else []
    return lines or [[("✓ ", "success"), ("Nothing stands in the way of a run.", "")]]


def setting_heads(width: int) -> Line:
    """The names of the columns of `setting_line`."""
    return [(" " + fit("setting", _name_cells(width)) + fit("from", ORIGIN_CELLS) + "value", "soft")]


def setting_line(one: InForce, width: int) -> Line:
    """Name, origin, value; what somebody chose stands out."""
    name = _name_cells(width)
    room = max(8, width - 1 - name - ORIGIN_CELLS)
    value = _value(one)
    value = clip_middle(value, room) if "/" in value else clip(value, room)
    quiet = "" if one.chosen else "soft"
    return [
        (" " + fit(clip(one.name, name - 1), name), "strong" if one.chosen else ""),
        (fit(one.origin, ORIGIN_CELLS), "accent" if one.chosen else "soft"),
        (value, "warning" if one.value == "not set" and one.name == "OPENAI_API_KEY" else quiet),
    ]


def setting_words(one: InForce, width: int) -> list[Line]:
    """All about one setting, and where it is changed."""
    value = [(line, "accent") for line in wrap(_value(one), width)]
    lines: list[Line] = [[(one.name, "strong")], *([piece] for piece in value)]
    lines += [[(line, "soft")] for line in wrap(_origin_words(one), width)]
    lines += [[], *([(line, "")] for line in wrap(f"What it is: {one.meaning}.", width))]
    lines += [[(line, "")] for line in wrap(f"Allowed: {one.allowed}.", width)]
    lines += [[], [("To change it, the first of these wins:", "soft")]]
    for place in one.places:
        named = place in ("environment", ".env")
        words = {"environment": f"export {one.name}=…", ".env": f"{one.name}=…"}.get(place, f"{place} …")
        lines.append([(pad(place if named else "flag", 13), "soft"), (words, "")])
    lines += [[(line, "soft")] for line in wrap(".env is read in the folder that the program is started from.", width)]
    lines += [[], [("Nothing is changed on this screen.", "soft")]]
    return lines


def _value(one: InForce) -> str:
    """The value, harmless; a path as a person writes it."""
    path = Path(one.value)
    return home_path(path) if path.is_absolute() else shown(one.value)


def _name_cells(width: int) -> int:
    return NAME_CELLS if width >= 66 else max(16, min(NAME_CELLS, width * 2 // 5))


def _origin_words(one: InForce) -> str:
    return {
        "flag": "from a flag of this start",
        "environment": "from the environment",
        ".env": "from .env in the folder that it was started from",
        "default": "the default: nobody chose it",
        "--demo": "from --demo, which has a home and a model of its own",
        "--rehearse": "from --rehearse, which has a home and a server of its own",
    }.get(one.origin, one.origin)


def _first(text: str, width: int) -> Line:
    return [(wrap(text, width - 2)[0], "")]


def _rest(text: str, width: int) -> list[Line]:
    return [[("  " + line, "")] for line in wrap(text, width - 2)[1:]]
