"""Failures in the store: grouped by cause, kept as history, skipped and taken back, written to files."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_manager.documents import Document
from batch_manager.errors import InputError
from batch_manager.quote import Scope
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.sources.rows import write_rows
from batch_manager.store import DocumentationStore
from batch_manager.store.failures import RECORD_COLUMNS
from batch_manager.store.migrations import MIGRATIONS
from batch_manager.workspace import Workspace
from failing import fail

pytestmark = pytest.mark.usefixtures("each_store")

RATE, POISON = "rate_limit_exceeded", "invalid_request_error"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    settings = load_settings({"BATCH_MANAGER_HOME": str(tmp_path / "home"), "OPENAI_API_KEY": "k"}, {}, tmp_path)
    with Workspace.open(settings) as opened:
        documents = [Document("table", f"t{number}", f"Purpose {number}") for number in range(8)]
        opened.store.items.bring(IterableSource([*documents, Document("table", "=empty")], "words", "a test"))
        yield opened


def test_causes_are_grouped_with_the_commonest_words(workspace: Workspace) -> None:
    fail(workspace, ["t0", "t1", "t2"], RATE, "slow down")
    fail(workspace, ["t3"], RATE, "slower, please")
    fail(workspace, ["t4"], POISON, "an input was rejected", lasting=True, next_step="Change it.")
    fail(workspace, ["=empty"], "unused", "unused")
    groups = {group.code: group for group in workspace.store.items.failure_groups()}
    assert list(groups) == [RATE, "empty_document", POISON]
    assert (groups[RATE].items, groups[RATE].message, groups[RATE].messages) == (4, "slow down", 2)
    assert not groups[RATE].lasting
    assert groups[POISON].lasting
    assert not groups[POISON].unsendable
    assert groups["empty_document"].unsendable
    assert groups["empty_document"].lasting
    assert all(group.latest and group.tables == group.items for group in groups.values())
    names = [row.name for row in workspace.store.items.rows(workspace.store.items.failed_ids(RATE))]
    assert names == ["t0", "t1", "t2", "t3"]


def test_each_item_keeps_the_history_of_its_tries(workspace: Workspace) -> None:
    first = fail(workspace, ["t0", "t1"], RATE, "slow down")
    item = workspace.store.items.find("table", "t0")
    assert item is not None
    second = fail(workspace, ["t0"], POISON, "no", lasting=True, which=Scope("failed", ids=(item,)))
    detail = workspace.store.items.detail(item)
    assert detail is not None
    assert [(one.run_id, one.code, one.tries) for one in detail.attempts] == [(second, POISON, 1), (first, RATE, 1)]
    other = workspace.store.items.find("table", "t1")
    assert other is not None
    kept = workspace.store.items.detail(other)
    assert kept is not None  # retrying some leaves the others as they are
    assert (kept.status, kept.row.code, len(kept.attempts)) == ("failed", RATE, 1)


def test_a_skip_of_failed_items_can_be_undone(workspace: Workspace) -> None:
    fail(workspace, ["t0", "t1"], RATE, "slow down")
    items = workspace.store.items
    ids = list(items.failed_ids())
    assert items.skip(ids) == 2
    assert not items.failure_groups()
    assert items.unskip(ids) == 2
    assert [group.message for group in items.failure_groups()] == ["slow down"]


def test_a_skipped_text_that_changed_is_not_failed_when_it_is_taken_in_again(workspace: Workspace) -> None:
    fail(workspace, ["t0", "t1"], RATE, "slow down")
    items = workspace.store.items
    ids = list(items.failed_ids())
    items.skip(ids)
    items.bring(IterableSource([Document("table", "t0", "Another text altogether")], "words", "again"))
    assert items.counts().total("skipped") == 2
    assert items.unskip(ids) == 2
    assert [row.name for row in items.rows(items.failed_ids())] == ["t1"]


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv"])
def test_a_list_is_written_whole(workspace: Workspace, tmp_path: Path, ending: str) -> None:
    fail(workspace, ["t0"], RATE, 'slow\x1b[31m down, "now"')
    fail(workspace, ["=empty"], "unused", "unused")
    items, path = workspace.store.items, tmp_path / f"failed{ending}"
    assert write_rows(items.failure_records(items.failed_ids()), RECORD_COLUMNS, path) == 2
    text = path.read_text(encoding="utf-8")
    if ending == ".csv":
        rows = list(csv.DictReader(text.splitlines()))
        assert rows[1]["name"] == "'=empty"  # a spreadsheet would run it otherwise
    else:
        rows = json.loads(text) if ending == ".json" else [json.loads(line) for line in text.splitlines()]
        assert rows[1]["name"] == "=empty"
        assert rows[0]["message"] == 'slow\x1b[31m down, "now"'
    assert tuple(rows[0]) == RECORD_COLUMNS
    assert path.stat().st_mode & 0o077 == 0


def test_no_rows_are_a_file_all_the_same(tmp_path: Path) -> None:
    assert write_rows([], ("a",), tmp_path / "x.json") == 0
    assert json.loads((tmp_path / "x.json").read_text()) == []
    with pytest.raises(InputError):
        write_rows([], ("a",), tmp_path)


@pytest.mark.of_files
def test_an_older_store_learns_what_lasts(tmp_path: Path) -> None:
    settings = load_settings({"BATCH_MANAGER_HOME": str(tmp_path)}, {}, tmp_path)
    with sqlite3.connect(settings.store_path) as raw:
        for migration in MIGRATIONS[:2]:
            for statement in migration:
                raw.execute(statement)
        for name, step in (("a", "Read the server's words, then change it."), ("b", "Try again later.")):
            raw.execute(
                "INSERT INTO item (kind, name, layout, stage, code, message, next_step, changed_at)"
                " VALUES ('table', ?, 1, 'failed', ?, 'words', ?, '2026')",
                (name, f"code_{name}", step),
            )
        raw.execute("PRAGMA user_version = 2")
    with DocumentationStore(settings) as store:
        assert {group.code: group.lasting for group in store.items.failure_groups()} == {
            "code_a": True,
            "code_b": False,
        }
