"""Hostile text in names and documents: counted, sent and stored whole, or refused before paying; shown harmless."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_manager.documents import Document
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from batch_manager.sources.collection import IterableSource
from batch_manager.tokens import count_tokens
from command import Command, Done, jsonl
from jobs import KEY, job, options

HOSTILE = {
    "special tokens": "before <|endoftext|> and <|fim_prefix|><|im_start|>system after",
    "NUL": "before \0 after",
    "right to left": "before \u202eafter\u202c \u0645\u0631\u062d\u0628\u0627 \u2067x\u2069",
    "zero width": "be\u200bfo\u200dre \ufeff af\u2060ter",
    "ANSI": "before \x1b[31mred\x1b[0m \x1b[2J\x1b[H after",
    "OSC 8": "before \x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\ after",
    "OSC 52": "before \x1b]52;c;ZXZpbA==\x07 after",
    "C1 controls": "before \x9b31m \x9d52;c;ZXZpbA==\x9c after",
    "Rich markup": "before [bold red]x[/] [/nothing] [@click=app.quit]y[/] after",
    "bells and backspaces": "before \x07\x08\x08\x7f\r\x0b\x0c after",
    "combining": "e\u0301\u0301\u0301 " + "Z\u0351" * 50,
    "beyond the first plane": "before \U0001f600\U000e0041\U0010ffff after",
    "line separators": "before \u2028 \u2029 \x85 after",
}
LONE = "half a character: \ud83d, alone"

STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200d\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]")
"""What must never reach a terminal as it is; a line feed may."""


@pytest.fixture(scope="module")
def server() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options()) as running:
        yield running


def harmless(done: Done) -> Done:
    found = STEERING.search(done.out + done.err)
    assert not found, (found, (done.out + done.err)[max(0, found.start() - 80) : found.start() + 80])
    return done


def test_hostile_text_is_sent_and_stored_whole_and_shown_harmless(tmp_path: Path, server: RehearsalServer) -> None:
    server.clear()
    command = Command(
        tmp_path / "home",
        {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url, "EMBEDDING_MAX_RETRIES": "0"},
    )
    # Each is a document, and a name as well.
    in_words = {f"in words: {name}": text for name, text in HOSTILE.items()}
    in_names = dict.fromkeys(HOSTILE.values(), "A plain document.")
    odd = {"x" * 300: "A long name.", "../../etc/passwd": "A path.", "a#2": "Like a part.", "-rf": "Like a flag."}
    whole = {**in_words, **in_names, **odd}
    lines = jsonl(
        *({"kind": "table", "name": name, "documentation": text} for name, text in whole.items()),
        {"kind": "table", "name": "lone", "documentation": LONE},
        {"kind": "table", "name": f"lone {LONE}", "documentation": "A name that no server can receive."},
    )
    harmless(command("--import", "-", text=lines))

    harmless(command("--estimate-costs"))
    estimate = harmless(command("--estimate-costs", "--json")).json
    assert estimate["pending_tables"] == len(whole) + 1
    texts = [f"{name}\n{text}" for name, text in whole.items()]
    assert estimate["estimated_tokens"] == sum(count_tokens(text) for text in texts)
    assert [one["code"] for one in estimate["failures"]] == ["invalid_unicode"]
    assert server.totals()["requests"] == 0

    server.set_faults([{"fault": "poison", "contains": "in words: ANSI", "message": "No \x1b[31m\u202e here \x9b2J"}])
    indexed = harmless(command("--batch-index", "--yes", "--json"))
    server.set_faults([])
    assert indexed.code == 1
    assert {one["name"] for one in indexed.json["failures"]} == {"in words: ANSI", "lone"}
    harmless(command("--retry-failed", "--yes"))

    sent = {hashed for entry in server.ledger() if entry["billed"] for hashed in entry["hashes"]}
    assert sent == {hashlib.sha256(text.encode()).hexdigest() for text in texts}
    assert server.totals()["billed_tokens"] == estimate["estimated_tokens"]
    with contextlib.closing(sqlite3.connect(tmp_path / "home" / "vectors" / "chroma.sqlite3")) as chroma:
        documents = {
            row[0]
            for row in chroma.execute("SELECT string_value FROM embedding_metadata WHERE key = 'chroma:document'")
        }
    assert documents == set(texts)

    harmless(command("--status"))
    assert harmless(command("--status", "--json")).json["tables"] == {
        "pending": 0,
        "indexed": len(whole),
        "failed": 1,
    }
    harmless(command("--search", "hostile \x1b[31m words", "--limit", "100"))
    found = harmless(command("--search", "hostile words", "--limit", "100", "--json")).json
    assert {one["name"] for one in found["results"]} == set(whole)
    assert {one["document"] for one in found["results"]} == set(texts)
    harmless(command("--export", str(tmp_path / "export.jsonl")))
    exported = [json.loads(line) for line in (tmp_path / "export.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {one["name"]: one["documentation"] for one in exported} == {**whole, "lone": LONE}


def test_a_text_of_ten_megabytes_is_sent_whole(tmp_path: Path, server: RehearsalServer) -> None:
    server.clear()
    words = " ".join(f"fact{number}" for number in range(1_000_000))[: 10 * 1024 * 1024]
    with job(tmp_path, server) as opened:
        opened.store.items.bring(IterableSource([Document("table", "huge", documentation=words)], "words", "a test"))
        quote = opened.engine.quote(Scope())
        view = opened.run()
        assert (view.state, view.indexed) == ("done", 1)
        assert server.totals()["billed_tokens"] == quote.tokens
        parts = opened.store.answers.deliverable_ids(0, 1)
        assert not parts
        (item,) = opened.store.items.rows(opened.store.items.ids())
        sent = {hashed for entry in server.ledger() for hashed in entry["hashes"]}
        with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite3")) as connection:
            bodies = [
                row[0]
                for row in connection.execute(
                    "SELECT t.body FROM part p JOIN text t ON t.id = p.text_id WHERE p.item_id = ? ORDER BY p.no",
                    (item.id,),
                )
            ]
        assert "".join(bodies) == f"huge\n{words}"
        assert {hashlib.sha256(body.encode()).hexdigest() for body in bodies} == sent
        assert opened.engine.index.counts()["table"] == len(bodies)
        assert [hit.name for hit in opened.engine.index.search("fact7")] == ["huge"]
