"""Looking by flags: estimate, status, search, verify. What they print, and that they leave everything as it was."""

from __future__ import annotations

import hashlib
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_manager.rehearsal import RehearsalServer
from command import EMPTY, PAYING_KEY, THREE, Command, jsonl, tables

STATS = {
    "pending_tables",
    "pending_relationships",
    "total_pending",
    "estimated_table_cost",
    "estimated_relationship_cost",
    "total_estimated_cost",
    "batch_size",
    "estimated_batches",
}

NO_SOCKETS = """
import socket
class Refused(socket.socket):
    def __init__(self, *_, **__):
        raise AssertionError("a socket was made")
def refuse(*_, **__):
    raise AssertionError("a name was looked up")
socket.socket, socket.socketpair, socket.getaddrinfo = Refused, refuse, refuse
"""


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """An empty home."""
    return Command(tmp_path / "home")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """The demo's home after the whole job; tests that change it take a copy."""
    command = Command(tmp_path_factory.mktemp("sample") / "home")
    done = command("--demo", "--batch-index", "--yes", "--json")
    assert done.code == 1, done.err
    yield command


def copy(sample: Command, tmp_path: Path) -> Command:
    shutil.copytree(sample.home, tmp_path / "copied")
    return Command(tmp_path / "copied")


def picture(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Everything in a folder: size, time of change, content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.stat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(folder))] = (state.st_size if path.is_file() else 0, state.st_mtime_ns, content)
    return found


def without_sockets(command: Command, folder: Path) -> Command:
    """The same, in a Python that can't make a socket."""
    (folder / "sitecustomize.py").write_text(NO_SOCKETS)
    paths = [str(folder), *filter(None, [command.env().get("PYTHONPATH")])]
    return command.but(PYTHONPATH=":".join(paths))


# --estimate-costs


def test_the_estimate_in_json(command: Command) -> None:
    command("--import", "-", text=jsonl(*THREE, EMPTY))
    done = command("--estimate-costs", "--json")
    assert done.code == 0 and done.err == ""
    report = done.json
    assert set(report) == STATS | {
        "estimated_tokens",
        "model",
        "price_per_million_tokens",
        "lanes",
        "in_batches",
        "budgets",
        "failures",
    }
    assert (report["pending_tables"], report["pending_relationships"], report["total_pending"]) == (3, 1, 4)
    assert (report["batch_size"], report["estimated_batches"]) == (100, 1)
    assert (report["model"], report["price_per_million_tokens"]) == ("text-embedding-3-small", 0.02)
    assert report["total_estimated_cost"] == pytest.approx(report["estimated_tokens"] * 0.02 / 1e6, rel=1e-12)
    assert report["estimated_table_cost"] + report["estimated_relationship_cost"] == pytest.approx(
        report["total_estimated_cost"], rel=1e-12
    )
    (failure,) = report["failures"]
    assert (failure["kind"], failure["name"], failure["code"]) == ("table", "products", "empty_document")
    assert failure["message"] and failure["next_step"]


def test_money_is_written_as_plain_decimals(command: Command) -> None:
    command("--import", "-", text=jsonl(THREE[0]))
    out = command("--estimate-costs", "--json").out
    line = next(line for line in out.splitlines() if "total_estimated_cost" in line)
    assert "e-" not in line and line.strip(' ,"').partition(": ")[2].startswith("0.0000")


def test_the_estimate_for_people(command: Command) -> None:
    command("--import", "-", text=jsonl(*THREE, EMPTY))
    done = command("--estimate-costs", "--max-cost", "0")
    assert done.code == 0
    assert "text-embedding-3-small" in done.out and "api.openai.com" in done.out and "$0.0000" in done.out
    assert "products" in done.out and "cap of $0" in done.out
    local = command("--estimate-costs", "--provider", "local")
    assert "With text-embedding-3-small at OpenAI it would be $0.0000" in local.out


@pytest.mark.parametrize(("size", "requests"), [("10", 3), ("25", 1), ("1", 25)])
def test_the_batch_size_counts_in_the_estimate(command: Command, size: str, requests: int) -> None:
    command("--import", "-", text=tables(25))
    report = command("--estimate-costs", "--json", "--batch-size", size).json
    assert (report["batch_size"], report["estimated_batches"]) == (int(size), requests)


def test_an_unknown_model_asks_for_its_price_instead_of_showing_0(command: Command) -> None:
    command("--import", "-", text=jsonl(*THREE))
    done = command("--estimate-costs", "--model", "embed-9")
    assert (done.code, done.out) == (2, "")
    assert "embed-9" in done.error and "EMBEDDING_PRICE_PER_MILLION" in done.error
    priced = command.but(EMBEDDING_PRICE_PER_MILLION="0.5")("--estimate-costs", "--model", "embed-9", "--json")
    assert (priced.json["model"], priced.json["price_per_million_tokens"]) == ("embed-9", 0.5)


