"""The store on a real PostgreSQL, the vectors on a real Chroma server: the whole way, and what can go wrong on it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch_manager.documents import Document
from batch_manager.engine.shared.handing import database_of
from batch_manager.engine.shared.jobs import make_tables
from batch_manager.errors import HomeBusy, SettingError, StoreError
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalOptions, RehearsalServer
from batch_manager.settings import Settings, load_settings, shown_url
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore, postgres_schema
from batch_manager.store.migrations import MIGRATIONS
from batch_manager.store.opening import writer_locks
from batch_manager.store.postgres import PostgresStore
from batch_manager.store.postgres_schema import VERSION, migrate
from batch_manager.workspace import Workspace
from chroma_server import ChromaServer
from command import PAYING_KEY, Command
from scanning import IN_URL, PASSWORD
from servers import free_port
from stores import StoreServer

PAGE = Path(__file__).parents[2] / "docs" / "postgres.md"
NOWHERE = "http://127.0.0.1:9"
"""A Chroma server that is named and never asked."""

ITEMS, BATCH, CONCURRENCY = 160, 20, 4


@pytest.fixture
def url(store_server: StoreServer) -> Iterator[str]:
    """A database with an empty store."""
    with store_server.databases() as databases:
        yield databases.make()


def settings_of(home: Path, url: str) -> Settings:
    return Settings(home=home, store_url=url, chroma_url=NOWHERE)


def documents(count: int) -> str:
    lines = [
        {
            "kind": "table" if number % 3 else "relationship",
            "name": f"item_{number}",
            "documentation": f"What the business knows, case {number} of many.",
        }
        for number in range(count)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def refused(how: Any, settings: Settings) -> StoreError:
    """The error of a store that can't be opened; one line, with a next step, without the password."""
    with pytest.raises(StoreError) as caught:
        how(settings)
    error = caught.value
    assert error.next_step and "\n" not in str(error) and "Traceback" not in str(error)
    for secret in (PASSWORD, IN_URL, "wrong-secret"):
        assert secret not in str(error)
    return error


BOTH = pytest.mark.parametrize("how", [DocumentationStore, DocumentationStore.look])


