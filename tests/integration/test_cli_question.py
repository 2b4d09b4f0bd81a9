"""The question before spending and the bars, at a pseudo terminal; and signals in the middle of a run."""

from __future__ import annotations

import contextlib
import re
import signal
import time

import pytest

from batch_manager.cli.signals import ended_by
from batch_manager.rehearsal import RehearsalServer
from batch_manager.settings import load_settings
from batch_manager.store import DocumentationStore
from command import Command, ends, tables


@pytest.mark.parametrize(
    "keys",
    [b"\n", b"n\n", b"h\n\n", b"maybe\n", b"\x04", b"\x03"],
    ids=["enter", "n", "h", "maybe", "ctrl-d", "ctrl-c"],
)
def test_anything_but_y_is_no(command: Command, server: RehearsalServer, keys: bytes) -> None:
    with command.at_terminal("--batch-index") as terminal:
        terminal.wait_for("[y/h/N]")
        assert "price" in terminal.seen and "$0.0000" in terminal.seen and "text-embedding-3-small" in terminal.seen
        terminal.type(keys)
        done = terminal.end()
    assert (done.code, done.out) == (3, "")
    assert "nothing was sent" in done.err and server.ledger() == []


def test_sigterm_at_the_question_is_no_answer(command: Command, server: RehearsalServer) -> None:
    with command.at_terminal("--batch-index") as terminal:
        terminal.wait_for("[y/h/N]")
        terminal.process.send_signal(signal.SIGTERM)
        done = terminal.end()
    assert (done.code, done.out) == (130, "") and server.ledger() == []


@pytest.mark.parametrize("keys", [b"y\n", b"Yes\n"])
def test_y_spends_and_shows_bars(command: Command, server: RehearsalServer, keys: bytes) -> None:
    with command.at_terminal("--batch-index", "--json") as terminal:
        terminal.wait_for("[y/h/N]")
        assert server.ledger() == []
        terminal.type(keys)
        done = terminal.end()
    assert done.code == 0 and done.json["table_processing_results"] == {"users": True, "orders": True}
    assert len(server.ledger()) == 1
    assert "█" in done.err and "\x1b[" in done.err and "3 of 3 indexed" in done.err


def test_no_color_is_honoured(command: Command) -> None:
    with command.but(NO_COLOR="1").at_terminal("--batch-index", "--yes", "--json") as terminal:
        done = terminal.end()
    assert "within 24 h: --lane batch" in done.err  # nobody asks, so there is no key for it
    assert done.code == 0 and "█" in done.err
    assert "\x1b[36m" not in done.err and "\x1b[1;3" not in done.err and "\x1b[32m" not in done.err


def test_a_key_lured_by_dotenv_is_named_in_the_question(command: Command, server: RehearsalServer) -> None:
    (command.folder / ".env").write_text(f"OPENAI_BASE_URL={server.base_url}\n")
    with Command(command.home, {"OPENAI_API_KEY": command.environment["OPENAI_API_KEY"]}).at_terminal(
        "--batch-index"
    ) as terminal:
        terminal.wait_for("[y/h/N]")
        assert "CAREFUL" in terminal.seen and ".env" in terminal.seen
        terminal.type(b"n\n")
        assert terminal.end().code == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_one_signal_ends_in_good_order(command: Command, server: RehearsalServer, number: signal.Signals) -> None:
    command("--import", "-", text=tables(60))
    server.set_options(latency_ms=400.0)
    process = command.start("--batch-index", "--yes", "--json", "--batch-size", "3", "--concurrency", "2")
    wait_for_requests(server, 3)
    done = ends(process, number)
    assert done.code == 130, done.err
    results = done.json["table_processing_results"]
    assert len(results) == 62 and any(results.values()) and not all(results.values())
    assert "Traceback" not in done.err and number.name in done.err
    # Ctrl-C is a person's; of others nobody knows whose they are.
    assert done.err.splitlines()[-1].startswith(f"{ended_by(number)}; what was paid for is kept.")
    assert ("by you" in done.err) == (number is signal.SIGINT)
    with contextlib.closing(
        DocumentationStore.look(load_settings({"BATCH_MANAGER_HOME": str(command.home)}, {}, command.folder))
    ) as store:
        assert store.ledger.held() == 0 and store.items.counts().total("pending") > 0
        assert store.ledger.billed_tokens() == server.totals()["billed_tokens"]
    server.set_options(latency_ms=0.0)
    rest = command("--batch-index", "--yes", "--json")
    assert rest.code == 0
    status = command("--status", "--json").json
    assert status["tables"] == {"pending": 0, "indexed": 62, "failed": 0}
    # What was in flight was awaited and kept: nothing was paid for twice.
    assert status["billed_tokens"] == server.totals()["billed_tokens"] == distinct_tokens(server)


