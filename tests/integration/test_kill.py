"""The real command, killed at random instants and started again until done: nothing is lost, nothing paid twice.

The suite runs a short version. The whole proof (200 kills over runs of 2,000 items):

    KILLS=200 KILL_ITEMS=2000 python -m pytest -p no:xdist tests/integration/test_kill.py
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch_manager.rehearsal import RehearsalOptions, RehearsalServer, expected_vector
from batch_manager.settings import load_settings
from batch_manager.store import DocumentationStore

KILLS = int(os.environ.get("KILLS", "6"))
ITEMS = int(os.environ.get("KILL_ITEMS", "300"))
SEED = int(os.environ.get("KILL_SEED", "7"))
BATCH, CONCURRENCY = 20, 4
MODEL = "text-embedding-3-small"
POISON = "case 17 of"


def environment(home: Path, server: RehearsalServer) -> dict[str, str]:
    return {
        **os.environ,
        "BATCH_MANAGER_HOME": str(home),
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": server.base_url,
        "EMBEDDING_BATCH_SIZE": str(BATCH),
        "EMBEDDING_CONCURRENCY": str(CONCURRENCY),
    }


def command(home: Path, server: RehearsalServer, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "batch_manager", *flags],
        env=environment(home, server),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def documents(round_number: int) -> str:
    lines: list[dict[str, Any]] = [
        {
            "kind": "table" if number % 3 else "relationship",
            "name": f"item_{number}",
            "documentation": f"Round {round_number}: what the business knows, case {number} of many.",
        }
        for number in range(ITEMS)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.mark.timeout(120 + 20 * KILLS)
def test_kill_at_random_instants_loses_nothing_and_pays_once(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    options = RehearsalOptions(
        seed=7,
        latency_ms=60,
        latency_jitter_ms=40,
        rate_headers=False,
        requests_per_minute=None,
        tokens_per_minute=None,
    )
    with RehearsalServer.start(options) as server:
        server.set_faults([{"fault": "poison", "contains": POISON}, {"fault": "overloaded", "rate": 0.03}])
        kills = rounds = 0
        while kills < KILLS:
            rounds += 1
            home = tmp_path / f"round-{rounds}"
            home.mkdir()
            server.clear()
            code, _, err = finished(_import(home, server, documents(rounds)))
            assert code == 0, err
            in_this_round = 0
            while True:
                process = command(home, server, "--batch-index", "--yes", "--json")
                if kills < KILLS and in_this_round < 40:
                    try:
                        process.wait(timeout=chance.uniform(0.2, 5.0))
                    except subprocess.TimeoutExpired:
                        process.send_signal(signal.SIGKILL)
                        process.communicate()
                        kills += 1
                        in_this_round += 1
                        continue
                code, out, err = finished(process)
                assert code in (0, 1), (code, out, err)
                break
            _compare(home, server, rounds, in_this_round)


def _import(home: Path, server: RehearsalServer, lines: str) -> subprocess.Popen[str]:
    path = home / "documents.jsonl"
    path.write_text(lines, encoding="utf-8")
    return command(home, server, "--import", str(path))


def _compare(home: Path, server: RehearsalServer, round_number: int, kills: int) -> None:
    store = DocumentationStore.look(load_settings({"BATCH_MANAGER_HOME": str(home)}, environment={}, folder=home))
    counts = store.items.counts()
    assert counts.total("pending") == 0
    assert counts.total() == ITEMS
    assert [row.name for row in store.items.failures()] == (["item_17"] if ITEMS > 17 else [])
    assert all(row.code and row.message for row in store.items.failures())

    ledger = [entry for entry in server.ledger() if entry["billed"]]
    # At most the whole set once, plus what was in flight at each kill.
    sent_twice = sum(entry["inputs"] for entry in ledger) - (ITEMS - 1)
    assert sent_twice <= kills * CONCURRENCY * BATCH
    assert store.ledger.billed_tokens() <= sum(entry["billed_tokens"] for entry in ledger)

    import chromadb

    client = chromadb.PersistentClient(str(home / "vectors"))
    for kind, collection in (("table", "tables"), ("relationship", "relationships")):
        rows = client.get_collection(collection).get(include=["embeddings", "documents", "metadatas"])
        assert len(rows["ids"]) == counts.of(kind, "indexed")  # type: ignore[arg-type]
        for index in range(0, len(rows["ids"]), 7):
            expected = expected_vector(rows["documents"][index], MODEL, 1536, 7)
            # Chroma normalises once more in cosine space, which may turn a number's last bit.
            found = np.asarray(rows["embeddings"][index], dtype="<f4")
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
        indexed = {
            row.name for row in store.items.rows(store.items.ids()) if (row.kind, row.status) == (kind, "indexed")
        }
        assert {metadata["name"] for metadata in rows["metadatas"]} == indexed
        assert all(f"Round {round_number}:" in document for document in rows["documents"])
    store.close()
