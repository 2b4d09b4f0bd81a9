"""Indexing by flags, against the rehearsal server and with the local model: results, exit codes, money."""

from __future__ import annotations

import json
import re
import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batch_manager.rehearsal import RehearsalServer
from command import EMPTY, PAYING_KEY, THREE, Command, Done, jsonl, tables


@pytest.fixture
def local(tmp_path: Path) -> Command:
    """An empty home with the local model."""
    return Command(tmp_path / "home", {"EMBEDDING_PROVIDER": "local"})


def money(out: str, name: str) -> Decimal:
    """A number of a JSON document, digit by digit."""
    found: dict[str, Any] = json.loads(out, parse_float=Decimal)["usage"]
    return Decimal(found[name])


def test_the_results_report(command: Command, server: RehearsalServer) -> None:
    command("--import", "-", text=jsonl(EMPTY))
    done = command("--batch-index", "--yes", "--json")
    assert done.code == 1, done.err
    report = done.json
    assert set(report) == {
        "table_processing_results",
        "relationship_processing_results",
        "summary",
        "usage",
        "failures",
    }
    assert report["table_processing_results"] == {"users": True, "orders": True, "products": False}
    assert report["relationship_processing_results"] == {"users_orders_fk": True}
    assert report["summary"] == {
        "total_tables_processed": 3,
        "successful_tables": 2,
        "total_relationships_processed": 1,
        "successful_relationships": 1,
        "overall_success_rate": 0.75,
    }
    (failure,) = report["failures"]
    assert set(failure) == {"kind", "name", "code", "message", "next_step"}
    assert (failure["kind"], failure["name"], failure["code"]) == ("table", "products", "empty_document")
    totals = server.totals()
    usage = report["usage"]
    assert set(usage) == {"requests", "estimated_tokens", "billed_tokens", "estimated_cost_usd", "cost_usd"}
    assert usage["requests"] == 1 == len(server.ledger())
    assert usage["estimated_tokens"] == usage["billed_tokens"] == totals["billed_tokens"]
    exact = Decimal(totals["billed_tokens"]) * Decimal("0.02") / 1_000_000
    assert money(done.out, "cost_usd") == money(done.out, "estimated_cost_usd") == exact
    assert "e-" not in done.out.partition('"usage"')[2].partition("}")[0]


def test_second_run_has_nothing_to_do_and_asks_nothing(command: Command, server: RehearsalServer) -> None:
    assert command("--batch-index", "--yes").code == 0
    sent = len(server.ledger())
    done = command("--batch-index", "--json")
    assert done.code == 0 and done.json["table_processing_results"] == {} and done.json["usage"]["requests"] == 0
    assert done.json["summary"]["overall_success_rate"] == 0
    assert "Nothing to do" in done.err and len(server.ledger()) == sent
    status = command("--status", "--json").json
    assert status["tables"] == {"pending": 0, "indexed": 2, "failed": 0}
    assert status["vectors"] == {"tables": 2, "relationships": 1}
    assert status["billed_tokens"] == server.totals()["billed_tokens"] and status["spent_usd"] > 0


def test_the_report_for_people(command: Command) -> None:
    command("--import", "-", text=jsonl(EMPTY))
    done = command("--batch-index", "--yes")
    assert done.code == 1
    assert "2 of 3 indexed" in done.out and "1 of 1 indexed" in done.out and "$0.0000" in done.out
    assert "table products: empty_document" in done.out
    for words in ("items", "requests", "tokens", "price", "text-embedding-3-small", "127.0.0.1"):
        assert words in done.err
    assert "\x1b" not in done.err  # no terminal: no bars


@pytest.mark.parametrize("action", ["--batch-index", "--individual-index", "--rebuild-indexes"])
def test_no_terminal_and_no_yes_is_3_and_nothing_is_sent(
    command: Command, server: RehearsalServer, action: str
) -> None:
    done = command(action, "--json")
    assert (done.code, done.out) == (3, "")
    assert "--yes" in done.error and "price" in done.err
    assert server.ledger() == []
    assert command("--status", "--json").json["tables"]["pending"] == 2


def test_rebuilding_asks_as_well_and_costs_nothing_again(command: Command, server: RehearsalServer) -> None:
    command("--batch-index", "--yes")
    sent = len(server.ledger())
    assert command("--rebuild-indexes").code == 3
    done = command("--rebuild-indexes", "--yes", "--json")
    assert done.code == 0 and done.json["summary"]["total_tables_processed"] == 2
    assert (done.json["usage"]["requests"], done.json["usage"]["cost_usd"]) == (0, 0)
    assert len(server.ledger()) == sent


