"""What is said of flags, settings, exit codes and keys is what the program does."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from batch_manager.cli.flags import make_parser, read_flags
from batch_manager.cli.help_text import EXIT_CODES, below_the_flags
from batch_manager.cli.opening import settings_of
from batch_manager.errors import SettingError
from batch_manager.known_settings import KNOWN_SETTINGS, KnownSetting, setting_lines
from batch_manager.settings import load_settings
from batch_manager_tui.commands import BY_ID

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()

WRONG = {
    "OPENAI_API_KEY": "two words",
    "OPENAI_EMBEDDING_MODEL": "two words",
    "DOCUMENTATION_STORE_URL": "store.db",
    "CHROMA_PERSIST_DIRECTORY": "a\0b",
    "BATCH_MANAGER_HOME": "a\0b",
    "LOG_FILE": "a\0b",
    "BATCH_MANAGER_USER": "two\nlines",
    "WORKER_NAME": "bell\x07",
}
"""Values that are refused; where none is named here, a word is."""


def script(name: str) -> ModuleType:
    """A script of `scripts/`, imported."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_up_to_date() -> None:
    made = script("reference").page()
    assert (ROOT / "docs" / "reference.md").read_text() == made, "run scripts/reference.py"


def test_the_reference_has_the_codes_that_scripts_match_on() -> None:
    made = script("reference").page()
    for code in (
        "cap_reached bill_drift no_api_key unknown_price many_gone home_busy vectors_away store_full quote_changed"
        " empty_document invalid_unicode insufficient_quota timeout unreachable connection_lost wrong_size"
    ).split():
        assert f"| `{code}` |" in made, code
    assert " |  |\n" not in made  # every code says something


def test_every_setting_is_known(tmp_path: Path) -> None:
    origins = load_settings({}, {}, tmp_path).origins
    assert sorted(origins) == sorted(one.name for one in KNOWN_SETTINGS)


@pytest.mark.parametrize("one", KNOWN_SETTINGS, ids=lambda one: one.name)
def test_a_setting_is_as_it_is_told(one: KnownSetting, tmp_path: Path) -> None:
    bare = load_settings({}, {}, tmp_path)
    if not one.default.startswith("("):
        given = load_settings({}, {one.name: one.default}, tmp_path)
        assert dataclasses.replace(given, origins={}) == dataclasses.replace(bare, origins={})
    if one.name != "DATABASE_URL":  # whether SQLAlchemy can use it shows when it is used
        with pytest.raises(SettingError) as caught:
            load_settings({}, {one.name: WRONG.get(one.name, "wrong")}, tmp_path)
        assert f"must be {one.allowed}" in caught.value.message


@pytest.mark.parametrize("one", [one for one in KNOWN_SETTINGS if one.flag], ids=lambda one: one.flag)
def test_a_flag_wins_over_its_setting(one: KnownSetting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMBEDDING_PROVIDER", raising=False)
    unset = "1000" if one.name.endswith("_PER_MINUTE") else "/tmp/elsewhere"
    value = unset if one.default.startswith("(") else one.default
    values = [] if one.flag == "--workers" else [value]  # a switch
    assert settings_of(read_flags(["--batch-index", one.flag, *values])).origins[one.name] == "flag"


def test_help_lists_the_settings_within_80_columns() -> None:
    text = make_parser().format_help()
    for one in KNOWN_SETTINGS:
        assert f"  {one.name} " in text
    assert all(len(line) <= 78 for line in setting_lines())
    assert all(len(line) <= 90 for line in below_the_flags().splitlines())


def test_the_readme_knows_the_exit_codes_and_flags() -> None:
    told = re.search(r"Exit codes: (.*?)\.\n", README, re.DOTALL)
    assert told is not None
    assert [int(code) for code in re.findall(r"\b(\d+) ", told[1])] == [code for code, _ in EXIT_CODES]
    for option in (name for one in make_parser()._actions for name in one.option_strings if name.startswith("--")):
        if option not in ("--help", "--version", "--trust-dotenv"):
            assert option in README, option
    assert len(README.splitlines()) <= 150


def test_the_readmes_keys_are_the_apps() -> None:
    told = re.search(r"^In the app: (.*?)\n\n", README, re.DOTALL | re.MULTILINE)
    assert told is not None
    keys = re.findall(r"`([^`-]{1,9})` (\w+)", told[1])
    meant = {"space": "mark", "enter": "details", "s": "start", "S": "search", "?": "help"}
    assert {key for key, _ in keys} == {*meant, "y"}
    for key, command in meant.items():
        assert key in BY_ID[command].shown_keys.split(" ")


@pytest.mark.parametrize("page", ["tutorial.md", "how-to/ten-thousand-tables.md", "explanation.md"])
def test_the_keys_of_a_page_are_the_apps(page: str) -> None:
    told = set(re.findall(r"`([^\s`]|enter|esc|space)`", (ROOT / "docs" / page).read_text())) - {"y"}
    known = {key for command in BY_ID.values() for key in command.shown_keys.split(" ")}
    assert told and told <= known


def test_help_imports_nothing_that_settings_need() -> None:
    code = "import sys; from batch_manager.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "batch_manager.known_settings" in loaded
    assert not loaded & {"batch_manager.settings", "dataclasses", "decimal", "typing", "pathlib", "urllib.parse"}
