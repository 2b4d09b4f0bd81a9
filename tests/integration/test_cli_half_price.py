"""The half-price lane by flags: both prices, handing over, exit code 5, collecting, a kill in the middle."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batch_manager.cli.flags import read_flags
from batch_manager.rehearsal import RehearsalServer
from command import PAYING_KEY, Command, ends, tables
from jobs import options
from lanes import as_new


@pytest.fixture(scope="module")
def shared() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options(key=PAYING_KEY)) as running:
        yield running


@pytest.fixture
def server(shared: RehearsalServer) -> RehearsalServer:
    """The shared server as newly started."""
    return as_new(shared, latency_ms=0.0)


def exact(out: str) -> Any:
    return json.loads(out, parse_float=Decimal)


def test_the_price_of_both_lanes(command: Command, server: RehearsalServer) -> None:
    done = command("--estimate-costs", "--json")
    lanes = exact(done.out)["lanes"]
    assert lanes["batch"]["cost_usd"] * 2 == lanes["now"]["cost_usd"] > 0
    assert lanes["batch"]["batches"] == 1 and lanes["batch"]["within_seconds"] == 86_400
    words = command("--estimate-costs").out
    assert " now, about " in words and " within 24 h" in words
    words = command("--estimate-costs", "--model", "text-embedding-ada-002").out
    assert "not at half the price: No batch price is known for text-embedding-ada-002." in words
    assert server.totals()["requests"] == 0


def test_handed_over_and_collected(command: Command, server: RehearsalServer) -> None:
    server.set_options(batch_seconds=1000)
    with command.at_terminal("--batch-index", "--json") as terminal:
        terminal.wait_for("Send it? [y/h/N]")
        terminal.type(b"h\n")  # the other lane is another question
        terminal.wait_for("Hand it over? [y/h/N]")
        assert server.totals()["requests"] == 0
        terminal.type(b"y\n")
        done = terminal.end()
    assert done.code == 5, done.err
    (batch,) = done.json["batches"]
    assert batch["state"] == "validating" and batch["total"] == 3 and not batch["over"]
    assert "within 24 h" in done.err and "--collect" in done.err
    server.advance(500)
    done = command("--collect")
    assert done.code == 5 and "in progress" in done.out and "expires" in done.out
    status = command("--status", "--json").json
    assert status["batches"][0]["done"] == 1 and status["tables"]["pending"] == 2
    assert status["in_batches"]["items"] == 3 and status["in_batches"]["since"] == batch["since"]
    assert "handed over at half the price, back within 24 h, " in command("--status").out
    server.advance(500)
    done = command("--collect", "--wait", "--json")
    assert done.code == 0, done.err
    report = exact(done.out)
    assert report["table_processing_results"] == {"users": True, "orders": True}
    assert report["relationship_processing_results"] == {"users_orders_fk": True}
    usage, totals = report["usage"], server.totals()
    assert usage["billed_tokens"] == totals["batch_tokens"] == totals["billed_tokens"]
    assert usage["cost_usd"] == usage["estimated_cost_usd"] == usage["saved_usd"] > 0
    assert usage["requests"] == 1 and set(report["lanes"]) == {"batch"}


def test_nothing_is_asked_for_twice_and_cancelled_by_a_flag(command: Command, server: RehearsalServer) -> None:
    done = command("--batch-index", "--lane", "batch")
    assert done.code == 3 and server.totals()["requests"] == 0
    server.set_options(batch_seconds=1000)
    assert command("--batch-index", "--lane", "batch", "--yes").code == 5
    again = command("--batch-index", "--yes")
    assert again.code == 0 and "Nothing to do" in again.err  # it is nobody else's to send
    assert "3 items are in a half-price batch since 20" in again.err and "--collect takes in what is back" in again.err

    assert command("--check").code == 1 and "3 items are in" in command("--status").out
    done = command("--collect", "--cancel", "--wait", "--json")
    assert done.code == 1 and done.json["batches"][0]["state"] == "cancelled"
    assert command("--estimate-costs", "--json").json["total_pending"] == 3


def test_what_another_organisation_has_is_given_up_after_asking(command: Command, server: RehearsalServer) -> None:
    server.set_options(key=None, batch_seconds=1000)
    assert command("--batch-index", "--lane", "batch", "--yes").code == 5
    other = command.but(OPENAI_API_KEY="sk-other-0123456789")
    done = other("--collect", "--wait", "--give-up")  # it doesn't wait for what it can't see
    assert done.code == 3 and "another organisation" in done.err and "3 items would be pending again" in done.err
    assert "may then pay for them twice" in done.err
    done = other("--collect", "--give-up", "--yes", "--json")
    report = exact(done.out)
    assert done.code == 1 and report["batches"][0]["state"] == "given up"
    assert report["lanes"]["batch"]["held_usd"] == report["usage"]["estimated_cost_usd"] > 0
    status = command("--status", "--json").json
    assert status["in_batches"] == {"items": 0, "batches": 0, "since": None} and status["spent_usd"] > 0
    server.set_options(key=PAYING_KEY)


def test_the_cap_and_a_wrong_key(command: Command, server: RehearsalServer) -> None:
    done = command("--batch-index", "--lane", "batch", "--yes", "--max-cost", "0.0000001")
    assert done.code == 4 and "The cap of" in done.error and server.totals()["billed_tokens"] == 0
    wrong = command.but(OPENAI_API_KEY="sk-wrong")("--batch-index", "--lane", "batch", "--yes")
    assert wrong.code == 4 and "OPENAI_API_KEY" in wrong.error


def test_ctrl_c_ends_a_look_in_good_order(tmp_path: Path, server: RehearsalServer) -> None:
    command = Command(tmp_path / "home", {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": PAYING_KEY})
    assert command("--import", "-", text=tables(6)).code == 0
    server.set_options(batch_seconds=1000)
    assert command("--batch-index", "--lane", "batch", "--yes").code == 5
    server.advance(2000)
    server.set_options(latency_ms=2500.0)  # each step of the look
    process = command.start("--collect", "--wait")
    assert process.stderr is not None
    while b"batch 1.1" not in (line := process.stderr.readline()):  # it says how far it is
        assert line
    process.send_signal(signal.SIGINT)
    done = ends(process)
    assert done.code == 130 and "Traceback" not in done.err
    server.set_options(latency_ms=0.0)
    assert command("--collect", "--wait").code == 0
    assert command("--status", "--json").json["tables"] == {"pending": 0, "indexed": 6, "failed": 0}
    assert server.totals()["billed_tokens"] == command("--status", "--json").json["billed_tokens"]


def test_what_makes_no_sense(command: Command) -> None:
    wrong = (["--rebuild-indexes", "--lane", "batch"], ["--status", "--wait"], ["--collect", "--yes"])
    for call in (*wrong, ["--status", "--give-up"]):
        with pytest.raises(SystemExit):
            read_flags(call)
    done = command("--batch-index", "--lane", "batch", "--yes", "--provider", "local")
    assert done.code == 2 and "--lane now" in done.error


def test_a_rehearsal_goes_on_while_the_program_is_closed(tmp_path: Path) -> None:
    command = Command(tmp_path / "home")
    done = command("--demo", "--rehearse", "--batch-index", "--lane", "batch", "--yes", "--json")
    assert done.code == 5, done.err
    done = command("--demo", "--rehearse", "--collect", "--wait", "--json")
    assert done.code == 1  # the sample has a text that the rehearsal refuses, and one that can't be sent
    assert done.json["summary"]["overall_success_rate"] > 0.9


def test_killed_while_it_hands_over_and_while_it_collects(tmp_path: Path, server: RehearsalServer) -> None:
    command = Command(tmp_path / "home", {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": PAYING_KEY})
    assert command("--import", "-", text=tables(40)).code == 0
    server.set_options(batch_seconds=1)
    for seconds in (1.0, 1.6):
        for call in (("--batch-index", "--lane", "batch", "--yes"), ("--collect",)):
            process = command.start(*call)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            ends(process, signal.SIGKILL)
    assert command("--batch-index", "--lane", "batch", "--yes").code in (0, 5)
    # A creation that was under way at a kill is "maybe submitted" for a minute, unless the list has it.
    done = command("--collect", "--wait", "--json")
    if done.code == 5:  # then it is for somebody who looks at the server to say that there is none
        assert command("--collect", "--give-up", "--yes").code == 1
        assert command("--batch-index", "--lane", "batch", "--yes").code in (0, 5)
        done = command("--collect", "--wait", "--json")
    assert done.code == 0, done.err
    assert command("--status", "--json").json["tables"] == {"pending": 0, "indexed": 40, "failed": 0}
    sent = [digest for entry in server.ledger() for digest in entry["hashes"]]
    assert len(sent) == len(set(sent)) == 40
