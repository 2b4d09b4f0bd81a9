"""The settings in force are told whole, with their origins, and no secret among them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.in_force import HIDDEN, in_force, url_shown
from batch_manager.known_settings import KNOWN_SETTINGS
from batch_manager.practice import own_settings
from batch_manager.settings import load_settings

KEY = "sk-proj-something-secret"


def test_every_known_setting_has_a_value_and_an_origin(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    settings = load_settings(
        {"EMBEDDING_CONCURRENCY": 4}, {"DATABASE_URL": "postgresql://ann:hunter2@db/shop?password=x"}, tmp_path
    )
    rows = {one.name: one for one in in_force(settings)}
    assert list(rows) == [one.name for one in KNOWN_SETTINGS]
    assert all(one.value and one.places for one in rows.values())
    assert (rows["OPENAI_API_KEY"].value, rows["OPENAI_API_KEY"].origin) == (HIDDEN, ".env")
    assert (rows["DATABASE_URL"].value, rows["DATABASE_URL"].origin) == ("postgresql://…@db/shop?…", "environment")
    assert (rows["EMBEDDING_CONCURRENCY"].value, rows["EMBEDDING_CONCURRENCY"].origin) == ("4", "flag")
    assert rows["EMBEDDING_CONCURRENCY"].places[0] == "--concurrency"
    assert rows["LOG_LEVEL"].origin == "default"
    said = " ".join(one.value for one in rows.values())
    assert KEY not in said
    assert "hunter2" not in said


def test_what_a_mode_brings_is_not_said_to_be_the_users(tmp_path: Path) -> None:
    user = load_settings({}, {"OPENAI_API_KEY": KEY, "OPENAI_EMBEDDING_MODEL": "text-embedding-3-large"}, tmp_path)
    demo = {one.name: one for one in in_force(own_settings(user, demo=True))}
    assert (demo["EMBEDDING_PROVIDER"].value, demo["EMBEDDING_PROVIDER"].origin) == ("local", "--demo")
    assert demo["OPENAI_EMBEDDING_MODEL"].origin == "--demo"
    assert demo["BATCH_MANAGER_HOME"].origin == "--demo"
    rehearsal = {one.name: one for one in in_force(own_settings(user, rehearse=True))}
    assert (rehearsal["OPENAI_API_KEY"].value, rehearsal["OPENAI_API_KEY"].origin) == ("none is needed", "--rehearse")
    assert rehearsal["OPENAI_EMBEDDING_MODEL"].origin == "environment"
    assert rehearsal["EMBEDDING_BATCH_SIZE"].value == str(own_settings(user, rehearse=True).batch_size)


def test_a_local_provider_needs_no_key(tmp_path: Path) -> None:
    settings = dataclasses.replace(load_settings({}, {}, tmp_path), provider="local")
    assert "none is needed" in in_force(settings)[0].value


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:///shop.db", "sqlite:///shop.db"),
        ("https://api.example/v1?api-key=secret", "https://api.example/v1?…"),
        ("postgresql://u:pa/ss@host/db", HIDDEN),
        ("postgresql://u:1234?ss@host/db", HIDDEN),
        ("postgresql://u:1#ss@host/db", HIDDEN),
        ("postgresql://u:p@ss@host/db", HIDDEN),
        ("nonsense", HIDDEN),
        ("http://[broken", HIDDEN),
    ],
)
def test_urls_are_shown_without_what_may_be_secret(url: str, said: str) -> None:
    assert url_shown(url) == said


@given(st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1).map(lambda raw: "q0q" + raw))
def test_no_password_is_ever_shown(password: str) -> None:
    assert "q0q" not in url_shown(f"postgresql://ann:{password}@host:5432/shop")
