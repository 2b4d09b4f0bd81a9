"""A kill at each step of a change of the index: one of both indexes can be searched, and nothing is paid twice."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batch_manager.documents import Document
from batch_manager.engine import Engine
from batch_manager.errors import UsageError
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore
from batch_manager.workspace import Workspace
from command import Command
from jobs import KEY, job, options, settings_for

OLD = {"OPENAI_EMBEDDING_DIMENSIONS": "8"}
NEW = {"OPENAI_EMBEDDING_MODEL": "text-embedding-3-large", "OPENAI_EMBEDDING_DIMENSIONS": "12"}
ITEMS = 7

ENDS_ITSELF = '''
"""Loaded by Python at its start: the process and its parent or child end at the named step, as by a power cut."""
import os, signal

def end():
    if os.environ.get("KILL_IN") == "chroma":
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)

def patch(owner, name, when, at):
    original, calls = getattr(owner, name), [0]
    def patched(*given, **named):
        calls[0] += 1
        if calls[0] == at and when == "before":
            end()
        result = original(*given, **named)
        if calls[0] == at and when == "after":
            end()
        return result
    setattr(owner, name, patched)

step = os.environ.get("KILL_AT")
if step:
    name, when, at = step.split()
    from batch_manager.store.answers import Answers
    from batch_manager.store.generations import Generations
    from batch_manager.vectors import names
    owner = next(one for one in (Generations, Answers, names) if hasattr(one, name))
    patch(owner, name, when, int(at))
'''

STEPS = [
    ("begin", "after", 1, "building"),  # the yes is not written down yet: the transaction goes with the process
    ("mark_indexed", "before", 1, "building"),  # in Chroma, not marked
    ("begin_swap", "after", 1, "swapping"),
    ("rename", "after", 1, "swapping"),  # no `tables` at this instant
    ("rename", "after", 2, "swapping"),  # the new tables, the old relationships
    ("rename", "before", 4, "swapping"),  # no `relationships`
    ("end_swap", "before", 1, "swapping"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options()) as running:
        yield running


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, server: RehearsalServer) -> Path:
    """A home whose index is of the old size."""
    home = tmp_path_factory.mktemp("built")
    with job(home, server, **OLD) as old:
        old.bring(ITEMS - 1)
        relationship = Document(
            "relationship", "one_to_other", documentation="Joins case 1 and 2.", tables=("table_1", "table_2")
        )
        old.store.items.bring(IterableSource([relationship], "words", "a test"))
        assert old.run().indexed == ITEMS
    return home


@pytest.mark.parametrize(("name", "when", "at", "state"), STEPS, ids=lambda one: str(one))
def test_a_kill_at_each_step(
    tmp_path: Path, built: Path, server: RehearsalServer, name: str, when: str, at: int, state: str
) -> None:
    home, hooks = tmp_path / "home", tmp_path / "hooks"
    shutil.copytree(built, home)
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(ENDS_ITSELF)
    server.clear()
    command = Command(
        home,
        {
            **NEW,
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": server.base_url,
            "KILL_AT": f"{name} {when} {at}",
            "KILL_IN": "chroma" if name == "rename" else "",
            "PYTHONPATH": os.pathsep.join([str(hooks), os.environ.get("PYTHONPATH", "")]),
        },
    )
    assert command("--batch-index", "--yes").code == -signal.SIGKILL

    settings = settings_for(home, server.base_url, **NEW)
    with DocumentationStore.look(settings) as store, closing(Engine(settings, store)) as reader:
        beside = store.generations.beside()
        half_done = beside is not None and beside.state == "swapping"
        assert half_done == (state == "swapping")
        if half_done:
            with pytest.raises(UsageError, match="broken off in its last step"):
                reader.index.search("case 1 of many")
        else:
            assert len(reader.index.search("case 1 of many")) == ITEMS
    with Workspace.open(settings, on_trouble="stop") as workspace:
        if half_done:  # finished by whoever opens the home for work next
            assert workspace.store.generations.beside() is None
        assert len(workspace.engine.index.search("case 1 of many")) == ITEMS
        quote = workspace.engine.quote(Scope())
        assert quote.nothing_to_do == (state != "building")
        if not quote.nothing_to_do:
            workspace.engine.start(quote)
            assert workspace.engine.wait(60).state == "done"
        assert [one.state for one in workspace.store.generations.all()] == ["kept", "serving"]
        assert workspace.engine.index.verify().found == 0
        assert workspace.engine.index.counts() == {"table": ITEMS - 1, "relationship": 1}
        assert workspace.store.ledger.held() == 0
    documents = sum(one["inputs"] for one in server.ledger() if one["billed"] and one["inputs"] > 1)
    assert documents == ITEMS  # each text once; a search sends one input
