"""Documentation in and out by flags: scan, import, export, and whatever is wrong with what they are given."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from command import EMPTY, THREE, Command, Done, jsonl, tables

SUMMARY = {"new", "changed", "unchanged", "gone", "bad", "warnings", "changes", "strangers", "pending"}


def sums(done: Done) -> list[object]:
    """New, changed, unchanged, gone; and that nothing was bad or warned of."""
    assert (done.json["bad"], done.json["warnings"]) == ([], [])
    return [done.json[what] for what in ("new", "changed", "unchanged", "gone")]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path / "home")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as database:
        database.executescript(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);"
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id));"
        )
    return path


def test_import_counts_new_changed_and_unchanged(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "docs.jsonl"
    file.write_text(jsonl(*THREE))
    first = command("--import", str(file), "--json")
    assert first.code == 0 and set(first.json) == SUMMARY
    assert sums(first) == [3, 0, 0, 0]
    assert first.json["changes"] == [{"change": "new", "kind": one["kind"], "name": one["name"]} for one in THREE]
    plan = first.json["pending"]
    assert (plan["items"], plan["requests"]) == (3, 1) and plan["cost_usd"] > 0 and plan["tokens"] > 0
    again = command("--import", str(file))
    assert again.code == 0 and again.out.splitlines()[0] == "0 new · 0 changed · 3 unchanged"
    changed = {**THREE[0], "documentation": "Other words."}
    third = command("--import", "-", "--json", text=jsonl(changed, *THREE[1:]))
    assert sums(third) == [0, 1, 2, 0]
    assert [(one["change"], one["name"]) for one in third.json["changes"]] == [("changed", "users")]
    assert third.json["changes"][0]["difference"] == "documentation +1 line -1 line: + Other words."


def test_bad_lines_are_numbered_and_the_rest_is_imported(command: Command) -> None:
    text = jsonl(THREE[0]) + "{broken\n\n" + jsonl({"kind": "view", "name": "x"}, THREE[1], {"kind": "table"})
    done = command("--import", "-", "--json", text=text)
    assert done.code == 1
    assert (done.json["new"], [bad["where"] for bad in done.json["bad"]]) == (2, ["line 2", "line 4", "line 6"])
    assert all(bad["message"] for bad in done.json["bad"])
    assert "line 2: not JSON" in done.err


def test_nothing_readable_is_2(command: Command) -> None:
    done = command("--import", "-", "--json", text="what is this\nand that\n")
    assert done.code == 2 and done.json["new"] == 0 and len(done.json["bad"]) == 2
    assert "could be read" in done.error


def test_of_two_lines_for_one_item_the_later_counts_and_both_are_named(command: Command) -> None:
    later = {**THREE[0], "documentation": "The later words."}
    done = command("--import", "-", "--json", text=jsonl(THREE[0], THREE[1], later))
    assert done.code == 0 and done.json["new"] == 2
    (warning,) = done.json["warnings"]
    assert "line 1" in warning and "line 3" in warning and "'users'" in warning
    assert warning in done.err
    assert "The later words." in command("--export", "-").out


def test_export_is_what_import_reads(command: Command, tmp_path: Path) -> None:
    command("--import", "-", text=jsonl(*THREE))
    done = command("--export", "-")
    assert done.code == 0 and [json.loads(line)["name"] for line in done.out.splitlines()] == [
        "users",
        "orders",
        "users_orders_fk",
    ]
    file = tmp_path / "out.jsonl"
    done = command("--export", str(file), "--json")
    assert done.json == {"exported": 3, "file": str(file)}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert command("--import", str(file), "--json").json["unchanged"] == 3
    assert "3 documents written" in command("--export", str(file)).out


def test_export_of_an_empty_store_makes_no_home(command: Command) -> None:
    done = command("--export", "-")
    assert (done.code, done.out) == (0, "")
    assert not command.home.exists()


@pytest.mark.parametrize("target", ["", "no-such-folder/out.jsonl"])
def test_export_to_where_nothing_can_be_written(command: Command, tmp_path: Path, target: str) -> None:
    done = command("--export", str(tmp_path / target))
    assert (done.code, done.out) == (2, "")
    assert str(tmp_path) in done.error


def test_scan_brings_structure_and_import_words_and_neither_erases(command: Command, shop: Path) -> None:
    scanned = command("--scan", f"sqlite:///{shop}", "--json")
    assert scanned.code == 0 and sums(scanned) == [3, 0, 0, 0]
    command("--import", "-", text=jsonl(THREE[0]))
    again = command.but(DATABASE_URL=f"sqlite:///{shop}")("--scan")
    assert again.out.splitlines()[0] == "0 new · 0 changed · 3 unchanged"
    users = json.loads(command("--export", "-").out.splitlines()[-2])
    assert users["documentation"] and [one["name"] for one in users["schema"]["columns"]] == ["id", "email"]


def test_scan_of_the_demo_reads_the_sample(command: Command) -> None:
    done = command.but(DATABASE_URL="sqlite:////nowhere/else.db")("--demo", "--scan", "--json")
    assert done.code == 0 and done.json["new"] == 0 and done.json["unchanged"] > 100


def test_a_database_is_never_written(command: Command, shop: Path) -> None:
    before = shop.read_bytes(), shop.stat().st_mtime_ns
    command("--scan", f"sqlite:///{shop}")
    assert (shop.read_bytes(), shop.stat().st_mtime_ns) == before
    assert [path.name for path in shop.parent.glob("shop.db*")] == ["shop.db"]


def test_scan_without_any_url(command: Command) -> None:
    done = command("--scan")
    assert (done.code, done.out) == (2, "") and "DATABASE_URL" in done.error


def bad_files(folder: Path) -> dict[str, Path]:
    """Files that are no documentation, by what is wrong with them."""
    files = {name: folder / f"{name}.jsonl" for name in ("missing", "binary", "empty", "blank", "array", "utf16")}
    files["binary"].write_bytes(bytes(range(256)) * 100)
    files["empty"].write_bytes(b"")
    files["blank"].write_bytes(b"\n\n  \n")
    files["array"].write_text(json.dumps(list(THREE)))
    files["utf16"].write_text(jsonl(*THREE), encoding="utf-16")
    return {**files, "folder": folder, "control\x1b[2Jname": folder / "control\x1b[2Jname"}


@pytest.mark.parametrize(
    "what", ["missing", "binary", "empty", "blank", "array", "utf16", "folder", "control\x1b[2Jname"]
)
def test_files_that_are_no_documentation(command: Command, tmp_path: Path, what: str) -> None:
    done = command("--import", str(bad_files(tmp_path)[what]), "--json")
    assert (done.code, done.out) == (2, "")
    assert len(done.error) > 40 and "\x1b" not in done.err


def test_a_huge_line_is_skipped_and_the_rest_is_imported(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "huge.jsonl"
    with file.open("wb") as stream:
        stream.write(jsonl(THREE[0]).encode() + b'{"kind": "table", "name": "')
        stream.seek(1_000_000_000, os.SEEK_CUR)  # a hole: a line of 1 GB that takes no disk
        stream.write(b"\n" + jsonl(THREE[1]).encode())
    done = command("--import", str(file), "--json")
    assert done.code == 1 and done.json["new"] == 2
    assert [bad["where"] for bad in done.json["bad"]] == ["line 2"] and "longer than" in done.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "secret.jsonl"
    file.write_text(jsonl(*THREE))
    file.chmod(0)
    assert command("--import", str(file)).code == 2


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:////no/such/place.db", "place.db"),
        ("sqlite:///{folder}", ""),
        ("sqlite:///{folder}/text.db", "not a SQLite database"),
        ("nonsense", "sqlite:///"),
        ("postgresql://ann:s3cret-word@127.0.0.1:1/shop", "127.0.0.1"),
        ("oracle://ann:s3cret-word@host/x", "driver"),
    ],
)
def test_databases_that_cannot_be_read(command: Command, tmp_path: Path, url: str, words: str) -> None:
    (tmp_path / "text.db").write_text("this is no database, but long enough to look like a file " * 20)
    done = command("--scan", url.format(folder=tmp_path))
    assert (done.code, done.out) == (2, "")
    assert words in done.error and "s3cret-word" not in done.err
    for path in command.home.rglob("*"):
        assert not path.is_file() or b"s3cret-word" not in path.read_bytes(), path


def test_a_locked_database(command: Command, shop: Path) -> None:
    holder = sqlite3.connect(shop, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        done = command("--scan", f"sqlite:///{shop}")
    finally:
        holder.close()
    assert done.code == 2 and "locked" in done.error


HOSTILE = [
    'quote\'s "double" `back`',
    "two\nlines\r\nand\ttab",
    "[bold red]markup[/] [link=https://x]",
    "\x1b]52;c;aGk=\x07\x1b[31mred",
    "x" * 300,
    "right\u202eto left\u200b",
    "a#2",
    "a##",
    "<|endoftext|>",
    "Grüße 表 👩‍👩‍👧",
    "../../etc/passwd",
]


def test_hostile_names_are_kept_whole_and_shown_harmless(command: Command) -> None:
    documents = [{"kind": "table", "name": name, "documentation": f"About {name}"} for name in HOSTILE]
    empty = [{"kind": "table", "name": f"empty {name}"} for name in HOSTILE]
    assert command("--import", "-", "--json", text=jsonl(*documents, *empty)).json["new"] == 2 * len(HOSTILE)
    exported = [json.loads(line) for line in command("--export", "-").out.splitlines()]
    assert [one["name"] for one in exported[: len(HOSTILE)]] == HOSTILE
    shown = command("--estimate-costs")
    assert shown.code == 0
    for done in (shown, command("--estimate-costs", "--json"), command("--import", "-", text=jsonl(*documents) * 2)):
        assert done.code == 0
        for text in (done.out, done.err):
            assert not set(text) & set("\x1b\x07\u202e\u200b\r\t"), repr(text)
    ran = command("--provider", "local", "--batch-index", "--yes", "--json")
    assert ran.code == 1
    results = ran.json["table_processing_results"]
    assert {name for name, good in results.items() if good} == set(HOSTILE)
    assert not set(ran.out + ran.err) & set("\x1b\x07\u202e\u200b\r\t")
    found = command("--provider", "local", "--search", "Grüße 表", "--limit", "20")
    assert found.code == 0 and not set(found.out) & set("\x1b\x07\u202e\u200b\r\t")


def test_another_items_name_is_another_item_of_another_kind(command: Command) -> None:
    table = {"kind": "table", "name": "same", "documentation": "The table."}
    link = {"kind": "relationship", "name": "same", "tables": ["a", "b"], "documentation": "The link."}
    assert command("--import", "-", "--json", text=jsonl(table, link)).json["new"] == 2
    cased = {**table, "name": "Same"}
    assert command("--import", "-", "--json", text=jsonl(cased)).json["new"] == 1


def test_empty_documents_are_found_before_paying(command: Command) -> None:
    command("--import", "-", text=jsonl(EMPTY, *THREE))
    done = command("--estimate-costs", "--json")
    assert [one["code"] for one in done.json["failures"]] == ["empty_document"]
    assert done.json["total_pending"] == 4


@pytest.mark.parametrize("what", ["file", "read-only"])
def test_a_home_that_cannot_be_used(command: Command, tmp_path: Path, what: str) -> None:
    if what == "file":
        (tmp_path / "bad").write_text("")
    elif os.geteuid() == 0:
        (tmp_path / "bad").symlink_to("/proc/1/no-such-place")  # even root can make nothing there
    else:
        (tmp_path / "bad").mkdir(mode=0o500)
    done = command("--import", "-", "--home", str(tmp_path / "bad"), text=jsonl(*THREE))
    assert (done.code, done.out) == (2, "")
    assert "bad" in done.error and "--home" in done.error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_export_is_one_line(command: Command) -> None:
    command("--import", "-", text=jsonl(*THREE))
    done = command("--export", "/dev/full")
    assert done.code == 2 and "space" in done.error


@pytest.mark.parametrize("blocks", [0, 8, 40])
def test_no_room_for_files_at_the_start(command: Command, blocks: int) -> None:
    limited = ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *command.line("--import", "-")]
    done = subprocess.run(
        limited, input=tables(300).encode(), capture_output=True, env=command.env(), cwd=command.folder, timeout=60
    )
    told = Done(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert (told.code, told.out) == (2, "")
    assert str(command.home) in told.error
    # With room again nothing is in the way.
    assert command("--import", "-", text=jsonl(*THREE)).code == 0


def test_a_store_that_is_some_other_database(command: Command, shop: Path) -> None:
    for action in (("--status",), ("--import", "-")):
        done = command.but(DOCUMENTATION_STORE_URL=f"sqlite:///{shop}")(*action, text=jsonl(*THREE))
        assert (done.code, done.out) == (2, "")
        assert "shop.db" in done.error


def test_the_log_is_private_and_free_of_secrets(command: Command, shop: Path) -> None:
    secret = command.but(OPENAI_API_KEY="sk-very-secret-key-123", LOG_LEVEL="DEBUG")
    done = secret("--scan", "postgresql://ann:pass-word-9@127.0.0.1:1/shop")
    assert done.code == 2 and "Traceback" in done.err  # DEBUG shows it all, but for the secrets
    log = command.home / "batch-manager.log"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    for text in (log.read_text(), done.err):
        assert "very-secret" not in text and "pass-word-9" not in text


def test_a_log_file_that_cannot_be_written(command: Command) -> None:
    done = command.but(LOG_FILE="/no/such/folder/x.log")("--import", "-", text=jsonl(*THREE))
    assert done.code == 2 and "LOG_FILE" in done.error


def test_an_interrupted_read_is_130(command: Command) -> None:
    process = subprocess.Popen(
        command.line("--import", "-"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=command.env(),
        cwd=command.folder,
    )
    assert process.stderr is not None
    assert b"Reading" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def test_import_recognises_files_by_what_is_in_them(command: Command, tmp_path: Path) -> None:
    """dbt's manifest, CSV and packed lines; the export of it all brings the same store again."""
    manifest = Path(__file__).resolve().parent.parent / "data" / "dbt" / "manifest.json"
    assert command("--import", str(manifest), "--json").json["new"] == 14
    assert command("--import", str(manifest), "--json").json["unchanged"] == 14
    (tmp_path / "words.txt").write_text("name;column;description\nextra;;More words\nextra;id;Which one\n")
    assert command("--import", str(tmp_path / "words.txt"), "--json").json["new"] == 1
    exported = command("--export", "-").out
    (tmp_path / "packed").write_bytes(gzip.compress(exported.encode()))
    again = command("--import", str(tmp_path / "packed"), "--json").json
    assert (again["new"], again["changed"], again["unchanged"]) == (0, 0, 15)
    assert command("--export", "-").out == exported


