"""What the command says, as pure functions: JSON numbers, durations, bars, exit codes, redaction, the lure."""

from __future__ import annotations

import dataclasses
import json
import logging
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.cli import terminal
from batch_manager.cli.actions import index
from batch_manager.cli.actions.search import _as_words
from batch_manager.cli.lane_words import saved_words
from batch_manager.cli.lines import bar, eta, money, total_line
from batch_manager.cli.logs import log_to_file, redacted
from batch_manager.cli.plain_json import lines_of, number
from batch_manager.cli.report import report_lines, results_report, run_exit_code
from batch_manager.cli.terminal import wrapped
from batch_manager.engine import Failure, RunResults, SearchHit
from batch_manager.errors import QuoteChanged
from batch_manager.events import RunState, RunView
from batch_manager.quote import Scope
from batch_manager.settings import Settings, load_settings

ALL_DONE = RunResults({"a": True}, {}, 1, 10, 10, Decimal("0.0000002"), Decimal("0.0000002"), [])
ONE_FAILED = dataclasses.replace(ALL_DONE, tables={"a": True, "b": False, "c": True}, failures=[
    Failure("table", "b", "empty_document", "Nothing to say.", "Say something.")
])  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("0.000016"), "0.000016"),
        (Decimal("1.6E-7"), "0.00000016"),
        (1.5999e-05, "0.000015999"),
        (0.1 + 0.2, "0.30000000000000004"),
        (Decimal("12.50"), "12.5"),
        (Decimal("100"), "100"),
        (Decimal("1E+3"), "1000"),
        (0.667, "0.667"),
        (0.0, "0"),
    ],
)
def test_numbers_are_plain_literals(value: Decimal | float, text: str) -> None:
    assert number(value) == text


def test_json_is_what_the_standard_library_reads_back() -> None:
    value: dict[str, Any] = {
        "\x1b[31m'\"\u202e": [1, 0.5, True, None, {}, [], "\ud800"],
        "nested": {"deep": [{"x": [1, 2]}]},
        "money": Decimal("0.000016"),
    }
    text = "\n".join(lines_of(value))
    assert json.loads(text) == {**value, "money": 0.000016}
    assert text.isascii() and "\x1b" not in text


@pytest.mark.parametrize("value", [float("nan"), Decimal("Infinity"), {1, 2}, b"x"])
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        list(lines_of({"x": value}))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "time left: not known yet"),
        ((3.2, 4.8), "3–5 s left"),
        ((4.0, 4.0), "4 s left"),
        ((70.0, 150.0), "70 s to 2 min left"),
        ((120.0, 300.0), "2–5 min left"),
        ((3_600.0, 7_500.0), "60 min to 2 h 5 min left"),
    ],
)
def test_the_time_left_is_a_range(seconds: tuple[float, float] | None, words: str) -> None:
    assert eta(seconds) == words


def test_a_bar_is_full_only_when_all_is_done() -> None:
    assert bar(0, 10, 4) == "░░░░" and bar(5, 10, 4) == "██░░"
    assert bar(999, 1000, 4) == "███░" and bar(10, 10, 4) == "████" and bar(0, 0, 4) == "░░░░"


def test_the_total_has_items_batches_money_and_time() -> None:
    view = RunView(
        state="running",
        items=138,
        answered=60,
        indexed=12,
        failed=2,
        batches_total=7,
        batches_done=3,
        billed=Decimal("0.0002"),
        quoted=Decimal("0.0005"),
        reserved=Decimal("0.0001"),
        cap=Decimal(1),
        rate=12.0,
        eta=(2.0, 9.0),
    )
    assert total_line(view) == (
        "12 of 138 indexed · 2 failed · 48 answered · 3 of 7 batches ·"
        " $0.0002 of $0.0005 (+$0.0001 in flight), cap $1.00 · 12 items/s · 2–9 s left"
    )
    assert "(+$0.0001 maybe)" in total_line(dataclasses.replace(view, state="done"))
    assert money(RunView()) == "$0"


@pytest.mark.parametrize(
    ("state", "code", "results", "exit_code"),
    [
        ("done", "", ALL_DONE, 0),
        ("done", "", ONE_FAILED, 1),
        ("idle", "", RunResults({}, {}, 0, 0, 0, Decimal(0), Decimal(0), []), 0),
        ("interrupted", "", ONE_FAILED, 130),
        ("stopped", "cap_reached", ONE_FAILED, 4),
        ("stopped", "insufficient_quota", ONE_FAILED, 4),
        ("stopped", "invalid_api_key", ONE_FAILED, 4),
        ("stopped", "http_403", ONE_FAILED, 4),
        ("stopped", "model_not_found", ONE_FAILED, 4),
        ("stopped", "bill_drift", ONE_FAILED, 4),
        ("stopped", "unreachable", ONE_FAILED, 2),
        ("stopped", "http_502", ONE_FAILED, 2),
        ("stopped", "server_is_overloaded", ONE_FAILED, 2),
        ("stopped", "vectors_disk_full", ONE_FAILED, 2),
        ("stopped", "store_full", ONE_FAILED, 2),
    ],
)
def test_the_exit_code_of_a_run(state: RunState, code: str, results: RunResults, exit_code: int) -> None:
    assert run_exit_code(RunView(state=state, code=code), results) == exit_code


def test_the_rate_of_success_has_three_decimals() -> None:
    assert results_report(ONE_FAILED)["summary"]["overall_success_rate"] == 0.667
    assert results_report(ALL_DONE)["summary"]["overall_success_rate"] == 1.0


