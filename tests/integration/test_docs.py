"""The documentation, done: its commands are run in order as they stand, and what they show is held against it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters, stdio_client

from batch_manager import sample
from batch_manager.cli.flags import read_flags
from batch_manager.rehearsal import RehearsalServer
from jobs import options
from servers import free_port

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TUTORIAL, HOW_TO = ROOT / "docs" / "tutorial.md", ROOT / "docs" / "how-to"
END = "== end of"

pytestmark = pytest.mark.timeout(300)  # a page is a dozen calls


@dataclass
class Step:
    """A line that is typed, and the lines that are shown below it, in part and with … for what may vary."""

    typed: str
    shown: list[str] = field(default_factory=list)


def steps(page: Path) -> list[Step]:
    """All of a page's `console` blocks."""
    found: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Step(line[2:]))
            else:
                found[-1].shown.append(line)
    return found


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell in an empty folder, with the command on its path and a home of its own."""
    binaries, work = tmp_path / "bin", tmp_path / "work"
    binaries.mkdir()
    work.mkdir()
    program = binaries / "batch-manager"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m batch_manager "$@"\n')
    program.chmod(0o755)
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    environment = {
        **kept,
        "PATH": f"{binaries}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "BATCH_MANAGER_HOME": str(tmp_path / "home"),
    }
    return Shell(work, environment)


@dataclass
class Shell:
    """Runs what a page says."""

    folder: Path
    environment: dict[str, str]

    def run(self, script: str) -> tuple[int, str]:
        """Run a script with no terminal; its exit code and what it wrote, stderr included."""
        done = subprocess.run(
            ["bash", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env=self.environment,
            timeout=280,
        )
        return done.returncode, done.stdout.decode()

    def follow(self, page: Path, **instead: str) -> None:
        """Type all of a page, in one shell, and hold what it shows against what is written there."""
        typed = steps(page)
        assert typed
        lines = ["code=0"]
        for number, step in enumerate(typed):
            # Each line finds the exit code of the one before, as at a prompt.
            line = step.typed
            for old, new in instead.items():
                line = line.replace(old, new)
            lines += [f"(exit $code); {line}", f'code=$?; echo "{END} {number}"']
        _, out = self.run("\n".join(lines))
        for number, step in enumerate(typed):
            part, _, out = out.partition(f"{END} {number}\n")
            assert_shown(step, part)

    def bring_sample(self) -> None:
        """The sample's files, as the how-tos call them, and the local model."""
        self.environment["EMBEDDING_PROVIDER"] = "local"
        sample.create_database(self.folder / "shop.db")
        lines = "\n".join(sample.documentation_lines())
        (self.folder / "documentation.jsonl").write_text(lines)


def assert_shown(step: Step, out: str) -> None:
    rest = (" ".join(line.split()) for line in out.splitlines())
    for line in step.shown:
        pattern = ".*".join(re.escape(part) for part in " ".join(line.split()).split("…"))
        assert any(re.fullmatch(pattern, one) for one in rest), f"$ {step.typed}\n{line}\nis not in\n{out}"


def test_the_tutorial(shell: Shell) -> None:
    shell.follow(TUTORIAL)


def test_ten_thousand_tables(shell: Shell) -> None:
    shell.bring_sample()
    del shell.environment["EMBEDDING_PROVIDER"]
    with RehearsalServer.start(options()) as server:
        shell.environment |= {"OPENAI_BASE_URL": server.base_url}
        shell.follow(HOW_TO / "ten-thousand-tables.md", **{"KEY=…": "KEY=sk-test", "0.50": "0.50 --yes"})


def test_a_rate_limited_key(shell: Shell) -> None:
    shell.bring_sample()
    shell.run("batch-manager --import documentation.jsonl")
    shell.follow(HOW_TO / "rate-limited-key.md")
    _, status = shell.run("batch-manager --status --json")
    assert json.loads(status)["tables"]["indexed"] > 50


def test_a_server_of_your_own(shell: Shell, tmp_path: Path) -> None:
    shell.bring_sample()
    del shell.environment["EMBEDDING_PROVIDER"]
    with (
        RehearsalServer.start(options(extra_models={"house-model": 384}, key="none-needed")) as server,
        chroma(tmp_path / "chroma") as url,
    ):
        shell.follow(
            HOW_TO / "a-server-of-your-own.md",
            **{"http://localhost:8080/v1": server.base_url, "http://localhost:8000": url},
        )
        _, status = shell.run(f"CHROMA_URL={url} OPENAI_EMBEDDING_MODEL=house-model batch-manager --status --json")
    assert json.loads(status)["vectors"]["tables"] > 50


