"""--trim forgets what no item has a use for, and asks first; a scan's plan tells what is gone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from command import Command, jsonl


def local(tmp_path: Path) -> Command:
    return Command(tmp_path / "home", {"EMBEDDING_PROVIDER": "local"})


def test_answers_of_changed_texts_are_forgotten_after_a_yes(tmp_path: Path) -> None:
    command = local(tmp_path)
    for words in ("First words.", "Other words."):
        brought = command("--import", "-", text=jsonl({"kind": "table", "name": "users", "documentation": words}))
        assert brought.code == 0, brought.err
        assert command("--batch-index", "--yes").code == 0
    refused = command("--trim")
    assert refused.code == 3
    assert "--yes" in refused.error
    done = command("--trim", "--yes", "--json")
    assert (done.code, done.json) == (0, {"trimmed": 1, "bytes": 1024})
    assert command("--trim", "--json").json == {"trimmed": 0, "bytes": 0}
    assert "kept   1 answer," in command("--status").out


def test_a_scan_says_what_is_gone_and_what_the_rest_costs(tmp_path: Path) -> None:
    command = local(tmp_path)
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    for name in "abcde":
        connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY)")
    connection.commit()
    url = f"sqlite:///{path}"
    scanned = command("--scan", url)
    assert (scanned.code, scanned.out.splitlines()[0]) == (0, "5 new · 0 changed · 0 unchanged")
    assert scanned.out.splitlines()[1:6] == [f"  + table {name}" for name in "abcde"]
    assert scanned.out.splitlines()[6].startswith("5 pending: ")
    assert command("--batch-index", "--yes").code == 0

    connection.execute("DROP TABLE e")
    connection.commit()
    assert command("--scan", url, "--json").json["gone"] == 1
    assert command("--status", "--json").json["vectors"]["tables"] == 4
    for name in "bcd":
        connection.execute(f"DROP TABLE {name}")
    connection.commit()
    connection.close()
    refused = command("--scan", url)
    assert refused.code == 3
    assert "3 of 4" in refused.error
    assert command("--status", "--json").json["tables"]["indexed"] == 4
    assert command("--scan", url, "--yes", "--json").json["gone"] == 3
    assert command("--status", "--json").json["vectors"]["tables"] == 1