def test_the_second_signal_ends_at_once_and_loses_nothing(command: Command, server: RehearsalServer) -> None:
    command("--import", "-", text=tables(30))
    server.set_options(latency_ms=600_000.0)  # whoever waited for an answer would be at it to the test's end
    process = command.start("--batch-index", "--yes", "--batch-size", "3", "--concurrency", "2")
    wait_for_requests(server, 1)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while b"SIGINT" not in (line := process.stderr.readline()):
        assert line, "it ended at the first signal"
    assert ends(process, signal.SIGINT).code == 130
    server.set_options(latency_ms=0.0)
    assert command("--batch-index", "--yes").code == 0
    assert command("--status", "--json").json["tables"]["indexed"] == 32


def test_a_run_that_was_killed_is_told_with_what_goes_on_with_it(command: Command, server: RehearsalServer) -> None:
    assert command("--status", "--json").json["unfinished_run"] is None
    server.set_options(latency_ms=600_000.0)
    process = command.start("--batch-index", "--yes")
    wait_for_requests(server, 1)
    running = command("--status")
    assert "unfinished" not in running.out and "running" in running.out  # it is driven, and not interrupted
    ends(process, signal.SIGKILL)
    words = "Run 1 was interrupted with 3 texts left; what was paid for is kept."
    status = command("--status")
    assert f"unfinished  {words} Start again (s in the app, --batch-index) to go on with it" in status.out
    told = command("--status", "--json").json["unfinished_run"]
    assert (told["id"], told["texts_left"]) == (1, 3) and "--batch-index" in told["next_step"]
    server.set_options(latency_ms=0.0)
    done = command("--batch-index", "--yes")
    assert done.code == 0 and f"{words} This goes on with it." in done.err
    assert "unfinished" not in command("--status").out


def test_a_run_that_was_killed_goes_on_under_its_cap(command: Command, server: RehearsalServer) -> None:
    server.set_options(latency_ms=600_000.0)
    process = command.start("--batch-index", "--yes", "--max-cost", "0.0001")
    wait_for_requests(server, 1)
    ends(process, signal.SIGKILL)
    server.set_options(latency_ms=0.0)
    asked = command("--batch-index", "--yes")
    assert "Run 1 was interrupted with 3 texts left" in asked.err
    assert re.search(r"cap +\$0\.0001, \$[0-9.]+ of it used by run 1, which goes on", asked.err), asked.err


def test_a_reader_that_goes_away_does_not_end_the_work(command: Command, server: RehearsalServer) -> None:
    process = command.start("--batch-index", "--yes", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr is not None and b"Traceback" not in process.stderr.read()
    process.stderr.close()
    assert command("--status", "--json").json["tables"]["indexed"] == 2


def test_a_signal_that_the_parent_ignores_stays_ignored(command: Command, server: RehearsalServer) -> None:
    command("--import", "-", text=tables(20))
    server.set_options(latency_ms=300.0)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does, for what is started now
    try:
        process = command.start("--batch-index", "--yes", "--batch-size", "5")
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_for_requests(server, 1)
    assert ends(process, signal.SIGHUP).code == 0


def wait_for_requests(server: RehearsalServer, count: int) -> None:
    """Until that many requests have arrived."""
    end = time.monotonic() + 60
    while server.totals()["requests"] < count:
        assert time.monotonic() < end
        time.sleep(0.05)


def distinct_tokens(server: RehearsalServer) -> int:
    """Tokens of the inputs that the server saw, each text once."""
    seen: set[str] = set()
    tokens = 0
    for entry in server.ledger():
        hashes = set(entry["hashes"])
        assert not hashes & seen, "a text was sent twice"
        seen |= hashes
        tokens += entry["billed_tokens"]
    return tokens
