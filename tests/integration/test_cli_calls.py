"""Calls as such: help, version, what may be imported for them, and calls that make no sense."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from batch_manager.cli.flags import read_flags
from command import THREE, Command, jsonl

ACTIONS = (
    "--demo --rehearse --reset --scan --import --export --estimate-costs --batch-index --individual-index"
    " --retry-failed --rebuild-indexes --search --status --verify"
).split()
OPTIONS = (
    "--yes --max-cost --batch-size --max-retries --concurrency --model --provider --home --json --version --help"
    " --type --limit --repair"
).split()


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path / "home")


def test_help_names_every_flag_and_goes_to_stdout(command: Command) -> None:
    done = command("--help")
    assert done.code == 0 and done.err == ""
    for flag in [*ACTIONS, *OPTIONS]:
        assert flag in done.out, flag
    assert "examples:" in done.out and "exit codes:" in done.out
    assert not command.home.exists()


def test_version(command: Command) -> None:
    done = command("--version")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("batch-manager ")
    assert command("--json", "--version").out == done.out


def test_help_into_a_closed_pipe_is_quiet(command: Command) -> None:
    line = f"'{command.line()[0]}' -m batch_manager --help | true"
    done = subprocess.run(["sh", "-c", line], capture_output=True, env=command.env(), timeout=60)
    assert done.returncode == 0 and b"Traceback" not in done.stderr


def modules(command: Command, *arguments: str) -> set[str]:
    """Top-level modules that a call has imported by its end."""
    code = (
        "import sys; from batch_manager.cli import main; code = main(sys.argv[1:]);"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr); sys.exit(code)"
    )
    line = [command.line()[0], "-c", code, *arguments]
    done = subprocess.run(line, capture_output=True, text=True, env=command.env(), timeout=60, cwd=command.folder)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(command: Command, flag: str) -> None:
    loaded = modules(command, flag)
    heavy = {"openai", "chromadb", "textual", "sqlalchemy", "peewee", "rich", "numpy", "asyncio", "logging", "decimal"}
    assert not loaded & heavy


def test_the_app_is_drawn_before_anything_heavy_is_loaded(command: Command) -> None:
    code = (
        "import sys, batch_manager.cli.app, batch_manager_tui.app; from batch_manager.cli.opening import settings_of;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), 'batch_manager.engine' in sys.modules)"
    )
    line = [command.line()[0], "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, env=command.env(), timeout=60, cwd=command.folder)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    heavy = {"openai", "chromadb", "sqlalchemy", "numpy", "peewee", "tiktoken", "wordllama", "pydantic", "h11", "True"}
    assert "textual" in loaded and not loaded & heavy


def test_looking_imports_no_client_no_index_no_screen(command: Command) -> None:
    assert command("--import", "-", text=jsonl(*THREE)).code == 0
    for action in ("--status", "--estimate-costs"):
        loaded = modules(command, action)
        assert not loaded & {
            "openai",
            "chromadb",
            "textual",
            "sqlalchemy",
            "psycopg",
            "pymysql",
            "batch_manager_tui",
        }, action


NONSENSE = [
    ("--scan --import x", "two actions"),
    ("--search a --search b", "two actions"),
    ("--status --verify", "two actions"),
    ("--demo --batch-index --retry-failed", "two actions"),
    ("--reset", "--demo or --rehearse"),
    ("--reset --status", "--demo or --rehearse"),
    ("--json", "--json"),
    ("--demo --json", "--json"),
    ("--export - --json", "stdout"),
    ("--status --yes", "--yes"),
    ("--import x --max-cost 1", "--max-cost"),
    ("--search x --repair", "--repair"),
    ("--status --limit 3", "--limit"),
    ("--batch-index --type table", "--type"),
    ("--individual-index --batch-size 5", "one document a request"),
    ("--scan --batch-size 5", "--batch-size"),
    ("--status --max-retries 5", "--max-retries"),
    ("--search x --concurrency 5", "--concurrency"),
    ("--rehearse --scan", "leave it out; the app and indexing can be rehearsed"),
    ("--rehearse --mcp", "--rehearse"),
    ("--rehearse --batch-index --provider local", "contradict"),
    ("--demo --batch-index --model text-embedding-3-large", "local model"),
    ("--batch-index --max-cost five", "'five' is not an amount"),
    ("--batch-index --max-cost -1", "--max-cost"),
    ("--batch-index --max-cost=-1", "'-1' is not an amount"),
    ("--batch-index --max-cost nan", "'nan' is not an amount"),
    ("--batch-index --max-cost inf", "'inf' is not an amount"),
    ("--search x --limit 0", "'0' is not a whole number from 1"),
    ("--search x --limit many", "'many' is not a whole number"),
    ("--search x --type view", "'view'"),
    ("--batch-index --provider azure", "'azure'"),
    ("--search", "expected one argument"),
    ("--import", "expected one argument"),
    ("--bogus", "--bogus"),
    ("--stat", "--stat"),
    ("indexes", "indexes"),
]


@pytest.mark.parametrize(("call", "reason"), NONSENSE, ids=[call for call, _ in NONSENSE])
def test_a_call_that_makes_no_sense_is_one_line_and_2(
    call: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        read_flags(call.split())
    out, err = capsys.readouterr()
    assert end.value.code == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1
    assert reason in err and "--help" in err


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("--serch customers", "; did you mean --search? See"),
        ("--batch-idnex", "; did you mean --batch-index? See"),
        ("--stauts=1", "; did you mean --status? See"),
        ("--zzzzzzzz", "--zzzzzzzz. See"),
        ("somewords", "somewords. See"),
    ],
)
def test_a_mistyped_flag_names_the_one_that_may_be_meant(
    call: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        read_flags(call.split())
    assert said in capsys.readouterr().err


def test_the_whole_command_says_it_likewise(command: Command) -> None:
    done = command("--status", "--search", "x\x1b[31m")
    assert (done.code, done.out) == (2, "")
    assert "two actions" in done.error and "\x1b" not in done.err
    done = command("--import", "a", "\x1b[31mred")
    assert done.code == 2 and "\x1b" not in done.err
    assert not command.home.exists()


@pytest.mark.parametrize(
    "call",
    [
        "--batch-index --max-cost $0.50 --yes --json --concurrency 4 --max-retries 0 --batch-size 7",
        "--demo --rehearse --batch-index --reset --yes",
        "--estimate-costs --yes --max-cost 1 --batch-size 10",
        "--demo --search x --type all --limit 5 --json",
        "--search=-1",
        "--export -",
        "--scan",
        "--scan sqlite:///x.db --json",
        "--verify --repair --json",
        "--max-cost 1",
        "--demo --provider openai --model text-embedding-3-large",
    ],
)
def test_a_call_that_makes_sense(call: str) -> None:
    read_flags(call.split())


@pytest.mark.parametrize(
    ("arguments", "setting", "value"),
    [
        (("--batch-size", "0"), "EMBEDDING_BATCH_SIZE", "'0'"),
        (("--batch-size", "2049"), "EMBEDDING_BATCH_SIZE", "'2049'"),
        (("--batch-size", ""), "EMBEDDING_BATCH_SIZE", "''"),
        (("--max-retries", "-1"), "EMBEDDING_MAX_RETRIES", "'-1'"),
        (("--concurrency", "lots"), "EMBEDDING_CONCURRENCY", "'lots'"),
    ],
)
def test_a_number_out_of_range_names_setting_and_value(
    command: Command, arguments: tuple[str, str], setting: str, value: str
) -> None:
    done = command("--batch-index", "=".join(arguments))
    assert (done.code, done.out) == (2, "")
    assert setting in done.error and value in done.error and "flag" in done.error
    assert not command.home.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMBEDDING_BATCH_SIZE", "100.5"),
        ("EMBEDDING_PRICE_PER_MILLION", "cheap"),
        ("OPENAI_BASE_URL", "api.openai.com"),
        ("LOG_LEVEL", "LOUD"),
        ("DOCUMENTATION_STORE_URL", "mysql://x"),
    ],
)
def test_a_wrong_setting_names_itself_and_its_value(command: Command, name: str, value: str) -> None:
    done = command.but(**{name: value})("--status")
    assert (done.code, done.out) == (2, "")
    assert name in done.error and value in done.error and "must be" in done.error


def test_a_wrong_value_in_dotenv_says_where_it_stands(command: Command) -> None:
    (command.folder / ".env").write_text("EMBEDDING_BATCH_SIZE=many\n")
    done = command("--status")
    assert done.code == 2 and "from .env" in done.error
    # A flag wins over it, and so does the environment.
    assert command.but(EMBEDDING_BATCH_SIZE="5")("--status").code == 0


@pytest.mark.parametrize("mode", [(), ("--demo",), ("--rehearse",), ("--demo", "--rehearse")])
def test_the_app_without_a_terminal_says_what_works_instead(command: Command, mode: tuple[str, ...]) -> None:
    done = command(*mode)
    assert (done.code, done.out) == (2, "")
    assert "terminal" in done.error and "--status" in done.error
    assert not command.home.exists()