def test_several_databases(shell: Shell) -> None:
    (shell.folder / "new").mkdir()
    for name, own in (("shop.db", "carts"), ("new/shop.db", "carts"), ("crm.db", "leads")):
        with contextlib.closing(sqlite3.connect(shell.folder / name)) as database:
            database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)")
            database.execute(f"CREATE TABLE {own} (id INTEGER PRIMARY KEY)")
    shell.follow(HOW_TO / "several-databases.md")


def test_another_model(shell: Shell) -> None:
    shell.bring_sample()
    del shell.environment["EMBEDDING_PROVIDER"]
    with RehearsalServer.start(options()) as server:
        shell.environment |= {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.base_url}
        shell.run("batch-manager --import documentation.jsonl; batch-manager --batch-index --yes")
        shell.follow(HOW_TO / "another-model.md")
        assert {one["model"] for one in server.ledger()} == {"text-embedding-3-small", "text-embedding-3-large"}
        _, status = shell.run("OPENAI_EMBEDDING_DIMENSIONS=512 batch-manager --status --json")
    assert [(one["dimensions"], one["state"]) for one in json.loads(status)["indexes"]] == [
        (1536, "kept"),
        (512, "serving"),
    ]


def test_half_the_price(shell: Shell) -> None:
    shell.follow(HOW_TO / "half-price.md")


def test_the_nightly_job(shell: Shell) -> None:
    shell.bring_sample()
    page = (HOW_TO / "ci-job-under-a-cap.md").read_text()
    script, check = re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    job = script.replace("/var/lib/batch-manager", shell.environment["BATCH_MANAGER_HOME"])
    for night in range(2):
        code, out = shell.run(f"set -eu\n{job}")
        assert code == (0 if night else 1), out  # a failed item isn't tried again unasked
        result = json.loads((shell.folder / "result.json").read_text())
        assert len(result["table_processing_results"]) == (0 if night else 64)
    code, out = shell.run(check)
    checked = json.loads((shell.folder / "check.json").read_text())
    assert code == 1 and (checked["pending"], checked["untrue"]) == (0, 0) and checked["failed"] == 3, out
    # A wrong URL looks like all tables gone: the job ends with 3, and changes nothing.
    (shell.folder / "shop.db").unlink()
    with contextlib.closing(sqlite3.connect(shell.folder / "shop.db")) as other:
        other.execute("CREATE TABLE other (id INTEGER)")
    code, out = shell.run(job)
    assert code == 3 and "--yes" in out


async def test_an_assistant(shell: Shell) -> None:
    page = HOW_TO / "search-from-an-assistant.md"
    shell.follow(page)
    block = re.search(r"^```json\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    assert block
    [told] = json.loads(block[1])["mcpServers"].values()
    environment = {**shell.environment, **told["env"]}
    program = shutil.which(told["command"], path=environment["PATH"]) or ""
    parameters = StdioServerParameters(command=program, args=told["args"], env=environment, cwd=shell.folder)
    async with Client(stdio_client(parameters), read_timeout_seconds=60) as client:
        for tool, arguments in (("search_documentation", {"query": "x"}), ("describe_table", {"name": "orders"})):
            assert tool in page.read_text()
            assert not (await client.call_tool(tool, arguments)).is_error


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_call_that_is_shown_makes_sense(page: Path) -> None:
    for line in re.findall(r"^(?:    |\$ |.*&& )?\.?[\w./]*batch-manager (-.*)$", page.read_text(), re.MULTILINE):
        call = re.split(r"\s#|[|>;]| \|\| | && ", line)[0]
        if "--help" not in call:
            read_flags(shlex.split(call))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]*)(?:#[\w-]+)?\)", page.read_text()):
        if target and "://" not in target:
            assert (page.parent / target).exists(), target


@contextlib.contextmanager
def chroma(folder: Path) -> Iterator[str]:
    """`chroma run` on loopback."""
    port = free_port()
    command = [sys.executable, "-c", "from chromadb.cli.cli import app; app()", "run", "--path", str(folder)]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        for _ in range(600):
            try:
                opener.open(f"{url}/api/v2/heartbeat", timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)