def test_estimating_writes_nothing_and_makes_no_socket(command: Command, tmp_path: Path) -> None:
    command("--import", "-", text=jsonl(*THREE, EMPTY))
    quiet = without_sockets(command.but(OPENAI_API_KEY="sk-any-key-at-all"), tmp_path)
    for arguments in (("--estimate-costs",), ("--estimate-costs", "--json"), ("--estimate-costs", "--provider=local")):
        before = picture(command.home)
        done = quiet(*arguments)
        assert (done.code, done.err) == (0, "")
        assert picture(command.home) == before
    # The trap is a trap: what speaks to a server does trip over it.
    assert quiet.but(OPENAI_BASE_URL="http://127.0.0.1:9/v1")("--batch-index", "--yes").code != 0


def test_looking_at_a_home_that_is_not_there_makes_none(command: Command, tmp_path: Path) -> None:
    quiet = without_sockets(command, tmp_path)
    for action in ("--estimate-costs", "--status", "--export=-", "--verify"):
        done = quiet(action)
        assert done.code == 0, done.err
        assert f"There is no home at {str(command.home)!r} yet" in done.err
        assert not command.home.exists()
    assert quiet("--estimate-costs", "--json").json["total_pending"] == 0


@pytest.mark.parametrize("action", ["--status", "--estimate-costs", "--export=-", "--search=x"])
def test_a_home_that_is_a_file_is_refused_and_one_with_nothing_in_it_is_told(command: Command, action: str) -> None:
    file, empty = command.folder / "file", command.folder / "empty"
    file.touch()
    empty.mkdir()
    keyed = command.but(OPENAI_API_KEY="sk-any-key-at-all")
    done = keyed("--home", str(file), action)
    assert (done.code, done.out) == (2, "") and "is not a folder" in done.error
    done = keyed("--home", str(empty), action)
    assert done.code == 0 and f"Nothing is kept in {str(empty)!r} yet" in done.err and not list(empty.iterdir())


def test_a_home_that_cannot_be_looked_at_is_refused(command: Command) -> None:
    done = command("--home", str(command.folder / ("h" * 300)), "--status")
    assert (done.code, done.out) == (2, "") and "can't be read" in done.error and "--home" in done.error


def test_a_fresh_demo_can_be_estimated(command: Command, tmp_path: Path) -> None:
    done = without_sockets(command, tmp_path)("--demo", "--estimate-costs", "--json")
    assert done.code == 0
    assert done.json["total_pending"] > 100 and len(done.json["failures"]) >= 2
    assert (done.json["total_estimated_cost"], done.json["model"][:9]) == (0, "wordllama")


# --status


def test_the_status_in_json(sample: Command) -> None:
    done = sample("--demo", "--status", "--json")
    assert done.code == 0 and done.err == ""
    report = done.json
    assert set(report) >= {
        "tables",
        "relationships",
        "spent_usd",
        "billed_tokens",
        "model",
        "vectors",
        "indexes",
        "lanes",
        "saved_usd",
        "batches",
    }
    assert [one["state"] for one in report["indexes"]] == ["serving"]
    assert set(report["tables"]) == set(report["relationships"]) == {"pending", "indexed", "failed"}
    assert report["vectors"] == {name: report[name]["indexed"] for name in ("tables", "relationships")}
    assert report["tables"]["indexed"] > 50 and report["tables"]["failed"] >= 1 and report["spent_usd"] == 0


def test_the_status_for_people(sample: Command) -> None:
    done = sample("--demo", "--status")
    assert done.code == 0
    for words in ("pending", "indexed", "vectors", "spent", "(demo)", "run 1", "kept"):
        assert words in done.out


def test_the_status_of_nothing(command: Command) -> None:
    report = command("--status", "--json").json
    assert report["tables"] == {"pending": 0, "indexed": 0, "failed": 0}
    assert report["vectors"] == {"tables": 0, "relationships": 0}
    assert report["model"] == "text-embedding-3-small"


def test_the_status_when_chroma_is_away(command: Command) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = command.but(CHROMA_URL=url)("--status", "--json")
    assert done.code == 2 and done.json["vectors"] == {"tables": None, "relationships": None}
    assert "CHROMA_URL" in done.error


# --search


