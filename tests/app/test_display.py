"""Hostile text is shown harmless, and keeps the columns straight."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from batch_manager.events import BatchView, RunView, WorkerView
from batch_manager_tui.display import clip, clip_apart, clip_middle, clock, count, duration, fit, shown, span, wrap
from batch_manager_tui.widgets.bars import flow
from batch_manager_tui.widgets.batch_bars import batch_line
from batch_manager_tui.widgets.columns import MARK_CELLS, Columns
from batch_manager_tui.widgets.worker_lanes import LANES, lane_lines

TEXTS = st.text(st.characters(codec=None), max_size=60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("größe 表 é", "größe 表 é"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("a\x9b31m", "a\\x9b31m"),
        ("\x1b]8;;http://x\x07", "\\x1b]8;;http://x\\x07"),
        ("two\nlines\tand\rmore", "two\\nlines\\tand\\rmore"),
        ("abc\u202egnp.exe", "abc\\u202egnp.exe"),
        ("\u2066\u2067\u2068\u2069", "\\u2066\\u2067\\u2068\\u2069"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("half \ud800 a char", "half \\ud800 a char"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("[bold red]markup[/]", "[bold red]markup[/]"),
        ("\x00\x7f", "\\x00\\x7f"),
    ],
)
def test_what_hides_or_moves_text_is_written_out(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_many_combining_marks_cannot_paint_over_other_lines() -> None:
    assert shown("e" + "\u0301" * 50).count("\u0301") <= 3


@given(TEXTS)
def test_nothing_dangerous_is_left(text: str) -> None:
    for char in shown(text):
        assert unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


@given(TEXTS, st.integers(1, 30))
def test_a_cell_is_exactly_as_wide_as_its_column(text: str, width: int) -> None:
    assert cell_len(fit(shown(text), width)) == width
    assert cell_len(fit(shown(text), width, ">")) == width
    assert cell_len(clip_middle(shown(text), width)) <= width


@given(TEXTS, st.integers(2, 30))
def test_wrapped_lines_fit_and_lose_no_word(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join("".join(shown(p) for p in text.split("\n")).split())


def test_clip_says_that_something_is_missing() -> None:
    assert clip("orders_and_more", 8) == "orders_…"
    assert clip("日本語テキスト", 6) == "日本…"
    assert clip("fits", 4) == "fits"


def test_words_for_people() -> None:
    assert count(1, "request") == "1 request"
    assert count(1200, "try", "tries") == "1,200 tries"
    assert [duration(s) for s in (0.44, 12.2, 200, 7500)] == ["0.4 s", "12 s", "3 min 20 s", "2 h 05 min"]
    assert [clock(s) for s in (0.44, 12.2, 59.7, 200, 7500)] == ["0.4 s", "12 s", "1:00", "3:20", "2:05:00"]
    assert span(19, 36) == "19–36 s"
    assert span(50, 80) == "50 s–1 min 20 s"
    assert span(12, 12.1) == "12 s"


@pytest.mark.parametrize("width", [40, 80])
def test_a_batch_with_a_failed_text_is_not_called_indexed(width: int) -> None:
    batch = BatchView(1, "indexed", 20, 500, answered=19, indexed=19, failed=1, tries=8, seconds=2.0)
    words = "".join(text for text, _ in batch_line(batch, width))
    assert "■ 1 failed" in words and "19/20" in words and "✓" not in words
    assert words.count("failed") == 1


@pytest.mark.parametrize("width", [12, 21, 30])
def test_names_that_begin_and_end_alike_are_cut_so_that_they_differ(width: int) -> None:
    names = [
        "warehouse_shipment_items_billing_customer_address_id_fk",
        "warehouse_shipment_items_mailing_customer_address_id_fk",
        "warehouse_shipment_items_invoice_customer_address_id_fk",
        "warehouse_shipment_items_invoice_customer_address_id_fk_2",
    ]
    cuts = [clip_apart(one, [other for other in names if other != one], width) for one in names]
    assert len(set(cuts)) == len(names), cuts
    assert all(cell_len(cut) <= width for cut in cuts)
    assert clip_apart("short", names, width) == "short"


def test_a_number_keeps_its_unit() -> None:
    assert wrap("2 requests, about 3 s", 19) == ["2 requests, about", "3 s"]
    assert wrap("about 3 min 20 s", 10) == ["about", "3 min 20 s"]
    assert wrap("table 3 spare parts", 9) == ["table 3", "spare", "parts"]


def test_what_a_run_says_is_broken_at_its_dots_and_never_cut() -> None:
    pieces = [("40 of 150 indexed", ""), ("3 failed", "error"), ("102 paid for, on their way", "soft")]
    for width in (30, 44, 60, 80):
        lines = ["".join(text for text, _ in line) for line in flow(pieces, width)]
        assert all(len(line) <= width for line in lines)
        assert " · ".join(lines) == "40 of 150 indexed · 3 failed · 102 paid for, on their way"
    assert len(flow(pieces, 80)) == 1 and len(flow(pieces, 44)) == 2


def test_a_batch_s_time_stands_apart_from_its_items() -> None:
    batch = BatchView(1, "indexed", 4, 90, 4, 4, 0, 1, 141.0, "")
    words = "".join(text for text, _ in batch_line(batch, 44))
    assert "4/4    2:21" in words and cell_len(words) == 44


@pytest.mark.parametrize("width", [22, 30, 33])
def test_names_that_differ_in_the_middle_are_cut_once(width: int) -> None:
    names = [f"stock_movement_levels_product_{what}_warehouse_fk" for what in ("old", "new")]
    names += ["stock_levels_products_fk", "stock_counts_products_fk"]
    cuts = [clip_apart(one, [other for other in names if other != one], width) for one in names]
    assert len(set(cuts)) == len(names), cuts
    assert all(cut.count("…") <= 1 and cell_len(cut) <= width for cut in cuts), cuts


def test_joined_emoji_are_shown_as_what_they_are_made_of() -> None:
    assert shown("emoji_👩\u200d👧\u200d👦_tbl") == "emoji_👩‿👧‿👦_tbl"
    assert cell_len(shown("👩\u200d👧")) == 5  # as any terminal draws it
    assert shown("❤\ufe0f\u200d🔥").endswith("‿🔥")
    assert shown("👩🏽\u200d🚀") == "👩🏽‿🚀"
    assert shown("a\u200db") == "a\\u200db"
    assert shown("👩\u200d") == "👩\\u200d" and shown("\u200d👩") == "\\u200d👩"


def test_columns_fit_under_heads_that_are_whole_words() -> None:
    for width in range(40, 200):
        columns = Columns.for_width(width)
        assert MARK_CELLS + columns.status + columns.kind + columns.name + columns.tokens + columns.note <= width
        assert "kind"[: columns.kind - 1] == "kind"


async def test_the_list_is_no_narrower_on_a_wider_terminal(local: Any, drives: Any, tables: Any) -> None:
    widths = []
    async with drives(local(tables(5)), (80, 24)) as driver:
        for size in ((80, 24), (120, 40), (160, 45), (200, 50)):
            await driver.pilot.resize_terminal(*size)
            await driver.settle()
            widths.append(Columns.for_width(driver.app.main.items.line_width).name)
            assert driver.app.main.query_one("#cost").size.width >= 34
    assert widths[0] <= widths[1] + 1 and sorted(widths[1:]) == widths[1:]


@pytest.mark.parametrize("width", [44, 60, 80, 100])
def test_a_batch_names_its_worker_where_there_are_several(width: int) -> None:
    batch = BatchView(3, "sending", 20, 500, tries=1, seconds=2.0, worker="ann\x1b[31m")
    words = "".join(text for text, _ in batch_line(batch, width))
    assert "ann" in words and "\x1b" not in words and cell_len(words) == width
    assert ("───" in words) == (width >= 80), "a bar as well where there is room for both"


@pytest.mark.parametrize("width", [38, 44, 60, 80, 118])
def test_each_worker_has_a_lane(width: int) -> None:
    workers = [WorkerView(f"host-{n}\x1b[31m.example.com-{4000 + n}", n % 2, n, 10 * n, 8 * n, 1) for n in range(12)]
    view = RunView(items=1_000, state="running", workers=tuple(workers))
    lines = ["".join(text for text, _ in line) for line in lane_lines(view, width)]
    assert len(lines) == LANES + 1 and lines[-1] == "and 4 other workers"
    for line in lines[:-1]:
        assert "\x1b" not in line and cell_len(line) <= width
        assert "at work" in line or "waits" in line
        assert ("of 1,000" in line) == (width >= 60)
    assert sum("at work" in line for line in lines) == 6, "those at work come first"
    assert any("4011" in line and "111" in line for line in lines), "the end of a name tells hosts' processes apart"
