"""The page of findings: it explains each of them by the words that the app has for it, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from batch_manager.store.findings import CONDITIONS
from batch_manager_tui.commands import BY_ID
from batch_manager_tui.widgets.words import FINDING

DOCS = Path(__file__).parents[2] / "docs"


def test_each_finding_is_explained_by_its_own_words() -> None:
    page = (DOCS / "findings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+?) \|", page, re.M)[1:]
    assert set(FINDING) == set(CONDITIONS)
    assert [row for row in rows if not row.startswith("---")] == [FINDING[code] for code in CONDITIONS]


def test_the_keys_of_the_page_are_those_of_the_app() -> None:
    page = (DOCS / "findings.md").read_text(encoding="utf-8")
    for command, key in (("lint", "l"), ("mark_all", "a"), ("skip", "-"), ("undo", "u"), ("details", "enter")):
        assert key in BY_ID[command].shown_key.split(), command
        assert f"`{key}`" in page


def test_the_page_is_linked() -> None:
    assert "docs/findings.md" in (DOCS.parent / "README.md").read_text(encoding="utf-8")