def test_one_document_a_request(command: Command, server: RehearsalServer) -> None:
    done = command("--individual-index", "--yes", "--json")
    assert done.code == 0 and done.json["usage"]["requests"] == 3
    assert [entry["inputs"] for entry in server.ledger()] == [1, 1, 1]


def test_batch_size_and_model_are_what_is_sent(command: Command, server: RehearsalServer) -> None:
    done = command("--batch-index", "--yes", "--batch-size=2", "--model=text-embedding-3-large", "--concurrency=1")
    assert done.code == 0
    assert sorted(entry["inputs"] for entry in server.ledger()) == [1, 2]
    assert {entry["model"] for entry in server.ledger()} == {"text-embedding-3-large"}


def test_only_what_failed_is_tried_again(command: Command, server: RehearsalServer) -> None:
    server.set_faults([{"fault": "poison", "contains": "customers bought"}])
    done = command("--batch-index", "--yes", "--json")
    assert done.code == 1 and done.json["table_processing_results"] == {"users": True, "orders": False}
    (failure,) = done.json["failures"]
    assert failure["name"] == "orders" and "rejected" in failure["message"] and failure["next_step"]
    assert command("--retry-failed").code == 3
    server.clear()
    server.set_faults([])
    again = command("--retry-failed", "--yes", "--json")
    assert again.code == 0 and again.json["table_processing_results"] == {"orders": True}
    assert again.json["relationship_processing_results"] == {}
    assert [entry["inputs"] for entry in server.ledger()] == [1]
    nothing = command("--retry-failed")
    assert nothing.code == 0 and "no item is failed" in nothing.err


def test_retries_are_as_many_as_was_said(command: Command, server: RehearsalServer) -> None:
    server.set_faults([{"fault": "overloaded", "at": [1], "retry_after": 0}])
    assert command("--batch-index", "--yes", "--max-retries", "1").code == 0
    assert len(server.ledger()) == 2


def test_the_cap_stops_in_good_order(command: Command, server: RehearsalServer) -> None:
    command("--import", "-", text=tables(30))
    done = command("--batch-index", "--yes", "--json", "--batch-size", "5", "--max-cost", "0.000004")
    assert done.code == 4
    assert "cap" in done.error and "left" in done.error
    assert money(done.out, "cost_usd") <= Decimal("0.000004")
    results = done.json["table_processing_results"]
    assert len(results) == 32 and not all(results.values())
    assert {failure["code"] for failure in done.json["failures"]} == {"cap_reached"}
    billed = Decimal(server.totals()["billed_tokens"]) * Decimal("0.02") / 1_000_000
    assert 0 < billed <= Decimal("0.000004")
    rest = command("--batch-index", "--yes", "--json")
    assert rest.code == 0 and command("--status", "--json").json["tables"]["indexed"] == 32


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"fault": "money"}, "quota"),
        ({"fault": "status", "status": 401, "code": "invalid_api_key", "message": "Incorrect key"}, "OPENAI_API_KEY"),
        ({"fault": "status", "status": 404, "code": "model_not_found", "message": "No such model"}, "model"),
    ],
    ids=["money", "key", "model"],
)
def test_the_account_stops_everything_with_4(
    command: Command, server: RehearsalServer, fault: dict[str, Any], words: str
) -> None:
    server.set_faults([fault])
    done = command("--batch-index", "--yes", "--json")
    assert done.code == 4 and words in done.error
    assert done.json["table_processing_results"] == {"users": False, "orders": False}
    assert len(server.ledger()) == 1
    # Nothing is marked failed for it: after the cure the same call does it.
    assert command("--status", "--json").json["tables"] == {"pending": 2, "indexed": 0, "failed": 0}
    if fault["fault"] == "money":  # the way back is the same for all
        server.set_faults([])
        assert command("--batch-index", "--yes").code == 0


def test_wrong_key_in_a_search_is_4(command: Command) -> None:
    assert command("--batch-index", "--yes").code == 0
    wrong = command.but(OPENAI_API_KEY="sk-wrong-9876543210")("--search", "people")
    assert (wrong.code, wrong.out) == (4, "")
    assert "OPENAI_API_KEY" in wrong.error and "9876543210" not in wrong.err
    right = command("--search", "people", "--json")
    assert right.code == 0 and len(right.json["results"]) == 3 and "$0.0000" in right.err
    capped = command("--search", "people", "--max-cost", "0")
    assert (capped.code, capped.out) == (4, "") and "cap" in capped.error