def test_the_right_tables_come_first(sample: Command) -> None:
    done = sample("--demo", "--search", "which customers pay late", "--json")
    assert done.code == 0 and "$0" in done.err
    assert set(done.json) == {"query", "results"} and done.json["query"] == "which customers pay late"
    results = done.json["results"]
    assert len(results) == 10 and all(set(one) == {"kind", "name", "score", "document"} for one in results)
    scores = [one["score"] for one in results]
    assert scores == sorted(scores, reverse=True) and 0 <= scores[-1] <= scores[0] <= 1
    assert "payment_reminders" in [one["name"] for one in results[:3]]


@pytest.mark.parametrize("kind", ["table", "relationship", "all"])
def test_search_by_type_and_limit(sample: Command, kind: str) -> None:
    results = sample("--demo", "--search", "stock", "--type", kind, "--limit", "3", "--json").json["results"]
    assert len(results) == 3
    assert kind == "all" or {one["kind"] for one in results} == {kind}


def test_search_for_people(sample: Command) -> None:
    done = sample("--demo", "--search", "which customers pay late", "--limit", "2")
    assert done.code == 0 and len(done.out.splitlines()) == 2 and "payment_reminders" in done.out


@pytest.mark.parametrize("query", ["", "   ", "word " * 9_000])
def test_a_query_that_cannot_be_sent(sample: Command, query: str) -> None:
    done = sample("--demo", "--search", query)
    assert (done.code, done.out) == (2, "") and "query" in done.error


def test_search_without_a_key_and_with_nothing_indexed(command: Command) -> None:
    done = command("--search", "x")
    assert (done.code, done.out) == (2, "") and "OPENAI_API_KEY" in done.error and "--provider local" in done.error
    done = command.but(OPENAI_API_KEY="sk-any-key-at-all")("--search", "x", "--json")
    assert done.code == 0 and done.json == {"query": "x", "results": []}
    assert "nothing was sent" in done.err and not command.home.exists()


