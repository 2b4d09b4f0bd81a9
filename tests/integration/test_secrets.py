"""The key, and passwords in URLs, appear nowhere; a document goes to the host that was shown and to no other."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from batch_manager.errors import BatchManagerError
from batch_manager.rehearsal import RehearsalServer
from batch_manager.settings import load_settings
from command import THREE, Command, Done, jsonl, tables
from jobs import job, options

KEY = "sk-proj-Zq7Xw2Lm9Rt4Vb8Nc3Kd6Hf1"
PASSWORD = "Tr0ub4dor-and-3"
SECRETS = (KEY, KEY[8:], KEY[-12:], PASSWORD)


@pytest.fixture(scope="module")
def server() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options()) as running:
        yield running


@pytest.fixture
def command(tmp_path: Path, server: RehearsalServer) -> Command:
    server.set_options(faults=[], latency_ms=0)
    server.clear()
    return Command(
        tmp_path / "home",
        {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": server.base_url,
            "DATABASE_URL": f"postgresql://someone:{PASSWORD}@127.0.0.1:9/shop",
            "EMBEDDING_MAX_RETRIES": "0",
            "LOG_LEVEL": "DEBUG",
        },
    )


def leaks(*places: bytes | str | Path) -> list[str]:
    """Where a secret is found: in words, or in any file under a folder."""
    found = []
    for place in places:
        if isinstance(place, Path):
            contents = [(str(file), file.read_bytes()) for file in place.rglob("*") if file.is_file()]
        else:
            contents = [("words", place if isinstance(place, bytes) else place.encode())]
        found += [
            f"{name}: {content[max(0, content.find(secret.encode()) - 60) :][:160]!r}"
            for name, content in contents
            for secret in SECRETS
            if secret.encode() in content
        ]
    return found


def clean(command: Command, done: Done) -> Done:
    assert not leaks(done.out, done.err, command.home), leaks(done.out, done.err, command.home)
    return done


ECHO = f"Incorrect API key provided: {KEY}. You can find your key ({KEY[:11]}...{KEY[-4:]}) at {KEY[-16:]}."


def test_no_call_leaves_a_secret_behind(command: Command, server: RehearsalServer) -> None:
    clean(command, command("--import", "-", text=jsonl(*THREE)))
    clean(command, command("--estimate-costs"))
    assert clean(command, command("--scan")).code == 2  # nobody listens there, and the error names the address
    server.set_faults([{"fault": "status", "status": 401, "code": "invalid_api_key", "message": ECHO}])
    refused = clean(command, command("--batch-index", "--yes"))
    assert refused.code == 4
    assert "Incorrect API key" in refused.err
    clean(command, command("--search", "people"))
    server.set_faults([{"fault": "status", "status": 400, "message": ECHO}])
    failed = clean(command, command("--batch-index", "--yes", "--json"))
    assert failed.code == 1 and len(failed.json["failures"]) == 3
    server.set_faults([{"fault": "reset", "at": [1]}])
    with_password = command.but(OPENAI_BASE_URL=server.base_url.replace("//", f"//someone:{PASSWORD}@"))
    clean(command, with_password("--retry-failed", "--yes"))  # goes with the user and password instead of the key
    assert clean(command, command("--retry-failed", "--yes", "--max-retries", "2")).code == 0
    assert clean(command, command("--search", "people")).code == 0
    clean(command, command("--scan", f"mysql://someone:{PASSWORD}@127.0.0.1:9/shop"))
    broken = command.but(OPENAI_BASE_URL=f"ftp://someone:{PASSWORD}@host/v1")
    assert clean(command, broken("--status")).code == 2
    chroma = command.but(CHROMA_URL=f"http://someone:{PASSWORD}@127.0.0.1:9")
    clean(command, chroma("--status"))
    clean(command, chroma("--rebuild-indexes", "--yes"))
    log = (command.home / "batch-manager.log").read_text(encoding="utf-8")
    assert len(log.splitlines()) > 20, "the log at DEBUG is what is searched here"


def test_a_crash_of_the_program_shows_no_secret(command: Command, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'batch_manager.engine':\n"
        "            import os\n"
        "            said = os.environ['OPENAI_API_KEY'] + ' ' + os.environ['DATABASE_URL']\n"
        "            raise RuntimeError('broken with ' + said)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    paths = ":".join([str(broken), *filter(None, [command.env().get("PYTHONPATH")])])
    done = clean(command, command.but(PYTHONPATH=paths)("--status"))
    assert done.code == 2
    assert "RuntimeError" in done.err


@pytest.mark.cold
def test_nothing_secret_is_in_the_process_list(command: Command, server: RehearsalServer) -> None:
    server.set_options(latency_ms=400)
    command("--import", "-", text=tables(40))
    process = command.start("--batch-index", "--yes", "--batch-size", "5")
    try:
        seen: dict[int, str] = {}
        workers: set[int] = set()
        while process.poll() is None and server.totals()["requests"] < 8:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for one in family:
                with contextlib.suppress(psutil.Error):  # one that is just ending
                    seen[one.pid] = " ".join([one.name(), *one.cmdline()])
                    if "vectors.worker" in seen[one.pid]:  # Chroma's process has no use for a key
                        given = " ".join(f"{name}={value}" for name, value in one.environ().items())
                        assert not leaks(given)
                        workers.add(one.pid)
    finally:
        process.communicate(timeout=60)
    assert workers
    assert not leaks(*seen.values())


def test_the_python_api_shows_no_secret(tmp_path: Path, server: RehearsalServer) -> None:
    secret_urls = {
        "DATABASE_URL": f"postgresql://someone:{PASSWORD}@127.0.0.1:9/shop",
        "OPENAI_BASE_URL": server.base_url.replace("//", f"//someone:{PASSWORD}@"),
        "CHROMA_URL": f"http://someone:{PASSWORD}@127.0.0.1:9",
    }
    settings = load_settings({**secret_urls, "OPENAI_API_KEY": KEY}, environment={}, folder=tmp_path)
    assert not leaks(repr(settings), str(settings), settings.host, settings.server)
    assert not leaks(repr(dataclasses.replace(settings, home=tmp_path)))

    server.set_options(latency_ms=0)
    server.set_faults([{"fault": "status", "status": 401, "code": "invalid_api_key", "message": ECHO}])
    with job(tmp_path / "home", server, OPENAI_API_KEY=KEY, EMBEDDING_MAX_RETRIES=0) as opened:
        opened.bring(3)
        listener = opened.engine.subscribe()
        view = opened.run()
        assert view.code == "invalid_api_key"
        assert not leaks(repr(view), repr(listener.drain()), repr(opened.engine.results()))
        try:
            opened.engine.index.search("people")
        except BatchManagerError as error:
            assert not leaks("".join(traceback.format_exception(error)), repr(error), repr(vars(error)))
        else:
            raise AssertionError("the server refuses")
    assert not leaks(tmp_path / "home")
    server.set_faults([])


# A server's address that comes with the folder


def _lure(command: Command, server: RehearsalServer) -> Command:
    """A folder whose `.env` names a server, and a key from the environment."""
    (command.folder / ".env").write_text(f"OPENAI_BASE_URL={server.base_url}\n")
    return Command(command.home, {"OPENAI_API_KEY": KEY})


def test_an_address_from_the_folders_env_gets_no_key_unasked(command: Command, server: RehearsalServer) -> None:
    lured = _lure(command, server)
    lured("--import", "-", text=jsonl(*THREE))
    for action in (("--batch-index", "--yes"), ("--batch-index",)):
        done = lured(*action)
        assert done.code == 3, done.err
        assert "127.0.0.1" in done.error and ".env" in done.error and "--trust-dotenv" in done.error
    assert server.totals()["requests"] == 0
    assert lured("--batch-index", "--yes", "--trust-dotenv").code == 0
    sent = server.totals()["requests"]
    assert sent == 1
    assert lured("--search", "people").code == 3
    assert server.totals()["requests"] == sent
    assert lured("--search", "people", "--trust-dotenv").code == 0


def test_an_address_from_the_folders_env_is_named_in_the_question(command: Command, server: RehearsalServer) -> None:
    lured = _lure(command, server)
    lured("--import", "-", text=jsonl(*THREE))
    with lured.at_terminal("--batch-index") as terminal:
        terminal.wait_for("[y/h/N]")
        assert "CAREFUL" in terminal.seen and ".env" in terminal.seen and "127.0.0.1" in terminal.seen
        terminal.type(b"n\n")
        assert terminal.end().code == 3
    assert server.totals()["requests"] == 0


def test_an_env_with_its_own_key_is_nobodys_lure(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_BASE_URL=https://embeddings.example/v1\n")
    assert load_settings({}, environment={"OPENAI_API_KEY": KEY}, folder=tmp_path).lure
    with (tmp_path / ".env").open("a") as file:
        file.write(f"OPENAI_API_KEY={KEY}\n")
    assert not load_settings({}, environment={}, folder=tmp_path).lure


# Telemetry

WATCHER = """
import os, socket, sys
def watched(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        with open(os.environ["WATCHED"], "a") as file:
            file.write(f"{event} {args[1:] if event in ('socket.connect', 'socket.sendto') else args}\\n")
sys.addaudithook(watched)
"""


def test_no_library_calls_anybody(tmp_path: Path) -> None:
    watcher = tmp_path / "watcher"
    watcher.mkdir()
    (watcher / "sitecustomize.py").write_text(WATCHER)
    log = tmp_path / "sockets"
    command = Command(tmp_path / "home")
    paths = ":".join([str(watcher), *filter(None, [command.env().get("PYTHONPATH")])])
    watched = command.but(PYTHONPATH=paths, WATCHED=str(log))

    program = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    subprocess.run([sys.executable, "-c", program], env=watched.env(), capture_output=True)
    assert "('127.0.0.1', 9)" in log.read_text(), "the watcher watches"
    log.unlink()

    assert watched("--demo", "--batch-index", "--yes").code == 1  # the sample has empty documents
    assert watched("--demo", "--search", "people").code == 0
    assert not log.exists(), log.read_text()
    # The rehearsal of the OpenAI path talks to the server that it has started, and to nobody else.
    assert watched("--demo", "--rehearse", "--batch-index", "--yes", "--json").code == 1
    calls = log.read_text().splitlines()
    assert calls
    assert not [call for call in calls if "127.0.0.1" not in call and "localhost" not in call], calls