def test_what_was_read_is_remembered_for_the_list_of_sources(command: Command, shop: Path) -> None:
    words = jsonl({"kind": "table", "name": "users", "documentation": "People"})
    (command.folder / "words.jsonl").write_text(words)
    command("--scan", f"sqlite:///{shop}")
    command("--import", "words.jsonl")
    command("--import", "-", text=words)
    with closing(sqlite3.connect(command.home / "store.sqlite3")) as store:
        (note,) = store.execute("SELECT value FROM meta WHERE key = 'sources'").fetchone()
    found = [(Path(one["place"]).name, one["outcome"]) for one in json.loads(note)]
    assert found == [("shop.db", "3 new, 0 changed, 0 unchanged"), ("words.jsonl", "0 new, 1 changed, 0 unchanged")]
    assert json.loads(note)[1]["place"] == str(command.folder / "words.jsonl")


def test_a_database_file_is_scanned_by_its_path(command: Command, shop: Path) -> None:
    done = command("--scan", str(shop), "--json")
    assert (done.code, done.json["new"]) == (0, 3)
    with closing(sqlite3.connect(command.home / "store.sqlite3")) as store:
        (note,) = store.execute("SELECT value FROM meta WHERE key = 'sources'").fetchone()
    assert [(one["place"], one["database"]) for one in json.loads(note)] == [(f"sqlite:///{shop}", True)]
    assert command("--scan", f"sqlite:///{shop}", "--json").json["unchanged"] == 3
    done = command("--scan", "lib.db")
    assert (done.code, done.out) == (2, "") and "There is no database file 'lib.db'" in done.error
    (command.folder / "notes.md").write_text("# Notes\n")
    assert command("--import", "notes.md").code == 2
    with closing(sqlite3.connect(command.home / "store.sqlite3")) as store:
        (note,) = store.execute("SELECT value FROM meta WHERE key = 'sources'").fetchone()
    assert "notes.md" not in note  # it gave nothing