def test_secrets_are_redacted_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    settings = Settings(
        home=tmp_path, api_key="my-own-key-format", database_url="postgresql://ann:p%40ss-word@host/shop"
    )
    log_to_file(settings)
    try:
        raise ValueError("p@ss-word in a traceback")
    except ValueError:
        logging.getLogger("somebody.else").exception("key my-own-key-format, p%40ss-word, sk-proj-abcdefgh12345")
    logging.getLogger("batch_manager").warning(
        "two\nlines \x1b[31m, mysql://bob:x1@host, Authorization: Bearer abc.def"
    )
    text = settings.log_path.read_text()
    for secret in ("my-own-key", "ss-word", "abcdefgh", "x1@", "abc.def"):
        assert secret not in text
    assert "Traceback" in text and "two\\nlines \\x1b[31m" in text
    assert redacted("nothing secret here") == "nothing secret here"


@pytest.mark.parametrize(
    ("file", "environment", "lure"),
    [
        ("OPENAI_BASE_URL=http://evil.example/v1", {"OPENAI_API_KEY": "sk-x"}, True),
        ("OPENAI_BASE_URL=http://good.example/v1\nOPENAI_API_KEY=sk-y", {}, False),
        ("OPENAI_BASE_URL=http://good.example/v1", {}, False),
        ("", {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": "http://good.example/v1"}, False),
        ("OPENAI_BASE_URL=http://evil.example/v1", {"OPENAI_API_KEY": "sk-x", "EMBEDDING_PROVIDER": "local"}, False),
    ],
)
def test_whose_word_the_address_is(tmp_path: Path, file: str, environment: dict[str, str], lure: bool) -> None:
    (tmp_path / ".env").write_text(file)
    assert bool(load_settings({}, environment, tmp_path).lure) is lure


def test_a_quote_that_changed_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(index, "agree", lambda quote, *_, **__: asked.append(quote.host))
    first, second = (SimpleNamespace(host=name, scope=Scope()) for name in ("first", "second"))

    def run(_: Any, quote: Any) -> str:
        if quote is first:
            raise QuoteChanged("What would be sent has changed since the quote was made.")
        return f"ran {quote.host}"

    monkeypatch.setattr(index, "_run", run)
    workspace: Any = SimpleNamespace(
        quote=lambda _: second,
        settings=SimpleNamespace(),
    )
    flags: Any = SimpleNamespace(yes=True, trust_dotenv=False)
    assert index._run_agreed(workspace, cast(Any, first), flags) == "ran second"
    assert asked == ["second"]  # to the first one a yes was given already


def test_the_half_price_lane_never_saves_less_than_nothing() -> None:
    assert list(saved_words(Decimal("0.5"), Decimal(0))) == ["$0.50 saved by the half-price lane"]
    assert list(saved_words(Decimal("-0.000042"), Decimal("0.00006"))) == [
        "the half-price lane cost $0.000042 more than it saved",
        "$0.00006 paid twice: answers that came after their texts were moved to the other lane",
    ]
    assert list(saved_words(Decimal(0), Decimal(0))) == []


def test_the_last_line_of_a_run_names_the_money_that_is_held() -> None:
    lines = list(report_lines(dataclasses.replace(ALL_DONE, estimated_cost=Decimal(0), held=Decimal("0.00004"))))
    assert lines[-1].endswith("$0 estimated + $0.00004 held, no answer came")
    assert "held" not in "".join(report_lines(ALL_DONE))


@pytest.mark.parametrize(
    ("line", "width", "pieces"),
    [
        ("short", 40, ["short"]),
        (
            "unfinished  Run 1 was interrupted with texts left",
            30,
            ["unfinished  Run 1 was", "  interrupted with texts left"],
        ),
        ("  run 1: " + "x" * 30 + " done", 24, ["  run 1:", "    " + "x" * 30, "    done"]),
        ("words that a pipe gets whole, however long", 0, ["words that a pipe gets whole, however long"]),
    ],
)
def test_a_line_is_cut_between_words(line: str, width: int, pieces: list[str]) -> None:
    assert wrapped(line, width) == pieces


@given(st.text(alphabet="ab  ", max_size=200), st.integers(0, 80))
def test_no_word_is_lost_or_cut(line: str, width: int) -> None:
    pieces = wrapped(line, width)
    assert " ".join(pieces).split() == line.split()
    assert all(len(piece) <= width or len(piece.split()) == 1 for piece in pieces) or width < 20


def test_a_run_that_indexed_nothing_is_not_told_as_done() -> None:
    view = RunView(state="done", items=3, failed=3, batches_total=1, batches_done=1)
    assert total_line(view).endswith(" · ended with nothing indexed")
    assert total_line(dataclasses.replace(view, indexed=1)).endswith(" · done")
    assert total_line(RunView(state="done")) == "no item to index · $0 · done"


def test_kinds_that_had_nothing_to_index_are_not_told() -> None:
    nothing = RunResults({}, {}, 0, 0, 0, Decimal(0), Decimal(0), [])
    assert next(iter(report_lines(nothing))) == "No item had to be indexed."
    assert next(iter(report_lines(dataclasses.replace(nothing, tables={"a": True})))) == "tables  1 of 1 indexed"


def test_hits_that_have_nothing_to_do_with_the_query_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    hits = [SearchHit("table", "a", 0.4, "a: b"), SearchHit("table", "c", 0.0, "c: d")]
    assert list(_as_words(hits)) == ["1.  0.400  table  a  a: b"]
    assert capsys.readouterr().err == "1 more item is as far from it as can be, and left out.\n"


@pytest.mark.parametrize("spaces", [0, 10, 60, 100])
def test_a_line_is_wrapped_however_far_it_is_indented(spaces: int) -> None:
    line = " " * spaces + "some words and some more of them"
    pieces = terminal.wrapped(line, 40)
    assert "".join(pieces).split() and " ".join(" ".join(pieces).split()) == line.strip()
    assert all(len(piece) <= max(40, spaces) for piece in pieces)
