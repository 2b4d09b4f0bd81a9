"""What changed in a text: the one in the index is kept beside the new one, and the difference is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_manager import documents
from batch_manager.documents import Document
from batch_manager.engine import Engine
from batch_manager.quote import Scope
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore
from batch_manager.store.former import Former
from batch_manager_tui.widgets.diff_lines import changed_pieces, diff_lines

pytestmark = pytest.mark.usefixtures("each_store")


def test_the_text_in_the_index_is_kept_until_the_new_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(
        {"BATCH_MANAGER_HOME": str(tmp_path), "EMBEDDING_PROVIDER": "local"}, environment={}, folder=tmp_path
    )
    with DocumentationStore(settings) as store:

        def say(*words: str) -> Former | None:
            for each in words:
                told = [Document("table", "users", documentation=each)]
                store.items.bring(IterableSource(told, "words", "a test"))
            item_id = store.items.find("table", "users")
            assert item_id is not None
            detail = store.items.detail(item_id)
            assert detail is not None
            return detail.former

        assert say("One.") is None
        assert say("Two.") == Former("users\nOne.", indexed=False)
        engine = Engine(settings, store, on_trouble="stop")
        try:
            engine.start(engine.quote(Scope()))
            assert engine.wait(60).indexed == 1
            # However often it changes on the way, the index has the same text.
            assert say("Three.", "Four.") == Former("users\nTwo.", indexed=True)
            assert say("Two.") is None
            quote = engine.quote(Scope())
            assert (quote.items, quote.tokens, quote.reused) == (1, 0, 1)
            engine.start(quote)
            assert engine.wait(60).indexed == 1

            # Another layout of ours, and the same words: nothing changes and nothing is to be paid.
            monkeypatch.setattr(documents, "LAYOUT_VERSION", documents.LAYOUT_VERSION + 1)
            new = lambda document: [("name", "New layout"), ("name", document.name)]  # noqa: E731
            monkeypatch.setattr(documents, "_table_sections", new)
            assert say("Two.") is None
            assert engine.quote(Scope()).items == 0
        finally:
            engine.close()


@pytest.mark.of_files
def test_an_import_over_many_former_texts_looks_at_each_once(tmp_path: Path) -> None:
    def steps(count: int) -> int:
        """What SQLite does for words that change so many texts, in thousands of instructions."""
        settings = load_settings({"BATCH_MANAGER_HOME": str(tmp_path / str(count))}, {}, tmp_path)
        done = [0]

        def note() -> None:
            done[0] += 1

        with DocumentationStore(settings) as store:
            for words in ("One.", "Two.", "Three."):
                if words == "Three.":
                    store._db.connection().set_progress_handler(note, 1_000)
                told = [Document("table", f"t{number}", documentation=words) for number in range(count)]
                store.items.bring(IterableSource(told, "words", "a test"))
        return done[0]

    assert steps(1_600) < 8 * steps(400)  # four times as many texts, and not their square


def test_a_difference_is_what_went_and_what_came_escaped() -> None:
    before = "users: People\nColumns: id, mail, name"
    now = "users: People\nColumns: id, e-mail\x1b[31m, name, born"
    assert list(changed_pieces(before, now)) == [("-", "mail,"), ("+", "e-mail\x1b[31m,"), ("+", "born")]
    lines = diff_lines(Former(before, indexed=True), now, 40)
    words = ["".join(text for text, _ in line) for line in lines]
    assert words[1:3] == ["changed, against the text in the index", "- mail,"] and words[4] == "+ born"
    assert all(word.isprintable() for word in words)
    assert diff_lines(None, now, 40) == diff_lines(Former(now, indexed=True), now, 40) == []
    many = "\n".join(f"line {number}" for number in range(500))
    assert len(diff_lines(Former("x", indexed=False), many, 40)) == 2 + 40 + 1


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("Sold, then paid, at last.", "Sold, or paid, at last.", [("-", "then paid,"), ("+", "or paid,")]),
        (
            "1,000 rows, then more",
            "1,000 rows then more",
            [("-", "1,000 rows,"), ("-", "then more"), ("+", "1,000 rows then more")],
        ),
        ("a, b,\nc", "a, b\nc", [("-", "b,"), ("+", "b")]),
        ("Columns: id, name", "Columns: id, name, born", [("+", "born")]),
    ],
)
def test_a_difference_shows_the_text_as_it_stands(before: str, now: str, told: list[tuple[str, str]]) -> None:
    assert list(changed_pieces(before, now)) == told