@pytest.mark.timeout(300)  # a dozen calls, each with a start of its own
class TestWholeWay:
    def test_kills_cost_nothing_twice_and_every_flag_works(
        self, tmp_path: Path, bare: str, chroma: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = RehearsalOptions(
            seed=7,
            key=PAYING_KEY,
            latency_ms=120,
            rate_headers=False,
            requests_per_minute=None,
            tokens_per_minute=None,
        )
        with RehearsalServer.start(options) as server:
            server.set_faults([{"fault": "poison", "contains": "case 17 of"}])
            command = Command(
                tmp_path / "home",
                {
                    "DOCUMENTATION_STORE_URL": bare,
                    "CHROMA_URL": chroma,
                    "OPENAI_API_KEY": PAYING_KEY,
                    "OPENAI_BASE_URL": server.base_url,
                    "EMBEDDING_BATCH_SIZE": str(BATCH),
                    "EMBEDDING_CONCURRENCY": str(CONCURRENCY),
                    "OPENAI_EMBEDDING_DIMENSIONS": "16",
                },
            )
            assert command("--status", "--json").json["tables"]["pending"] == 0, "nothing is made by looking"
            done = command("--import", "-", text=documents(ITEMS))
            assert done.code == 0, done.err
            quote = command("--estimate-costs", "--json").json
            assert quote["total_pending"] == ITEMS
            kills = (2, 5)  # by the requests that the server has seen
            for requests in kills:
                process = command.start("--batch-index", "--yes", "--json")
                while server.totals()["requests"] < requests and process.poll() is None:
                    time.sleep(0.02)
                process.kill()
                process.communicate()
            done = command("--batch-index", "--yes", "--json")
            assert done.code == 1, done.err
            assert [one["name"] for one in done.json["failures"]] == ["item_17"]
            sent = [digest for call in server.ledger() if call["status"] == 200 for digest in call["hashes"]]
            assert len(sent) - len(set(sent)) <= len(kills) * BATCH * CONCURRENCY
            status = command("--status", "--json").json
            assert status["tables"]["indexed"] + status["relationships"]["indexed"] == ITEMS - 1
            assert status["vectors"]["tables"] + status["vectors"]["relationships"] == ITEMS - 1

            server.set_faults([])
            assert command("--retry-failed", "--yes").code == 0
            assert command("--check").code == 0
            server.clear()
            assert command("--rebuild-indexes", "--yes").code == 0
            assert server.totals()["requests"] == 0, "what was paid for is kept"
            found = command("--search", "business knows item_42", "--type", "all", "--json").json["results"]
            assert "item_42" in {one["name"] for one in found}
            exported = [json.loads(line) for line in command("--export", "-").out.splitlines()]
            assert len(exported) == ITEMS
            told = (tmp_path / "home" / "batch-manager.log").read_text() + str(done)
            assert PASSWORD not in told and IN_URL not in told

            for name, value in command.env().items():
                monkeypatch.setenv(name, value)
            monkeypatch.chdir(tmp_path)
            self.by_python()

    def by_python(self) -> None:
        from batch_manager import BatchIndexingManager, SQLIndexerAgent, SQLVectorStore

        manager = BatchIndexingManager(SQLIndexerAgent(SQLVectorStore()))
        with DocumentationStore() as store:
            store.items.bring(IterableSource([Document("table", "invoices", "What customers owe")], "words", "a test"))
            assert store.get_pending_tables() == ["invoices"]
            assert manager.get_processing_stats(store)["total_pending"] == 1
            assert manager.batch_process_pending_tables(store) == {"invoices": True}


def test_a_server_that_goes_away_ends_the_run_and_nothing_is_lost(
    tmp_path: Path, store_server: StoreServer, url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = url.rpartition("/")[2]
    vectors = ChromaServer(tmp_path_factory.mktemp("vectors"))
    vectors.start()
    options = RehearsalOptions(
        seed=7, latency_ms=150, rate_headers=False, requests_per_minute=None, tokens_per_minute=None
    )
    try:
        with RehearsalServer.start(options) as server:
            given = {
                "BATCH_MANAGER_HOME": str(tmp_path / "home"),
                "DOCUMENTATION_STORE_URL": url,
                "CHROMA_URL": f"http://127.0.0.1:{vectors.port}",
                "OPENAI_API_KEY": "sk-test",
                "OPENAI_BASE_URL": server.base_url,
                "OPENAI_EMBEDDING_DIMENSIONS": "16",
                "EMBEDDING_BATCH_SIZE": "10",
                "EMBEDDING_CONCURRENCY": "2",
            }
            settings = load_settings(given, environment={}, folder=tmp_path)
            with Workspace.open(settings, on_trouble="stop") as opened:
                found = [Document("table", f"t{n}", documentation=f"What is known, case {n}.") for n in range(200)]
                opened.store.items.bring(IterableSource(found, "words", "a test"))
                opened.engine.start(opened.engine.quote(Scope()))
                while opened.engine.view().answered + opened.engine.view().indexed < 20:
                    time.sleep(0.02)
                store_server.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
                store_server.execute(
                    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
                )
                try:
                    view = opened.engine.wait(60)
                finally:
                    store_server.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
                assert view.state == "stopped" and view.code.startswith("store_"), view
                assert PASSWORD not in view.reason
                flown = server.totals()["inputs"]
            with Workspace.open(settings, on_trouble="stop") as again:
                again.engine.start(again.engine.quote(Scope()))
                assert again.engine.wait(60).state == "done"
                assert again.store.items.counts().total("indexed") == 200
                # What was in flight when it went away is all that may be sent again.
                assert flown < 200 and server.totals()["inputs"] <= 200 + 2 * 10
    finally:
        vectors.stop()


class TestTrouble:
    @BOTH
    def test_a_server_that_is_away(self, tmp_path: Path, how: Any) -> None:
        away = f"postgresql://ann:{IN_URL}@127.0.0.1:{free_port()}/docs"
        error = refused(how, settings_of(tmp_path, away))
        assert error.code == "store_unreachable" and shown_url(away) in error.message

    @BOTH
    def test_a_wrong_password(self, tmp_path: Path, url: str, how: Any) -> None:
        wrong = url.replace(IN_URL, "wrong-secret")
        assert refused(how, settings_of(tmp_path, wrong)).code == "store_login"

    @BOTH
    def test_no_such_database(self, tmp_path: Path, store_server: StoreServer, how: Any) -> None:
        assert refused(how, settings_of(tmp_path, f"{store_server.url}/nowhere")).code == "store_missing"

    @BOTH
    @pytest.mark.parametrize("query", ["?colour=secret", "?sslmode=perhaps", "?sslpassword"])
    def test_a_url_that_the_library_cannot_read(self, tmp_path: Path, url: str, how: Any, query: str) -> None:
        error = refused(how, settings_of(tmp_path, url + query))
        assert error.code in ("store_url", "store_tls", "store_unreachable") and "secret" not in error.message

    @BOTH
    @pytest.mark.parametrize("password", ["wrong/secret", "wrong@secret", "wrong?secret", "wrong#secret", "5/secret"])
    def test_a_password_that_is_not_written_for_a_url(self, tmp_path: Path, how: Any, password: str) -> None:
        error = refused(how, settings_of(tmp_path, f"postgresql://ann:{password}@127.0.0.1:1/docs"))
        assert error.code == "store_url" and "%XX" in error.next_step
        assert "secret" not in str(error) and "wrong" not in str(error)

    @BOTH
    def test_tls_where_the_server_has_none(self, tmp_path: Path, url: str, how: Any) -> None:
        assert refused(how, settings_of(tmp_path, url + "?sslmode=require")).code == "store_tls"

    @BOTH
    def test_another_programs_tables(self, tmp_path: Path, store_server: StoreServer, bare: str, how: Any) -> None:
        store_server.execute("CREATE TABLE item (id INT)", bare.rpartition("/")[2])
        assert refused(how, settings_of(tmp_path, bare)).code == "store_foreign"

    @BOTH
    def test_a_newer_store(self, tmp_path: Path, store_server: StoreServer, url: str, how: Any) -> None:
        newer = f"UPDATE meta SET value = '{len(MIGRATIONS) + 1}' WHERE key = '{VERSION}'"
        store_server.execute(newer, url.rpartition("/")[2])
        assert refused(how, settings_of(tmp_path, url)).code == "store_newer"

    def test_an_older_store_is_only_brought_up_to_date_by_writing(
        self, tmp_path: Path, bare: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as earlier:
            earlier.setattr(postgres_schema, "MIGRATIONS", MIGRATIONS[:-1])
            database = PostgresStore(bare)
            migrate(database)
            database.close()
        assert refused(DocumentationStore.look, settings_of(tmp_path, bare)).code == "store_old"
        DocumentationStore(settings_of(tmp_path, bare)).close()
        with DocumentationStore.look(settings_of(tmp_path, bare)) as store:
            assert store.jobs.latest() == [] and store.batches.runs() == []

    @BOTH
    def test_vectors_need_a_server_as_well(self, tmp_path: Path, url: str, how: Any) -> None:
        settings = load_settings(environment={"DOCUMENTATION_STORE_URL": url}, folder=tmp_path)
        with pytest.raises(SettingError, match="CHROMA_URL") as caught:
            how(settings)
        assert (
            caught.value.code == "chroma_url_missing" and caught.value.next_step and PASSWORD not in str(caught.value)
        )

    def test_a_user_who_may_not_make_tables(self, tmp_path: Path, store_server: StoreServer, bare: str) -> None:
        database = bare.rpartition("/")[2]
        store_server.execute("CREATE ROLE reader LOGIN PASSWORD 'wrong-secret'", database)
        try:
            guest = re.sub("//.*@", "//reader:wrong-secret@", bare)
            assert refused(DocumentationStore, settings_of(tmp_path, guest)).code == "store_rights"
        finally:
            store_server.execute("DROP ROLE reader", database)

    def test_the_role_of_the_page_is_enough(self, tmp_path: Path, store_server: StoreServer, bare: str) -> None:
        database = bare.rpartition("/")[2]
        (script,) = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        store_server.execute(script.replace("change me", "wrong-secret"), database)
        try:
            mine = re.sub("//.*@", "//batch_manager:wrong-secret@", bare)
            with Workspace.open(settings_of(tmp_path, mine)) as opened:
                found = IterableSource([Document("table", "users", "People")], "words", "a test")
                assert opened.store.items.bring(found).new == 1
                assert opened.store.answers.trim() == 0
                make_tables(database_of(opened.store))  # the queue of workers is in the same schema
            store_server.execute(
                "CREATE ROLE looker LOGIN PASSWORD 'wrong-secret'; GRANT USAGE ON SCHEMA batch_manager TO looker;"
                " GRANT SELECT ON ALL TABLES IN SCHEMA batch_manager TO looker;"
                " ALTER ROLE looker SET search_path TO batch_manager",
                database,
            )
            looker = settings_of(tmp_path, mine.replace("//batch_manager", "//looker"))
            with DocumentationStore.look(looker) as store:
                assert store.items.counts().total() == 1 and not store.has_writer(tmp_path)
        finally:
            store_server.execute("DROP OWNED BY batch_manager; DROP ROLE batch_manager", database)
            store_server.execute("DROP ROLE IF EXISTS looker", database)

    def test_a_look_writes_nothing(self, tmp_path: Path, url: str, bare: str) -> None:
        with DocumentationStore.look(settings_of(tmp_path / "home", url)) as store:
            with pytest.raises(StoreError) as caught:
                store.set_note("x", "y")
            assert caught.value.code == "store_read_only"
        with DocumentationStore.look(settings_of(tmp_path / "home", bare)) as store:
            assert store.absent and store.items.counts().total() == 0
        assert not (tmp_path / "home").exists()

    @pytest.mark.parametrize(
        "raw",
        [
            "postgresql://",
            "postgresql:///",
            "mysql://ann:wrong-secret@host/docs?password=wrong-secret",
            "postgresqls://ann:wrong-secret@host/docs",
        ],
    )
    def test_a_url_that_is_none(self, tmp_path: Path, raw: str) -> None:
        with pytest.raises(SettingError, match="postgresql://user") as caught:
            load_settings(environment={"DOCUMENTATION_STORE_URL": raw}, folder=tmp_path)
        assert "wrong-secret" not in str(caught.value)


class TestOneWriter:
    def test_the_second_is_told_who_writes_and_may_look(self, tmp_path: Path, url: str) -> None:
        first, second = settings_of(tmp_path / "one", url), settings_of(tmp_path / "two", url)
        (tmp_path / "one").mkdir()
        with writer_locks(first):
            with pytest.raises(HomeBusy, match=f"process {os.getpid()}@") as caught:
                Workspace.open(second)
            assert PASSWORD not in str(caught.value)
            with Workspace.open(second, look_when_busy=True) as looking:
                assert looking.busy is not None and looking.store.has_writer(second.home)
        with Workspace.open(second) as opened:
            assert opened.busy is None
        with DocumentationStore.look(second) as store:
            assert not store.has_writer(second.home)

    def test_another_schema_is_another_store(self, tmp_path: Path, store_server: StoreServer, url: str) -> None:
        store_server.execute("CREATE SCHEMA other", url.rpartition("/")[2])
        other = f"{url}?options=-csearch_path%3Dother"
        with Workspace.open(settings_of(tmp_path / "one", url)), Workspace.open(settings_of(tmp_path / "two", other)):
            pass

    def test_who_lost_the_server_and_then_the_lock_writes_no_more(
        self, tmp_path: Path, store_server: StoreServer, url: str
    ) -> None:
        end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()"
        with Workspace.open(settings_of(tmp_path / "one", url)) as first:
            first.store.set_note("a", "1")
            store_server.execute(end_all)
            with pytest.raises(StoreError) as caught:
                first.store.set_note("a", "2")
            assert caught.value.code == "store_lost"
            first.store.set_note("a", "3")  # the server is back, and nobody took the lock meanwhile
            assert first.store.note("a") == "3"
            store_server.execute(end_all)
            with writer_locks(settings_of(tmp_path, url)):
                for code in ("store_lost", "store_taken"):
                    with pytest.raises(StoreError) as caught:
                        first.store.set_note("a", "4")
                    assert caught.value.code == code


def test_texts_that_postgresql_cannot_keep_are_told_of_and_the_rest_is_taken_in(tmp_path: Path, url: str) -> None:
    with DocumentationStore(settings_of(tmp_path, url)) as store:
        brought = store.items.bring(
            IterableSource(
                [
                    Document("table", "fine", documentation="A backslash and u0000: \\u0000, half \ud800"),
                    Document("table", "nul", documentation="before\0after"),
                    Document("table", "x" * 2_000, documentation="Words."),
                    Document("table", "also fine", documentation="Words."),
                ],
                "words",
                "a test",
            )
        )
        assert (brought.new, brought.bad_count) == (2, 2)
        assert "NUL" in brought.bad[0].message and "'nul'" in brought.bad[0].message
        assert "bytes" in brought.bad[1].message
        assert [one.name for one in store.items.documents()] == ["fine", "also fine"]


def test_who_has_no_postgresql_imports_none_of_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from batch_manager.workspace import Workspace;"
        " from batch_manager.settings import load_settings;"
        " Workspace.open(load_settings({}, {'BATCH_MANAGER_HOME': sys.argv[1]}, Path.cwd())).close();"
        " print(sorted(one for one in sys.modules if 'psycopg' in one or 'store.postgres' in one))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_driver_is_told_with_the_extra(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None; from pathlib import Path\n"
        "from batch_manager.settings import Settings; from batch_manager.store import DocumentationStore\n"
        "DocumentationStore(Settings(home=Path(sys.argv[1]), store_url='postgresql://h/d', chroma_url='http://x'))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert "pip install 'batch-manager[postgres]'" in done.stderr.splitlines()[-1]
