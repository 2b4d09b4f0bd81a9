"""Settings: precedence, what is allowed, and messages that name the setting and hide secrets."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.errors import SettingError
from batch_manager.settings import LOCAL_DIMENSIONS, LOCAL_MODEL, Settings, load_settings


def load(tmp_path: Path, flags: dict[str, Any] | None = None, **environment: str) -> Settings:
    return load_settings(flags, environment, tmp_path)


def test_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.model == "text-embedding-3-small"
    assert settings.batch_size == 100
    assert settings.max_retries == 3
    assert settings.provider == "openai"
    assert settings.api_key is None
    assert settings.log_level == "INFO"
    assert settings.host == "api.openai.com"
    assert set(settings.origins.values()) == {"default"}


def test_files_of_the_home(tmp_path: Path) -> None:
    settings = load(tmp_path, BATCH_MANAGER_HOME=str(tmp_path / "home"))
    assert settings.store_path == tmp_path / "home" / "store.sqlite3"
    assert settings.vectors_directory == tmp_path / "home" / "vectors"
    assert settings.log_path == tmp_path / "home" / "batch-manager.log"


def test_a_flag_wins_over_the_environment_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EMBEDDING_BATCH_SIZE=7\nEMBEDDING_MAX_RETRIES=7\nEMBEDDING_CONCURRENCY=7\n")
    environment = {"EMBEDDING_BATCH_SIZE": "8", "EMBEDDING_MAX_RETRIES": "8"}
    settings = load_settings({"EMBEDDING_BATCH_SIZE": 9}, environment, tmp_path)
    assert (settings.batch_size, settings.max_retries, settings.concurrency) == (9, 8, 7)
    assert settings.origins["EMBEDDING_BATCH_SIZE"] == "flag"
    assert settings.origins["EMBEDDING_MAX_RETRIES"] == "environment"
    assert settings.origins["EMBEDDING_CONCURRENCY"] == ".env"


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EMBEDDING_BATCH_SIZE=12\n")
    assert load(tmp_path, EMBEDDING_BATCH_SIZE="", OPENAI_API_KEY="").batch_size == 12


def test_the_file_is_taken_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY='a${HOME}b'\n")
    assert load(tmp_path).api_key == "a${HOME}b"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMBEDDING_BATCH_SIZE", "0"),
        ("EMBEDDING_BATCH_SIZE", "2049"),
        ("EMBEDDING_BATCH_SIZE", "ten"),
        ("EMBEDDING_BATCH_SIZE", "1.5"),
        ("EMBEDDING_BATCH_SIZE", "9" * 5000),
        ("EMBEDDING_MAX_RETRIES", "-1"),
        ("EMBEDDING_CONCURRENCY", "0"),
        ("EMBEDDING_CONCURRENCY", "65"),
        ("EMBEDDING_PRICE_PER_MILLION", "-0.02"),
        ("EMBEDDING_PRICE_PER_MILLION", "NaN"),
        ("EMBEDDING_PRICE_PER_MILLION", "sNaN"),
        ("EMBEDDING_PRICE_PER_MILLION", "Infinity"),
        ("EMBEDDING_PRICE_PER_MILLION", "0.0000001"),
        ("EMBEDDING_PRICE_PER_MILLION", "two cents"),
        ("EMBEDDING_PRICE_PER_MILLION", "1e9999"),
        ("EMBEDDING_PROVIDER", "azure"),
        ("EMBEDDING_TOKENS_PER_MINUTE", "0"),
        ("OPENAI_BASE_URL", "api.openai.com"),
        ("OPENAI_BASE_URL", "ftp://api.openai.com"),
        ("OPENAI_BASE_URL", "http://"),
        ("OPENAI_BASE_URL", "http://host:99999"),
        ("OPENAI_BASE_URL", "http://[::1"),
        ("OPENAI_EMBEDDING_MODEL", "two words"),
        ("OPENAI_EMBEDDING_MODEL", "half\udc80"),
        ("OPENAI_EMBEDDING_MODEL", "bell\x07"),
        ("OPENAI_EMBEDDING_DIMENSIONS", "0"),
        ("DOCUMENTATION_STORE_URL", "mysql://host/db"),
        ("DOCUMENTATION_STORE_URL", "sqlite:///"),
        ("DOCUMENTATION_STORE_URL", "sqlite:///a\0b"),
        ("DOCUMENTATION_STORE_URL", "sqlite:///~no-such-user-here/store"),
        ("CHROMA_URL", "localhost:8000"),
        ("BATCH_MANAGER_HOME", "a\0b"),
        ("BATCH_MANAGER_HOME", "~no-such-user-here/home"),
        ("LOG_LEVEL", "LOUD"),
        ("EMBEDDING_QUEUE", "elsewhere"),
        ("WORKER_NAME", "n" * 61),
        ("WORKER_NAME", "bell\x07"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingError) as caught:
        load_settings({name: value}, {}, tmp_path)
    assert name in caught.value.message
    assert repr(value[:60])[1:-1] in caught.value.message
    assert "must be" in caught.value.message
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["DOCUMENTATION_STORE_URL", "OPENAI_BASE_URL", "CHROMA_URL"])
def test_a_refused_url_keeps_its_password(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingError) as caught:
        load_settings({name: "postgresql://user:hun/t@er2@db.example/docs"}, {}, tmp_path)
    assert "hun" not in str(caught.value)
    assert "er2" not in str(caught.value)
    assert "db.example" in str(caught.value)


@pytest.mark.parametrize("key", ["sk-secret\nvalue", "sk-secret värde", "sk-secret value", "sk-secret\x00"])
def test_a_refused_key_is_hidden(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingError) as caught:
        load(tmp_path, OPENAI_API_KEY=key)
    assert "secret" not in str(caught.value)
    assert "OPENAI_API_KEY" in str(caught.value)


def test_repr_shows_no_secret(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        OPENAI_API_KEY="sk-very-secret",
        DATABASE_URL="postgresql://me:pass-word@host/db",
        OPENAI_BASE_URL="https://me:pass-word@proxy.example/v1",
    )
    assert "secret" not in repr(settings)
    assert "pass-word" not in settings.host + settings.server
    assert settings.host == "proxy.example"
    assert settings.server == "https://proxy.example/v1"


def test_the_key_is_stripped(tmp_path: Path) -> None:
    assert load(tmp_path, OPENAI_API_KEY=" sk-a \n").api_key == "sk-a"


def test_the_local_model_ignores_the_paid_one_but_refuses_a_flag(tmp_path: Path) -> None:
    settings = load(tmp_path, EMBEDDING_PROVIDER="local", OPENAI_EMBEDDING_MODEL="text-embedding-3-large")
    assert settings.model == LOCAL_MODEL
    assert settings.dimensions is None
    assert (settings.host, settings.server) == ("this machine", "local")
    assert LOCAL_DIMENSIONS == 256
    with pytest.raises(SettingError, match="local provider"):
        load(tmp_path, {"OPENAI_EMBEDDING_MODEL": "text-embedding-3-large"}, EMBEDDING_PROVIDER="local")


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"OPENAI_API_KEY=\xff\xfe\n")
    with pytest.raises(SettingError, match=r"\.env"):
        load(tmp_path)


@given(st.decimals(min_value=0, max_value=1_000_000, places=6))
def test_prices_are_kept_exactly(price: Decimal) -> None:
    settings = load_settings({"EMBEDDING_PRICE_PER_MILLION": f"{price:f}"}, {}, Path("/nowhere"))
    assert settings.price_per_million == price


@given(name=st.sampled_from(["EMBEDDING_BATCH_SIZE", "OPENAI_BASE_URL", "LOG_LEVEL", "LOG_FILE"]), value=st.text())
def test_no_value_raises_anything_else(name: str, value: str) -> None:
    try:
        load_settings({name: value}, {}, Path("/nowhere"))
    except SettingError as error:
        assert name in error.message
