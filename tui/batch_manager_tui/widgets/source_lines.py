"""Sources as lines: each with what came of it, and a plan of what reading it would change. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from batch_manager.errors import BatchManagerError
from batch_manager.sources.known import name_of
from batch_manager.store.intake import Brought
from batch_manager.store.listed import ListedSource
from batch_manager.store.strangers import stranger_words
from batch_manager_tui.display import clip, clip_middle, count, fit, shown, when, wrap
from batch_manager_tui.widgets.cost_lines import labelled
from batch_manager_tui.widgets.strips import Line
from batch_manager_tui.widgets.words import KIND

SIGNS = {"new": ("+", "success"), "changed": ("~", "warning"), "gone": ("-", "error")}

BAD_SHOWN = 5


def source_heads(width: int) -> Line:
    """The names of the columns of `source_line`."""
    return [(" " + fit("kind", 10) + fit("read", 18) + fit("items", 7, ">") + "  source", "soft")]


def source_line(listed: ListedSource, width: int) -> Line:
    """Kind, when it was last read, how many items it gave, what it is."""
    room, source = max(10, width - 38), listed.source
    items = listed.tables + listed.relationships
    return [
        (" " + fit("database" if source.database else "words", 10), "soft"),
        (fit(when(source.read_at)[:16] if source.read_at else "never", 18), "" if source.read_at else "soft"),
        (fit(f"{items:,}" if items else "none", 7, ">") + "  ", "" if items else "soft"),
        (clip_middle(name_of(source), room), "strong"),
    ]


def source_words(listed: ListedSource, from_settings: bool, width: int) -> list[Line]:
    """All about one source."""
    source = listed.source
    lines: list[Line] = [[(line, "strong")] for line in wrap(name_of(source), width)]
    if from_settings:
        lines.append([("the database of DATABASE_URL", "soft")])
    if source.secret and not from_settings:
        lines += [[(line, "soft")] for line in wrap("Its password is asked for once a session, and never kept.", width)]
    lines.append([])
    lines.append(labelled("read", when(source.read_at) if source.read_at else "never yet", width))
    if source.outcome:
        lines.append(labelled("", shown(source.outcome), width, "soft"))
    gave = f"{count(listed.tables, 'table')}, {count(listed.relationships, 'relationship')}"
    lines.append(
        labelled("gave", gave if listed.tables or listed.relationships else "nothing that is there now", width)
    )
    if not listed.can_be_read:
        words = "It is no place that can be read again from here: a pipe, another program, or a file that moved."
        lines += [[], *([(line, "soft")] for line in wrap(words, width))]
    return lines


def keys_lines(keys: Mapping[str, str]) -> list[Line]:
    """What can be done with it."""
    return [[(fit(key, 7), "accent"), (words, "")] for key, words in keys.items()]


def test_lines(tables: int, relationships: int, bad: int, width: int) -> list[Line]:
    """What a test found."""
    words = f"It can be read: {count(tables, 'table')}, {count(relationships, 'relationship')}."
    lines: list[Line] = [[("✓ ", "success"), (line, "")] for line in wrap(words, width - 2)]
    if bad:
        lines.append([(f"{bad:,} of it could not be read.", "warning")])
    return [*lines, [("Nothing was kept.", "soft")]]


def doubt_lines(brought: Brought, width: int, noun: str = "") -> list[Line]:
    """What should be known of a reading besides its sums: what could not be read, and warnings.

    Args:
        brought: What came of the reading.
        width: Cells.
        noun: What one is that could not be read, where that is known.
    """
    lines: list[Line] = []
    if brought.bad_count:
        bad = count(brought.bad_count, noun) if noun else f"{brought.bad_count:,}"
        lines.append([(f"{bad} could not be read:", "error")])
        for one in brought.bad[:BAD_SHOWN]:
            lines += [[(line, "")] for line in wrap(f"{one.where}: {one.message}", width)]
    for warning in (*brought.warnings[:BAD_SHOWN], *stranger_words(brought.strangers)):
        lines += [[(line, "warning")] for line in wrap(shown(warning), width)]
    return lines


def plan_lines(brought: Brought, width: int) -> list[Line]:
    """What would be new, changed, unchanged and gone."""
    sums = (("new", brought.new), ("changed", brought.changed), ("gone", brought.gone))
    lines: list[Line] = [
        [
            *((f"{SIGNS[what][0]} {number:,} {what}  ", SIGNS[what][1] if number else "soft") for what, number in sums),
            (f"= {brought.unchanged:,} unchanged", "soft"),
        ]
    ]
    lines += doubt_lines(brought, width)
    lines.append([("Nothing was kept.", "soft")])
    for what, number in sums:
        named = [one for one in brought.changes if one.what == what]
        for one in named:
            sign, part = SIGNS[what]
            lines.append([(f"{sign} ", part), (fit(KIND[one.kind], 9), "soft"), (shown(one.name), "")])
            if one.difference:
                lines.append([(f"    {clip(shown(one.difference), max(8, width - 4))}", "soft")])
        if number > len(named):
            lines.append([(f"  … {number - len(named):,} more {what}", "soft")])
    return lines


def trouble_lines(error: BatchManagerError, width: int) -> list[Line]:
    """Why it didn't work, and what to do."""
    lines: list[Line] = [[(line, "error")] for line in wrap(error.message, width)]
    return lines + [[(line, "accent")] for line in wrap(f"→ {error.next_step}", width)]