def test_no_key_is_2_and_says_both_ways_out(command: Command, server: RehearsalServer) -> None:
    keyless = command.but(OPENAI_API_KEY="")
    for action in ("--batch-index", "--retry-failed"):
        done = keyless(action, "--yes")
        assert (done.code, done.out) == (2, "")
        assert "OPENAI_API_KEY" in done.error and "--provider local" in done.error
    assert server.ledger() == []
    assert keyless("--estimate-costs").code == 0
    assert keyless("--batch-index", "--yes", "--provider", "local").code == 0


def test_a_server_that_is_not_there_is_2(command: Command) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    done = command.but(OPENAI_BASE_URL=address)("--batch-index", "--yes", "--json", "--max-retries", "0")
    assert done.code == 2 and "OPENAI_BASE_URL" in done.error
    assert done.json["table_processing_results"] == {"users": False, "orders": False}
    assert command("--status", "--json").json["tables"]["pending"] == 2


def test_an_address_from_dotenv_must_be_trusted(command: Command, server: RehearsalServer) -> None:
    (command.folder / ".env").write_text(f"OPENAI_BASE_URL={server.base_url}\n")
    lured = Command(command.home, {"OPENAI_API_KEY": PAYING_KEY})
    done = lured("--batch-index", "--yes")
    assert (done.code, done.out) == (3, "")
    assert ".env" in done.error and "--trust-dotenv" in done.error and server.ledger() == []
    assert lured("--batch-index", "--yes", "--trust-dotenv").code == 0
    assert lured("--search", "people").code == 3
    assert lured("--search", "people", "--trust-dotenv").code == 0
    # A key that stands beside the address was meant for it.
    (command.folder / ".env").write_text(f"OPENAI_BASE_URL={server.base_url}\nOPENAI_API_KEY={PAYING_KEY}\n")
    assert Command(command.home)("--search", "people").code == 0


def test_the_key_is_nowhere(command: Command) -> None:
    done = command.but(LOG_LEVEL="DEBUG")("--batch-index", "--yes")
    assert done.code == 0 and PAYING_KEY not in done.out + done.err
    for path in command.home.rglob("*"):
        assert not path.is_file() or PAYING_KEY.encode() not in path.read_bytes(), path
        assert path.is_symlink() or path.stat().st_mode & 0o077 == 0, path


def test_the_local_model_needs_nothing(local: Command) -> None:
    assert local("--import", "-", text=jsonl(*THREE)).code == 0
    done = local("--batch-index", "--yes", "--json")
    assert done.code == 0 and done.json["usage"]["cost_usd"] == 0
    assert local("--search", "purchases", "--limit", "1", "--json").json["results"][0]["name"] == "orders"


