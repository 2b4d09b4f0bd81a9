"""A home's store moved over to a real PostgreSQL: all of it, after kills as well, and what can go wrong on the way."""

from __future__ import annotations

import dataclasses
import json
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from batch_manager.documents import Document
from batch_manager.errors import StoreError
from batch_manager.quote import Space
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import Settings, has_password, shown_url
from batch_manager.sources.collection import IterableSource
from batch_manager.sources.watch import Watch, cancelled
from batch_manager.store import DocumentationStore
from batch_manager.store.migrations import MIGRATIONS
from batch_manager.store.moved import note_of
from batch_manager.store.moving import move_store
from batch_manager.store.opening import writer_locks
from chroma_server import ChromaServer
from command import PAYING_KEY, Command
from scanning import IN_URL, PASSWORD
from servers import free_port
from stores import StoreServer

NOWHERE = "http://127.0.0.1:9"
"""A Chroma server that is named and never asked."""


def documents(count: int, words: str = "What the business knows") -> str:
    lines = [
        {
            "kind": "table" if number % 3 else "relationship",
            "name": f"ItemNo{number}",
            "documentation": f"{words}, case {number} of many.",
        }
        for number in range(count)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def filled(home: Path, count: int = 40) -> Path:
    """A store of that many documents, half of them answered; returns its file."""
    home.mkdir(parents=True, exist_ok=True)
    settings = Settings(home=home)
    with DocumentationStore(settings) as store:
        found = [Document("table", f"t{n}", documentation=f"Fact {n} about the business.") for n in range(count)]
        store.items.bring(IterableSource(found, "words", "a test"))
        space = store.answers.space_id(Space("openai", "https://x", "m", 4), make=True)
        store._db.execute_sql(
            "INSERT INTO answer (text_id, space_id, request_id, vector)"
            " SELECT id, ?, NULL, zeroblob(512) FROM text WHERE id % 2",
            (space,),
        )
    return settings.store_path


def moved(path: Path, url: str, watch: Watch | None = None) -> Any:
    return move_store(path, url, watch or Watch())


def rows_of(settings: Settings) -> dict[str, Any]:
    """What a person sees of a store."""
    with DocumentationStore.look(settings) as store:
        return {
            "items": [(row.kind, row.name, row.tokens) for row in store.items.rows(store.items.ids())],
            "answers": store.answers.size(),
            "bill": store.ledger.bill(),
            "runs": store.ledger.runs(),
            "notes": store.note("sources"),
        }


def on_server(home: Path, url: str) -> Settings:
    return Settings(home=home, store_url=url, chroma_url=NOWHERE)


def refused(path: Path, url: str) -> StoreError:
    """The error of a move that can't be; on one line, with a next step, without the password."""
    with pytest.raises(StoreError) as caught:
        moved(path, url)
    error = caught.value
    assert error.next_step and "\n" not in str(error)
    assert PASSWORD not in str(error) and IN_URL not in str(error)
    return error


@pytest.mark.timeout(300)  # two dozen calls, each with a start of its own
def test_a_home_with_all_its_history_is_moved_and_goes_on(tmp_path: Path, bare: str) -> None:
    vectors = ChromaServer(tmp_path / "chroma")
    options = RehearsalOptions(
        seed=7, key=PAYING_KEY, rate_headers=False, requests_per_minute=None, tokens_per_minute=None, batch_seconds=1000
    )
    with RehearsalServer.start(options) as server:
        server.set_faults([{"fault": "poison", "contains": "case 17 of"}])
        here = Command(
            tmp_path / "home",
            {
                "OPENAI_API_KEY": PAYING_KEY,
                "OPENAI_BASE_URL": server.base_url,
                "EMBEDDING_BATCH_SIZE": "10",
                "OPENAI_EMBEDDING_DIMENSIONS": "16",
            },
        )
        assert here("--import", "-", text=documents(40)).code == 0
        assert here("--batch-index", "--yes").code == 1, "one is refused"
        assert here("--import", "-", text=documents(5, "Other words")).code == 0
        assert here("--batch-index", "--yes", "--max-cost", "0").code == 4
        assert here("--batch-index", "--lane", "batch", "--yes").code == 5
        before = here("--status", "--json").json
        bytes_before = (tmp_path / "home" / "store.sqlite3").read_bytes()

        there = here.but(DOCUMENTATION_STORE_URL=bare)
        done = there("--move-store", "--json")
        assert done.code == 0, done.err
        told = done.json
        assert told["to"] == shown_url(bare) and told["tables"]["item"]["rows"] == 40
        assert told["rows"] == told["copied_rows"] == sum(one["rows"] for one in told["tables"].values())
        with sqlite3.connect(tmp_path / "home" / "store.sqlite3") as file:
            assert told["tables"]["request"]["rows"] == file.execute("SELECT count(*) FROM request").fetchone()[0] > 4
        assert (tmp_path / "home" / "store.sqlite3").read_bytes() == bytes_before
        assert any("CHROMA_URL" in step for step in told["next_steps"])
        assert any("--verify --repair" in step for step in told["next_steps"])
        assert PASSWORD not in done.out + done.err and IN_URL not in done.out + done.err

        again = there("--move-store", "--json")
        assert again.code == 0 and again.json["moved_before"] and again.json["copied_rows"] == 0
        for flags in (["--status"], ["--import", "-"], ["--export", "-"], ["--batch-index", "--yes"]):
            left = here(*flags, text="")
            assert left.code == 2 and shown_url(bare) in left.error and "DOCUMENTATION_STORE_URL" in left.error

        vectors.start()
        try:
            there = there.but(CHROMA_URL=f"http://127.0.0.1:{vectors.port}")
            after = there("--status", "--json").json
            assert after["vectors"] == {"tables": 0, "relationships": 0}
            assert {**after, "vectors": 0, "indexes": 0} == {**before, "vectors": 0, "indexes": 0}
            lost = there("--search", "what the business knows")
            assert lost.code == 2 and "--verify --repair" in lost.error
            server.clear()
            assert there("--verify", "--repair").code == 0
            assert server.totals()["requests"] == 0, "what was paid for is kept"
            filled_again = there("--status", "--json").json
            for kind in ("tables", "relationships"):
                assert filled_again["vectors"][kind] == before[kind]["indexed"] > 10
            found = there("--search", "business knows ItemNo30", "--type", "all", "--json").json["results"]
            assert "ItemNo30" in {one["name"] for one in found}
            server.set_faults([])
            server.set_options(batch_seconds=0)
            assert there("--collect", "--wait").code == 0, "the batch that was under way comes back there"
            assert there("--import", "-", text=documents(45)).code == 0, "new rows have numbers of their own"
            assert there("--retry-failed", "--yes").code == 0
            assert there("--batch-index", "--yes").code == 0
            assert there("--check").code == 0
            assert there("--status", "--json").json["tables"]["indexed"] == 30
        finally:
            vectors.stop()

        note_of(tmp_path / "home" / "store.sqlite3").unlink()
        assert here("--status", "--json").json == before, "the way back"


@pytest.mark.timeout(300)
def test_a_move_that_is_killed_at_any_instant_goes_on(tmp_path: Path, bare: str) -> None:
    path = filled(tmp_path / "home", 6_000)
    command = Command(tmp_path / "home", {"DOCUMENTATION_STORE_URL": bare})
    kills, halves, pause = 0, 0, 0.9
    while True:
        process = command.start("--move-store", "--json")
        try:
            out, _ = process.communicate(timeout=pause)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            pause += 0.25
            halves += half_there(tmp_path, bare, path)
    assert process.returncode == 0 and kills > 1 and halves
    told = json.loads(out)
    if not told["moved_before"]:  # the last kill may have come when all was done
        assert told["tables"]["item"]["rows"] == told["tables"]["word_index"]["rows"] == 6_000
        assert told["copied_rows"] < told["rows"], "what was there wasn't written again"
    note_of(path).unlink()
    assert rows_of(on_server(tmp_path, bare)) == rows_of(Settings(home=tmp_path / "home"))


def half_there(tmp_path: Path, url: str, path: Path) -> bool:
    """Whether the server has a part, which nobody can take for the store; the file is the store meanwhile."""
    try:
        with DocumentationStore.look(on_server(tmp_path, url)) as store:
            done = json.loads(note_of(path).read_text())["done"] if note_of(path).exists() else False
            assert store.absent or done
            return done
    except StoreError as error:
        assert error.code == "store_half_moved" and str(path) in error.message
        assert json.loads(note_of(path).read_text())["done"] or rows_of(Settings(home=path.parent))["items"]
        return True


def test_a_move_that_is_stopped_at_each_step_goes_on(tmp_path: Path, bare: str) -> None:
    path = filled(tmp_path / "home")

    class Stops(Watch):
        def __init__(self, after: int) -> None:
            super().__init__()
            self.left = after

        def step(self, words: str) -> None:
            self.left -= 1
            if self.left < 0:
                raise cancelled()

    steps = copied = 0
    while True:
        try:
            report = moved(path, bare, Stops(steps))
            break
        except Exception as error:
            assert getattr(error, "code", "") == "cancelled", error
            steps += 1
    assert steps > 20 and report.copied == copied
    assert rows_of(on_server(tmp_path, bare))["answers"] == (20, 20 * 512)


def test_what_changed_after_a_broken_move_is_taken_in(tmp_path: Path, bare: str) -> None:
    path = filled(tmp_path / "home", 1_200)

    class Stops(Watch):
        def step(self, words: str) -> None:
            if words.startswith("comparing"):
                raise cancelled()

    with pytest.raises(Exception, match="Stopped"):
        moved(path, bare, Stops())
    with DocumentationStore(Settings(home=tmp_path / "home")) as store:
        # Rows change places: what one item is called, another was.
        store._db.execute_sql("UPDATE item SET name = 'x' || name WHERE id > 600")
        store._db.execute_sql("UPDATE item SET name = 't' || (id + 599) WHERE id <= 600")
        store._db.execute_sql("DELETE FROM answer WHERE text_id > 1000")
        store._db.execute_sql("DELETE FROM text WHERE id = 1200")
        store._db.execute_sql("INSERT INTO text_words (rowid, body) SELECT id, body FROM text WHERE id < 9")
    report = moved(path, bare)
    assert 1_200 < report.copied < report.rows
    note_of(path).unlink()
    assert rows_of(on_server(tmp_path, bare)) == rows_of(Settings(home=tmp_path / "home"))
    found = {one.name: one.rows for one in report.tables}
    assert found["text"] == 1_199 and found["text_words"] == 8 and found["answer"] == 500


def test_a_connection_that_is_lost_ends_it_and_the_next_call_goes_on(
    tmp_path: Path, store_server: StoreServer, bare: str
) -> None:
    path = filled(tmp_path / "home", 1_200)
    database = bare.rpartition("/")[2]

    class Cut(Watch):
        def step(self, words: str) -> None:
            if words.startswith("text: 1,000"):
                store_server.execute(
                    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
                )

    with pytest.raises(StoreError) as caught:
        moved(path, bare, Cut())
    assert caught.value.code == "store_lost" and PASSWORD not in str(caught.value)
    report = moved(path, bare)
    assert report.rows - report.copied >= 2_200, "items and texts were there"
    note_of(path).unlink()
    assert rows_of(on_server(tmp_path, bare)) == rows_of(Settings(home=tmp_path / "home"))


def test_every_table_and_column_is_moved(tmp_path: Path, bare: str) -> None:
    path = filled(tmp_path / "home")
    names = {one.name for one in moved(path, bare).tables}
    with sqlite3.connect(path) as file:
        tables = {row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    shadows = {name for name in tables if name.startswith(("word_index_", "text_words_", "sqlite_"))}
    assert names == tables - shadows


def test_each_kind_of_value_comes_over(tmp_path: Path, store_server: StoreServer, bare: str) -> None:
    path = filled(tmp_path / "home", 3)
    with DocumentationStore(Settings(home=tmp_path / "home")) as store:
        insert = "INSERT INTO request (run_id, batch, try, state, model, inputs, tokens_estimated, price, cost_pico,"
        insert += " message, sent_at, seconds) VALUES (1, 1, 1, 'answered', ?, 3, 9, '0.02', ?, ?, '2026-11-28', ?)"
        for model, cost, message, seconds in (
            ("naïve 模型 🙂", 2**62, None, 0.1 + 0.2),
            ("", 0, "two\nlines\t'quoted' \\x41 %s ?", 1e-17),
            ("a\0b", 1, "\x1b[31m", None),
        ):
            store._db.execute_sql(insert, (model, cost, message, seconds))
        store._db.execute_sql("UPDATE item SET lasting = 1 WHERE id = 2")
    moved(path, bare)
    import psycopg

    with psycopg.connect(bare) as server:
        rows = server.execute("SELECT model, cost_pico, message, seconds FROM request ORDER BY id").fetchall()
        flags = server.execute("SELECT lasting FROM item ORDER BY id").fetchall()
    assert rows[0] == ("naïve 模型 🙂", 2**62, None, 0.1 + 0.2)
    assert rows[1] == ("", 0, "two\nlines\t'quoted' \\x41 %s ?", 1e-17)
    assert rows[2] == ("a\ufffdb", 1, "\x1b[31m", None)
    assert [row[0] for row in flags] == [False, True, False]


class TestWhatPostgresqlCannotKeep:
    def test_items_are_named_before_anything_is_moved(self, tmp_path: Path, bare: str) -> None:
        path = filled(tmp_path / "home")
        bad = [Document("table", "n" * 1_001, documentation="A long name"), Document("table", "nul", "It has\0one")]
        with DocumentationStore(Settings(home=tmp_path / "home")) as store:
            store.items.bring(IterableSource(bad, "words", "another test"))
        error = refused(path, bare)
        assert error.code == "not_for_postgresql" and "2 items" in error.message and "'nul'" in error.message
        assert not note_of(path).exists()
        with DocumentationStore.look(on_server(tmp_path, bare)) as store:
            assert store.absent

    def test_earlier_texts_that_no_item_has_stay_behind(self, tmp_path: Path, bare: str) -> None:
        path = filled(tmp_path / "home")
        with DocumentationStore(Settings(home=tmp_path / "home")) as store:
            for words in ("It has\0one", "It has none"):
                store.items.bring(IterableSource([Document("table", "t0", words)], "words", "a test"))
                store._db.execute_sql(
                    "INSERT INTO answer (text_id, space_id, vector) SELECT max(id), 1, 'v' FROM text WHERE true"
                    " ON CONFLICT DO NOTHING"
                )
        report = moved(path, bare)
        assert report.left_out == 2, "the text, and its words in the differences"
        assert rows_of(on_server(tmp_path, bare))["answers"][0] == 21


class TestTrouble:
    def test_a_store_with_something_in_it(self, tmp_path: Path, bare: str) -> None:
        path = filled(tmp_path / "home")
        with DocumentationStore(on_server(tmp_path / "other", bare)) as store:
            store.items.bring(IterableSource([Document("table", "theirs", "People")], "words", "a test"))
        assert refused(path, bare).code == "target_not_empty"
        assert not note_of(path).exists() and rows_of(on_server(tmp_path, bare))["items"][0][1] == "theirs"

    def test_an_empty_store_is_as_good_as_none(self, tmp_path: Path, bare: str) -> None:
        path = filled(tmp_path / "home")
        DocumentationStore(on_server(tmp_path / "other", bare)).close()
        assert moved(path, bare).rows > 40

    def test_another_programs_tables(self, tmp_path: Path, store_server: StoreServer, bare: str) -> None:
        store_server.execute("CREATE TABLE item (id INT)", bare.rpartition("/")[2])
        assert refused(filled(tmp_path / "home"), bare).code == "store_foreign"

    def test_a_newer_store(self, tmp_path: Path, store_server: StoreServer, bare: str) -> None:
        DocumentationStore(on_server(tmp_path, bare)).close()
        newer = f"UPDATE meta SET value = '{len(MIGRATIONS) + 1}' WHERE key = 'schema_version'"
        store_server.execute(newer, bare.rpartition("/")[2])
        assert refused(filled(tmp_path / "home"), bare).code == "store_newer"

    def test_half_moved_by_another_home(self, tmp_path: Path, bare: str) -> None:
        class Stops(Watch):
            def step(self, words: str) -> None:
                raise cancelled()

        theirs, mine = filled(tmp_path / "theirs"), filled(tmp_path / "mine")
        with pytest.raises(Exception, match="Stopped"):
            moved(theirs, bare, Stops())
        error = refused(mine, bare)
        assert error.code == "store_half_moved" and str(theirs) in error.message
        with pytest.raises(StoreError) as caught:
            DocumentationStore(on_server(tmp_path, bare))
        assert caught.value.code == "store_half_moved"
        moved(theirs, bare)
        assert refused(mine, bare).code == "target_not_empty"

    def test_an_older_file(self, tmp_path: Path, bare: str) -> None:
        path = filled(tmp_path / "home")
        with sqlite3.connect(path) as file:
            file.execute(f"PRAGMA user_version = {len(MIGRATIONS) - 1}")
        assert refused(path, bare).code == "store_old"

    def test_moved_elsewhere_before(self, tmp_path: Path, store_server: StoreServer, bare: str) -> None:
        path = filled(tmp_path / "home")
        moved(path, bare)
        with store_server.databases() as databases:
            error = refused(path, databases.make("template0"))
        assert error.code == "store_moved" and shown_url(bare) in error.message

    def test_a_note_that_cannot_be_read(self, tmp_path: Path, bare: str) -> None:
        path = filled(tmp_path / "home")
        note_of(path).write_text("{")
        assert refused(path, bare).code == "store_moved"
        with pytest.raises(StoreError, match="delete that note"):
            DocumentationStore(Settings(home=tmp_path / "home"))

    def test_a_kill_between_the_last_two_notes(
        self, tmp_path: Path, bare: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = filled(tmp_path / "home")
        moved(path, bare)
        database = DocumentationStore(on_server(tmp_path, bare))._db
        database.execute_sql("UPDATE meta SET key = 'moving' WHERE key = 'moved_from'")
        database.close()
        with pytest.raises(StoreError, match="move-store"):
            DocumentationStore(on_server(tmp_path, bare))
        report = moved(path, bare)
        assert report.copied == 0 and report.rows > 40
        assert rows_of(on_server(tmp_path, bare))["answers"][0] == 20

    def test_writers_on_either_side_come_first(self, tmp_path: Path, bare: str) -> None:
        filled(tmp_path / "home")
        command = Command(tmp_path / "home")
        there = command.but(DOCUMENTATION_STORE_URL=bare)
        for settings in (Settings(home=tmp_path / "home"), on_server(tmp_path / "other", bare)):
            settings.home.mkdir(exist_ok=True)
            with writer_locks(settings):
                done = there("--move-store")
                assert done.code == 2 and "is writing in" in done.error and PASSWORD not in done.err
        assert there("--move-store").code == 0

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            ((), "no URL"),
            (("sqlite:///x.db",), "PostgreSQL"),
            (("mysql://ann:secret@h/d",), "postgresql://user"),
            (("postgresql://ann:secret@127.0.0.1/d",), "PGPASSWORD"),
            (("postgresql://ann@127.0.0.1/d?password=secret",), "PGPASSWORD"),
            (("postgresql://ann@127.0.0.1/d", "--demo"), "--demo"),
            (("postgresql://ann@127.0.0.1/d", "--rehearse"), "--rehearse"),
            (("postgresql://ann@127.0.0.1/d", "--yes"), "--yes"),
            ((f"postgresql://ann@127.0.0.1:{free_port()}/d",), "can't be reached"),
        ],
    )
    def test_calls_that_make_no_sense(self, tmp_path: Path, arguments: tuple[str, ...], code: str) -> None:
        path = filled(tmp_path / "home", 1)
        done = Command(tmp_path / "home")("--move-store", *arguments)
        assert done.code == 2 and code in done.error, done.err
        assert "secret" not in done.err and not done.out and not note_of(path).exists()

    def test_a_home_with_nothing_in_it(self, tmp_path: Path) -> None:
        done = Command(tmp_path / "home")("--move-store", "postgresql://ann@127.0.0.1/d")
        assert done.code == 2 and "nothing to move" in done.error and not (tmp_path / "home").exists()

    def test_the_password_may_be_in_the_environment(self, tmp_path: Path, bare: str) -> None:
        filled(tmp_path / "home")
        plain = bare.replace(f":{IN_URL}@", "@")
        assert plain != bare
        done = Command(tmp_path / "home", {"PGPASSWORD": PASSWORD})("--move-store", plain)
        assert done.code == 0, done.err
        assert "counts and hashes agree" in done.out and "DOCUMENTATION_STORE_URL and CHROMA_URL" in done.out


@pytest.mark.parametrize(
    ("url", "has"),
    [
        ("postgresql://ann@h/d", False),
        ("postgresql://ann:x@h/d", True),
        ("postgresql://h/d?user=ann&password=x", True),
        ("postgresql://h/d?sslpassword=x", True),
        ("postgresql://h/d?options=-csearch_path%3Dx", False),
    ],
)
def test_passwords_in_urls(url: str, has: bool) -> None:
    assert has_password(url) is has


def test_settings_are_told_apart(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert dataclasses.replace(settings, store_url="postgresql://h/d").store_path == settings.store_path