def test_a_relationship_that_no_key_declares_is_no_stranger(command: Command, shop: Path) -> None:
    command("--scan", f"sqlite:///{shop}")
    joins = {"kind": "relationship", "documentation": "Some of them"}
    words = jsonl(
        {**joins, "name": "orders to users", "tables": ["orders", "users"]},
        {**joins, "name": "orders to userss", "tables": ["orders", "userss"]},
    )
    told = command("--import", "-", "--json", text=words).json["strangers"]
    assert [one["name"] for one in told["names"]] == ["orders to userss"]
    assert "orders to userss" in command("--check").out and "orders to users." not in command("--check").out


def test_words_that_speak_of_no_scanned_table_are_told(command: Command, shop: Path) -> None:
    words = jsonl(
        {"kind": "table", "name": "userss", "documentation": "People"},
        {"kind": "table", "name": "orders", "documentation": "Bought"},
    )
    assert command("--import", "-", "--json", text=words).json["strangers"]["in_no_scanned_database"] == 0
    command("--scan", f"sqlite:///{shop}")
    told = command("--import", "-", "--json", text=words)
    assert "warning: 1 name is in no scanned database: userss (nearest: users)." in told.err.splitlines()
    assert told.json["warnings"] == []
    assert told.json["strangers"]["names"] == [
        {"why": "in_no_scanned_database", "kind": "table", "name": "userss", "nearest": "users"}
    ]
    with closing(sqlite3.connect(shop)) as database:
        database.execute("DROP TABLE orders")
    told = command("--scan", f"sqlite:///{shop}", "--yes", "--json")
    assert told.json["gone"] == 2
    gone_words = "1 name is gone from the database, so the words are kept and not indexed: orders."
    assert f"warning: {gone_words}" in told.err.splitlines()
    assert told.json["strangers"]["gone_from_the_database"] == 1
    checked = command("--check").out
    assert f"words: {gone_words}" in checked.splitlines()
    assert "words: 1 name is in no scanned database: userss (nearest: users)." in checked.splitlines()
    assert command("--check", "--json").json["strangers"]["in_no_scanned_database"] == 1
    gone = command("--import", "-", text=words)
    assert gone.out.splitlines()[0] == "0 new · 0 changed · 2 unchanged"
    assert "1 name is gone from the database, so the words are kept and not indexed: orders." in gone.err


