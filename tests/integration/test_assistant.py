"""--mcp: the SDK's own client over stdio, against the real command."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from mcp import Client, StdioServerParameters, stdio_client

from batch_manager.cli import main
from batch_manager.cli.actions import mcp as action
from batch_manager.rehearsal import RehearsalServer
from command import THREE, Command, jsonl
from jobs import KEY, options


@pytest.fixture(scope="module")
def server() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options()) as server:
        yield server


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A home with three documents, indexed by the local model."""
    command = Command(tmp_path_factory.mktemp("local") / "home", {"EMBEDDING_PROVIDER": "local"})
    command("--import", "-", text=jsonl(*THREE))
    assert command("--batch-index", "--yes").code == 0
    return command


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory, server: RehearsalServer) -> Command:
    """The same over HTTP."""
    environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
    command = Command(tmp_path_factory.mktemp("paid") / "home", environment)
    command("--import", "-", text=jsonl(*THREE))
    assert command("--batch-index", "--yes").code == 0
    return command


@contextlib.asynccontextmanager
async def session(command: Command, *arguments: str) -> AsyncIterator[Client]:
    """A client of the command's server."""
    program, *rest = command.line("--mcp", *arguments)
    parameters = StdioServerParameters(command=program, args=rest, env=command.env(), cwd=command.folder)
    async with Client(stdio_client(parameters), read_timeout_seconds=60) as client:
        yield client


async def ask(client: Client, tool: str, **arguments: Any) -> Any:
    """The answer of a tool as data; a refusal as its words."""
    result = await client.call_tool(tool, arguments)
    words = "".join(one.text for one in result.content if one.type == "text")
    if result.is_error:
        return words
    assert result.structured_content == json.loads(words)
    return result.structured_content


async def test_an_assistant_searches_and_describes(local: Command) -> None:
    async with session(local) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"search_documentation", "describe_table"}
        assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in tools.values())

        found = await ask(client, "search_documentation", query="what was bought, and paid", kind="table", limit=1)
        assert [(one["kind"], one["name"]) for one in found["results"]] == [("table", "orders")]
        assert found["results"][0]["document"].endswith("What customers bought, and when they paid.")
        assert found["spent_usd"] == 0

        told = await ask(client, "describe_table", name="orders")
        assert told["status"] == "indexed" and told["documented"]["documentation"].startswith("What customers bought")
        assert [(one["name"], one["from"], one["to"]) for one in told["relationships"]] == [
            ("users_orders_fk", "orders", "users")
        ]
        for arguments, words in (
            ({"name": "order"}, "There is no table 'order'. Names like it: orders."),
            ({"name": "zzz"}, "There is no table 'zzz'. Search for"),
        ):
            assert words in await ask(client, "describe_table", **arguments)
        assert "There is: none at all" in await ask(client, "search_documentation", query="buy", schema_name="hr")
        assert "The query is empty" in await ask(client, "search_documentation", query=" ")


async def test_a_session_sees_what_others_index_meanwhile(local: Command) -> None:
    async with session(local) as client:
        assert (await ask(client, "search_documentation", query="vans", kind="table"))["results"]
        late = {"kind": "table", "name": "vans", "documentation": "Cars of the technicians."}
        local("--import", "-", text=jsonl(late))
        assert (await ask(client, "describe_table", name="vans"))["status"] == "pending"
        assert local("--batch-index", "--yes").code == 0
        found = await ask(client, "search_documentation", query="vans of the technicians", kind="table", limit=1)
        assert [one["name"] for one in found["results"]] == ["vans"]


async def test_queries_stay_under_the_cap_together(paid: Command, server: RehearsalServer) -> None:
    sent = server.totals()["requests"]
    async with session(paid, "--max-cost", "0.00000013") as client:
        # Three tokens at $0.02 a million: $0.00000006 each; what was asked before costs nothing again.
        for number, query in ((1, "who pays late"), (1, "who pays late"), (2, "who pays now")):
            found = await ask(client, "search_documentation", query=query)
            assert found["spent_usd"] == pytest.approx(number * 6e-8)
        refused = await ask(client, "search_documentation", query="who pays first")
        assert "cap of $0.00000013 is spent; it was not sent" in refused
        assert (await ask(client, "describe_table", name="users"))["name"] == "users"
    assert server.totals()["requests"] == sent + 2


async def test_a_query_leaves_the_machine_under_the_local_model_only_with_a_cap_from_a_person(
    paid: Command, server: RehearsalServer
) -> None:
    sent = server.totals()["requests"]
    local = paid.but(EMBEDDING_PROVIDER="local")
    async with session(local) as client:
        refused = await ask(client, "search_documentation", query="who pays late")
        assert "nothing was sent" in refused and "text-embedding-3-small" in refused
    assert server.totals()["requests"] == sent
    async with session(local, "--max-cost", "0.001") as client:
        assert (await ask(client, "search_documentation", query="who pays late"))["results"]
    assert server.totals()["requests"] == sent + 1


def test_stdout_carries_the_protocol_and_nothing_else(local: Command) -> None:
    asked = [
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "a test", "version": "1"},
            },
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "search_documentation", "arguments": {"query": "who pays late"}},
        },
    ]
    process = local.but(LOG_LEVEL="DEBUG").start("--mcp", piped=True)
    assert process.stdin is not None and process.stdout is not None
    lines = []
    for message in asked:
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()
        if "id" in message:
            lines.append(json.loads(process.stdout.readline()))
    rest, log = process.communicate(timeout=60)
    assert [one["id"] for one in lines] == [1, 2] and rest == b""
    assert process.returncode == 0
    assert b"cost $0.01 at most" in log and b"Traceback" not in log


def test_without_the_sdk_the_extra_is_named(
    local: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(action, "find_spec", lambda _: None)
    assert main(["--mcp", "--home", str(local.home)]) == 2
    told = capsys.readouterr()
    assert told.out == "" and "python -m pip install 'batch-manager[mcp]'" in told.err


async def test_without_a_key_tables_are_described_and_a_search_says_what_is_missing(paid: Command) -> None:
    keyless = Command(paid.home, {"OPENAI_BASE_URL": paid.environment["OPENAI_BASE_URL"]})
    async with session(keyless) as client:
        assert (await ask(client, "describe_table", name="users"))["name"] == "users"
        assert "No OPENAI_API_KEY is set" in await ask(client, "search_documentation", query="who pays late")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--json",), "stdout carries the protocol"),
        (("--search", "x"), "exactly one"),
        (("--yes",), "no question"),
        (("--limit", "3"), "only a search"),
    ],
)
def test_what_makes_no_sense_with_it_is_refused(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--mcp", *arguments]) == 2
    assert words in capsys.readouterr().err