def test_demo_with_the_server(tmp_path: Path, server: RehearsalServer) -> None:
    command = Command(tmp_path / "home", {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": PAYING_KEY})
    local = command("--demo", "--status", "--json")  # a key at hand doesn't make a demo cost anything
    assert local.json["model"].startswith("wordllama")
    done = command("--demo", "--provider", "openai", "--batch-index", "--yes", "--json")
    assert done.code == 1 and done.json["usage"]["requests"] == len(server.ledger()) >= 2
    assert [path.name for path in command.home.iterdir()] == ["demo"]


def test_a_rehearsal_of_the_sample(tmp_path: Path) -> None:
    command = Command(tmp_path / "home")
    done: Done = command("--demo", "--rehearse", "--batch-index", "--yes", "--json")
    assert done.code == 1, done.err
    assert "REHEARSAL" in done.err and "$0.000" in done.err
    assert done.json["table_processing_results"]["ord_hdr_hist"] is False
    assert "trying again" in done.err
    assert done.json["usage"]["billed_tokens"] > 10_000 and done.json["usage"]["cost_usd"] > 0
    anew = command("--demo", "--rehearse", "--reset", "--batch-index")
    assert anew.code == 3 and "147 (" in anew.err


def test_a_rehearsal_of_ones_own_items_leaves_them_alone(local: Command) -> None:
    local("--import", "-", text=jsonl(*THREE))
    done = local("--rehearse", "--batch-index", "--yes")
    assert done.code == 0 and "REHEARSAL" in done.out and "2 of 2 indexed" in done.out
    assert local("--status", "--json").json["tables"] == {"pending": 2, "indexed": 0, "failed": 0}
    status = local("--rehearse", "--status")
    assert status.code == 0 and status.out.startswith("REHEARSAL: pretend dollars\n")
    there = local("--home", str(local.home / "rehearsal"), "--status")
    assert there.out.startswith("REHEARSAL: pretend dollars\n")
    assert local("--rehearse", "--status", "--json").json["mode"] == "rehearsal"
    assert local("--rehearse", "--verify").code == 0
    assert local("--rehearse", "--check").code == 0
    assert local("--rehearse", "--estimate-costs", "--json").json["total_pending"] == 0
    found = local("--rehearse", "--search", "what customers bought", "--json")
    assert found.code == 0 and len(found.json["results"]) == 3 and "pretend dollars" in found.err
    assert local("--rehearse", "--reset", "--batch-index").code == 3


def test_a_rehearsal_that_never_was_is_not_looked_at(local: Command) -> None:
    done = local("--rehearse", "--status")
    assert done.code == 2 and "--rehearse --batch-index" in done.error and not local.home.exists()


def test_demo_anew(local: Command) -> None:
    local("--demo", "--import", "-", text=tables(3))
    before = local("--demo", "--estimate-costs", "--json").json["total_pending"]
    assert local("--demo", "--reset", "--estimate-costs", "--json").json["total_pending"] == before - 3
    refused = local("--reset", "--status")
    assert refused.code == 2


def test_chroma_is_somewhere_else(local: Command, tmp_path: Path) -> None:
    away = local.but(CHROMA_PERSIST_DIRECTORY=str(tmp_path / "elsewhere"))
    away("--import", "-", text=jsonl(*THREE))
    assert away("--batch-index", "--yes").code == 0
    assert (tmp_path / "elsewhere" / "chroma.sqlite3").exists() and not (local.home / "vectors").exists()
    assert away("--status", "--json").json["vectors"] == {"tables": 2, "relationships": 1}


def test_chroma_cannot_be_used(local: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    broken = local.but(CHROMA_PERSIST_DIRECTORY=str(tmp_path / "file"))
    broken("--import", "-", text=jsonl(*THREE))
    done = broken("--batch-index", "--yes", "--json")
    assert done.code == 2 and "CHROMA_PERSIST_DIRECTORY" in done.error
    # What was paid for is not lost by it: with a folder it is delivered.
    assert local("--batch-index", "--yes").code == 0


def test_a_cap_of_nothing_is_named_as_what_it_is(command: Command, server: RehearsalServer) -> None:
    done = command("--batch-index", "--yes", "--max-cost", "0")
    assert done.code == 4 and server.ledger() == []
    assert "The cap of $0 is reached" in done.err


def test_a_cap_below_the_first_request_says_which_size_would_fit(tmp_path: Path, server: RehearsalServer) -> None:
    command = Command(tmp_path / "home", {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": PAYING_KEY})
    command("--import", "-", text=tables(20))
    price = Decimal(command("--estimate-costs", "--json").json["total_estimated_cost"]).quantize(Decimal("1e-9"))
    cap = f"{price / 3:f}"
    estimated = command("--estimate-costs", "--max-cost", cap).out
    asked = command("--batch-index", "--max-cost", cap)
    assert asked.code == 3
    done = command("--batch-index", "--yes", "--max-cost", cap)
    assert done.code == 4 and server.ledger() == [] and "0 of 20 indexed" in done.out
    size = re.search(
        r"the first request, of 20 texts, doesn't fit under the cap of \$[0-9.]+. --batch-size (\d+) ", asked.err
    )
    assert size is not None and size[0] in estimated and size[0] in done.err
    assert f"--batch-size {size[1]} " in done.error
    smaller = command("--batch-index", "--yes", "--max-cost", cap, "--batch-size", size[1])
    assert smaller.code == 4 and f"{size[1]} of 20 indexed" in smaller.out
    larger = int(size[1]) + 1
    assert "Nothing would be indexed" not in smaller.err and larger * price / 20 > price / 3 * Decimal("0.95")


def test_counts_say_whose_they_are_when_the_settings_name_another_model(
    command: Command, server: RehearsalServer
) -> None:
    command("--batch-index", "--yes")
    plain = command("--status")
    assert "items as they stand" not in plain.out and "which the settings name" not in plain.out
    other = command.but(OPENAI_EMBEDDING_MODEL="text-embedding-3-large")
    status = other("--status")
    assert "items as they stand in the index of text-embedding-3-small (1,536 dimensions), which serves" in status.out
    assert "with text-embedding-3-large (3,072 dimensions), which the settings name: 3 pending, $" in status.out
    report = other("--status", "--json").json
    assert report["counted_index"]["model"] == "text-embedding-3-small"
    assert report["pending_with_settings"]["items"] == 3 and report["tables"]["pending"] == 0
    assert "to index with text-embedding-3-large (3,072 dimensions)" in other("--check").out