def test_an_index_of_another_model_is_asked_with_its_own(sample: Command, tmp_path: Path) -> None:
    command = copy(sample, tmp_path).but(OPENAI_API_KEY="sk-any-key-at-all", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    done = command("--demo", "--provider", "openai", "--search", "x", "--json")
    assert done.code == 0 and done.json["results"], done.err
    assert "The index that serves is of wordllama" in done.err and "costs $0" in done.err


def test_a_search_under_the_local_model_sends_nothing_without_a_yes(command: Command, server: RehearsalServer) -> None:
    command = command.but(OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY=PAYING_KEY)
    command("--import", "-", text=jsonl(*THREE))
    assert command("--batch-index", "--yes").code == 0
    server.clear()
    done = command("--provider", "local", "--search", "who pays late")
    assert (done.code, done.out) == (3, "") and server.totals()["requests"] == 0
    assert "costs $0.00000006" in done.err and "--yes" in done.error and "nothing was sent" in done.error
    for answer, code, requests in ((b"n\n", 3, 0), (b"y\n", 0, 1)):
        with command.at_terminal("--provider", "local", "--search", "who pays late", "--json") as terminal:
            terminal.wait_for("Send the query? [y/N]")
            terminal.type(answer)
            done = terminal.end()
        assert (done.code, server.totals()["requests"]) == (code, requests), done.err
    assert len(done.json["results"]) == 3
    assert command("--provider", "local", "--search", "who pays late", "--yes").code == 0
    assert command("--search", "who pays late").code == 0  # the settings name the server: the search is the yes
    assert server.totals()["requests"] == 3


@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_a_search_of_an_index_that_lost_all_says_so_and_what_to_do(sample: Command, tmp_path: Path, how: str) -> None:
    command = copy(sample, tmp_path)
    folder = command.home / "demo" / "vectors"
    shutil.rmtree(folder)
    if how == "emptied":
        folder.mkdir()
    done = command("--demo", "--search", "who pays late", "--json")
    assert (done.code, done.out) == (2, "")
    assert "147 items should be in it; nothing was sent" in done.error
    assert "batch-manager --demo --verify --repair" in done.error
    command("--demo", "--verify", "--repair")
    assert command("--demo", "--search", "who pays late", "--json").json["results"]


# --verify


def test_verify_when_all_is_well(sample: Command) -> None:
    done = sample("--demo", "--verify", "--json")
    assert done.code == 0
    report = done.json
    assert report.pop("items") == [] and set(report.values()) == {0}
    assert {"missing", "orphaned", "outdated", "wrong_text", "wrong_model", "wrong_dimensions"} < set(report)
    assert "agree" in sample("--demo", "--verify").out


def test_a_lost_index_is_found_and_repaired_for_nothing(sample: Command, tmp_path: Path) -> None:
    command = copy(sample, tmp_path)
    shutil.rmtree(command.home / "demo" / "vectors")
    found = command("--demo", "--verify", "--json")
    assert found.code == 1 and found.json["missing"] > 100 and found.json["repaired"] == 0
    assert not (command.home / "demo" / "vectors").exists()
    mended = command("--demo", "--verify", "--repair", "--json")
    assert mended.code == 0 and mended.json["repaired"] == mended.json["missing"] == found.json["missing"]
    assert command("--demo", "--verify", "--json").json["missing"] == 0


def test_an_orphan_is_found_and_taken_out(sample: Command, tmp_path: Path) -> None:
    command = copy(sample, tmp_path)
    with sqlite3.connect(command.home / "demo" / "store.sqlite3") as store:
        store.execute("DELETE FROM item WHERE name = 'users' AND kind = 'table'")
    found = command("--demo", "--verify")
    assert found.code == 1 and "orphaned: table users" in found.out and "--repair" in found.err
    mended = command("--demo", "--verify", "--repair", "--json")
    assert (mended.code, mended.json["orphaned"], mended.json["repaired"]) == (0, 1, 1)
    assert command("--demo", "--verify").code == 0


# All of them


@pytest.mark.parametrize("action", [("--status",), ("--status", "--json"), ("--export", "-")], ids=" ".join)
def test_looking_changes_no_file(sample: Command, action: tuple[str, ...]) -> None:
    before = picture(sample.home)
    assert sample("--demo", *action).code == 0
    assert picture(sample.home) == before


@pytest.mark.parametrize("action", [("--search", "late payers"), ("--verify",)], ids=" ".join)
def test_asking_the_index_changes_no_file_of_ours(sample: Command, action: tuple[str, ...]) -> None:
    def ours() -> dict[str, tuple[int, int, str]]:
        # Chroma rewrites some files of its folder whenever it is opened, with what was in them.
        return {name: state for name, state in picture(sample.home).items() if not name.startswith("demo/vectors")}

    before = ours()
    assert sample("--demo", *action).code == 0
    assert ours() == before


def test_looking_works_while_another_process_writes(sample: Command, tmp_path: Path) -> None:
    command = copy(sample, tmp_path)
    from batch_manager.home import HomeLock

    with HomeLock(command.home / "demo"):
        for action in (("--status",), ("--estimate-costs",), ("--export", "-"), ("--search", "late payers")):
            assert command("--demo", *action).code == 0
        busy = command("--demo", "--batch-index", "--yes")
    assert (busy.code, busy.out) == (2, "")
    assert "process" in busy.error


# --check


def test_check_is_zero_when_all_is_well_and_one_when_something_is_pending_or_untrue(
    sample: Command, tmp_path: Path
) -> None:
    done = sample("--demo", "--check", "--json")
    assert done.code == 1, done.out  # the sample has an item or two that can't be sent, which are no index's fault
    assert (done.json["pending"], done.json["untrue"], done.json["fine"]) == (0, 0, False)
    command = copy(sample, tmp_path)
    with sqlite3.connect(command.home / "demo" / "store.sqlite3") as store:
        store.execute("UPDATE item SET stage = 'skipped' WHERE stage = 'failed'")
    done = command("--demo", "--check")
    assert (done.code, done.out) == (0, "All is indexed, and the index is true to the store.\n")
    with sqlite3.connect(command.home / "demo" / "store.sqlite3") as store:
        store.execute(
            "UPDATE item SET stage = 'pending' WHERE id IN (SELECT id FROM item WHERE stage = 'indexed' LIMIT 2)"
        )
    done = command("--demo", "--check")
    assert done.code == 1 and "pending  2  $0 to index" in done.out
    shutil.rmtree(command.home / "demo" / "vectors")
    done = command("--demo", "--check", "--json")
    assert done.code == 1 and done.json["pending"] == 2 and done.json["untrue"] == done.json["missing"] > 100


def test_a_job_that_watches_over_a_home_that_is_not_there_fails(command: Command) -> None:
    done = command("--check", "--json")
    assert (done.code, done.out) == (2, "") and not command.home.exists()
    assert f"{str(command.home)!r} holds no store" in done.error and "--home" in done.error
    command.home.mkdir()
    done = command("--check")
    assert done.code == 2 and "holds no store" in done.error and not list(command.home.iterdir())


def test_the_status_says_that_queries_are_in_no_bill(command: Command, server: RehearsalServer) -> None:
    said = "queries of searches are not in it"
    assert said not in command("--status").out
    command = command.but(OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY=PAYING_KEY)
    command("--import", "-", text=jsonl(*THREE))
    command("--batch-index", "--yes")
    assert said in command("--status").out