def test_words_for_a_column_that_its_table_has_not_are_told(command: Command, shop: Path) -> None:
    command("--scan", f"sqlite:///{shop}")
    words = "name,column,description\nusers,emial,Where to write\nusers,id,Never reused\norders,zzz,Nothing\n"
    said = (
        "2 columns are not in the scanned table, so the words are kept and not indexed: users.emial (nearest: email),"
        " orders.zzz."
    )
    for _ in range(2):  # a second time nothing changes, and it is as true
        told = command("--import", "-", "--json", text=words)
        assert f"warning: {said}" in told.err.splitlines()
        assert told.json["strangers"]["columns_in_no_table"] == 2
        assert told.json["strangers"]["names"][0] == {
            "why": "column_in_no_table",
            "kind": "table",
            "name": "users",
            "column": "emial",
            "nearest": "email",
        }
    checked = command("--check").out
    assert "words: 2 columns are not in the scanned table" in checked and "users.emial (nearest: email)" in checked
    with closing(sqlite3.connect(shop)) as database:
        database.execute("ALTER TABLE users RENAME COLUMN id TO number")
    renamed = command("--scan", f"sqlite:///{shop}")
    assert "users.emial (nearest: email), users.id." in renamed.err


def test_a_plan_names_the_columns_that_changed(command: Command, shop: Path) -> None:
    command("--scan", f"sqlite:///{shop}")
    with closing(sqlite3.connect(shop)) as database:
        database.execute("ALTER TABLE users RENAME COLUMN email TO mail")
        database.execute("ALTER TABLE users ADD COLUMN phone TEXT")
    lines = command("--scan", f"sqlite:///{shop}").out.splitlines()
    assert lines[1:3] == ["  ~ table users", "      columns + mail, phone - email"]
    words = jsonl({"kind": "table", "name": "users", "documentation": "People.\nAnd more."})
    lines = command("--import", "-", text=words).out.splitlines()
    assert lines[1:3] == ["  ~ table users", "      documentation +2 lines: + People."]
